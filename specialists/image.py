"""Pictures from words, with any diffusers pipeline."""

from __future__ import annotations

import inspect
import threading
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from specialists.base import MEANINGS, Card, Chunk, Cost, Parameter, Resources, Specialist, Task
from specialists.content import IMAGE, TEXT
from specialists.errors import BadConfig, BadInput, LimitExceeded, SpecialistFailed, Unavailable
from specialists.media import encode_image
from specialists.registry import Setup
from specialists.threads import in_thread, stream

if TYPE_CHECKING:
    from PIL.Image import Image

_DEVICES = ("auto", "cpu", "cuda")
_PROMPT = 4000
"""Longest description, in characters; encoders read far less."""

_CONFIGURE = (
    "Add to the configuration, under [specialists.imagegen]: "
    'model = "hf:stabilityai/sd-turbo"; steps = 2; guidance = 0.0'
)
_INSTALL = "pip install 'antiphon[diffusers]'"

EXAMPLES = (
    "draw a cat wearing a top hat",
    "paint a sunset over the sea",
    "make a picture of a red bicycle",
    "can you sketch a house with a garden?",
    "generate an image of a robot reading a book",
    "show me what a medieval market may have looked like",
    "I need an illustration for my birthday invitation",
    "create a logo with a mountain and a river",
    "design a poster for the school concert",
    "imagine a city under water and show it to me",
    "give me a wallpaper with autumn leaves",
    "a watercolour of two foxes in the snow, please",
    "visualize the scene from the story",
    "draw it again, but at night",
    "turn this description into a picture",
    "make a cartoon of a penguin on a skateboard",
    "render a glass teapot on a wooden table",
    "could I have a photo-like image of an alpine lake?",
    "produce a coloring page with dinosaurs",
    "illustrate the poem you wrote",
    "a portrait of an old sailor in oil",
    "make me an icon of a paper plane",
    "draw the cake from this recipe",
    "another picture like that with more trees",
)


@dataclass(frozen=True, slots=True)
class Range:
    """Whole numbers that are allowed, both ends included."""

    lowest: int
    highest: int

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return self.lowest <= value <= self.highest

    def __str__(self) -> str:
        return f"a whole number from {self.lowest} to {self.highest}"


RANGES: Mapping[str, Range] = {
    "steps": Range(1, 200),
    "width": Range(16, 2048),
    "height": Range(16, 2048),
    "seed": Range(0, 2**53 - 1),
}
_GRID = 8
"""Pixels: pipelines make sides that are a multiple of this; what is more than asked for is cut off."""

_ARGUMENTS = {"steps": "num_inference_steps", "guidance": "guidance_scale"}
"""What diffusers calls a parameter where its name differs from ours."""


class _Stopped(Exception):
    """Leaves a pipeline between two steps."""


@dataclass
class Painter:
    """A loaded pipeline. One picture is made at a time: schedulers keep state."""

    pipeline: Any
    accepted: frozenset[str]
    """The arguments that the pipeline takes."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def paint(self, prompt: str, seed: int, values: Mapping[str, Any], stop: threading.Event) -> Image:
        """Make one picture; leaves early, with an exception, once `stop` is set."""
        import torch

        def check(*_: object) -> None:
            if stop.is_set():
                raise _Stopped

        generator = torch.Generator("cpu").manual_seed(seed)
        sides = {name: values[name] for name in ("width", "height") if name in values}
        values = {**values, **{name: -(-side // _GRID) * _GRID for name, side in sides.items()}}
        with self.lock, torch.inference_mode():
            check()
            made = self.pipeline(prompt, generator=generator, **values, **self._callback(check))
        if any(getattr(made, "nsfw_content_detected", None) or ()):
            raise SpecialistFailed("the model's own check withheld the picture", part="imagegen")
        return _cut(made.images[0], sides)

    def _callback(self, check: Callable[..., None]) -> dict[str, Any]:
        """The argument by which the pipeline calls `check` after each step; older ones have another."""

        def after_step(_pipeline: Any, _step: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            check()
            return tensors

        if "callback_on_step_end" in self.accepted:
            return {"callback_on_step_end": after_step}
        return {"callback": check, "callback_steps": 1} if "callback" in self.accepted else {}


class ImageGen(Specialist):
    """Makes one picture a Task, a PNG. It can be stopped between denoising steps.

    The description is the text parts, or the instruction when there are none. `facts` of the Chunk carry
    the seed: with it, the same model on the same device makes the same picture again.
    """

    def __init__(self, setup: Setup) -> None:
        setup.check_options("model", "device", "guidance", "steps", "width", "height")
        self._setup = setup
        self._uri = str(setup.option("model", ""))
        self._device = _option_device(setup)
        self._defaults = _option_values(setup)
        remedy = _remedy(self._uri)
        self.card = Card(
            name=setup.name,
            description="Makes a new picture from a description. One picture a call.",
            consumes=(TEXT,),
            produces=(IMAGE,),
            parameters=(
                Parameter("instruction", "string", "The description when no text part is given"),
                Parameter("style", "string", "Such as Monet or watercolour", meaning="style"),
                *(
                    Parameter(
                        name,
                        "integer",
                        _DESCRIBED[name],
                        self._defaults.get(name),
                        meaning=name if name in MEANINGS else "",
                    )
                    for name in RANGES
                ),
            ),
            examples=EXAMPLES,
            purpose="imagegen",
            cost=Cost(seconds=20.0),
            resources=Resources(cpus=2, memory_mb=6000),
            model=self._uri,
            available=not remedy,
            remedy=remedy,
        )

    async def load(self) -> None:
        self._check_available()
        await in_thread(self._painter)

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        self._check_available()
        prompt, seed, values = _prompt(task), _seed(task), self._values(task)

        stop = threading.Event()

        def paint() -> Generator[bytes, None, None]:
            painter = self._painter()
            yield encode_image(painter.paint(prompt, seed, _arguments(painter, values), stop), "PNG")

        async with aclosing(stream(paint, on_stop=stop.set)) as painted:
            async for png in painted:
                facts: dict[str, float | str] = {"seed": seed, "prompt": prompt}
                yield Chunk(IMAGE, data=png, media_type="image/png", facts=facts)

    def _painter(self) -> Painter:
        return self._setup.pool.lend(("diffusers", self._uri, self._device), self._read)

    def _read(self) -> Painter:
        import torch
        from diffusers import DiffusionPipeline

        folder = self._setup.models.resolve(self._uri)
        device = self._device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            pipeline = DiffusionPipeline.from_pretrained(
                str(folder),
                dtype=torch.float16 if device == "cuda" else torch.float32,
                use_safetensors=True,
                local_files_only=True,
            ).to(device)
        except (OSError, ValueError, RuntimeError, AttributeError, ImportError, AssertionError) as error:
            raise BadConfig(
                f"cannot be loaded on {device}: {error}",
                part=self._uri,
                remedy="Name a diffusers pipeline with safetensors weights, and a device that is there",
            ) from error
        accepted = frozenset(inspect.signature(pipeline.__call__).parameters)
        if "prompt" not in accepted:
            raise BadConfig(f"{type(pipeline).__name__} makes no pictures from words", part=self._uri)
        pipeline.set_progress_bar_config(disable=True)
        return Painter(pipeline, accepted)

    def _values(self, task: Task) -> dict[str, Any]:
        """The Task's parameters over the configured ones, checked; those with no value are left out."""
        values = dict(self._defaults)
        for name in ("steps", "width", "height"):
            value = task.params.get(name)
            if value is not None:
                if value not in RANGES[name]:
                    raise BadInput(f"must be {RANGES[name]}, not {value!r}", part=name)
                values[name] = value
        return values

    def _check_available(self) -> None:
        if not self.card.available:
            raise Unavailable("no model makes pictures here", part=self.card.name, remedy=self.card.remedy)


