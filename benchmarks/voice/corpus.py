"""What is said to Antiphon in the voice benchmarks: clips of synthetic and real people, and noise.

Everything is mono, float32, at 16 kHz. Texts stand in `benchmarks/data/voice.jsonl`; their sound is made
once, in some minutes, and kept in a folder of the user's cache (`$ANTIPHON_VOICE_CORPUS` names another one).

A clip knows exactly when it is voiced: its first and last block of 10 ms within 30 dB of its loudest. Over
those blocks its level is -23 dB of full scale.

    python -m benchmarks.voice.corpus        makes all of it and lists what there is
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zlib
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.voice import noises
from benchmarks.voice.clip import BLOCK, RATE, Clip, Samples, voiced, voiced_blocks
from benchmarks.voice.voices import VOICES, Voice, speak
from specialists.models import ModelStore, default_folder

LEVEL = -23.0
"""Of a voice, in dB of full scale."""
EDGE = 0.05
"""Seconds of the synthesiser's own sound kept before and after the voice."""

KINDS = ("question", "story", "interruption", "backchannel", "pause")
"""Of utterances: 48 questions, 16 requests for a long reply, 64 interruptions, 40 signs of listening, and 64
requests with one or two pauses to think."""

_VERSION = 1
_HUM = re.compile(r"(?i)(?:(?:mm-hmm|mhm|hmm)\W*)+")
"""What synthesisers read as letters (em aitch em): these are hummed instead, see `noises.hum`."""
_ROOT = Path(__file__).parents[1]
_PAUSE = re.compile(r"\s*<([\d.]+)>\s*")


@dataclass(frozen=True, slots=True)
class Utterance:
    """What can be said. In `text` a pause to think is written <seconds>."""

    id: str
    kind: str
    text: str


