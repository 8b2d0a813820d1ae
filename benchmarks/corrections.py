"""Corrections: how many are recognised and served right, and what remembering them helps and hurts.

First, over `benchmarks/data/correction-turns.jsonl` (a request, what was done for it, the next message): the
corrections that are recognised, the other messages that are taken for one, and the corrected decisions that
are right; beside it, the same messages routed as if they were ordinary ones.

Then the thresholds. A person has corrected the requests that `benchmarks/data/correction-paraphrases.jsonl`
names, and now says them in other words (paraphrases), asks for something else in nearly the same words
(neighbours), and asks all the other requests of `routing-held-out.jsonl`. For each threshold: how often a
correction is used, how often that is right, and how many requests were wrong and become right (helps) or were
right and become wrong (hurts). Once with all of these requests corrected, once with those alone that the
router gets wrong, as it would be in life.

    python benchmarks/corrections.py          # half a minute
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memory.corrections import Correction
from orchestrator import cues
from orchestrator.cli.models import ensure
from orchestrator.config import load
from orchestrator.controller.build import by_example
from orchestrator.controller.corrected import ALIKE, Alike, fitting, nearest
from orchestrator.controller.exemplars import Decision, Exemplar, read
from orchestrator.controller.request import Request, Said
from orchestrator.controller.route import Route, controls_of, decision_of
from orchestrator.corrections import composed, instead
from orchestrator.recall import CARD as MEMORY
from orchestrator.vectors import cached
from specialists.base import Card
from specialists.embed import encoder
from specialists.models import ModelStore
from specialists.registry import build

DATA = Path(__file__).parent / "data"
THRESHOLDS = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]

Decide = Callable[[Request], Route]


@dataclass(frozen=True)
class Asked:
    """A request with what it needs, and what the router alone decides."""

    group: str
    exemplar: Exemplar
    alone: Decision


def lines(name: str) -> Iterator[dict[str, Any]]:
    for line in (DATA / name).read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def fits(decision: Decision, wanted: Exemplar) -> bool:
    """Whether the specialists (optional ones aside) and the outputs are right."""
    differing = set(decision.steps) ^ set(wanted.decision.steps)
    return differing <= set(wanted.optional) and set(decision.outputs) == set(wanted.decision.outputs)


def turns(decide: Decide) -> None:
    found = {"recognised": 0, "right": 0, "ordinary": 0, "false": 0}
    corrections = others = 0
    for line in lines("correction-turns.jsonl"):
        before = line["before"]
        kinds = tuple(before["attachments"])
        done = Decision(tuple(before["steps"]), tuple(before["outputs"]))
        asked = Request(composed(before["text"], line["text"]), kinds)
        by_itself = decide(Request(line["text"], kinds))
        anew = decision_of(instead(line["text"], done, decide(asked), by_itself).controls)
        differs = set(anew.steps) != set(done.steps) or set(anew.outputs) != set(done.outputs)
        asked_back = before["reply"].rstrip().endswith("?")
        taken = cues.objects(line["text"], done, asked_back=asked_back) and differs
        if not line["correction"]:
            others += 1
            found["false"] += taken
            continue
        corrections += 1
        wanted = Exemplar(
            asked, Decision(tuple(line["steps"]), tuple(line["outputs"])), tuple(line["optional"])
        )
        said = (Said("user", before["text"], kinds),)
        ordinary = decision_of(decide(Request(line["text"], (), said)).controls)
        found["ordinary"] += fits(ordinary, wanted)
        found["recognised"] += taken
        found["right"] += fits(anew if taken else ordinary, wanted)
    print(f"{corrections} corrections, {others} other messages after an answer")
    print(f"recognised                        {found['recognised']:3} of {corrections}")
    print(f"other messages taken for one      {found['false']:3} of {others}")
    print(f"served right                      {found['right']:3} of {corrections}")
    print(f"served right as ordinary messages {found['ordinary']:3} of {corrections}")


def asked(decide: Decide) -> tuple[list[Asked], dict[str, Exemplar]]:
    """All requests, and the corrected ones by their words."""
    names = [line["id"] for line in lines("routing-held-out.jsonl")]
    held_out = dict(zip(names, read(DATA / "routing-held-out.jsonl"), strict=True))
    requests: list[Asked] = []
    corrected: dict[str, Exemplar] = {}
    for line in lines("correction-paraphrases.jsonl"):
        original = held_out[line["of"]]
        corrected[line["of"]] = original
        request = Request(line["text"], original.request.attachments, original.request.history)
        wanted = Exemplar(request, original.decision, original.optional)
        if not line["same"]:
            decision = Decision(tuple(line["steps"]), tuple(line["outputs"]))
            wanted = Exemplar(request, decision, tuple(line["optional"]))
        group = "paraphrases" if line["same"] else "neighbours"
        requests.append(Asked(group, wanted, decision_of(decide(request).controls)))
    for name, exemplar in held_out.items():
        if name not in corrected:
            requests.append(Asked("others", exemplar, decision_of(decide(exemplar.request).controls)))
    return requests, corrected


def correction(exemplar: Exemplar) -> Correction:
    request = exemplar.request
    return Correction(
        "",
        request.text,
        tuple(map(str, controls_of(exemplar.decision))),
        tuple(sorted(set(request.attachments))),
        tuple(sorted(request.earlier_kinds)),
    )


def thresholds(
    requests: Sequence[Asked], corrections: Sequence[Correction], alike: Alike, cards: Sequence[Card]
) -> None:
    groups = ("paraphrases", "neighbours", "others")
    sizes = {group: sum(a.group == group for a in requests) for group in groups}
    alone = {group: sum(fits(a.alone, a.exemplar) for a in requests if a.group == group) for group in groups}
    head = "".join(f"{f'{group} ({alone[group]} of {sizes[group]} right)':>32}" for group in groups)
    print(f"{len(corrections)} corrections\n{'':9}{head}")
    columns = f"{'used':>9}{'right':>7}{'helps':>8}{'hurts':>8}"
    print(f"{'alike':9}{columns * len(groups)}")
    routes = [
        nearest(a.exemplar.request, found, alike, alike=0.0)
        if (found := fitting(corrections, a.exemplar.request, cards))
        else None
        for a in requests
    ]
    for threshold in THRESHOLDS:
        row = f"{threshold:<4}{'  <- ' if threshold == ALIKE else '':5}"
        for group in groups:
            tally = dict.fromkeys(("used", "right", "helps", "hurts"), 0)
            for one, route in zip(requests, routes, strict=True):
                if one.group != group or route is None or route.candidates[0][1] < threshold:
                    continue
                before, after = fits(one.alone, one.exemplar), fits(decision_of(route.controls), one.exemplar)
                tally["used"] += 1
                tally["right"] += after
                tally["helps"] += after and not before
                tally["hurts"] += before and not after
            row += f"{tally['used']:9}{tally['right']:7}{tally['helps']:8}{tally['hurts']:8}"
        print(row)


def main() -> None:
    settings = load()
    ensure(settings, ["embed"])
    models = ModelStore(settings.engine.models)
    found = encoder(models, settings.specialists.get("embed"))
    embed = cached(found.encode, settings.engine.models / "derived", found.model)
    controller = by_example(settings.controller, embed)
    cards = (*build(models, settings.specialists, settings.limits).cards(), MEMORY)

    def decide(request: Request) -> Route:
        return controller.decide(request, cards)

    turns(decide)
    requests, corrected = asked(decide)
    alike = Alike(found.encode)
    print("\nAll of them corrected: ", end="")
    thresholds(requests, [correction(e) for e in corrected.values()], alike, cards)
    wrong = {k: e for k, e in corrected.items() if not fits(decision_of(decide(e.request).controls), e)}
    print("\nThose corrected that the router gets wrong: ", end="")
    thresholds(requests, [correction(e) for e in wrong.values()], alike, cards)


if __name__ == "__main__":
    main()
