"""Measure 6: hours of talking: nothing grows, nothing stutters, no turn stays silent; and what it costs.

virtual   One hour of a scripted conversation on a clock that jumps: real voice detector, ears, floor,
          playout, engine, memory and routing; recognition, writing and synthesis are scripted, because the
          models are hardly faster than real time. The bar is ten times faster than the hour.
real      Ten minutes in real time on the embedded models: two of silence, eight of conversation; then the
          same with pipecat (`--no-peer` leaves it out). Its language model is a process of its own, counted
          apart.

Growth: tasks and threads counted between turns, and memory (RSS), of the last quarter against the second.
A hole is silence of more than 25 ms inside a reply over which nobody made a sound; a process that only sleeps
tells, in real time, whether the machine stood still there. Ahead: seconds of speech
that were synthesised and not yet played, when a clause arrived.

    python -m benchmarks.voice.endurance virtual [--minutes 60]         about 5 minutes
    python -m benchmarks.voice.endurance real [--no-peer]               about 22 minutes, 11 without the peer
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import resource
import statistics
import sys
import threading
import time
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.voice import corpus, loops
from benchmarks.voice.clip import Clip
from benchmarks.voice.measure import audible, first_sound
from benchmarks.voice.peer import peer
from benchmarks.voice.rig import Recording, bars, converse, engine, kept_in, settings
from benchmarks.voice.room import Condition, Room, Said, Script
from benchmarks.voice.witness import witness
from orchestrator.events import FloorChanged, SpeechDelta
from orchestrator.speech.detector import is_stop
from specialists.base import Chunk, Specialist, Task
from specialists.content import AUDIO, TEXT
from specialists.fakes import Slow, card, words
from specialists.runtime import LocalRuntime

HOLE = 0.025
FASTER = 10.0
BEFORE = 0.25
"""Seconds before a hole in which what caused it lies."""
ANSWERED = 15.0
"""Seconds within which a request must be answered by some sound."""
GROWTH_MB = 30.0
RATE = 22_050
SILENCE = 120.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process holds, between two turns."""

    at: float
    tasks: int
    threads: int
    rss_mb: float


@dataclass(slots=True)
class Watch:
    """Looks at this process now and then, and remembers what is said to it."""

    samples: list[Sample] = field(default_factory=list)
    text: str = ""

    def look(self, at: float) -> None:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        rss = pages * resource.getpagesize() / 2**20
        self.samples.append(Sample(at, len(asyncio.all_tasks()), threading.active_count(), rss))

    def growth(self) -> tuple[float, float, float]:
        """Tasks, threads and MB that the last quarter holds more than the second, by medians."""
        quarter = len(self.samples) // 4
        second, last = self.samples[quarter : 2 * quarter], self.samples[-quarter:]
        if not quarter:
            return 0.0, 0.0, 0.0

        def more(name: str) -> float:
            then, now = ([getattr(one, name) for one in some] for some in (second, last))
            return statistics.median(now) - statistics.median(then)

        return more("tasks"), more("threads"), more("rss_mb")


class Scribe(Specialist):
    """Recognises what the room's person said last."""

    def __init__(self, watch: Watch) -> None:
        self.card = card("asr", (AUDIO,))
        self._watch = watch

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        await asyncio.sleep(0.25)
        yield Chunk(TEXT, self._watch.text, score=0.95)


class Hiss(Specialist):
    """Says every word as a third of a second of noise, twice as fast as it plays."""

    def __init__(self) -> None:
        self.card = card("tts", (TEXT,), (AUDIO,))

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        text = " ".join(part.text for part in task.parts) or task.instruction
        seconds = 0.3 * len(text.split())
        await asyncio.sleep(seconds / 2)
        noise = np.random.default_rng(len(text)).standard_normal(round(seconds * RATE))
        pcm = np.round(np.clip(noise * 2500, -20_000, 20_000)).astype("<i2").tobytes()
        yield Chunk(AUDIO, text, pcm, media_type=f"audio/pcm;rate={RATE}")


STORY = (
    "Once there was a small house by the sea, ", "and in it lived a woman with three cats. ",
    "Every morning she opened the door, ", "looked at the waves and counted the boats. ",
    "One day there was one boat too many.",
)  # fmt: skip


