"""Routing without the LLM: how many unseen requests are decided wholly right, and how long it takes.

The requests of `benchmarks/data/routing-held-out.jsonl`, which nothing was fitted or tuned to. A request is
right when its specialists (those marked optional aside), its outputs and its reuse are all right. Baselines
in the same run: the nearest exemplar by the sense of its words (MiniLM), and kernel ridge regression.

    python benchmarks/routing.py                     # half a minute
    python benchmarks/routing.py --cross-validate    # six folds over the built-in exemplars as well, minutes
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from orchestrator.cli.models import ensure
from orchestrator.config import ControllerTable, load
from orchestrator.controller.build import by_example
from orchestrator.controller.exemplar import ExemplarController
from orchestrator.controller.exemplars import Exemplar, built_in, read
from orchestrator.controller.features import Embed
from orchestrator.controller.measure import Decide, Measured, measure
from orchestrator.controller.request import Request
from orchestrator.controller.route import Route, controls_of
from orchestrator.controller.router import FittedRouter
from orchestrator.recall import CARD as MEMORY
from orchestrator.vectors import cached
from specialists.base import Card
from specialists.embed import encoder
from specialists.models import ModelStore
from specialists.registry import build

HELD_OUT = Path(__file__).parent / "data" / "routing-held-out.jsonl"
FOLDS = 6

ALIKE = 0.9
"""Cosine from which two requests with the same attachments count as near-duplicates."""

Train = Callable[[Sequence[Exemplar]], Decide]


def nearest(embed: Embed) -> Train:
    def train(exemplars: Sequence[Exemplar]) -> Decide:
        vectors = embed([e.request.text for e in exemplars])

        def decide(request: Request) -> Route:
            fitting = np.array([set(e.request.attachments) == set(request.attachments) for e in exemplars])
            scores = vectors @ embed([request.text])[0] + fitting
            return Route(controls_of(exemplars[int(np.argmax(scores))].decision), "nearest")

        return decide

    return train


def ridge(embed: Embed | None, cards: Sequence[Card]) -> Train:
    def train(exemplars: Sequence[Exemplar]) -> Decide:
        controller = ExemplarController(exemplars, embed)
        controller.fit(cards)
        return lambda request: controller.decide(request, cards)

    return train


def fitted(embed: Embed, cards: Sequence[Card]) -> Train:
    def train(exemplars: Sequence[Exemplar]) -> Decide:
        assert exemplars is built_in(), "it was fitted to these"
        controller = by_example(ControllerTable(kind="fitted"), embed)
        return lambda request: controller.decide(request, cards)

    return train


def near_duplicates(embed: Embed, exemplars: Sequence[Exemplar], asked: Sequence[Exemplar]) -> int:
    """How many of the requests have an exemplar with the same attachments and nearly the same sense."""
    close = embed([e.request.text for e in asked]) @ embed([e.request.text for e in exemplars]).T > ALIKE
    same = [[set(e.request.attachments) == set(a.request.attachments) for e in exemplars] for a in asked]
    return int((close & np.array(same)).any(axis=1).sum())


def cross_validate(train: Train, exemplars: Sequence[Exemplar]) -> float:
    """The share decided wholly right by what was learned from the other folds."""
    order = np.random.default_rng(0).permutation(len(exemplars))
    correct = 0.0
    for fold in range(FOLDS):
        held = set(order[fold::FOLDS].tolist())
        decide = train([e for i, e in enumerate(exemplars) if i not in held])
        correct += measure(decide, [exemplars[i] for i in sorted(held)]).right * len(held)
    return correct / len(exemplars)


def show(name: str, found: Measured) -> None:
    surest = " ".join(f"{share:4.0%}" for share in found.by_margin)
    print(
        f"{name:32} {found.right:7.1%} {found.steps:7.1%} {found.p50_ms:8.1f} {found.p95_ms:8.1f}   {surest}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--cross-validate", action="store_true")
    settings = load()
    ensure(settings, ["embed"])
    models = ModelStore(settings.engine.models)
    found = encoder(models, settings.specialists.get("embed"))
    embed = cached(found.encode, settings.engine.models / "derived", found.model)
    cards = (*build(models, settings.specialists, settings.limits).cards(), MEMORY)
    learned: list[tuple[str, Train]] = [
        ("nearest exemplar, MiniLM", nearest(embed)),
        ("kernel ridge, words and facts", ridge(None, cards)),
        ("kernel ridge, and MiniLM", ridge(embed, cards)),
    ]
    exemplars, asked = built_in(), read(HELD_OUT)
    print(f"{len(exemplars)} exemplars, {len(asked)} requests held out, ", end="")
    print(f"{near_duplicates(embed, exemplars, asked)} of them with a near-duplicate among the exemplars")
    print(f"{'':32} {'right':>7} {'steps':>7} {'p50 ms':>8} {'p95 ms':>8}   right by margin, surest last")
    present = [("fitted router (default)", fitted(embed, cards))] if FittedRouter.present() else []
    for name, train in learned + present:
        show(name, measure(train(exemplars), asked))
    if parser.parse_args().cross_validate:
        print(f"{FOLDS} folds over the exemplars")
        for name, train in learned:
            print(f"{name:32} {cross_validate(train, exemplars):7.1%}")


if __name__ == "__main__":
    main()
