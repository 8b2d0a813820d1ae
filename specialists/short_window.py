"""Whisper on a few seconds of speech, without the rest of the half minute that it was made for."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

RATE = 16_000
"""Of the samples, in hertz."""
LONGEST = 6.0
"""Seconds of speech; of more, the whole half minute is needed: without it one of several sentences was left
out in 13 of 30 pieces of 5 to 16 s, and in none with it."""

_WHOLE = 30
"""Seconds that Whisper was made for."""
_SHORTEST, _BEYOND, _STEP = 8, 3, 2
"""Seconds that are looked at: the first at least, the second beyond the sound, in steps of the third."""
_FRAMES = 100
"""Of the spectrum, a second; the encoder makes one of two."""
_NO_SOUND = -1.5
"""What Whisper's spectrum of silence consists of."""
_BEAMS = 3
"""Five are no better; one is a tenth quicker and has one word in fifty more wrong in noise."""
_TOKENS = 7.0
"""A second; nobody speaks as fast."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a model took for words.

    `sure` is the mean log probability of its tokens, `no_speech` the probability that there are no words,
    `repeats` how much shorter the text becomes by compression; `endless` says that it did not come to an end.
    """

    text: str
    sure: float
    no_speech: float
    repeats: float
    endless: bool


class ShortWindow:
    """Recognises short pieces of speech with a Whisper model in about a quarter of its time.

    The encoder sees only the speech and a little silence. Left with that alone, the decoder misses the end
    and says the same thing over and over (measured on 76 noisy pieces: 19 % of the words wrong, against 9 %
    with the whole half minute). So what the encoder makes of silence, computed once, is put behind it: 7 %.
    """

    def __init__(self, model: WhisperModel) -> None:
        self._model = model
        self._silence = self._encode(np.full((model.model.n_mels, _WHOLE * _FRAMES), _NO_SOUND))

    def hear(self, samples: np.ndarray, language: str = "") -> Heard:
        """What is said in mono float32 `samples` at 16 kHz, `LONGEST` seconds at most."""
        from ctranslate2 import StorageView
        from faster_whisper.tokenizer import Tokenizer

        seconds = len(samples) / RATE
        speech = self._encode(self._spectrum(samples))
        states = np.concatenate([speech, self._silence[:, speech.shape[1] :]], axis=1)
        encoded = StorageView.from_array(states)
        whisper, several = self._model.model, self._model.model.is_multilingual
        if several and not language:
            language = whisper.detect_language(encoded)[0][0][0].strip("<|>")
        tokenizer = Tokenizer(self._model.hf_tokenizer, several, task="transcribe", language=language or "en")
        most = round(10 + _TOKENS * seconds)
        (result,) = whisper.generate(
            encoded,
            [[*tokenizer.sot_sequence, tokenizer.no_timestamps]],
            beam_size=_BEAMS,
            max_length=2 * most,  # half of it is meant for the prompt
            return_scores=True,
            return_no_speech_prob=True,
        )
        tokens = result.sequences_ids[0]
        text = tokenizer.decode(tokens).strip()
        raw = text.encode()
        return Heard(
            text=text,
            sure=result.scores[0] * len(tokens) / (len(tokens) + 1),
            no_speech=result.no_speech_prob,
            repeats=len(raw) / len(zlib.compress(raw)),
            endless=len(tokens) >= most,
        )

    def _spectrum(self, samples: np.ndarray) -> np.ndarray:
        """Whisper's spectrum, [bands, frames], with silence behind it."""
        seconds = max(_SHORTEST, math.ceil((len(samples) / RATE + _BEYOND) / _STEP) * _STEP)
        frames = min(seconds, _WHOLE) * _FRAMES
        found = self._model.feature_extractor(samples)[:, :frames]
        return np.pad(found, ((0, 0), (0, frames - found.shape[1])), constant_values=found.min())

    def _encode(self, spectrum: np.ndarray) -> np.ndarray:
        from ctranslate2 import StorageView

        given = StorageView.from_array(np.ascontiguousarray(spectrum[None], dtype=np.float32))
        return np.array(self._model.model.encode(given, to_cpu=True))
