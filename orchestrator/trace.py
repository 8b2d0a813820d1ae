"""Why a decision was made and what its plan is expected to take, for `antiphon plan`, the API and events.

Pure: Routes, Plans, Cards and figures in; sentences and plain JSON values out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from orchestrator import control
from orchestrator.controller.exemplars import Exemplar, core, from_card
from orchestrator.controller.request import Request
from orchestrator.controller.route import Route, controls_of, decision_of
from orchestrator.events import Asked, HitSummary, StepEstimate
from orchestrator.plan import SPEAKS, PartRef, Plan, ResultRef, Step
from orchestrator.wording import gave_up
from specialists.base import Card
from specialists.content import TEXT, Kind, Message, Part

if TYPE_CHECKING:
    from memory.records import Hit
    from orchestrator.latency import Latency

SURE, FAIRLY_SURE = 0.5, 0.3
"""Margins, as words for people alone. Of the 240 requests of `benchmarks/data/routing-held-out.jsonl` the
fitted router had 97 of 100 above the second wholly right, 76 below."""

MOST_ASKED, LEAST_ASKED = 8, 0.01
"""So many specialists are told of all that a request might ask for, and none asked for less than this."""

YOUR_WORDS = "your words"


@dataclass(frozen=True, slots=True)
class Trace:
    """A request, what was decided and planned for it, and what stands behind that.

    `attached` are kind and name of the attachments, in order; `hits` what memory would bring.
    """

    text: str
    attached: tuple[tuple[Kind, str], ...]
    route: Route
    plan: Plan
    estimates: tuple[StepEstimate, ...]
    exemplar_controls: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    """The specialists of the plan that cannot run, and what to do about each."""
    hits: tuple[HitSummary, ...] = ()
    timed: bool = True
    """False where nobody says how long the tools take: the estimates then only count steps."""


def trace(
    asked: Request,
    names: Sequence[str],
    route: Route,
    plan: Plan,
    cards: Sequence[Card],
    latencies: Mapping[str, Latency],
    *,
    hits: Sequence[HitSummary] = (),
    timed: bool = True,
) -> Trace:
    """The trace of a planned request. `names` are those of its attachments, empty where they have none."""
    return Trace(
        asked.text,
        tuple(zip(asked.attachments, names, strict=True)),
        route,
        plan,
        step_estimates(plan, cards, latencies),
        exemplar_controls(route.exemplars, asked, cards),
        missing(plan, cards),
        tuple(hits),
        timed,
    )


def hit_summary(hit: Hit, blobs: Collection[str] = ()) -> HitSummary:
    """A memory hit as a trace shows it; `exact` where it is about one of these blobs."""
    record = hit.record
    return HitSummary(
        record=record.id,
        text=record.text[:200],
        kind=record.kind,
        source=record.source or record.role,
        score=hit.score,
        exact=bool(set(record.blobs) & set(blobs)),
    )


def step_estimates(
    plan: Plan, cards: Iterable[Card], latencies: Mapping[str, Latency]
) -> tuple[StepEstimate, ...]:
    """What each step is expected to take; one whose specialist cannot run takes nothing: it fails at once."""
    known = {card.name: card for card in cards}
    return tuple(_estimate(step, known.get(step.specialist), latencies) for step in plan.steps)


def _estimate(step: Step, card: Card | None, latencies: Mapping[str, Latency]) -> StepEstimate:
    if card is None or not card.available:
        return StepEstimate(step=step.id, p50=0.0, p95=0.0)
    live = latencies.get(card.name)
    if live is None:
        return StepEstimate(step=step.id, p50=card.cost.seconds, p95=card.cost.seconds, price=card.cost.price)
    return StepEstimate(step=step.id, p50=live.p50, p95=live.p95, price=card.cost.price, calls=live.calls)


def schedule(plan: Plan, estimates: Iterable[StepEstimate]) -> dict[str, tuple[float, float]]:
    """When each step is expected to begin and to end, in seconds at p50 from the start of the first."""
    takes = {estimate.step: estimate.p50 for estimate in estimates}
    times: dict[str, tuple[float, float]] = {}
    for step in plan.steps:  # every step stands after those it needs
        begins = max((times[before][1] for before in step.after), default=0.0)
        times[step.id] = (begins, begins + takes.get(step.id, 0.0))
    return times


def critical_path(plan: Plan, times: Mapping[str, tuple[float, float]]) -> tuple[str, ...]:
    """The chain of steps that the plan's time is made of: the one that ends last, and what it waits for."""
    path: list[str] = []
    after: tuple[str, ...] = tuple(times)
    steps = {step.id: step for step in plan.steps}
    while after:
        path.append(max(after, key=lambda name: times[name][1]))
        after = steps[path[-1]].after
    return tuple(reversed(path))


