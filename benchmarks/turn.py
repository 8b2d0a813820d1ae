"""Our own share of a turn: everything but the specialists, p50 and p95 over many turns.

The specialist is scripted and answers at once; where a turn calls the memory specialist too, that call does
not count. What is left is the graph, routing with the real encoder, planning, recall and the log on disk. The
baseline is the same specialist called directly.

    python benchmarks/turn.py
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from orchestrator.cli.models import ensure
from orchestrator.config import load
from orchestrator.engine import Orchestrator
from orchestrator.events import Routed, TurnFinished
from specialists.base import Task
from specialists.fakes import Scripted, card, words
from specialists.runtime import LocalRuntime

TURNS = 100
PAUSE = 0.1
"""Seconds between turns: people take longer, and new records get their vectors in the meantime."""


async def measure(folder: Path) -> None:
    settings = load()
    ensure(settings, ["embed"])
    settings = settings.model_copy(update={"engine": settings.engine.model_copy(update={"data": folder})})
    chat = Scripted(card("chat"), words(*["word "] * 40))
    runtime = LocalRuntime([chat])
    own, route, nodes = [], [], {}
    async with Orchestrator.open(settings, runtime=runtime) as orchestrator:
        await orchestrator.warm()
        session = orchestrator.session("bench")
        for number in range(TURNS):
            await asyncio.sleep(PAUSE)
            async for event in session.send(f"Tell me something new about topic number {number}."):
                if isinstance(event, Routed):
                    route.append(event.seconds)
                if isinstance(event, TurnFinished):
                    own.append(event.timings["own"])
                    for name, seconds in event.timings.items():
                        nodes.setdefault(name, []).append(seconds)
    direct = []
    for number in range(TURNS):
        began = time.perf_counter()
        async for _ in LocalRuntime([chat]).run(Task(str(number), "chat", instruction="x")):
            pass
        direct.append(time.perf_counter() - began)
    print(f"{TURNS} turns of one scripted step and 40 words")
    for name, figures in (
        ("own share of a turn", own),
        ("of it the routing decision", route),
        ("the call itself", direct),
    ):
        ordered = sorted(figures)
        p95 = ordered[int(0.95 * len(ordered))]
        print(f"{name:28} p50 {statistics.median(figures) * 1000:7.2f} ms   p95 {p95 * 1000:7.2f} ms")
    print("reached, p50: " + ", ".join(f"{k} {statistics.median(v) * 1000:.1f} ms" for k, v in nodes.items()))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
