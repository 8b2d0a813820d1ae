"""Routing by example: how many unseen requests are decided wholly right, and how long a decision takes.

Six-fold cross-validation over the built-in exemplars. A request counts as right when its specialists (those
marked optional aside), its outputs and its reuse are all right. Baselines in the same run: the nearest
exemplar by the sense of its words alone (MiniLM), and ours without MiniLM.

    python benchmarks/routing.py
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from orchestrator.cli.models import ensure
from orchestrator.config import load
from orchestrator.controller.exemplar import ExemplarController
from orchestrator.controller.exemplars import Decision, Exemplar, built_in
from orchestrator.controller.features import Embed
from orchestrator.controller.request import Request
from orchestrator.controller.route import decision_of
from orchestrator.recall import CARD as MEMORY
from orchestrator.vectors import cached
from specialists.base import Card
from specialists.embed import encoder
from specialists.models import ModelStore
from specialists.registry import build

FOLDS = 6

Decide = Callable[[Request], Decision]
Train = Callable[[Sequence[Exemplar]], Decide]


def right(decision: Decision, exemplar: Exemplar) -> bool:
    wanted = exemplar.decision
    differing = set(decision.steps) ^ set(wanted.steps)
    same_outputs = set(decision.outputs) == set(wanted.outputs)
    reuse = decision.reuse == (wanted.reuse or "memory" in wanted.steps)
    return differing <= set(exemplar.optional) and same_outputs and reuse


def nearest(embed: Embed) -> Train:
    def train(exemplars: Sequence[Exemplar]) -> Decide:
        vectors = embed([e.request.text for e in exemplars])

        def decide(request: Request) -> Decision:
            fitting = np.array([set(e.request.attachments) == set(request.attachments) for e in exemplars])
            scores = vectors @ embed([request.text])[0] + fitting
            return exemplars[int(np.argmax(scores))].decision

        return decide

    return train


def ours(embed: Embed | None, cards: Sequence[Card]) -> Train:
    def train(exemplars: Sequence[Exemplar]) -> Decide:
        controller = ExemplarController(exemplars, embed)
        controller.fit(cards)
        return lambda request: decision_of(controller.decide(request, cards).controls)

    return train


def cross_validate(train: Train, exemplars: Sequence[Exemplar]) -> tuple[float, float]:
    """The share decided wholly right, and the median seconds a decision took."""
    order = np.random.default_rng(0).permutation(len(exemplars))
    correct, seconds = 0, []
    for fold in range(FOLDS):
        held = set(order[fold::FOLDS].tolist())
        decide = train([e for i, e in enumerate(exemplars) if i not in held])
        for i in sorted(held):
            began = time.perf_counter()
            decision = decide(exemplars[i].request)
            seconds.append(time.perf_counter() - began)
            correct += right(decision, exemplars[i])
    return correct / len(exemplars), float(np.median(seconds))


def main() -> None:
    settings = load()
    ensure(settings, ["embed"])
    models = ModelStore(settings.engine.models)
    found = encoder(models, settings.specialists.get("embed"))
    embed = cached(found.encode, settings.engine.models / "derived", found.model)
    cards = (*build(models, settings.specialists, settings.limits).cards(), MEMORY)
    exemplars = built_in()
    print(f"{len(exemplars)} exemplars, {FOLDS} folds")
    print(f"{'':34} wholly right   a decision   against the nearest")
    baseline = 0.0
    for name, train in (
        ("nearest exemplar, MiniLM", nearest(embed)),
        ("kernel ridge, words and facts", ours(None, cards)),
        ("kernel ridge, and MiniLM (default)", ours(embed, cards)),
    ):
        share, seconds = cross_validate(train, exemplars)
        baseline = baseline or share
        print(f"{name:34} {share:10.1%} {seconds * 1000:11.1f} ms {share / baseline:14.2f} x")


if __name__ == "__main__":
    main()
