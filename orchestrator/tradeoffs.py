"""Fitting a plan to a turn's budget: which cheaper specialist stands in, and what is left out.

Pure: plans, Cards and figures in, a Plan out. The order of what is given up is fixed: nothing where the plan
fits; else a stand-in of the same purpose, the better one first; else what the answer can do without, from the
spoken form of a written reply to one of several sources. The answer itself is never given up for time: when
nothing answers in time, what answers earliest runs. It is given up for money: a price limit is a limit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, islice, product
from math import inf
from typing import Literal

from orchestrator.budget import Budget, Estimate, Tradeoff
from orchestrator.latency import Latency
from orchestrator.plan import SPEAKS, PartRef, Plan, Ref, ResultRef, Step, answering
from specialists.base import Card
from specialists.content import TEXT

MOST_DROPPABLE = 8
MOST_VARIANTS = 2000
"""Bounds of the search. Plans of people's requests stay far below both."""

Reason = Literal["seconds", "price", "both", "unavailable"]


@dataclass(frozen=True, slots=True)
class _Figures:
    """What a call of each specialist is expected to take."""

    cards: Mapping[str, Card]
    latencies: Mapping[str, Latency]
    spent: float

    def seconds(self, name: str) -> float:
        if not self.cards[name].available:
            return 0.0  # it fails at once
        latency = self.latencies.get(name)
        return latency.p95 if latency is not None else self.cards[name].cost.seconds

    def price(self, name: str) -> float:
        return self.cards[name].cost.price if self.cards[name].available else 0.0

    def estimate(self, plan: Plan) -> Estimate:
        return self.with_names(plan, [step.specialist for step in plan.steps])

    def with_names(self, plan: Plan, names: Sequence[str]) -> Estimate:
        """The plan's estimate if these specialists took its steps, in order."""
        ends: dict[str, float] = {}
        for step, name in zip(plan.steps, names, strict=True):
            ends[step.id] = max((ends[before] for before in step.after), default=0.0) + self.seconds(name)
        longest = max(ends.values(), default=0.0)
        return Estimate(self.spent + longest, sum(self.price(name) for name in names))


@dataclass(frozen=True, slots=True)
class _Cut:
    """What is left of a plan without some of its steps."""

    plan: Plan
    dropped: tuple[Step, ...] = ()
    loss: int = 0


@dataclass(frozen=True, slots=True)
class _Variant:
    """A cut whose steps these specialists take, in order."""

    cut: _Cut
    names: tuple[str, ...]
    estimate: Estimate

    @property
    def swapped(self) -> list[tuple[Step, str]]:
        pairs = zip(self.cut.plan.steps, self.names, strict=True)
        return [(step, name) for step, name in pairs if name != step.specialist]


def fit_to_budget(
    plan: Plan,
    cards: Sequence[Card],
    latencies: Mapping[str, Latency],
    budget: Budget,
    *,
    spent: float = 0.0,
    keep: Collection[str] = (),
) -> Plan:
    """The plan that fits the budget with the least loss, with its `estimate` and its `tradeoffs`.

    A plan takes as long as its longest chain of steps at p95 (the Card's own figure where no call is known)
    on top of the `spent` seconds, and costs the sum of its steps' prices. Without limits a step changes
    only where its specialist is unavailable and another does the same. `keep` names outputs that are not
    given up, such as speech where the person only listens.
    """
    figures = _Figures({card.name: card for card in cards}, latencies, spent)
    plan, swaps = _available(plan, figures)
    first = figures.estimate(plan)
    reason = _broken(first, budget)
    if reason is None:
        return replace(plan, estimate=first, tradeoffs=swaps)
    best, cheapest = _search(plan, figures, budget, keep)
    if best is None:
        refused = Tradeoff("refuse", "price", first, cheapest, budget)
        nothing = replace(plan, steps=(), outputs=(TEXT,))
        return replace(nothing, estimate=figures.estimate(nothing), tradeoffs=(refused,))
    told = [*swaps, *_told(plan, best, figures, budget, reason)]
    if best.estimate.seconds > _limit(budget.seconds):
        told.append(Tradeoff("late", "seconds", best.estimate, best.estimate, budget))
    fitted = best.cut.plan
    for step, name in best.swapped:
        fitted = _with(fitted, step, name)
    return replace(fitted, estimate=best.estimate, tradeoffs=tuple(told))


def alternatives(card: Card, cards: Iterable[Card]) -> tuple[Card, ...]:
    """The available Cards that may stand in for this one, the better first.

    Equal kinds alone do not make two tools do the same: a reader of barcodes is no eye. They must declare
    the same purpose.
    """
    found = [
        other
        for other in cards
        if other.name != card.name
        and other.available
        and card.purpose
        and other.purpose == card.purpose
        and set(other.consumes) == set(card.consumes)
        and set(other.produces) == set(card.produces)
    ]
    return tuple(sorted(found, key=lambda other: (-other.quality, other.cost.seconds, other.name)))


