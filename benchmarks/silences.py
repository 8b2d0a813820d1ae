"""How well recordings with silences in them are heard: word error rate and speed.

Two kinds of recordings, both in the built-in voice at three pitches, with known words: the sound of the film
of `benchmarks/long_clips.py` (30 minutes, 73 sentences, noise, five sounds without words), and four
recordings of 24 of its sentences each, with silences of 0.3 to 20 s between them, drawn by a fixed seed.
Errors are words that are missing, wrong or made up, of those that were said; digits and small numbers count
as the words for them.

    python -m benchmarks.silences   # about two minutes on two cores
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.film import PITCH, RATE, Samples, soundtrack, spoken
from benchmarks.long_clips import script
from specialists.models import DEFAULTS, ModelStore, default_folder
from specialists.pool import ModelPool
from specialists.recogniser import Recogniser
from specialists.tts import Voice

RECORDINGS = 4
SENTENCES = 24
SILENCES = (0.3, 0.8, 1.5, 2.5, 5.0, 10.0, 20.0)
"""Seconds between two sentences."""
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True, slots=True)
class Errors:
    """Words that were said, and of them missing, wrong and made up."""

    said: int
    missing: int
    wrong: int
    made_up: int

    @property
    def rate(self) -> float:
        return (self.missing + self.wrong + self.made_up) / self.said


def recordings(models: ModelStore) -> list[tuple[str, Samples, str]]:
    """Name, samples at RATE, and the words of each."""
    scenes, _ = script()
    lines = [line for scene in scenes for line in scene.get("say", [])]
    film = " ".join(line["words"] for line in lines)
    made = [("film", soundtrack(scenes, models), film)]
    voice = Voice(models, DEFAULTS["tts"][0], ModelPool())
    chance = np.random.default_rng(11)
    for number in range(RECORDINGS):
        chosen = [lines[index] for index in chance.choice(len(lines), SENTENCES, replace=False)]
        pieces: list[Samples] = []
        for line in chosen:
            pieces.append(spoken(voice, line["words"], PITCH[line["voice"]]))
            pieces.append(np.zeros(int(chance.choice(SILENCES) * RATE), np.float32))
        made.append((f"silences {number + 1}", np.concatenate(pieces), " ".join(x["words"] for x in chosen)))
    return made


def words(text: str) -> list[str]:
    found = re.findall(r"[a-z']+|\d+", text.casefold())
    return [NUMBERS[int(w)] if w.isdigit() and int(w) < len(NUMBERS) else w.strip("'") for w in found]


def compare(said: Sequence[str], heard: Sequence[str]) -> Errors:
    """The fewest errors that turn what was said into what was heard (Levenshtein, by words)."""
    before = [(j, 0, 0, j) for j in range(len(heard) + 1)]
    for i, word in enumerate(said, 1):
        row = [(i, i, 0, 0)]
        for j, other in enumerate(heard, 1):
            if word == other:
                row.append(before[j - 1])
                continue
            (a, am, aw, ai), (b, bm, bw, bi), (c, cm, cw, ci) = before[j - 1], before[j], row[j - 1]
            row.append(min((a + 1, am, aw + 1, ai), (b + 1, bm + 1, bw, bi), (c + 1, cm, cw, ci + 1)))
        before = row
    _, missing, wrong, made_up = before[-1]
    return Errors(len(said), missing, wrong, made_up)


def main() -> None:
    models = ModelStore(default_folder())
    recogniser = Recogniser(models)
    recogniser.load()
    print(
        f"{'':12}{'seconds':>9}{'words':>7}{'missing':>9}{'wrong':>7}{'made up':>9}{'errors':>8}{'took':>8}"
    )
    for name, samples, said in recordings(models):
        began = time.perf_counter()
        segments = recogniser.transcribe(samples, words=True)
        took = time.perf_counter() - began
        found = compare(words(said), words(" ".join(segment.text for segment in segments)))
        print(
            f"{name:12}{len(samples) / RATE:9.0f}{found.said:7}{found.missing:9}{found.wrong:7}"
            f"{found.made_up:9}{found.rate:8.1%}{took:6.1f} s"
        )


if __name__ == "__main__":
    main()
