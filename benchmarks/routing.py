"""Routing without the LLM: how many unseen requests are decided wholly right, and how long it takes.

Two sets, and nothing was fitted to either. `routing-test.jsonl`: 360 requests in nine categories, which
nobody looked at before the router was final. `routing-held-out.jsonl`: 240 requests that served to compare
methods and to find what exemplars were lacking. A request is right when its specialists (those marked
optional aside), its outputs and its reuse are all right. Baselines in the same run: the nearest exemplar by
the sense of its words (MiniLM), kernel ridge regression over words, spelling and facts alone, and over these
and the sense together. Then the same with a Card added that nothing was fitted to
(`routing-new-cards.jsonl`). `benchmarks/routing_llm.py` asks a chat model.

    python benchmarks/routing.py                     # two minutes
    python benchmarks/routing.py --cross-validate    # six folds over the built-in exemplars as well, an hour
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.cli.models import ensure
from orchestrator.config import ControllerTable, load
from orchestrator.controller.build import by_example
from orchestrator.controller.exemplar import ExemplarController
from orchestrator.controller.exemplars import Exemplar, built_in, core, from_json, read
from orchestrator.controller.features import Embed
from orchestrator.controller.measure import Decide, Measured, measure
from orchestrator.controller.request import Request
from orchestrator.controller.route import Route, controls_of, decision_of
from orchestrator.controller.router import FittedRouter
from orchestrator.recall import CARD as MEMORY
from orchestrator.vectors import cached
from specialists.base import Card
from specialists.embed import encoder
from specialists.models import ModelStore
from specialists.registry import build

DATA = Path(__file__).parent / "data"
TEST, HELD_OUT, NEW_CARDS = (DATA / f"routing-{name}.jsonl" for name in ("test", "held-out", "new-cards"))
FOLDS = 6

ALIKE = 0.9
"""Cosine from which two requests with the same attachments count as near-duplicates."""

Train = Callable[[Sequence[Exemplar]], Decide]

AnyCards = Callable[[Request, Sequence[Card]], Route]


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


def compare(
    path: Path, exemplars: Sequence[Exemplar], methods: Sequence[tuple[str, Decide]], embed: Embed
) -> None:
    asked = read(path)
    close = near_duplicates(embed, exemplars, asked)
    print(f"\n{path.name}: {len(asked)} requests, {close} with a near-duplicate among the exemplars")
    print(f"{'':32} {'right':>7} {'steps':>7} {'p50 ms':>8} {'p95 ms':>8}   right by margin, surest last")
    for name, decide in methods:
        show(name, measure(decide, asked))


def by_category(path: Path, decide: Decide) -> None:
    """What the last method decided right in each category, and which decisions it got wrong."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    asked = read(path)
    found = measure(decide, asked)
    wrong = Counter(lines[i]["category"] for i in found.wrong)
    print("wholly right by category:")
    for category, count in Counter(line["category"] for line in lines).items():
        print(f"  {category:16} {1 - wrong[category] / count:6.1%} of {count}")
    made = ", ".join(f"{name} {made}/{missed}" for name, (made, missed) in found.errors.items())
    print(f"decisions wrongly made/missed: {made}")


def with_new_cards(cards: Sequence[Card], methods: Sequence[tuple[str, AnyCards]]) -> None:
    """Cards that nothing was fitted to, one at a time beside ours, and then all of them at once."""
    lines = [json.loads(line) for line in NEW_CARDS.read_text(encoding="utf-8").splitlines()]
    added = [
        (_card(line["card"]), [from_json({**_PLAIN, **asked}) for asked in line["asked"]]) for line in lines
    ]
    test = read(TEST)
    print(f"\n{NEW_CARDS.name}: {len(added)} Cards that nothing was fitted to, one at a time beside ours")
    print(f"{'':32} {'reached':>8} {'not asked for':>14}   test set: without, and with all {len(added)}")
    for name, decide in methods:
        reached: list[bool] = []
        spared: list[bool] = []
        for card, asked in added:
            for exemplar in asked:
                steps = decision_of(decide(exemplar.request, (*cards, card)).controls).steps
                needed = card.name in exemplar.decision.steps
                (reached if needed else spared).append((card.name in steps) == needed)
        everything = (*cards, *(card for card, _ in added))
        shares = [measure(_over(decide, them), test).right for them in (cards, everything)]
        needless = 1 - np.mean(spared)
        print(f"{name:32} {np.mean(reached):8.1%} {needless:14.1%}   {shares[0]:.1%} {shares[1]:.1%}")


def _over(decide: AnyCards, cards: Sequence[Card]) -> Decide:
    return lambda request: decide(request, cards)


_PLAIN: Mapping[str, object] = {"history": [], "outputs": ["text"], "reuse": False, "optional": []}


def _card(values: Mapping[str, Any]) -> Card:
    kinds = tuple(values["consumes"]), tuple(values["produces"])
    return Card(values["name"], values["description"], *kinds, examples=tuple(values["examples"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--cross-validate", action="store_true")
    arguments = parser.parse_args()
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
    exemplars = built_in()
    print(f"{len(exemplars)} exemplars")
    present = [("fitted router (default)", fitted(embed, cards))] if FittedRouter.present() else []
    methods = [(name, train(exemplars)) for name, train in learned + present]
    for path in (TEST, HELD_OUT):
        compare(path, exemplars, methods, embed)
    by_category(TEST, methods[-1][1])
    by_ridge, by_router = ExemplarController(core(), embed), by_example(ControllerTable(kind="fitted"), embed)
    with_new_cards(
        cards, [("kernel ridge, and MiniLM", by_ridge.decide), ("fitted router", by_router.decide)]
    )
    if arguments.cross_validate:
        print(f"{FOLDS} folds over the exemplars")
        for name, train in learned:
            print(f"{name:32} {cross_validate(train, exemplars):7.1%}")


if __name__ == "__main__":
    main()
