"""Reuse beyond the exact key: calls that near-duplicate pictures spare, and wrong reuses, by threshold.

Conversations of two turns over the engine with its real memory: a picture is asked about, then the same is
asked of another one, which is either the first as it was passed on (recompressed, resized, cropped, in
another light, the next frame) or one that only is alike (the same form with another number, the same scene
with a thing moved). All conversations share one store, as those of many people do, each under its own scope.
For every threshold: how many of the copies were not looked at again (calls avoided), and of how many of the
others the answer was that of another picture (wrong reuses). The default is the lowest threshold of the curve
at which at most one of a hundred is. The last column, pictures with words alone, is why `ocr` is not spared.

    python -m benchmarks.reuse            # about a minute on two cores; exits 1 above that rate
    python -m benchmarks.reuse --sorts    # and the likenesses of every sort of pair
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.look_alikes import Pair, pairs
from orchestrator import control
from orchestrator.config import Config, MemoryTable
from orchestrator.controller.request import Request
from orchestrator.controller.route import Route
from orchestrator.engine import Orchestrator
from orchestrator.events import StepFinished
from orchestrator.session import Attachment
from specialists.base import Card
from specialists.fakes import Scripted, card, words
from specialists.runtime import LocalRuntime

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
LEAST = 0.01
MOST_WRONG = 0.01
WORDY = ("form", "page", "table", "sign")


@dataclass(frozen=True, slots=True)
class Tried:
    """A pair with what came of it: the likeness it was reused with, 0 where it was looked at."""

    pair: Pair
    likeness: float
    seconds: float


class Looks:
    """A controller that has pictures looked at."""

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        return Route((control.call("vision"), control.ANSWER), "fixed")


async def run() -> list[Tried]:
    """All pairs, reused wherever they are alike at all."""
    vision = Scripted(card("vision", ["image"]), words("What it shows."))
    with tempfile.TemporaryDirectory() as folder:
        config = Config.model_validate({"engine": {"data": folder, "models": folder}, "memory": {"hits": 0}})
        config = config.model_copy(update={"memory": config.memory.model_copy(update={"reuse_like": LEAST})})
        runtime = LocalRuntime([vision])
        async with Orchestrator.open(config, runtime=runtime, controller=Looks()) as orchestrator:
            return [await tried(orchestrator, pair, f"c{n}.") for n, pair in enumerate(pairs())]


async def tried(orchestrator: Orchestrator, pair: Pair, scope: str) -> Tried:
    """Ask the same of both pictures of a pair."""
    session = orchestrator.session(f"{scope}1", scope)
    found = 0.0
    for file in (pair.first, pair.second):
        began = time.perf_counter()
        async for event in session.send("What is this?", files=[Attachment(data=file, name="picture")]):
            if isinstance(event, StepFinished):
                found = (event.likeness or 1.0) if event.reused else 0.0
    return Tried(pair, found, time.perf_counter() - began)


def report(results: Sequence[Tried], *, sorts: bool = False) -> bool:
    """Print the curve; whether the default keeps the rate."""
    copies = [each.likeness for each in results if each.pair.same]
    others = [each.likeness for each in results if not each.pair.same]
    wordy = [e.likeness for e in results if not e.pair.same and e.pair.sort.startswith(WORDY)]
    print(f"{len(copies)} copies, {len(others)} others that are alike, {len(wordy)} of these with words\n")
    print("threshold   calls avoided         wrong reuses        of those with words")
    for least in THRESHOLDS:
        cells = [_share(values, least) for values in (copies, others, wordy)]
        print(f"{least:9.2f}   " + "   ".join(cell.ljust(18) for cell in cells))
    default = MemoryTable().reuse_like
    wrong = sum(value >= default for value in others) / len(others)
    spans = sorted(each.seconds for each in results)
    print(f"\ndefault {default}: calls avoided {_share(copies, default)}, wrong {_share(others, default)}")
    print(f"second turn, all but the specialist: p50 {spans[len(spans) // 2]:.2f} s, worst {spans[-1]:.2f} s")
    for name in dict.fromkeys(each.pair.sort for each in results) if sorts else ():
        found = sorted(each.likeness for each in results if each.pair.sort == name)
        said = "copy " if any(e.pair.same for e in results if e.pair.sort == name) else "other"
        middle = found[len(found) // 2]
        print(f"  {said} {name:26} {len(found):3}   {found[0]:.2f} .. {middle:.2f} .. {found[-1]:.2f}")
    return wrong <= MOST_WRONG


def _share(values: Sequence[float], least: float) -> str:
    count = sum(value >= least for value in values)
    return f"{count:3} of {len(values)} ({count / len(values):.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--sorts", action="store_true", help="print the likenesses of every sort of pair")
    sorts = parser.parse_args().sorts
    sys.exit(0 if report(asyncio.run(run()), sorts=sorts) else 1)


if __name__ == "__main__":
    main()