def stages(plan: Plan) -> tuple[tuple[Step, ...], ...]:
    """The steps by how many stand before them: those of one stage can run side by side."""
    depth: dict[str, int] = {}
    found: list[list[Step]] = []
    for step in plan.steps:
        depth[step.id] = max((depth[before] + 1 for before in step.after), default=0)
        if depth[step.id] == len(found):
            found.append([])
        found[depth[step.id]].append(step)
    return tuple(map(tuple, found))


def input_names(plan: Plan, attached: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What each step works on, in words; `attached` are the names of the turn's parts behind the words."""
    by_id = {step.id: step for step in plan.steps}
    twice = {s.specialist for s in plan.steps if sum(s.specialist == o.specialist for o in plan.steps) > 1}

    def named(ref: PartRef | ResultRef) -> str:
        if isinstance(ref, PartRef):
            return part_name(ref, attached)
        maker = by_id[ref.step].specialist
        return f"{ref.kind} of {maker} {ref.step}" if maker in twice else f"{ref.kind} of {maker}"

    def of(step: Step) -> tuple[str, ...]:
        if step.specialist == SPEAKS and step.after:
            return ("the reply, as it is written",)
        seen = {ref.step for ref in step.inputs if isinstance(ref, ResultRef)}
        waits = (f"after {by_id[name].specialist}" for name in step.after if name not in seen)
        return (*map(named, step.inputs), *waits)

    return {step.id: of(step) for step in plan.steps}


def attachments(said: Message) -> tuple[Part, ...]:
    """What was attached to a turn's Message, in the order in which its plan counts the parts."""
    return tuple(part for part in said.parts if part.kind != TEXT or part.name)


def part_name(ref: PartRef, attached: Sequence[str]) -> str:
    """A part in words: its name, or its kind; what lies beyond those attached now came earlier."""
    if ref.index == 0:
        return YOUR_WORDS
    if ref.index > len(attached):
        return f"earlier {ref.kind}"
    return attached[ref.index - 1] or f"{ref.kind} {ref.index}"


def missing(plan: Plan, cards: Iterable[Card]) -> dict[str, str]:
    """The specialists of the plan that cannot run, and what to do about each."""
    called = {step.specialist for step in plan.steps}
    return {card.name: card.remedy for card in cards if card.name in called and not card.available}


def sureness(margin: float) -> str:
    """A margin in words."""
    return "sure" if margin >= SURE else "fairly sure" if margin >= FAIRLY_SURE else "doubtful"


def decided_by(controller: str) -> str:
    """A controller's name in words; `hybrid: fitted` is the fitted router, which asked no chat model."""
    name = controller.removeprefix("hybrid: ")
    if name.startswith("llm, replaced by "):
        told = name.removeprefix("llm, replaced by ")
        instead = next((known for known in _LONGEST_FIRST if told.startswith(f"{known}: ")), "")
        instead = instead or told.partition(": ")[0]
        reason = told.removeprefix(instead).removeprefix(": ")
        return f"{decided_by(instead)}, in place of the chat model: {reason}"
    if name.startswith("corrected: "):
        return f"your own correction ({name.removeprefix('corrected: ')})"
    return _CONTROLLERS.get(name, name)


_CONTROLLERS = {
    "fitted": "the fitted router",
    "fitted: cards": "what the specialists say they do",
    "exemplar": "examples",
    "llm": "the chat model",
}
_LONGEST_FIRST = sorted(_CONTROLLERS, key=len, reverse=True)


def in_words(controls: Iterable[str]) -> str:
    """Control tokens as what they ask for, `ocr + tts → text, speech`; text alone is not mentioned."""
    parsed = control.parse(" ".join(controls)).controls
    if control.WAIT in parsed:
        return "wait"
    decision = decision_of(parsed)
    known = decision.reuse and "memory" not in decision.steps
    steps = " + ".join([*(["what is known"] if known else []), *decision.steps]) or "no specialist"
    return steps if decision.outputs == (TEXT,) else f"{steps} → {', '.join(decision.outputs)}"


def asked_for(route: Route) -> tuple[Asked, ...]:
    """How much each specialist is asked for, the most first; the few that count."""
    if route.hints is None:
        return ()
    asked, words = route.hints.asked, route.hints.words
    counting = [name for name, score in asked.items() if score >= LEAST_ASKED]
    most = sorted(counting, key=lambda name: -asked[name])[:MOST_ASKED]
    return tuple(Asked(specialist=name, score=asked[name], words=words.get(name, "")) for name in most)


def exemplar_controls(texts: Iterable[str], asked: Request, cards: Sequence[Card]) -> tuple[str, ...]:
    """What serves the exemplars of these texts; of several of one text, the one most like the request."""
    return tuple(_serves(text, asked, cards) for text in texts)


def _serves(text: str, asked: Request, cards: Sequence[Card]) -> str:
    found = _by_text().get(text) or [e for card in cards for e in from_card(card) if e.request.text == text]
    if not found:
        return ""

    def likeness(exemplar: Exemplar) -> tuple[bool, bool]:
        kinds = set(exemplar.request.attachments) == set(asked.attachments)
        return kinds, bool(exemplar.request.history) == bool(asked.history)

    return " ".join(map(str, controls_of(max(found, key=likeness).decision)))


@cache
def _by_text() -> Mapping[str, list[Exemplar]]:
    known: dict[str, list[Exemplar]] = {}
    for exemplar in core():
        known.setdefault(exemplar.request.text, []).append(exemplar)
    return known


def to_dict(traced: Trace) -> dict[str, Any]:
    """The whole trace as plain JSON values. `docs/reference.md` explains every key."""
    route, plan = traced.route, traced.plan
    times = schedule(plan, traced.estimates)
    path = critical_path(plan, times)
    takes = {estimate.step: estimate for estimate in traced.estimates}
    inputs = input_names(plan, [name for _, name in traced.attached])
    return {
        "request": {
            "text": traced.text,
            "attachments": [{"kind": kind, "name": name} for kind, name in traced.attached],
        },
        "controls": [str(token) for token in route.controls],
        "controller": route.controller,
        "margin": route.margin,
        "sureness": sureness(route.margin),
        "candidates": [
            {"controls": [str(token) for token in controls], "score": score}
            for controls, score in route.candidates
        ],
        "exemplars": [
            {"text": text, "controls": controls.split()}
            for text, controls in zip(route.exemplars, traced.exemplar_controls, strict=True)
        ],
        "asked": [asdict(asked) for asked in asked_for(route)],
        "memory": [asdict(hit) for hit in traced.hits],
        "emitted": list(route.emitted),
        "repaired": route.repaired,
        "invalid": list(route.invalid),
        "steps": [
            {
                "id": step.id,
                "specialist": step.specialist,
                "after": list(step.after),
                "inputs": list(inputs[step.id]),
                "params": dict(step.params),
                **_figures(takes[step.id], times[step.id], timed=traced.timed),
                "critical": step.id in path,
            }
            for step in plan.steps
        ],
        "stages": [[step.id for step in stage] for stage in stages(plan)],
        "outputs": list(plan.outputs),
        "reuse": plan.reuse,
        "notes": list(plan.notes),
        "missing": [{"specialist": name, "remedy": remedy} for name, remedy in traced.missing.items()],
        "typical_seconds": max((end for _, end in times.values()), default=0.0) if traced.timed else None,
        "estimate": asdict(plan.estimate) if plan.estimate is not None and traced.timed else None,
        "tradeoffs": [asdict(tradeoff) for tradeoff in plan.tradeoffs],
        "given_up": gave_up(plan.tradeoffs),
    }


def _figures(takes: StepEstimate, when: tuple[float, float], *, timed: bool) -> dict[str, Any]:
    """What a step is expected to take, and when it is at work; nulls where nobody says."""
    begins, ends = when
    known = {"p50": takes.p50, "p95": takes.p95, "begins": begins, "ends": ends, "price": takes.price}
    return {**(known if timed else dict.fromkeys(known)), "calls": takes.calls}
