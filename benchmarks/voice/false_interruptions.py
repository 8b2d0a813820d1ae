"""Measure 3: signs of listening, noises, coughs and echo do not cut a reply, and a resume loses no word.

The person asks for long stories and makes a sound every few seconds of them: "mm-hmm", "yeah, yeah", a cough,
a knock, typing, music. With echo the loudspeaker is in the microphone too, and stretches of 5 s in which
nobody makes a sound count as well. A reply is cut when its sound does not go on within `BACK` seconds.

Nothing is lost when all audible speech of a reply was played, but for what fades swallow, read off played.wav
(see `measure.py`). Beside that, words are counted that Whisper finds in the speech as synthesised and not in
it as played.

    python -m benchmarks.voice.false_interruptions [--count 112] [--bed pink] [--keep FOLDER]      15 minutes
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import sys
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from benchmarks.voice import corpus
from benchmarks.voice.clip import RATE, Clip, Samples
from benchmarks.voice.measure import DUCKED, SPREAD, Track, lost_words, spread
from benchmarks.voice.rig import (
    CONDITIONS,
    Recording,
    Reply,
    bars,
    converse,
    engine,
    keep_trials,
    kept_in,
    settings,
    sounds,
)
from benchmarks.voice.room import Condition, Room, Said, Script
from orchestrator.engine import Orchestrator
from orchestrator.events import FloorChanged
from specialists.models import ModelStore
from specialists.recogniser import Recogniser

BACK = 4.0
"""Seconds within which the voice must be back."""
STRETCH = 5.0
A_STORY = 7
"""Sounds in one conversation."""
SHORTEST = 0.05
"""Seconds of a stop; what is shorter the machine had no time for."""
STILL = 0.5
"""Seconds of speech that must be left, so that there is something to cut."""
PLAYED = 0.02
"""Seconds of speech that a fade may swallow, at each stop."""


@dataclass(slots=True)
class Trial:
    """A sound over a reply, and what it did; `said` is None for a stretch of echo alone."""

    condition: str
    kind: str
    said: Said | None
    cut: bool = False
    ducked: bool = False
    gone: float = 0.0
    """Seconds that the voice was away."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A reply that was stopped and went on, to its end."""

    resumes: int
    missing: float
    """Seconds of its speech that were not played."""
    lost: int
    words: int
    """Of the clauses that were stopped: words no longer found, and all."""


def script(clips: list[Clip], stories: Iterator[Clip], made: list[Said], dice: random.Random) -> Script:
    """The person: a story to ask for, and sounds over it; another one when it is over."""

    def person(room: Room) -> Generator[Condition, None, None]:
        waiting = list(clips)
        yield room.after(0.5)
        for _ in range(2 * len(clips) + 1):
            asked = room.say(next(stories))
            yield room.over(asked)
            yield room.sounding(asked.last, 20.0)
            while waiting:
                yield room.after(dice.uniform(3.0, 4.5))
                if room.now - room.sounded > 0.5:
                    yield room.sounding(room.now, 4.0)
                    yield room.after(1.0)
                if room.now - room.sounded > 0.5:
                    break
                made.append(room.say(waiting.pop(0)))
                yield room.over(made[-1])
            yield room.settled(1.5, 90.0)
            if not waiting:
                break

    return person