@cache
def utterances(kind: str) -> tuple[Utterance, ...]:
    lines = (_ROOT / "data" / "voice.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(Utterance(**row) for row in map(json.loads, lines) if row["kind"] == kind)


def clips(kind: str, count: int | None = None, *, turn: int = 0) -> list[Clip]:
    """The first `count` utterances of a kind (all, and then again in other voices, as often as needed).

    The voices take turns; `turn` says where in their order the first clip begins.
    """
    known = utterances(kind)
    wanted = range(len(known) if count is None else count)
    return [clip(known[n % len(known)], _voice(n + n // len(known) + turn)) for n in wanted]


def clip(utterance: Utterance, voice: Voice) -> Clip:
    """`utterance` said by `voice`, from the cache where it is there."""
    if _HUM.fullmatch(utterance.text):
        hummed = _hummed(utterance.text, voice)
        return _clip(utterance.id, utterance.kind, utterance.text, f"{voice.name} hums", hummed)
    pieces = [_spoken(text, voice) for text in _PAUSE.split(utterance.text)[::2]]
    gaps = [float(seconds) for seconds in _PAUSE.split(utterance.text)[1::2]]
    # A pause lasts from voice to voice, so pieces with one beside them lose the silence on that side.
    line, pauses = pieces[0], []
    for piece, gap in zip(pieces[1:], gaps, strict=True):
        line = line[: voiced(line)[1]]
        start = len(line)
        line = np.concatenate([line, np.zeros(round(gap * RATE), np.float32), piece[voiced(piece)[0] :]])
        pauses.append((start, start + round(gap * RATE)))
    text = " ".join(_PAUSE.sub(" ", utterance.text).split())
    return _clip(utterance.id, utterance.kind, text, voice.name, line, tuple(pauses))


def real() -> list[Clip]:
    """A real recording of four phrases with pauses of 0.6 s to 1.1 s, whole and then phrase by phrase.

    President Kennedy in 1961, public domain (examples/media/SOURCES.md). Its hiss lies 31 dB below the
    loudest block, so the bounds of the phrases were read off the wave, to 10 ms.
    """
    import soundfile

    samples, _ = soundfile.read(_ROOT.parent / "examples" / "media" / "speech.flac", dtype="float32")
    phrases = (
        ("And so, my fellow Americans,", 0.32, 2.18),
        ("ask not", 3.28, 4.42),
        ("what your country can do for you,", 5.18, 7.58),
        ("ask what you can do for your country.", 8.21, 10.98),
    )
    bounds = [(round(first * RATE), round(last * RATE)) for _, first, last in phrases]
    pauses = tuple((end, start) for (_, end), (start, _) in pairwise(bounds))
    whole = " ".join(text for text, *_ in phrases)
    return [
        _clip("real-0", "real", whole, "kennedy", samples, pauses, (bounds[0][0], bounds[-1][1])),
        *(
            _clip(f"real-{n}", "real", text, "kennedy", samples, (), within)
            for n, ((text, *_), within) in enumerate(zip(phrases, bounds, strict=True), 1)
        ),
    ]


def sounds(count: int, seed: int = 1) -> list[Clip]:
    """Short sounds that are no request: hums, coughs, a cleared throat, typing, knocks, music, hiss."""
    random = np.random.default_rng(seed)
    makers = (
        ("hum", lambda: noises.hum(random)),
        ("cough", lambda: noises.cough(random)),
        ("typing", lambda: noises.typing(random.uniform(0.8, 2.5), random)),
        ("hum-short", lambda: noises.hum(random, 1)),
        ("knock", lambda: noises.knock(random)),
        ("throat", lambda: noises.throat(random)),
        ("music", lambda: noises.music(random.uniform(1.0, 2.5), random)),
        ("cough", lambda: noises.cough(random)),
        ("hiss", lambda: noises.white(random.uniform(0.3, 1.0), random)),
    )
    chosen = [makers[n % len(makers)] for n in range(count)]
    return [_clip(f"{name}-{n:02}", "sound", "", name, make()) for n, (name, make) in enumerate(chosen, 1)]


def bed(name: str, snr: float, seconds: float, seed: int = 1) -> Samples:
    """Noise `snr` dB below a voice of this corpus: white, pink, typing, music, or babble of six people."""
    random = np.random.default_rng(seed)
    noise = _babble(seconds, random) if name == "babble" else noises.BEDS[name](seconds, random)
    wanted = 10 ** ((LEVEL - snr) / 20)
    return (noise * np.float32(wanted / np.sqrt(np.mean(noise**2)))).astype(np.float32)


def mixed(clip: Clip, noise: Samples) -> Samples:
    """The clip with noise under it from its first sample to its last, for what needs no timeline."""
    return clip.samples + np.resize(noise, len(clip.samples))


def _clip(
    id_: str,
    kind: str,
    text: str,
    voice: str,
    samples: Samples,
    pauses: tuple[tuple[int, int], ...] = (),
    within: tuple[int, int] | None = None,
) -> Clip:
    """A clip out of `samples`: levelled and cut to its voice, which lies `within`.

    The numbers are places in `samples`.
    """
    first, last = within or voiced(samples)
    heard = samples[first:last]
    loud = heard[: len(heard) // BLOCK * BLOCK].reshape(-1, BLOCK)[voiced_blocks(heard)]
    gain = 10 ** (LEVEL / 20) / np.sqrt(np.mean(np.square(loud, dtype=np.float64)))
    edge = round(EDGE * RATE)
    start = max(0, first - edge)
    cut = np.clip(samples[start : last + edge] * np.float32(gain), -1.0, 1.0).astype(np.float32)
    places = tuple((a - start, b - start) for a, b in pauses)
    return Clip(id_, kind, text, voice, cut, first - start, last - start, places)


def _voice(number: int) -> Voice:
    return VOICES[number % len(VOICES)]


def _hummed(text: str, voice: Voice) -> Samples:
    random = np.random.default_rng(zlib.crc32(f"{text} {voice.name}".encode()))
    gap = np.zeros(round(0.15 * RATE), np.float32)
    words = re.findall(r"[\w-]+", text)
    hums = [noises.hum(random, 1 if word.lower() == "hmm" else 2) for word in words]
    return np.concatenate([piece for one in hums for piece in (one, gap)])


def _spoken(text: str, voice: Voice) -> Samples:
    """The voice and `EDGE` around it, levelled, from the cache where it is there."""
    words = text if text.endswith((".", "?", "!", ",")) else f"{text},"  # a pause to think is no full stop
    key = hashlib.sha256(repr((_VERSION, words, voice)).encode()).hexdigest()[:24]
    path = folder() / f"{key}.npy"
    if not path.exists():
        made = _clip("", "", "", "", speak(words, voice, _models()))
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        with temporary.open("wb") as file:
            np.save(file, np.round(made.samples * 32767).astype(np.int16))
        temporary.replace(path)
    return np.asarray(np.load(path), np.float32) / np.float32(32767)


def folder() -> Path:
    """Where the sound is kept."""
    import platformdirs

    named = os.environ.get("ANTIPHON_VOICE_CORPUS")
    place = Path(named) if named else Path(platformdirs.user_cache_dir("antiphon")) / "voice-corpus"
    place.mkdir(parents=True, exist_ok=True)
    return place


@cache
def _models() -> ModelStore:
    return ModelStore(default_folder())


@cache
def _people() -> tuple[Samples, ...]:
    """Six people who talk without end, each a loop of eight questions."""
    asked = clips("question", 48)
    return tuple(np.concatenate([c.samples for c in asked[n::6]]) for n in range(6))


def _babble(seconds: float, random: noises.Random) -> Samples:
    count = round(seconds * RATE)
    lines = [np.resize(np.roll(line, random.integers(len(line))), count) for line in _people()]
    return np.asarray(np.sum(lines, axis=0), np.float32)


def main() -> None:
    for kind in KINDS:
        made = clips(kind)
        spoken = sum(one.seconds for one in made)
        print(f"{kind:13} {len(made):3} clips, {spoken:6.1f} s between first and last voice")
    print(f"{'real':13} {len(real()):3} clips; sounds: {', '.join(sorted({s.voice for s in sounds(9)}))}")
    print(f"kept in {folder()}")


if __name__ == "__main__":
    main()
