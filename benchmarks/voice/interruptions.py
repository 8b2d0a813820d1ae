"""Measure 2: how soon the voice is soft and silent when somebody interrupts, and what is kept as said.

The person asks for a long story, cuts in at a random moment, and cuts the answer to that short with a stop
word. All times are places in played.wav (see `measure.py`), counted from the person's first voiced sample.
What was heard is what Whisper finds in played.wav up to the last sound; the kept text must hold as many
words, to within one. A signed error above zero: more was kept than was heard.

    python -m benchmarks.voice.interruptions [--count 64] [--bed pink] [--keep FOLDER]      about 15 minutes
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import statistics
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soxr

from benchmarks.voice import corpus
from benchmarks.voice.clip import RATE
from benchmarks.voice.measure import DUCKED, SPREAD, audible, percentile, plain, said_of, spread
from benchmarks.voice.rig import CONDITIONS, Recording, bars, converse, engine, keep_trials, kept_in, settings
from benchmarks.voice.room import Condition, Room, Said, Script
from orchestrator.engine import Orchestrator
from orchestrator.events import FloorChanged
from orchestrator.speech.detector import is_stop
from specialists.models import ModelStore
from specialists.recogniser import Recogniser

SILENT = 0.03
"""A gain of -30 dB."""
LATEST = 2.0
"""Seconds after which a voice that goes on was not interrupted."""
STILL = 0.5
"""Seconds of speech that must be left, so that there is something to interrupt."""
SOUNDING = 0.2
"""Seconds before an interruption in which the voice must be heard: in a gap there is nothing to measure."""
AGREE = 0.03


@dataclass(slots=True)
class Trial:
    """An interruption, and what it did."""

    condition: str
    asked: Said
    cut_in: Said
    left: float = 0.0
    """Seconds of speech that were still to come."""
    ducked: float | None = None
    silent: float | None = None
    text: str = ""
    """What was kept as said, and its words; what Whisper hears, and how many words of the reply that is."""
    kept: int | None = None
    transcript: str = ""
    heard: int | None = None
    apart: list[float] = field(default_factory=list)
    """Seconds between our own events and the sound: ducked, silent."""


def script(
    spoken: Sequence[tuple[corpus.Clip, corpus.Clip, corpus.Clip]],
    found: list[Trial],
    condition: str,
    dice: random.Random,
) -> Script:
    """The person: asks for a story, cuts in, and stops what answers that."""

    def person(room: Room) -> Generator[Condition, None, None]:
        yield room.after(0.5)
        for story, cut, stop in spoken:
            asked = room.say(story)
            yield room.over(asked)
            yield room.sounding(asked.last, 20.0)
            for clip in (cut, stop):
                begun = room.now
                yield room.after(dice.uniform(1.5, 8.0) if clip is cut else dice.uniform(1.5, 4.0))
                if room.now - room.sounded > 0.4:  # nothing is said that could be interrupted
                    yield room.sounding(room.now, 4.0)
                    yield room.after(0.7)
                if room.now - room.sounded > 0.4:
                    break
                said = room.say(clip)
                found.append(Trial(condition, asked, said))
                yield room.over(said)
                asked = said
                if is_stop(clip.text):
                    break
                # The answer to what was cut in with; the voice itself may be heard a moment longer.
                yield room.after(1.0)
                yield room.sounding(room.now, 8.0)
                if room.sounded < begun:
                    break
            yield room.settled(1.0, 12.0)

    return person


class Corpus:
    """Stories, interruptions (four of them real recordings) and stop words without end."""

    def __init__(self) -> None:
        spoken = corpus.clips("interruption")
        self._stories = itertools.cycle(corpus.clips("story"))
        cuts = [clip for clip in spoken if not is_stop(clip.text)]
        cuts[8:8] = corpus.real()[1:]
        self._cuts = itertools.cycle(cuts)
        self._stops = itertools.cycle(clip for clip in spoken if is_stop(clip.text))

    def next(self, count: int) -> list[tuple[corpus.Clip, corpus.Clip, corpus.Clip]]:
        return [(next(self._stories), next(self._cuts), next(self._stops)) for _ in range(count)]


async def run(opened: Orchestrator, folder: Path, count: int, bed: str, seed: int) -> list[Trial]:
    dice, spoken = random.Random(seed), Corpus()
    heard = Recogniser(ModelStore(opened.config.engine.models))
    trials: list[Trial] = []
    for condition in CONDITIONS:
        found: list[Trial] = []
        each = -(-count // len(CONDITIONS))
        for attempt in range(each):  # two interruptions a story, when all goes well
            if len(found) >= each:
                break
            begun, name = len(found), f"{condition.replace(' ', '')}-{attempt}"
            recording = await converse(
                opened,
                f"interruptions-{name}",
                folder / name,
                script(spoken.next(min(4, -(-(each - begun) // 2))), found, condition, dice),
                condition=condition,
                bed=bed,
                seed=seed + 100 * attempt,
            )
            for trial in found[begun:]:
                judge(recording, trial, heard)
            void = sum(trial.left <= STILL for trial in found)  # there was nothing to interrupt
            found = [trial for trial in found if trial.left > STILL]
            print(
                f"{condition}: {len(found)} of {each}, {void} void, {recording.dropouts} dropouts",
                file=sys.stderr,
            )
        trials += found[:each]
    return trials


def judge(recording: Recording, trial: Trial, recogniser: Recogniser) -> None:
    """Read off the sound what the interruption did."""
    first, rate = trial.cut_in.first, recording.rate
    turn = max(e.turn for e in recording.of(FloorChanged) if e.reason == "reply_audio" and e.at < first)
    reply = next((one for one in recording.replies if one.turn == turn), None)
    # A reply may repeat the one before word by word, so what sounds after it began is not this one any more.
    starts = [e.at for e in recording.of(FloorChanged) if e.reason == "reply_audio" and e.at > first]
    until = min([first + LATEST + 8.0, *starts])
    tracks = recording.tracks(reply, trial.asked.last, until) if reply else []
    heard = audible(recording.played, rate)
    if reply is None or not tracks or not np.any((heard > first - SOUNDING) & (heard < first)):
        return
    trial.left = recording.left(reply, tracks, first)
    soft, silent = (recording.below(reply, tracks, gain, first) for gain in (DUCKED, SILENT))
    if soft is not None and soft.at - first < LATEST:
        trial.ducked = soft.at - first
    if silent is not None and tracks[-1].end < first + LATEST:  # and it did not begin again after that
        trial.silent = silent.at - first
    for reason, at in (("speech_started", soft), ("speech_persisted", silent)):
        told = recording.floor(reason, first, first + LATEST)
        if told is not None and at is not None and at.sharp:
            trial.apart.append(told - at.at)
    event = recording.heard(turn)
    if trial.silent is None or event is None or event.complete:
        return
    begin, end = max(0, round((tracks[0].start - 0.1) * rate)), round((tracks[-1].end + 0.02) * rate)
    sound = soxr.resample(recording.played[begin:end], rate, RATE)
    trial.transcript = " ".join(segment.text for segment in recogniser.transcribe(sound))
    trial.text = event.heard
    trial.kept = len(plain(event.heard))
    trial.heard = said_of(f"{event.heard} {event.unheard}", trial.transcript)


def report(trials: Sequence[Trial]) -> bool:
    """Print the tables; whether every bar is reached."""
    print(f"\nmilliseconds from the person's first voiced sample\n{'':24}{SPREAD}  stopped")
    for condition in (*CONDITIONS, "all"):
        some = [t for t in trials if condition in (t.condition, "all")]
        stopped = sum(t.silent is not None for t in some)
        ducked = spread([t.ducked for t in some if t.ducked is not None])
        print(f"{condition:8} to a soft voice {ducked}")
        silent = spread([t.silent for t in some if t.silent is not None])
        print(f"{'':8} to silence      {silent}  {stopped} of {len(some)}")
    errors = [t.kept - t.heard for t in trials if t.kept is not None and t.heard is not None]
    right = sum(abs(error) <= 1 for error in errors)
    print(f"\nkept against heard, words: {right} of {len(errors)} within one; signed error", end=" ")
    print(f"mean {np.mean(errors):+.2f}, from {min(errors):+d} to {max(errors):+d}" if errors else "-")
    apart = [seconds for trial in trials for seconds in trial.apart]
    agree = sum(abs(seconds) <= AGREE for seconds in apart)
    print(f"our events against the sound, ms: {SPREAD}\n{'':34}{spread(apart)}")
    print(f"{'':34}{agree} of {len(apart)} within {AGREE * 1000:.0f} ms")
    to_soft = [LATEST if t.ducked is None else t.ducked for t in trials]
    to_silence = [LATEST if t.silent is None else t.silent for t in trials]
    return bars(
        ("soft, median under 150 ms", statistics.median(to_soft) < 0.150),
        ("silent, median under 300 ms", statistics.median(to_silence) < 0.300),
        ("silent, p95 under 400 ms", percentile(to_silence, 0.95) < 0.400),
        ("kept equals heard to a word for 95 %", bool(errors) and right >= 0.95 * len(errors)),
        ("events agree with the sound", bool(apart) and agree == len(apart)),
    )


async def measure(count: int, bed: str, seed: int, folder: Path) -> bool:
    async with engine(settings(folder / "data")) as opened:
        trials = await run(opened, folder, count, bed, seed)
    keep_trials(folder, trials)
    return report(trials)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=64, help="interruptions")
    parser.add_argument("--bed", default="pink", help="pink, white, typing, music or babble")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep sound and events in this folder")
    chosen = parser.parse_args()
    with kept_in(chosen.keep) as folder:
        sys.exit(0 if asyncio.run(measure(chosen.count, chosen.bed, chosen.seed, folder)) else 1)


if __name__ == "__main__":
    main()
