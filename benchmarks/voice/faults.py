"""Measure 7: recogniser, synthesiser and controller killed, hung and slowed at random: every turn is heard.

Real voice detector, ears, floor, playout and engine on a clock that jumps; the three parts are scripted and
draw for each request what they do: answer, fail at once (killed), never answer (hung), or answer seconds
later (slowed), in every call of that turn or only in the first. Read off played.wav: after each request
something is heard within `BOUND`, and where the session notes that something failed, something else than what
was left of the reply is heard after that.

    python -m benchmarks.voice.faults [--turns 120] [--seed 1]          about 3 minutes
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.voice import corpus, loops
from benchmarks.voice.endurance import STORY, Hiss, Scribe, Watch
from benchmarks.voice.measure import audible, first_sound
from benchmarks.voice.rig import Recording, bars, converse, kept_in, settings
from benchmarks.voice.room import Condition, Room, Said, Script
from orchestrator import control
from orchestrator.controller.request import Request
from orchestrator.controller.route import Controller, Route
from orchestrator.engine import Orchestrator
from orchestrator.events import Failed
from specialists.base import Card, Chunk, Specialist, Task
from specialists.errors import Unavailable
from specialists.fakes import Crashing, Hanging, Moody, Slow, card, words
from specialists.runtime import LocalRuntime

PARTS = ("asr", "tts", "controller")
MANNERS = ("killed", "hung", "slowed")
SLOWED = (2.0, 8.0)
"""Seconds, from and to."""
TURN_SECONDS = 12.0
BOUND = 25.0
"""Seconds after a request within which something must be heard; the floor's own bounds are below it."""


@dataclass(slots=True)
class Fault:
    """What goes wrong in one turn."""

    part: str = ""
    manner: str = ""
    once: bool = False
    seconds: float = 0.0
    calls: int = 0

    def of(self, part: str) -> str:
        """What a call of this part does now."""
        if part != self.part:
            return "fine"
        self.calls += 1
        return "fine" if self.once and self.calls > 1 else self.manner

    @property
    def name(self) -> str:
        return f"{self.part} {self.manner}{' once' if self.once else ''}" if self.part else "none"


@dataclass(slots=True)
class Fate:
    """The fault of the turn that is on."""

    fault: Fault = field(default_factory=Fault)


class Later(Specialist):
    """Answers as another one does, some seconds later."""

    def __init__(self, other: Specialist, seconds: Callable[[], float]) -> None:
        self.card = other.card
        self._other = other
        self._seconds = seconds

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        await asyncio.sleep(self._seconds())
        async with aclosing(self._other.run(task)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk


class Unsteady:
    """A controller that always has the chat model answer, when it answers."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        match self._fate.fault.of("controller"):
            case "killed":
                raise Unavailable("the controller is gone", part="controller")
            case "hung":
                await asyncio.Event().wait()
            case "slowed":
                await asyncio.sleep(self._fate.fault.seconds)
        return Route((control.call("chat"), control.ANSWER), "scripted")


def unsteady(specialist: Specialist, fate: Fate) -> Specialist:
    """The specialist with the faults of each turn."""
    name = specialist.card.name
    moods = {
        "fine": specialist,
        "killed": Crashing(specialist.card, lambda: Unavailable(f"{name} is gone", part=name)),
        "hung": Hanging(specialist.card),
        "slowed": Later(specialist, lambda: fate.fault.seconds),
    }
    return Moody(specialist.card, moods, lambda _: fate.fault.of(name))


def person(faults: Sequence[Fault], fate: Fate, watch: Watch, asked: list[Said]) -> Script:
    """Asks, waits for an answer and until it is over, and asks again."""
    clips = corpus.clips("question", len(faults))

    def script(room: Room) -> Generator[Condition, None, None]:
        yield room.after(1.0)
        for clip, fault in zip(clips, faults, strict=True):
            fate.fault, watch.text = fault, clip.text
            asked.append(room.say(clip))
            yield room.over(asked[-1])
            yield room.sounding(asked[-1].last, BOUND)
            yield room.settled(2.0, 2 * BOUND)
            fate.fault = Fault()
            yield room.after(0.5)

    return script


def draw(count: int, dice: random.Random) -> list[Fault]:
    """As many turns, one in ten of them without a fault."""
    found = []
    for number in range(count):
        if number % 10 == 0:
            found.append(Fault())
            continue
        part, manner = dice.choice(PARTS), dice.choice(MANNERS)
        found.append(Fault(part, manner, dice.random() < 0.5, dice.uniform(*SLOWED)))
    return found


async def run(turns: int, seed: int, folder: Path) -> tuple[Recording, list[Fault], list[Said]]:
    fate, watch, asked = Fate(), Watch(), list[Said]()
    faults = draw(turns, random.Random(seed))
    config = settings(folder / "data")
    config = config.model_copy(
        update={"engine": config.engine.model_copy(update={"turn_seconds": TURN_SECONDS})}
    )
    runtime = LocalRuntime(
        [
            unsteady(Scribe(watch), fate),
            Slow(card("chat"), words(*STORY), 0.05),
            unsteady(Hiss(), fate),
        ]
    )
    controller: Controller = Unsteady(fate)
    async with Orchestrator.open(config, runtime=runtime, controller=controller) as opened:
        await opened.warm()
        recording = await converse(opened, "faults", folder / "faults", person(faults, fate, watch, asked))
    return recording, faults, asked


def _told(recording: Recording, asked: float, failed: float, end: float) -> bool:
    """Whether anything but the reply's own speech is heard from this failure to `end`."""
    times = audible(recording.played, recording.rate)
    times = times[(times >= failed - 0.1) & (times < end)]
    for reply in recording.replies:
        began = recording.began(reply.turn)
        if began is not None and asked < began < failed:
            for way in recording.tracks(reply, began - 0.1, end):
                times = times[(times < way.start - 0.01) | (times > way.end)]
    return bool(len(times))


def report(recording: Recording, faults: Sequence[Fault], asked: Sequence[Said]) -> bool:
    """Print the tables; whether every bar is reached."""
    played, rate = recording.played, recording.rate
    turns, silent, untold = Counter[str](), Counter[str](), Counter[str]()
    waits: dict[str, list[float]] = {}
    for fault, said, after in zip(faults, asked, [*asked[1:], None], strict=True):
        end = after.first if after else 1e6
        first = first_sound(played, rate, said.last, min(end, said.last + BOUND))
        turns[fault.name] += 1
        if first is None:
            silent[fault.name] += 1
        else:
            waits.setdefault(fault.name, []).append(first - said.last)
        failed = [at for at, event in recording.timed(Failed) if said.last < at < end]
        untold[fault.name] += bool(failed) and not _told(recording, said.first, failed[-1], end)
    print(f"\n{'fault':26}{'turns':>6}{'silent':>8}{'not told':>10}   first sound after, s: median, most")
    for name in sorted(turns):
        some = sorted(waits.get(name, []))
        spread = f"{some[len(some) // 2]:10.1f}{some[-1]:8.1f}" if some else ""
        print(f"{name:26}{turns[name]:6}{silent[name]:8}{untold[name]:10}   {spread}")
    return bars(
        (f"something is heard within {BOUND:.0f} s of every request", not silent),
        ("every failure that is noted is heard of", not untold.total()),
        ("every request was made", len(asked) == len(faults)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--turns", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep sound and events in this folder")
    chosen = parser.parse_args()
    with kept_in(chosen.keep) as folder:
        good = report(*loops.run(run(chosen.turns, chosen.seed, folder)))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
