"""Arguments: how well what people say of the *how* becomes parameters and a choice of attachments.

The requests of `benchmarks/data/arguments.jsonl`, each for one step: a built-in specialist, or a tool of
`arguments-tools.json` whose parameters say nothing of what they mean. An argument is right when its name and
its value are; a choice of attachments counts as one argument. The held-out part was written before there was
any code, and its errors were not looked at.

    python benchmarks/arguments.py            # seconds
    python benchmarks/arguments.py --errors   # and what was wrong in the part that is not held out
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from orchestrator.arguments import with_arguments
from orchestrator.batch import read_catalogue
from orchestrator.plan import PartRef, Plan, Step
from specialists.base import Card
from specialists.content import TEXT, Part, kind_of, kinds, text_part
from specialists.models import ModelStore
from specialists.registry import build

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Case:
    """A request for one step. `expect` holds parameters, and under "inputs" the places of the attachments
    that are meant, counted from 1, where not all are."""

    text: str
    specialist: str
    attachments: tuple[str, ...]
    """Kinds, or file names."""
    expect: Mapping[str, Any]
    held_out: bool = False


@dataclass
class Counted:
    """Cases, those of them that are wholly right, and arguments: right, made up, missed or wrong."""

    cases: int = 0
    whole: int = 0
    right: int = 0
    wrong: int = 0
    missed: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + self.wrong)

    @property
    def recall(self) -> float:
        return self.right / max(1, self.right + self.missed)


def cases() -> tuple[Case, ...]:
    lines = (DATA / "arguments.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(
        Case(v["text"], v["specialist"], tuple(v["attachments"]), v["expect"], v.get("held_out", False))
        for v in map(json.loads, lines)
    )


@cache
def cards() -> tuple[Card, ...]:
    """The built-in specialists, and tools that nobody knew."""
    return (*build(ModelStore(Path())).cards(), *read_catalogue(DATA / "arguments-tools.json"))


def read(case: Case) -> dict[str, Any]:
    """The arguments that are read out of a case."""
    card = next(card for card in cards() if card.name == case.specialist)
    parts = [text_part(case.text)]
    for attached in case.attachments:
        is_kind = attached in kinds()
        parts.append(Part(attached if is_kind else kind_of(attached), name="" if is_kind else attached))
    refs = tuple(PartRef(i, part.kind) for i, part in enumerate(parts) if i and part.kind in card.consumes)
    before = Step("s1", card.name, refs or (PartRef(0, TEXT),))
    (step,) = with_arguments(Plan((before,)), case.text, parts, cards()).steps
    inputs = [ref.index for ref in step.inputs if isinstance(ref, PartRef)]
    return {**step.params, **({"inputs": inputs} if step.inputs != before.inputs else {})}


def measure(asked: Iterable[Case]) -> Counted:
    counted = Counted()
    for case in asked:
        began = time.perf_counter()
        found = read(case)
        counted.seconds.append(time.perf_counter() - began)
        right = sum(found.get(name) == value for name, value in case.expect.items())
        counted.cases += 1
        counted.whole += found == case.expect
        counted.right += right
        counted.wrong += len(found) - right
        counted.missed += len(case.expect) - right
    return counted


def show(name: str, asked: Sequence[Case]) -> None:
    found = measure(asked)
    none = sum(not case.expect for case in asked)
    p50 = sorted(found.seconds)[len(asked) // 2] * 1000
    print(
        f"{name:12} {found.cases:6} {none:10} {found.whole / found.cases:7.1%} "
        f"{found.precision:10.1%} {found.recall:7.1%} {p50:7.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--errors", action="store_true")
    errors = parser.parse_args().errors
    known = [case for case in cases() if not case.held_out]
    measure(known)  # what loads on first use is no matter of this figure
    print(
        f"{'':12} {'cases':>6} {'of nothing':>10} {'whole':>7} {'precision':>10} {'recall':>7} {'p50 ms':>7}"
    )
    show("worked with", known)
    show("held out", [case for case in cases() if case.held_out])
    for case in known if errors else ():
        if (found := read(case)) != case.expect:
            print(f"{case.specialist}: {case.text!r} gave {found}, not {dict(case.expect)}")


if __name__ == "__main__":
    main()
