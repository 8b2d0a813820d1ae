"""How well a controller decides: wholly right, decision by decision, by margin, and how long it takes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.controller.exemplars import Decision, Exemplar
from orchestrator.controller.request import Request
from orchestrator.controller.route import Route, decision_of

QUANTILES = 4

Decide = Callable[[Request], Route]


@dataclass(frozen=True, slots=True)
class Measured:
    """Shares are of requests, 0..1. `by_margin` goes from the least sure quarter to the surest.

    `errors` counts, for each decision, the requests where it was made and should not have been, and where
    it was missed. `wrong` are the places in the input of requests not wholly right.
    """

    requests: int
    right: float
    steps: float
    errors: Mapping[str, tuple[int, int]]
    by_margin: tuple[float, ...]
    p50_ms: float
    p95_ms: float
    wrong: tuple[int, ...]


def measure(decide: Decide, exemplars: Sequence[Exemplar]) -> Measured:
    """Decide every request and compare. `exemplars` must not be empty."""
    decide(exemplars[0].request)  # the first call may load what it needs
    seconds, margins, rights, steps = [], [], [], []
    errors: dict[str, Counter[bool]] = {}
    for exemplar in exemplars:
        began = time.perf_counter()
        route = decide(exemplar.request)
        seconds.append(time.perf_counter() - began)
        decision = decision_of(route.controls)
        margins.append(route.margin)
        rights.append(right(decision, exemplar))
        steps.append(right_steps(decision, exemplar))
        for name, missed in _differing(decision, exemplar):
            errors.setdefault(name, Counter())[missed] += 1
    order = np.argsort(margins, kind="stable")
    by_margin = [
        float(np.mean(np.array(rights)[part])) for part in np.array_split(order, QUANTILES) if len(part)
    ]
    p50, p95 = np.percentile(seconds, (50, 95)) * 1000
    return Measured(
        len(exemplars),
        float(np.mean(rights)),
        float(np.mean(steps)),
        {name: (count[False], count[True]) for name, count in sorted(errors.items())},
        tuple(by_margin),
        float(p50),
        float(p95),
        tuple(i for i, fine in enumerate(rights) if not fine),
    )


def right(decision: Decision, exemplar: Exemplar) -> bool:
    """Whether specialists (optional ones aside), outputs and reuse are all as the exemplar says."""
    return not any(_differing(decision, exemplar))


def right_steps(decision: Decision, exemplar: Exemplar) -> bool:
    """Whether the specialists are, optional ones aside."""
    return set(decision.steps) ^ set(exemplar.decision.steps) <= set(exemplar.optional)


def _differing(decision: Decision, exemplar: Exemplar) -> list[tuple[str, bool]]:
    """What was decided otherwise, and whether it was missed (else it was wrongly made)."""
    wanted = exemplar.decision
    differing = (set(decision.steps) ^ set(wanted.steps)) - set(exemplar.optional)
    found = [(name, name in wanted.steps) for name in differing]
    found += [
        (f"output:{name}", name in wanted.outputs) for name in set(decision.outputs) ^ set(wanted.outputs)
    ]
    reuse = wanted.reuse or "memory" in wanted.steps
    if decision.reuse != reuse:
        found.append(("reuse", reuse))
    return found