def person(minutes: float, watch: Watch, dice: random.Random, calm: float = 0.5) -> Script:
    """Talks for so long: requests, of which some are interrupted or have sounds made over their reply."""
    asked = itertools.cycle(corpus.clips("question", 56))
    cuts = itertools.cycle(corpus.clips("interruption"))
    signs = itertools.cycle(corpus.clips("backchannel"))
    noises = itertools.cycle(corpus.sounds(36))

    def say(room: Room, clip: Clip) -> Said:
        watch.text = clip.text
        return room.say(clip)

    def script(room: Room) -> Generator[Condition, None, None]:
        yield room.after(1.0)
        while room.now < minutes * 60:
            said = say(room, next(asked))
            yield room.over(said)
            yield room.sounding(said.last, ANSWERED)
            if dice.random() > calm:
                yield room.after(dice.uniform(1.0, 4.0))
                if room.now - room.sounded < 0.3:
                    said = say(room, next(dice.choice((cuts, signs, noises))))
                    yield room.over(said)
                    yield room.after(1.0)
            yield room.settled(1.0, 60.0)
            watch.look(room.now)

    return script


def silences(said: list[Said], played: np.ndarray, rate: int) -> list[float]:
    """Seconds of each silence between two sounds of the loudspeaker, while nobody makes a sound or just did.

    For speech without any pause in it.
    """
    times = audible(played, rate)
    found = []
    for before, after in zip(said, [*said[1:], None], strict=True):
        end = after.first if after else float("inf")
        quiet = before.last + (0.0 if before.kind == "question" else 4.0)  # it is decided what a sound meant
        inside = times[(times > quiet) & (times < end)]
        found += [float(gap) for gap in np.diff(inside) if gap > HOLE]
    return found


def holes(recording: Recording) -> list[tuple[float, float]]:
    """When each hole in a reply began, and its seconds, against the speech as synthesised."""
    found = []
    said = recording.said
    for reply in recording.replies:
        started = recording.began(reply.turn)
        if started is None:
            continue
        tracks = recording.tracks(reply, started - 0.1, started + 120.0)
        for at, gap in recording.gaps(tracks):
            if gap > HOLE and not any(started < one.first < at + gap for one in said):
                found.append((at, gap))
    return found


def unanswered(said: list[Said], played: np.ndarray, rate: int) -> list[str]:
    """Requests that were followed by no sound in time."""
    found = []
    for one, after in zip(said, [*said[1:], None], strict=True):
        if one.kind == "question" or (one.kind == "interruption" and not is_stop(one.text)):
            until = min(one.last + ANSWERED, after.first if after and after.kind == "question" else 1e9)
            # The voice that was interrupted may be heard up to a second longer.
            since = one.last if one.kind == "question" else one.last + 1.0
            if first_sound(played, rate, since, until) is None:
                found.append(one.text)
    return found


def ahead(recording: Recording) -> list[float]:
    """Seconds of speech that were waiting to be played, whenever a clause had been synthesised."""
    floors = recording.of(FloorChanged)
    zero = min(event.time - event.at for event in floors if event.at)
    found = []
    for reply in recording.replies:
        started = recording.began(reply.turn)
        if started is None:
            continue
        made = 0.0
        for event in recording.of(SpeechDelta):
            if event.turn == reply.turn:
                made += len(event.pcm) / 2 / event.rate
                found.append(made - max(0.0, event.time - zero - started))
    return found


async def virtual(minutes: float, folder: Path) -> bool:
    watch = Watch()
    runtime = LocalRuntime([Scribe(watch), Slow(card("chat"), words(*STORY), 0.05), Hiss()])
    loop = asyncio.get_running_loop()
    async with engine(settings(folder / "data"), runtime) as opened:
        began, used, at = time.perf_counter(), time.process_time(), loop.time()
        recording = await converse(
            opened,
            "hour",
            folder / "hour",
            person(minutes, watch, random.Random(1)),
            keep=lambda event: False,
        )
        lasted, took = loop.time() - at, time.perf_counter() - began
        cpu = time.process_time() - used
    said, played, rate = recording.said, recording.played, recording.rate
    silent, gaps = unanswered(said, played, rate), silences(said, played, rate)
    requests = sum(one.kind == "question" for one in said)
    print(f"{lasted / 60:.1f} minutes in {took:.0f} s, {lasted / took:.1f} times faster, {cpu:.0f} CPU s")
    print(f"{requests} requests, {len(said) - requests} sounds over replies, {recording.dropouts} dropouts")
    reached = _state(watch, silent, gaps)
    return bars(("at least ten times faster than real time", lasted / took >= FASTER), *reached)


