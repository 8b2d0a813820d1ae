"""The words in recordings, with a Whisper model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING

from specialists.base import Card, Chunk, Cost, Parameter, Resources, Specialist, Task
from specialists.content import AUDIO, TEXT, Anchor, BlobRef, Span
from specialists.errors import BadConfig, BadInput
from specialists.limits import safe_name
from specialists.media import read_audio
from specialists.models import DEFAULTS
from specialists.piece import STRETCH_PARAMETERS, Stretch, stretch
from specialists.recogniser import RATE, Recogniser, Segment
from specialists.registry import Setup
from specialists.threads import in_thread, stream

if TYPE_CHECKING:
    import numpy as np

_DEVICES = ("cpu", "cuda", "auto")
_OTHER_LANGUAGES = 'For others set model = "hf:Systran/faster-whisper-small"'

NO_SPEECH = "no speech"
"""The label of the single, empty Chunk that answers for a recording in which nobody speaks."""

EXAMPLES = (
    "transcribe this recording",
    "what does the voice message say?",
    "write down what is said here",
    "what did she say at the end?",
    "turn this audio into text",
    "can you make a transcript of the interview",
    "what are the lyrics he is singing?",
    "type out this voice note for me",
    "who is mentioned in the call?",
    "summarize this voicemail",
    "I can't listen right now, what is in the audio?",
    "give me the minutes of this meeting",
    "what time did he say the train leaves?",
    "is there anyone speaking in this clip of sound?",
    "when in the recording does he mention the budget?",
    "subtitle this with timestamps",
    "what is the message on the answering machine?",
    "note the phone number she leaves in the message",
    "translate what the man in the recording says",
    "which city does the speaker come from?",
    "quote the first sentence of the speech",
    "did they agree on a price in this phone call?",
    "make a to-do list from my dictation",
    "listen to this and tell me what it is about",
)


class Asr(Specialist):
    """Transcribes sound. One Chunk is one stretch of speech (or one word), anchored to when it was said.

    Where nobody speaks the answer is one empty Chunk labelled "no speech". Of a piece of a recording, the
    times are those of the recording.
    """

    def __init__(self, setup: Setup) -> None:
        setup.check_options("model", "language", "device")
        uri = str(setup.option("model", DEFAULTS["asr"][0]))
        self._language = _option_language(setup, uri)
        self._limits = setup.limits
        self._recogniser = Recogniser(setup.models, uri, _option_device(setup), setup.pool)
        english = "Understands English only. " if uri == DEFAULTS["asr"][0] else ""
        self.card = Card(
            name=setup.name,
            description=f"Writes down the words spoken in a recording. {english}".strip(),
            consumes=(AUDIO,),
            produces=(TEXT,),
            parameters=(
                Parameter(
                    "language",
                    "string",
                    "Two-letter code of what is spoken",
                    self._language or None,
                    meaning="source_language",
                ),
                *STRETCH_PARAMETERS,
                Parameter("words", "boolean", "One piece a word, each with its own time", False),
                Parameter("live", "boolean", "Quickly, for speech that may still go on", False),
            ),
            examples=EXAMPLES,
            purpose="asr",
            cost=Cost(seconds=0.6, per_second=0.02),
            resources=Resources(cpus=2, memory_mb=400),
            model=uri,
        )

    async def load(self) -> None:
        await in_thread(self._recogniser.load)

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        blobs = _blobs(task)
        language, wanted = _language(task, self._language), stretch(task)
        words, live = _flag(task, "words"), _flag(task, "live")
        if words and live:
            raise BadInput("has no times of words", part="live", remedy="Ask for one of live and words")

        def segments(samples: np.ndarray) -> Iterable[Segment]:
            if live:
                return self._recogniser.quick(samples, language=language)
            return self._recogniser.segments(samples, words=words, language=language)

        def hear() -> Generator[Chunk, None, None]:
            spoken = False
            for part, ref in enumerate(blobs):
                samples, start = self._samples(task, part, ref, wanted)
                for segment in segments(samples):
                    yield from _chunks(segment, part, start, first=not spoken)
                    spoken = True
            if not spoken:
                yield Chunk(TEXT, label=NO_SPEECH)

        async with aclosing(stream(hear)) as heard:
            async for chunk in heard:
                yield chunk

    def _samples(self, task: Task, part: int, ref: BlobRef, wanted: Stretch) -> tuple[np.ndarray, float]:
        """The piece of a recording that is wanted, and the second at which it begins."""
        samples = read_audio(task.blobs.read(ref), self._limits, RATE)
        span = wanted.within(len(samples) / RATE, safe_name(task.parts[part].name))
        return samples[round(span.start * RATE) : round(span.end * RATE)], span.start


def _chunks(segment: Segment, part: int, start: float, *, first: bool) -> Generator[Chunk, None, None]:
    """The segment as Chunks that read right when they are joined; its times are counted from `start`."""
    gap = "" if first else " "
    if not segment.words:
        yield _chunk(gap + segment.text, part, segment.span, start, segment.score)
    for index, word in enumerate(segment.words):
        text = word.text if index else gap + word.text.lstrip()
        yield _chunk(text, part, word.span, start, word.score, "word")


def _chunk(text: str, part: int, span: Span, start: float, score: float, label: str = "") -> Chunk:
    span = Span(start + span.start, start + span.end)
    return Chunk(TEXT, text, anchor=Anchor(part=part, span=span), score=score, label=label)


def _blobs(task: Task) -> tuple[BlobRef, ...]:
    for part in task.parts:
        if part.kind != AUDIO or part.blob is None:
            raise BadInput(f"cannot hear {part.kind}, only sound", part=part.name or part.kind)
    if not task.parts:
        raise BadInput("there is no recording to hear", part=task.specialist, remedy="Attach a sound file")
    return tuple(part.blob for part in task.parts if part.blob is not None)


def _language(task: Task, default: str) -> str:
    language = task.params.get("language") or default
    if not isinstance(language, str):
        raise BadInput(f"must be a two-letter code, not {language!r}", part="language")
    return language.lower()


def _flag(task: Task, name: str) -> bool:
    value = task.params.get(name, False)
    if not isinstance(value, bool):
        raise BadInput(f"must be true or false, not {value!r}", part=name)
    return value


def _option_language(setup: Setup, uri: str) -> str:
    language = setup.option("language", "")
    part = f"specialists.{setup.name}.language"
    if not isinstance(language, str):
        raise BadConfig(f"must be a two-letter code, not {language!r}", part=part)
    if uri == DEFAULTS["asr"][0] and language.lower() not in ("", "en"):
        raise BadConfig("the default model understands English only", part=part, remedy=_OTHER_LANGUAGES)
    return language.lower()


def _option_device(setup: Setup) -> str:
    device = setup.option("device", "cpu")
    if device not in _DEVICES:
        raise BadConfig(
            f"must be one of {', '.join(_DEVICES)}, not {device!r}", part=f"specialists.{setup.name}.device"
        )
    return str(device)


def create(setup: Setup) -> Specialist:
    return Asr(setup)
