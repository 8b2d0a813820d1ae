"""Turns against deadlines, planned with and without an eye on the budget.

The specialists are fakes whose calls take known times with some spread, on the real clock; routing, planning,
memory and the log are real. The figures that planning rests on are those of the turns before.

    python benchmarks/budget.py            about three minutes
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from orchestrator.budget import Budget
from orchestrator.cli.models import ensure
from orchestrator.config import Config, load
from orchestrator.engine import Orchestrator
from orchestrator.events import Planned, TurnFinished
from orchestrator.plan import Plan
from specialists.base import Card, Chunk, Cost, Specialist, Task
from specialists.fakes import card
from specialists.runtime import LocalRuntime

SPREAD = 0.15
"""Of the logarithm of a call's time."""

WARM_UP = 6
TURNS = 8
DEADLINES = (0.3, 0.6, 0.9, 1.2, 2.5)

REQUESTS = (
    ("Write a poem about the sea, draw it and read it to me", False),
    ("Read the words on this sign aloud to me", True),
    ("What does this picture show, and what does it say on it?", True),
)


class Timed(Specialist):
    """Takes about as long as its Card says, and then answers in one piece."""

    def __init__(self, card: Card, answer: Chunk, chance: random.Random) -> None:
        self.card = card
        self._answer = answer
        self._chance = chance

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        await asyncio.sleep(self.card.cost.seconds * self._chance.lognormvariate(0.0, SPREAD))
        yield self._answer


def cast(picture: bytes) -> list[Specialist]:
    chance = random.Random(7)
    words = Chunk("text", "Some words to say.")
    sound = Chunk("audio", data=b"\x01\x00" * 2205, media_type="audio/pcm;rate=22050")
    painted = Chunk("image", data=picture, media_type="image/png")
    seen, both = ("image",), ("image", "document")
    rows = (
        (card("chat", purpose="chat", quality=0.8, cost=Cost(0.25)), words),
        (card("chat-small", purpose="chat", quality=0.4, cost=Cost(0.1)), words),
        (card("vision", seen, cost=Cost(0.3)), words),
        (card("ocr", both, purpose="ocr", quality=0.9, cost=Cost(0.7)), words),
        (card("ocr-fast", both, purpose="ocr", quality=0.6, cost=Cost(0.15)), words),
        (card("tts", ("text",), ("audio",), cost=Cost(0.1)), sound),
        (card("imagegen", ("text",), ("image",), cost=Cost(1.2)), painted),
    )
    return [Timed(described, answer, chance) for described, answer in rows]


@dataclass(frozen=True, slots=True)
class Seen:
    """One turn: its plan, and how long it took from the message to the end, in seconds."""

    plan: Plan
    seconds: float


async def turn(
    orchestrator: Orchestrator, text: str, pictures: Sequence[Path], seconds: float | None
) -> Seen:
    planned, took = Plan(), 0.0
    session = orchestrator.session("bench")
    async for event in session.send(text, images=pictures, budget=Budget(seconds)):
        if isinstance(event, Planned):
            planned = event.plan
        if isinstance(event, TurnFinished):
            took = event.timings["total"]
    return Seen(planned, took)


async def measure(settings: Config, picture: Path, runtime: LocalRuntime) -> None:
    kept = {deadline: [0, 0] for deadline in DEADLINES}
    off: list[float] = []
    async with Orchestrator.open(settings, runtime=runtime) as orchestrator:
        await orchestrator.warm()
        for text, shown in REQUESTS:
            pictures = [picture] if shown else []
            for _ in range(WARM_UP):
                await turn(orchestrator, text, pictures, None)
            free = [await turn(orchestrator, text, pictures, None) for _ in range(TURNS)]
            print(f"\n{text}\n  deadline  {'plan':34} expected took p50   most  in time")
            show("none", free, None)
            for deadline in DEADLINES:
                seen = [await turn(orchestrator, text, pictures, deadline) for _ in range(TURNS)]
                show(f"{deadline:g} s", seen, deadline)
                kept[deadline][0] += in_time(free, deadline)
                kept[deadline][1] += in_time(seen, deadline)
                off += [one.seconds / one.plan.estimate.seconds for one in seen if one.plan.estimate]
    total = len(REQUESTS) * TURNS
    print(f"\nturns in time, of {total}\n{'deadline':>10}  {'blind':>8} {'budget-aware':>13}")
    for deadline, (blind, aware) in kept.items():
        print(f"{f'{deadline:g} s':>10}  {blind / total:8.0%} {aware / total:13.0%}")
    ordered = sorted(off)
    print(
        f"\ntime taken over time expected (p95): median {statistics.median(ordered):.2f}, "
        f"p95 {ordered[int(0.95 * len(ordered))]:.2f}"
    )


def in_time(seen: Sequence[Seen], deadline: float) -> int:
    return sum(one.seconds <= deadline for one in seen)


def show(label: str, seen: Sequence[Seen], deadline: float | None) -> None:
    """A row: the plan most turns had, what it was expected to take, what it took."""
    plans = [plan_of(one.plan) for one in seen]
    plan = statistics.mode(plans)
    expected = statistics.median(one.plan.estimate.seconds for one in seen if one.plan.estimate)
    took = [one.seconds for one in seen]
    share = "" if deadline is None else f"{in_time(seen, deadline) / len(seen):7.0%}"
    plan = plan if len(set(plans)) == 1 else f"{plan} (most)"
    print(
        f"{label:>10}  {plan:34} {expected:7.2f}s {statistics.median(took):7.2f}s {max(took):5.2f}s  {share}"
    )


def plan_of(plan: Plan) -> str:
    late = " (late)" if any(tradeoff.action == "late" for tradeoff in plan.tradeoffs) else ""
    return ", ".join(step.specialist for step in plan.steps) + late


def main() -> None:
    settings = load()
    ensure(settings, ["embed"])
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "sign.png"
        Image.new("RGB", (64, 48), "orange").save(picture)
        engine = settings.engine.model_copy(update={"data": Path(folder) / "data"})
        memory = settings.memory.model_copy(update={"reuse": False})
        bench = settings.model_copy(update={"engine": engine, "memory": memory})
        asyncio.run(measure(bench, picture, LocalRuntime(cast(picture.read_bytes()))))


if __name__ == "__main__":
    main()