def first_choices(cards: Iterable[Card]) -> tuple[Card, ...]:
    """The Cards less those that only stand in for another: what is asked for is routed to the one whose name
    is the purpose."""
    every = tuple(cards)
    names = {card.name for card in every}
    return tuple(card for card in every if card.purpose in ("", card.name) or card.purpose not in names)


def nice_to_have(plan: Plan, cards: Mapping[str, Card], keep: Collection[str] = ()) -> tuple[Step, ...]:
    """The steps without any one of which the person still gets an answer, those of the least loss first."""
    found = [
        step
        for step in plan.steps
        if not (step.specialist == SPEAKS and TEXT not in plan.outputs)
        and _output(plan, step, cards) not in keep
        and without(plan, {step.id}, cards) is not None
    ]
    return tuple(sorted(found, key=lambda step: _loss(plan, step, cards)))


def spare_outputs(plan: Plan, cards: Mapping[str, Card]) -> frozenset[str]:
    """The steps that make what may still be missing when the time is over, a picture beside a text: the
    answer is whole without all of them. Speech that has begun is not among them."""
    spare: list[str] = []
    for step in nice_to_have(plan, cards):
        makes = _output(plan, step, cards)
        if makes and step.specialist != SPEAKS and without(plan, [*spare, step.id], cards) is not None:
            spare.append(step.id)
    return frozenset(spare)


def without(plan: Plan, dropped: Collection[str], cards: Mapping[str, Card]) -> Plan | None:
    """The plan less these steps and less what only they needed; None where that would take the answer."""
    answers = {step.id for step in answering(plan, cards)}
    if answers and answers <= set(dropped):
        return None
    steps = []
    for step in plan.steps:
        if step.id in dropped:
            continue
        inputs = tuple(ref for ref in step.inputs if not _from(ref, dropped))
        sources = {ref.kind for ref in inputs if _is_source(ref)}
        if any(_from(ref, dropped) and ref.kind not in sources for ref in step.inputs):
            return None
        after = tuple(before for before in step.after if before not in dropped)
        steps.append(replace(step, inputs=inputs, after=after))
    gone = {output for step in plan.steps if step.id in dropped for output in _outputs(step, cards)}
    left = {output for step in steps for output in _outputs(step, cards)}
    outputs = tuple(output for output in plan.outputs if output not in gone - left or output == TEXT)
    if not outputs or not steps:
        return None
    needed = _needed(plan, replace(plan, steps=tuple(steps), outputs=outputs), answers, cards)
    return replace(plan, steps=needed, outputs=outputs)


def _needed(whole: Plan, cut: Plan, answers: Collection[str], cards: Mapping[str, Card]) -> tuple[Step, ...]:
    """The steps less those that only prepared what was cut."""
    steps = list(cut.steps)
    while True:
        taken = {before for step in steps for before in step.after}
        idle = next(
            (
                step
                for step in steps
                if step.id not in taken
                and whole.dependents(step.id)
                and step.id not in answers
                and not set(_outputs(step, cards)) & set(cut.outputs) - {TEXT}
            ),
            None,
        )
        if idle is None:
            return tuple(steps)
        steps.remove(idle)


def _available(plan: Plan, figures: _Figures) -> tuple[Plan, tuple[Tradeoff, ...]]:
    """The plan with a stand-in for each specialist that cannot run and has one."""
    swaps: list[Tradeoff] = []
    for step in plan.steps:
        if figures.cards[step.specialist].available:
            continue
        for name in _stand_ins(plan, step, figures)[:1]:
            before, plan = figures.estimate(plan), _with(plan, step, name)
            after = figures.estimate(plan)
            swaps.append(
                Tradeoff("replace", "unavailable", before, after, Budget(), step.id, step.specialist, name)
            )
    return plan, tuple(swaps)


def _stand_ins(plan: Plan, step: Step, figures: _Figures) -> list[str]:
    if step.specialist == SPEAKS:
        return []  # the mouth knows its specialist by this name
    used = {other.specialist for other in plan.steps}
    found = alternatives(figures.cards[step.specialist], figures.cards.values())
    return [card.name for card in found if card.name not in used]


