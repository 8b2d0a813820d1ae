"""Words out of samples, with a Whisper model: the part of hearing that files and live speech share."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from specialists.content import Span
from specialists.errors import BadConfig, BadInput
from specialists.models import DEFAULTS, ModelStore
from specialists.pool import ModelPool
from specialists.short_window import LONGEST, ShortWindow

if TYPE_CHECKING:
    import numpy as np
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment as WhisperSegment

RATE = 16_000
"""Of the samples, in hertz."""

_REPEATS = 2.4
"""Text that compresses better than this is a phrase said over and over, which Whisper does on tones."""

_UNSURE_SPEECH = 0.6
_UNSURE_WORDS = -0.8
"""Above the first probability of "no speech" and below the second mean log probability, words are made up."""

_SPEECH_MARGIN = 0.2
"""How far words may lie from where the voice detector heard a voice, in seconds."""

_BEAMS = 3
"""For what has to be quick: in noise, several words in a hundred better than one, and a tenth slower."""

_JOINED, _WINDOW = 6.0, 30.0
"""What is said within one window of Whisper, in seconds, is heard in one piece where the silences are shorter
than the first: it helps to know what was said before, but behind long silences Whisper drops words."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word with the white space before it, when it was said, and how sure the model is (0 to 1)."""

    text: str
    span: Span
    score: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech. `text` has no white space around it; `words` is empty unless asked for."""

    text: str
    span: Span
    score: float
    words: tuple[Word, ...] = ()


class Recogniser:
    """A Whisper model on CTranslate2, loaded on first use. Calls may come from several threads at once.

    Recognisers that are given the same `pool` share one loaded model.
    """

    def __init__(
        self,
        models: ModelStore,
        uri: str = DEFAULTS["asr"][0],
        device: str = "cpu",
        pool: ModelPool | None = None,
    ) -> None:
        self._models = models
        self._uri = uri
        self._device = device
        self._pool = pool or ModelPool()

    def load(self) -> WhisperModel:
        """Get ready. Raises BadConfig when this is no Whisper model, Unavailable when it cannot be had."""
        return self._pool.lend(("whisper", self._uri, self._device), self._read)

    def transcribe(
        self, samples: np.ndarray, *, words: bool = False, language: str = "", beams: int = 5
    ) -> list[Segment]:
        """What is said in mono float32 `samples` at 16 kHz; nothing for silence, noise and tones.

        Times are in seconds from the first sample. One beam is quicker and a little less accurate.
        Raises BadInput for a language the model does not know.
        """
        return list(self.segments(samples, words=words, language=language, beams=beams))

    def segments(
        self, samples: np.ndarray, *, words: bool = False, language: str = "", beams: int = 5
    ) -> Generator[Segment, None, None]:
        """As `transcribe`, each segment as soon as it is known; closing the generator ends the work."""
        model = self.load()
        _check_language(model, language)
        voiced = _voiced(samples)
        if not voiced:
            return
        found, _ = model.transcribe(
            samples,
            language=language or (None if model.model.is_multilingual else "en"),
            beam_size=beams,
            # A second try at a higher temperature would draw lots, and a replay must find the same words.
            temperature=0.0,
            condition_on_previous_text=False,
            word_timestamps=words,
            # Not from start to end: in silence words are made up, and behind a long one they are dropped.
            clip_timestamps=[edge for span in _stretches(voiced) for edge in (span.start, span.end)],
        )
        for segment in found:
            if (kept := _kept(segment, voiced)) is not None:
                yield kept

    def quick(self, samples: np.ndarray, *, language: str = "") -> list[Segment]:
        """As `transcribe` for one short piece of speech, several times as fast, and then one segment at most.

        Where that leads the model astray, and for longer speech, this is `transcribe` with three beams.
        """
        model = self.load()
        _check_language(model, language)
        voiced = _voiced(samples)
        if not voiced:
            return []
        start = max(0.0, voiced[0].start - _SPEECH_MARGIN)
        end = min(len(samples) / RATE, voiced[-1].end + _SPEECH_MARGIN)
        if end - start <= LONGEST:
            window = self._pool.lend(("short", self._uri, self._device), lambda: ShortWindow(model))
            heard = window.hear(samples[round(start * RATE) : round(end * RATE)], language)
            if not heard.endless and heard.repeats <= _REPEATS:
                unsure = heard.no_speech > _UNSURE_SPEECH and heard.sure < _UNSURE_WORDS
                if unsure or not heard.text:
                    return []
                span = Span(voiced[0].start, voiced[-1].end)
                return [Segment(heard.text, span, math.exp(min(heard.sure, 0.0)))]
        return self.transcribe(samples, language=language, beams=_BEAMS)

    def _read(self) -> WhisperModel:
        from faster_whisper import WhisperModel

        path = self._models.resolve(self._uri)
        try:
            return WhisperModel(
                str(path),
                device=self._device,
                compute_type="int8" if self._device == "cpu" else "default",
                cpu_threads=2,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise BadConfig(
                f"cannot be loaded on {self._device}: {error}",
                part=self._uri,
                remedy="Name a Whisper model in CTranslate2 form, and a device that this machine has",
            ) from error


def _check_language(model: WhisperModel, language: str) -> None:
    known = model.supported_languages
    if language and language not in known:
        shown = ", ".join(known) if len(known) < 5 else f"{len(known)} languages by their two-letter codes"
        raise BadInput(
            f"this model does not understand {language!r}",
            part="language",
            remedy=f'It knows {shown}; set another one, such as model = "hf:Systran/faster-whisper-small"',
        )


def _voiced(samples: np.ndarray) -> list[Span]:
    """Where a voice is heard, in seconds."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(min_speech_duration_ms=100, min_silence_duration_ms=500, speech_pad_ms=200)
    return [
        Span(stretch["start"] / RATE, stretch["end"] / RATE)
        for stretch in get_speech_timestamps(samples, options)
    ]


def _stretches(voiced: list[Span]) -> list[Span]:
    """What is listened to in one piece each, of where a voice is heard."""
    found: list[Span] = []
    for span in voiced:
        if found and span.start - found[-1].end < _JOINED and span.end - found[-1].start <= _WINDOW:
            found[-1] = Span(found[-1].start, span.end)
        else:
            found.append(span)
    return found


def _kept(segment: WhisperSegment, voiced: list[Span]) -> Segment | None:
    """The segment, narrowed to where a voice is heard; None when the model made it up."""
    text = segment.text.strip()
    heard = [
        span
        for span in voiced
        if span.start - _SPEECH_MARGIN < segment.end and segment.start < span.end + _SPEECH_MARGIN
    ]
    unsure = segment.no_speech_prob > _UNSURE_SPEECH and segment.avg_logprob < _UNSURE_WORDS
    if not text or not heard or unsure or segment.compression_ratio > _REPEATS:
        return None
    start = min(max(float(segment.start), heard[0].start), float(segment.end))
    end = max(min(float(segment.end), heard[-1].end), start)
    words = tuple(
        Word(word.word, Span(float(word.start), float(word.end)), float(word.probability))
        for word in segment.words or ()
    )
    return Segment(text, Span(start, end), math.exp(min(segment.avg_logprob, 0.0)), words)