async def run(
    opened: Orchestrator, folder: Path, count: int, bed: str, seed: int
) -> tuple[list[Trial], list[Kept]]:
    dice = random.Random(seed)
    heard = Recogniser(ModelStore(opened.config.engine.models))
    stories = itertools.cycle(corpus.clips("story", turn=2))
    each = -(-count // len(CONDITIONS))
    signs = corpus.clips("backchannel", 2 * each, turn=1)
    noises = corpus.sounds(2 * each, seed)
    order = iter([clip for pair in zip(signs, noises, strict=True) for clip in pair])
    trials: list[Trial] = []
    kept: list[Kept] = []
    for condition in CONDITIONS:
        for part in range(0, each, A_STORY):
            made: list[Said] = []
            name = f"{condition.replace(' ', '')}-{part}"
            clips = list(itertools.islice(order, min(A_STORY, each - part)))
            recording = await converse(
                opened,
                f"false-{name}",
                folder / name,
                script(clips, stories, made, dice),
                condition=condition,
                bed=bed,
                seed=seed + part,
            )
            found, whole = judge(recording, condition, made, heard)
            trials += found
            kept += whole
            cut = sum(trial.cut for trial in found)
            print(
                f"{condition}: {len(found)} sounds, {cut} cut, {recording.dropouts} dropouts", file=sys.stderr
            )
    return trials, kept


def judge(
    recording: Recording, condition: str, made: Sequence[Said], recogniser: Recogniser
) -> tuple[list[Trial], list[Kept]]:
    trials: list[Trial] = []
    kept: list[Kept] = []
    starts = {e.turn: e.at for e in recording.of(FloorChanged) if e.reason == "reply_audio"}
    for reply in recording.replies:
        if reply.turn not in starts:
            continue
        since = starts[reply.turn] - 0.1
        until = min((at for turn, at in starts.items() if turn > reply.turn), default=1e6)
        tracks = recording.tracks(reply, since, until)
        if not tracks:
            continue
        end = tracks[-1].end
        over = [said for said in made if tracks[0].start < said.first < end + 0.3]
        over = [said for said in over if recording.left(reply, tracks, said.first) > STILL]
        for said in over:
            trials.append(_trial(recording, condition, said, reply, tracks))
        if condition == "echo":
            trials += _stretches(recording, reply, tracks)
        stops = [jump for way in tracks for jump in way.jumps if jump[1] > SHORTEST]
        if stops and len(tracks) == reply.audible:
            kept.append(_kept(recording, reply, tracks, len(stops), recogniser))
    return trials, kept


def _trial(recording: Recording, condition: str, said: Said, reply: Reply, tracks: Sequence[Track]) -> Trial:
    trial = Trial(condition, said.kind if said.text else said.voice, said)
    soft = recording.below(reply, tracks, DUCKED, said.first)
    trial.ducked = soft is not None and soft.at < said.last + 1.0
    for way in tracks:
        for at, seconds in way.jumps:
            if said.first <= at < said.last + 1.5 and seconds > SHORTEST:
                trial.gone = max(trial.gone, seconds)
    unplayed = len(tracks) < reply.audible or tracks[-1].missing > 0.1
    trial.cut = trial.gone > BACK or (unplayed and tracks[-1].end < said.last + BACK)
    return trial


def _stretches(recording: Recording, reply: Reply, tracks: Sequence[Track]) -> list[Trial]:
    """Stretches of the reply in which nobody made a sound, nor just before."""
    found = []
    at, end = tracks[0].start, tracks[-1].end
    while at + STRETCH <= end:
        near = [s for s in recording.said if s.first < at + STRETCH + 0.5 and s.last > at - 3.0]
        if near:
            at = max(said.last for said in near) + 3.0
            continue
        stops = [j for way in tracks for j in way.jumps if at <= j[0] < at + STRETCH and j[1] > SHORTEST]
        soft = recording.below(reply, tracks, DUCKED, at)
        trial = Trial("echo", "echo alone", None)
        trial.ducked = bool(stops) or (soft is not None and soft.sharp and soft.at < at + STRETCH)
        trial.gone = max((seconds for _, seconds in stops), default=0.0)
        trial.cut = trial.gone > BACK
        found.append(trial)
        at += STRETCH
    unplayed = len(tracks) < reply.audible or tracks[-1].missing > 0.1
    if found and unplayed and not any(said.first < end < said.last + BACK for said in recording.said):
        found[-1].cut = True
    return found


def _kept(
    recording: Recording, reply: Reply, tracks: Sequence[Track], stops: int, recogniser: Recogniser
) -> Kept:
    def words(samples: Samples) -> str:
        sound = np.asarray(soxr.resample(samples, recording.rate, RATE), np.float32)
        return " ".join(segment.text for segment in recogniser.transcribe(sound))

    lost = spoken = 0
    sounding = [samples for _, samples in reply.clauses if sounds(samples)]
    for samples, way in zip(sounding, tracks, strict=True):
        if any(seconds > SHORTEST for _, seconds in way.jumps):
            pure, begin = words(samples), max(0, round((way.start - 0.1) * recording.rate))
            spoken += len(pure.split())
            lost += len(lost_words(pure, words(recording.played[begin : round(way.end * recording.rate)])))
    missing = sum(way.missing for way in tracks)
    return Kept(stops, max(0.0, missing - PLAYED * stops), lost, spoken)


def report(trials: Sequence[Trial], kept: Sequence[Kept]) -> bool:
    """Print the tables; whether every bar is reached."""
    print(f"\n{'':12}{'n':>5}{'soft':>6}{'silent':>8}{'cut':>5}   silent for, ms: {SPREAD}")
    for title, key in (("condition", "condition"), ("sound", "kind")):
        print(title)
        for name in sorted({getattr(trial, key) for trial in trials}):
            some = [trial for trial in trials if getattr(trial, key) == name]
            away = [trial.gone for trial in some if trial.gone and not trial.cut]
            row = f"{len(some):5}{sum(t.ducked for t in some):6}{len(away):8}{sum(t.cut for t in some):5}"
            print(f"  {name:12}{row}{'':19}{spread(away)}")
    cut = sum(trial.cut for trial in trials)
    missing, lost = sum(reply.missing for reply in kept), sum(reply.lost for reply in kept)
    resumes, words = sum(reply.resumes for reply in kept), sum(reply.words for reply in kept)
    print(f"\n{cut} of {len(trials)} cut the reply")
    print(f"{resumes} stops in {len(kept)} replies that were heard to their end:")
    print(f"  {missing * 1000:.0f} ms of speech never played")
    print(f"  of {words} words in clauses with a stop, Whisper no longer finds {lost}")
    return bars(
        ("fewer than 5 % cut the reply", bool(trials) and cut < 0.05 * len(trials)),
        ("resumes lose nothing", bool(kept) and missing == 0),
    )


async def measure(count: int, bed: str, seed: int, folder: Path) -> bool:
    async with engine(settings(folder / "data")) as opened:
        trials, kept = await run(opened, folder, count, bed, seed)
    keep_trials(folder, trials)
    return report(trials, kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=112, help="sounds")
    parser.add_argument("--bed", default="pink", help="pink, white, typing, music or babble")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep sound and events in this folder")
    chosen = parser.parse_args()
    with kept_in(chosen.keep) as folder:
        sys.exit(0 if asyncio.run(measure(chosen.count, chosen.bed, chosen.seed, folder)) else 1)


if __name__ == "__main__":
    main()