def _search(
    plan: Plan, figures: _Figures, budget: Budget, keep: Collection[str]
) -> tuple[_Variant | None, Estimate]:
    """The variant of the least overtime, then of the least loss, within the price; and the cheapest one."""
    choices = {step.id: [step.specialist, *_stand_ins(plan, step, figures)] for step in plan.steps}

    def bound(cut: _Cut) -> tuple[float, int]:
        return (_over(by(lambda name: (figures.seconds(name),), cut), budget), cut.loss)

    def by(figure: Callable[[str], tuple[float, ...]], cut: _Cut) -> Estimate:
        names = [min(choices[step.id], key=figure) for step in cut.plan.steps]
        return figures.with_names(cut.plan, names)

    best: _Variant | None = None
    best_key: tuple[float, ...] = (inf,)
    cheapest = Estimate(inf, inf)
    for cut in sorted(_cuts(plan, figures.cards, keep), key=bound):
        if bound(cut) > best_key[:2]:
            break
        least = by(lambda name: (figures.price(name), figures.seconds(name)), cut)
        cheapest = min(cheapest, least, key=lambda estimate: (estimate.price, estimate.seconds))
        if least.price > _limit(budget.price):
            continue  # and so is every variant of it
        for variant in _variants(cut, [choices[step.id] for step in cut.plan.steps], figures):
            if variant.estimate.price > _limit(budget.price):
                continue
            key = (_over(variant.estimate, budget), cut.loss, *_worse(variant, figures))
            if key < best_key:
                best, best_key = variant, key
    return best, cheapest


def _cuts(plan: Plan, cards: Mapping[str, Card], keep: Collection[str]) -> Iterator[_Cut]:
    yield _Cut(plan)
    steps = nice_to_have(plan, cards, keep)[:MOST_DROPPABLE]
    for size in range(1, len(steps) + 1):
        for dropped in combinations(steps, size):
            left = without(plan, [step.id for step in dropped], cards)
            if left is not None:
                yield _Cut(left, dropped, sum(_loss(plan, step, cards) for step in dropped))


def _variants(cut: _Cut, choices: Sequence[Sequence[str]], figures: _Figures) -> Iterator[_Variant]:
    """Who may take the steps. The extremes come first, in case that there are too many to try all."""

    def all_by(figure: Callable[[str], float]) -> tuple[str, ...]:
        return tuple(min(names, key=figure) for names in choices)

    extremes = (all_by(figures.seconds), all_by(figures.price))
    for names in islice(chain(extremes, product(*choices)), MOST_VARIANTS):
        yield _Variant(cut, names, figures.with_names(cut.plan, names))


def _worse(variant: _Variant, figures: _Figures) -> tuple[float, ...]:
    """How much worse the stand-ins are: quality lost, how many, quality not won, then time and price."""
    lost = [
        figures.cards[step.specialist].quality - figures.cards[name].quality for step, name in variant.swapped
    ]
    falls = sum(fall for fall in lost if fall > 0)
    return (round(falls, 9), len(lost), round(sum(lost), 9), variant.estimate.seconds, variant.estimate.price)


def _told(
    plan: Plan, best: _Variant, figures: _Figures, budget: Budget, reason: Reason
) -> Iterator[Tradeoff]:
    """Each thing given up, one after the other, with the estimates around it."""
    before = figures.estimate(plan)
    for count, step in enumerate(best.cut.dropped, 1):
        left = without(plan, [dropped.id for dropped in best.cut.dropped[:count]], figures.cards) or plan
        after = figures.estimate(left)
        output = _output(plan, step, figures.cards)
        yield Tradeoff("drop", reason, before, after, budget, step.id, step.specialist, output=output)
        before = after
    now = best.cut.plan
    for step, name in best.swapped:
        now = _with(now, step, name)
        after = figures.estimate(now)
        yield Tradeoff("replace", reason, before, after, budget, step.id, step.specialist, name)
        before = after


def _with(plan: Plan, step: Step, name: str) -> Plan:
    """The plan with another specialist for one step."""
    steps = (replace(s, specialist=name) if s.id == step.id else s for s in plan.steps)
    return replace(plan, steps=tuple(steps))


def _broken(estimate: Estimate, budget: Budget) -> Reason | None:
    slow, dear = estimate.seconds > _limit(budget.seconds), estimate.price > _limit(budget.price)
    if slow and dear:
        return "both"
    return "seconds" if slow else "price" if dear else None


def _over(estimate: Estimate, budget: Budget) -> float:
    return max(0.0, estimate.seconds - _limit(budget.seconds))


def _limit(limit: float | None) -> float:
    return inf if limit is None else limit


def _loss(plan: Plan, step: Step, cards: Mapping[str, Card]) -> int:
    """Powers of two: one of several sources is worth more than a picture and speech together."""
    if step.specialist == SPEAKS:
        return 1
    return 2 if _output(plan, step, cards) else 4


def _output(plan: Plan, step: Step, cards: Mapping[str, Card]) -> str:
    """What the person goes without when this step does not run; empty for words that others give as well."""
    return next((o for o in _outputs(step, cards) if o in plan.outputs and o != TEXT), "")


def _outputs(step: Step, cards: Mapping[str, Card]) -> tuple[str, ...]:
    return ("speech",) if step.specialist == SPEAKS else cards[step.specialist].produces


def _from(ref: Ref, dropped: Collection[str]) -> bool:
    return isinstance(ref, ResultRef) and ref.step in dropped


def _is_source(ref: Ref) -> bool:
    """Whether there is something to work on in it; the person's words only say what is to be done."""
    return isinstance(ref, ResultRef) or (isinstance(ref, PartRef) and ref.kind != TEXT)