def _state(watch: Watch, silent: list[str], gaps: list[float]) -> list[tuple[str, bool]]:
    tasks, threads, mb = watch.growth()
    last = watch.samples[-1]
    print(f"at the end {last.tasks} tasks, {last.threads} threads, {last.rss_mb:.0f} MB")
    print(f"last quarter against second: {tasks:+.0f} tasks, {threads:+.0f} threads, {mb:+.1f} MB")
    print(f"{len(silent)} silent turns {silent[:3]}, {len(gaps)} holes {[round(g, 3) for g in gaps[:8]]}")
    return [
        ("no more tasks and threads", tasks <= 0 and threads <= 0),
        (f"no more than {GROWTH_MB:.0f} MB more", mb <= GROWTH_MB),
        ("no silent turn", not silent),
        ("no holes in replies", not gaps),
    ]


async def real(minutes: float, with_peer: bool, folder: Path) -> bool:
    watch, marks, zero = Watch(), [], 0.0
    config = settings(folder / "data")
    talking = (minutes * 60 - SILENCE) / 120

    def mark(room: Room) -> None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        marks.append((room.now, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))

    def script(room: Room) -> Generator[Condition, None, None]:
        nonlocal zero
        zero = time.monotonic() - room.now
        mark(room)
        yield room.after(SILENCE)
        mark(room)
        yield from person(SILENCE / 60 + talking, watch, random.Random(1), 1.0)(room)
        mark(room)
        yield from person(SILENCE / 60 + 2 * talking, watch, random.Random(2), 0.4)(room)
        mark(room)

    async with engine(config) as opened:
        with witness() as machine:
            recording = await converse(opened, "minutes", folder / "minutes", script)
    print(f"{len(recording.said)} sounds of the person, {recording.dropouts} dropouts")
    found = holes(recording)
    ours_alone = [gap for at, gap in found if not machine.stood_still(zero + at - BEFORE, zero + at + gap)]
    print(f"{len(found)} holes, {len(found) - len(ours_alone)} of them while the machine stood still")
    reached = _state(watch, unanswered(recording.said, recording.played, recording.rate), ours_alone)
    waiting = ahead(recording)
    print(f"ahead: median {statistics.median(waiting):.1f} s, most {max(waiting):.1f} s")
    print("\nCPU seconds a minute, and peak memory so far; all models in one process")
    names = ("silence", "question and answer", "with interruptions")
    ours = {}
    for name, (at, cpu, _), (until, more, mb) in zip(names, marks, marks[1:], strict=False):
        ours[name] = (more - cpu) / (until - at) * 60, mb
        print(f"  {name:30}{ours[name][0]:6.1f} s {mb:8.0f} MB")
    if with_peer:
        reached += _beside(folder, ours, talking)
    return bars(*reached)


def _beside(folder: Path, ours: dict[str, tuple[float, float]], minutes: float) -> list[tuple[str, bool]]:
    """The peer listening to silence, and answering questions for about as long."""
    reached = []
    with peer() as other:
        for name, clips, silence in (
            ("silence", [], SILENCE),
            ("question and answer", corpus.clips("question", round(minutes * 4)), 1.0),
        ):
            figures = other.run(folder / f"peer-{name[:3]}", clips, silence=silence, tokens=256).figures
            bot, model = (figures[key] / figures["seconds"] * 60 for key in ("cpu", "llm_cpu"))
            peak = figures["peak_mb"]
            print(f"  {'pipecat, ' + name:30}{bot:6.1f} s {peak:8.0f} MB, language model {model:.1f} s")
            reached.append((f"CPU in {name} no worse", ours[name][0] <= bot + model))
    return reached


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("mode", choices=("virtual", "real"))
    parser.add_argument("--minutes", type=float, help="60 virtual or 10 real ones")
    parser.add_argument("--no-peer", action="store_true", help="without pipecat")
    parser.add_argument("--keep", type=Path, help="keep sound and events in this folder")
    chosen = parser.parse_args()
    with kept_in(chosen.keep) as folder:
        if chosen.mode == "virtual":
            good = loops.run(virtual(chosen.minutes or 60.0, folder))
        else:
            good = asyncio.run(real(chosen.minutes or 10.0, not chosen.no_peer, folder))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
