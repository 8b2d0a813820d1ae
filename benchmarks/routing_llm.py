"""Routing with a chat model: alone, and where the router is in doubt; does it measurably help?

The requests come from a JSONL file of exemplars, the held-out ones by default. The model is the embedded
default, or the chat of a configuration file; it writes under a grammar where its backend has one.

    python benchmarks/routing_llm.py                   # 60 requests, about five minutes on two cores
    python benchmarks/routing_llm.py --all             # all of them
    python benchmarks/routing_llm.py my.jsonl --config big-model.toml

right, steps: share of requests decided wholly right, and whose specialists are right. asked: share for which
the model was consulted. reach: share of those where the right decision was among the candidates offered.
better, worse: decisions that consulting it changed from wrong to right, and from right to wrong. invalid,
repaired, replaced: requests for which it wrote something not allowed, was asked again with success, or gave
nothing usable in time.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.routing import HELD_OUT
from orchestrator.cli.models import ensure
from orchestrator.config import Config, ControllerTable, load
from orchestrator.controller.build import by_example
from orchestrator.controller.exemplars import Exemplar, read
from orchestrator.controller.hybrid import HybridController, plausible
from orchestrator.controller.llm import LlmController
from orchestrator.controller.measure import right, right_steps
from orchestrator.controller.request import Request
from orchestrator.controller.route import Controller, Route, decision_of
from orchestrator.recall import CARD as MEMORY
from orchestrator.vectors import cached
from specialists.base import Card
from specialists.embed import encoder
from specialists.models import ModelStore
from specialists.registry import build

MARGINS = (0.1, 0.2, 0.4, 1.0)

Timed = tuple[Route, float]
"""A route, and the seconds it took."""


@dataclass(frozen=True, slots=True)
class Decided:
    """One request three ways; `alone` is the model without candidates, `asked` chooses among them."""

    exemplar: Exemplar
    router: Timed
    alone: Timed
    asked: Timed

    def hybrid(self, margin: float) -> Timed:
        return self.asked if self.consulted(margin) else self.router

    def consulted(self, margin: float) -> bool:
        return self.router[0].margin < margin and len(plausible(self.router[0])) > 1


async def timed(controller: Controller, exemplars: Sequence[Exemplar], cards: Sequence[Card]) -> list[Timed]:
    routes = []
    for exemplar in exemplars:
        began = time.perf_counter()
        route = await controller.route(exemplar.request, cards)
        routes.append((route, time.perf_counter() - began))
    return routes


def row(name: str, found: Sequence[tuple[Exemplar, Route, float]], more: str = "") -> None:
    rights = [right(decision_of(route.controls), exemplar) for exemplar, route, _ in found]
    steps = [right_steps(decision_of(route.controls), exemplar) for exemplar, route, _ in found]
    p50, p95 = np.percentile([seconds for *_, seconds in found], (50, 95)) * 1000
    counts = [
        sum(bool(route.invalid) for _, route, _ in found),
        sum(route.repaired for _, route, _ in found),
        sum("replaced" in route.controller for _, route, _ in found),
    ]
    print(f"{name:16}{np.mean(rights):8.1%}{np.mean(steps):8.1%}{p50:9.0f}{p95:9.0f}", end="")
    print("".join(f"{count:10}" for count in counts) + more, flush=True)


def show(decided: Sequence[Decided]) -> None:
    titles = ("", "right", "steps", "p50 ms", "p95 ms", "invalid", "repaired", "replaced")
    print("{:16}{:>8}{:>8}{:>9}{:>9}{:>10}{:>10}{:>10}".format(*titles), end="")
    print("{:>8}{:>8}{:>8}{:>8}".format("asked", "reach", "better", "worse"))
    row("router alone", [(d.exemplar, *d.router) for d in decided])
    row("model alone", [(d.exemplar, *d.alone) for d in decided])
    for margin in MARGINS:
        asked = [d for d in decided if d.consulted(margin)]
        before = [right(decision_of(d.router[0].controls), d.exemplar) for d in asked]
        after = [right(decision_of(d.asked[0].controls), d.exemplar) for d in asked]
        reach = [any(right(decision_of(c), d.exemplar) for c in plausible(d.router[0])) for d in asked]
        better = sum(now and not then for then, now in zip(before, after, strict=True))
        worse = sum(then and not now for then, now in zip(before, after, strict=True))
        more = f"{len(asked) / len(decided):8.0%}{np.mean(reach or [0]):8.0%}{better:8}{worse:8}"
        row(f"hybrid, {margin:g}", [(d.exemplar, *d.hybrid(margin)) for d in decided], more)


async def run(settings: Config, exemplars: Sequence[Exemplar], seconds: float) -> None:
    models = ModelStore(settings.engine.models)
    found = encoder(models, settings.specialists.get("embed"))
    quick = by_example(
        ControllerTable(), cached(found.encode, settings.engine.models / "derived", found.model)
    )
    runtime = build(models, settings.specialists, settings.limits)
    chat = next(card for card in runtime.cards() if card.name == "chat")
    cards = (*runtime.cards(), MEMORY)
    llm = LlmController(runtime.run, quick, seconds)
    print(f"{len(exemplars)} requests, {chat.model}, at most {seconds:g} s for the model", flush=True)
    try:
        await runtime.load("chat")
        await llm.route(Request("hello"), cards)
        # One after the other: a prompt that was just read would be read faster the second time.
        controllers = (quick, llm, HybridController(quick, llm, 1.0))
        passes = [await timed(controller, exemplars, cards) for controller in controllers]
        show([Decided(*decided) for decided in zip(exemplars, *passes, strict=True)])
    finally:
        await runtime.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("requests", nargs="?", type=Path, default=HELD_OUT)
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--config", type=Path)
    chosen = parser.parse_args()
    settings = load(chosen.config)
    ensure(settings, ["embed", "chat"])
    exemplars = read(chosen.requests)
    if not chosen.all:
        order = np.random.default_rng(chosen.seed).permutation(len(exemplars))[: chosen.sample]
        exemplars = tuple(exemplars[i] for i in sorted(order))
    asyncio.run(run(settings, exemplars, chosen.seconds))


if __name__ == "__main__":
    main()
