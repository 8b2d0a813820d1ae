"""A Plan: a frozen directed acyclic graph of specialist calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.budget import Estimate, Tradeoff
from specialists.base import Card
from specialists.content import TEXT, Kind
from specialists.errors import Ours

SPEAKS = "tts"
"""The specialist that speaks the reply while it is being written: no step works on its sound."""


@dataclass(frozen=True, slots=True)
class PartRef:
    """An input that stands in the turn's Message: its index among the turn's parts."""

    index: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class ResultRef:
    """An input that an earlier step yields."""

    step: str
    kind: Kind


Ref = PartRef | ResultRef


@dataclass(frozen=True, slots=True)
class Step:
    """One specialist call. `after` names the steps whose results it needs, in order."""

    id: str
    specialist: str
    inputs: tuple[Ref, ...] = ()
    after: tuple[str, ...] = ()
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in an order in which every step stands after those it needs.

    `outputs` is what the person gets: text, speech, image and further kinds. `reuse` is True when the
    answer rests on something already obtained and no perception step runs. `notes` are sentences that the
    reply must carry, such as what is missing and how to get it. `tradeoffs` is what was given up for the
    turn's budget, in order, and `estimate` what the plan is expected to take. With a `question` the person
    is asked or told that, and nothing else is done.
    """

    steps: tuple[Step, ...] = ()
    outputs: tuple[str, ...] = ("text",)
    reuse: bool = False
    notes: tuple[str, ...] = ()
    tradeoffs: tuple[Tradeoff, ...] = ()
    estimate: Estimate | None = None
    question: str = ""

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for step in self.steps:
            if step.id in seen:
                raise Ours("two steps share an id", part=step.id)
            missing = [name for name in step.after if name not in seen]
            if missing:
                raise Ours(f"needs {missing} before they run", part=step.id)
            seen.add(step.id)

    def dependents(self, step_id: str) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step_id in step.after)


def answering(plan: Plan, cards: Mapping[str, Card]) -> tuple[Step, ...]:
    """The steps whose text the person gets: text that no later text step works on.

    When neither text nor speech is wanted, no text is given, though a picture may be made from it.
    """
    if not {"text", "speech"} & set(plan.outputs):
        return ()

    def makes_text(step: Step) -> bool:
        return TEXT in cards[step.specialist].produces

    return tuple(
        step
        for step in plan.steps
        if makes_text(step) and not any(makes_text(later) for later in plan.dependents(step.id))
    )