_DESCRIBED = {
    "steps": "Denoising steps; more take longer",
    "width": "Of the picture, in pixels",
    "height": "Of the picture, in pixels",
    "seed": "The same seed makes the same picture",
}


def _remedy(uri: str) -> str:
    """What is missing, as what to do about it; empty when nothing is."""
    missing = [] if uri else [_CONFIGURE]
    if find_spec("diffusers") is None:
        missing.append(_INSTALL)
    return "; and ".join(missing)


def _cut(image: Image, sides: Mapping[str, int]) -> Image:
    """The middle of a picture, as large as `sides` say."""
    width, height = sides.get("width", image.width), sides.get("height", image.height)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _arguments(painter: Painter, values: Mapping[str, Any]) -> dict[str, Any]:
    arguments = {_ARGUMENTS.get(name, name): value for name, value in values.items()}
    for name in arguments:
        if name not in painter.accepted:
            raise BadInput("the configured model has no such parameter", part=name)
    return arguments


def _prompt(task: Task) -> str:
    for part in task.parts:
        if part.kind != TEXT:
            raise BadInput(f"cannot draw from {part.kind}, only text", part=part.name or part.kind)
    prompt = "\n".join(part.text for part in task.parts) if task.parts else task.instruction
    if not prompt.strip():
        raise BadInput("there is no description of the picture", part=task.specialist)
    style = task.params.get("style") or ""
    if not isinstance(style, str):
        raise BadInput(f"must be the name of a style, not {style!r}", part="style")
    if style and style.casefold() not in prompt.casefold():
        prompt = f"{prompt.rstrip().rstrip('.')}, {style} style"
    if len(prompt) > _PROMPT:
        raise LimitExceeded(f"is longer than {_PROMPT} characters", part="description")
    return prompt


def _seed(task: Task) -> int:
    """The wanted seed, or a new one."""
    import secrets

    seed = task.params.get("seed")
    if seed is None:
        return secrets.randbits(32)
    if seed not in RANGES["seed"]:
        raise BadInput(f"must be {RANGES['seed']}, not {seed!r}", part="seed")
    return seed  # type: ignore[return-value]


def _option_values(setup: Setup) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in ("steps", "width", "height"):
        value = setup.option(name)
        if value is not None and value not in RANGES[name]:
            raise BadConfig(f"must be {RANGES[name]}, not {value!r}", part=f"specialists.{setup.name}.{name}")
        values[name] = value
    values["guidance"] = guidance = setup.option("guidance")
    number = isinstance(guidance, int | float) and not isinstance(guidance, bool)
    if guidance is not None and not (number and 0 <= guidance <= 50):  # type: ignore[operator]
        raise BadConfig(
            f"must be a number from 0 to 50, not {guidance!r}", part=f"specialists.{setup.name}.guidance"
        )
    return {name: value for name, value in values.items() if value is not None}


def _option_device(setup: Setup) -> str:
    device = setup.option("device", "auto")
    if device not in _DEVICES:
        raise BadConfig(
            f"must be one of {', '.join(_DEVICES)}, not {device!r}", part=f"specialists.{setup.name}.device"
        )
    return str(device)


def create(setup: Setup) -> Specialist:
    return ImageGen(setup)
