"""Speech from text, clause by clause, with a Piper voice."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Generator
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from specialists.base import Card, Chunk, Cost, Parameter, Resources, Specialist, Task
from specialists.clauses import speakable, split
from specialists.content import AUDIO, TEXT
from specialists.errors import BadConfig, BadInput, LimitExceeded, Unavailable
from specialists.models import DEFAULTS, ModelStore
from specialists.pool import ModelPool
from specialists.registry import Setup
from specialists.threads import in_thread, stream

if TYPE_CHECKING:
    from piper import PiperVoice

_SLOWEST, _FASTEST = 0.5, 2.0
_REMEDY = "pip install 'antiphon[voice]'"

EXAMPLES = (
    "read this receipt to me",
    "say that out loud",
    "read the page aloud, please",
    "can you speak the answer?",
    "I can't look at the screen right now, tell me with your voice",
    "what does the sign say? answer by voice",
    "turn this text into speech",
    "make an audio version of this paragraph",
    "pronounce 'Worcestershire' for me",
    "how is this word pronounced?",
    "give me the summary as audio",
    "narrate the story you just wrote",
    "read it back to me so I can check it",
    "speak your reply instead of writing it",
    "I'd like to listen to this letter",
    "my eyes are tired, read me the article",
    "say good night to the kids in a sentence",
    "record a voice greeting that says we are closed on Monday",
    "dictate the recipe to me while I cook",
    "voice this poem",
    "read me the headlines",
    "let me hear what is written there",
    "create a spoken announcement: the train to Westport leaves at nine",
    "repeat that aloud, a little slower",
)


class Voice:
    """A Piper voice, loaded on first use. Calls may come from several threads at once."""

    def __init__(self, models: ModelStore, uri: str, pool: ModelPool) -> None:
        self._models = models
        self._uri = uri
        self._pool = pool

    def load(self) -> PiperVoice:
        """The voice. Raises BadConfig when it is not a Piper voice, Unavailable when it cannot be had."""
        return self._pool.lend(("piper", self._uri), self._read)

    def say(self, words: str, speed: float) -> Generator[bytes, None, None]:
        """Speak `words`: PCM, 16 bit, mono, at `rate` hertz, in one piece a sentence."""
        from piper import SynthesisConfig

        voice = self.load()
        config = SynthesisConfig(length_scale=voice.config.length_scale / speed)
        for piece in voice.synthesize(words, config):
            yield piece.audio_int16_bytes

    @property
    def rate(self) -> int:
        """Samples a second, in hertz."""
        return int(self.load().config.sample_rate)

    def _read(self) -> PiperVoice:
        from onnxruntime import InferenceSession, SessionOptions
        from piper import PiperVoice
        from piper.config import PiperConfig

        path = _onnx_file(self._models.resolve(self._uri), self._uri)
        options = SessionOptions()
        # One thread a clause: it was twice as fast as two on two cores, and clauses are made side by side.
        options.intra_op_num_threads = 1
        options.enable_mem_pattern = False  # every length of clause would be laid out, and kept
        try:
            config = PiperConfig.from_dict(json.loads(Path(f"{path}.json").read_text(encoding="utf-8")))
            session = InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            return PiperVoice(session, config)
        except Exception as error:
            # onnxruntime has no public error class of its own, so everything that reading raises comes here.
            raise BadConfig(
                f"not a Piper voice: {error}",
                part=self._uri,
                remedy="Name an .onnx file that has its .onnx.json beside it",
            ) from error


def _onnx_file(path: Path, uri: str) -> Path:
    """The voice's weights: `path` itself, or the one .onnx file in it."""
    if path.is_file():
        return path
    found = sorted(path.glob("*.onnx"))
    if len(found) != 1:
        raise BadConfig(f"the folder holds {len(found)} .onnx files, not one", part=uri)
    return found[0]


class Piper(Specialist):
    """Speaks text. One Chunk is one clause, with the clause as it was written in `text`.

    A clause without words (a rule, a bullet) is a Chunk without sound.
    """

    def __init__(self, setup: Setup) -> None:
        setup.check_options("model", "speed")
        uri = str(setup.option("model", DEFAULTS["tts"][0]))
        self._speed = _option_speed(setup)
        self._limits = setup.limits
        self._voice = Voice(setup.models, uri, setup.pool)
        installed = find_spec("piper") is not None
        self.card = Card(
            name=setup.name,
            description="Speaks a text aloud, where sound is asked for or the conversation is by voice.",
            consumes=(TEXT,),
            produces=(AUDIO,),
            parameters=(
                Parameter("instruction", "string", "The words to speak when no text part is given"),
                Parameter(
                    "speed",
                    "number",
                    f"Of speech, from {_SLOWEST} to {_FASTEST}; 1 is normal",
                    self._speed,
                    meaning="speed",
                ),
            ),
            examples=EXAMPLES,
            cost=Cost(seconds=0.3),
            resources=Resources(cpus=1, memory_mb=300),
            model=uri,
            available=installed,
            remedy="" if installed else _REMEDY,
        )

    async def load(self) -> None:
        self._check_available()
        await in_thread(self._voice.load)

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        self._check_available()
        text, speed = self._text(task), self._wanted_speed(task)
        async with aclosing(stream(lambda: self._speak(text, speed))) as spoken:
            async for chunk in spoken:
                if chunk is not None:
                    yield chunk

    def _speak(self, text: str, speed: float) -> Generator[Chunk | None, None, None]:
        """A Chunk a clause; None between a clause's pieces, where the work can be stopped."""
        media_type = f"audio/pcm;rate={self._voice.rate}"
        for clause in split(text):
            pieces = []
            if words := speakable(clause):
                for piece in self._voice.say(words, speed):
                    pieces.append(piece)
                    yield None
            yield Chunk(AUDIO, text=clause, data=b"".join(pieces), media_type=media_type)

    def _text(self, task: Task) -> str:
        for part in task.parts:
            if part.kind != TEXT:
                raise BadInput(f"cannot speak {part.kind}, only text", part=part.name or part.kind)
        text = "\n".join(part.text for part in task.parts) if task.parts else task.instruction
        if not text.strip():
            raise BadInput("there is no text to speak", part=self.card.name)
        if len(text.encode(errors="replace")) > self._limits.text_bytes:
            raise LimitExceeded(
                f"longer than {self._limits.text_bytes} bytes", part="text", remedy="Speak it in pieces"
            )
        return text

    def _wanted_speed(self, task: Task) -> float:
        speed = task.params.get("speed", self._speed)
        if not _is_speed(speed):
            raise BadInput(f"must be a number from {_SLOWEST} to {_FASTEST}, not {speed!r}", part="speed")
        return float(speed)  # type: ignore[arg-type]

    def _check_available(self) -> None:
        if not self.card.available:
            raise Unavailable("Piper is not installed", part=self.card.name, remedy=self.card.remedy)


def _is_speed(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and _SLOWEST <= value <= _FASTEST  # type: ignore[arg-type, operator]


def _option_speed(setup: Setup) -> float:
    speed = setup.option("speed", 1.0)
    if not _is_speed(speed):
        raise BadConfig(
            f"must be a number from {_SLOWEST} to {_FASTEST}, not {speed!r}",
            part=f"specialists.{setup.name}.speed",
        )
    return float(speed)  # type: ignore[arg-type]


def create(setup: Setup) -> Specialist:
    return Piper(setup)
