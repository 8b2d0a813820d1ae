"""The planner: from what was called to a Plan over the graph of kinds and specialists.

Specialists are linked by what they consume and produce. What is missing between the inputs and the outputs
is found by the cheapest path (Dijkstra over kinds, cost in expected seconds), so "read this receipt to me"
becomes ocr, then tts, though nobody named both.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from itertools import count

from orchestrator.controller.exemplars import Decision
from orchestrator.linking import LEAST_ASKED, Hints, Linker
from orchestrator.plan import SPEAKS, PartRef, Plan, Ref, ResultRef, Step
from specialists.base import Card
from specialists.content import AUDIO, IMAGE, TEXT, Kind

OUTPUT_KINDS: Mapping[str, Kind] = {"text": TEXT, "speech": AUDIO, "image": IMAGE}

Costs = Mapping[str, float]
"""Live seconds by specialist; where there are none yet, the Card's own figure counts."""


def plan(
    decision: Decision,
    parts: Sequence[Kind],
    cards: Sequence[Card],
    *,
    new: int | None = None,
    costs: Costs | None = None,
    hints: Hints | None = None,
) -> Plan:
    """Link the specialists of a decision over the parts at hand.

    `parts` are the kinds of the turn's parts in order, the words first; their indexes become PartRefs. The
    `new` ones behind the words were attached now, the rest earlier (None: all are new).
    With `hints` the registry is not ours, and they say what works on what. A specialist whose input nothing
    can yield is left out, and a note in the Plan says so.
    """
    if hints is not None:
        return _linked(decision, parts, cards, len(parts) if new is None else new, hints)
    builder = _Builder(parts, len(parts) if new is None else new, cards, costs or {})
    builder.link(_with_words(decision, builder.cards))
    for output in decision.outputs:
        builder.reach(OUTPUT_KINDS.get(output, output))
    perceives = any(builder.takes_media(step) for step in builder.steps)
    return Plan(
        tuple(builder.steps), decision.outputs, decision.reuse and not perceives, tuple(builder.notes)
    )


def _with_words(decision: Decision, cards: Mapping[str, Card]) -> tuple[str, ...]:
    """The steps, with chat before them where text is wanted and none of them makes any."""
    makes_text = any(TEXT in cards[name].produces for name in decision.steps if name in cards)
    if not decision.steps or TEXT not in decision.outputs or makes_text or "chat" not in cards:
        return decision.steps
    return ("chat", *decision.steps)


def _linked(decision: Decision, parts: Sequence[Kind], cards: Sequence[Card], new: int, hints: Hints) -> Plan:
    linker = Linker(decision.steps, {card.name: card for card in cards}, parts, new, hints)
    steps = linker.steps()
    notes = tuple(f"{name} has nothing to work on here." for name in linker.unfed)
    if not decision.steps:
        notes = (_served_by_none(hints),)
    worked_on = {name for step in steps for name in step.after}
    made = {card.name: card.produces for card in cards}
    outputs = dict.fromkeys(k for step in steps if step.id not in worked_on for k in made[step.specialist])
    return Plan(tuple(steps), tuple(outputs) or decision.outputs, decision.reuse, notes)


def _served_by_none(hints: Hints) -> str:
    nearest = max(hints.asked, key=lambda name: hints.asked[name], default="")
    came_near = f"; {nearest} came nearest" if nearest and hints.asked[nearest] >= LEAST_ASKED else ""
    return f"Nothing that is registered serves this request{came_near}."


class _Builder:
    """Steps so far, and which results are still open: not yet taken up by a later text step."""

    def __init__(self, parts: Sequence[Kind], new: int, cards: Sequence[Card], costs: Costs) -> None:
        self._new = new
        self.cards = {card.name: card for card in cards}
        self.parts = tuple(parts)
        self.costs = costs
        self.steps: list[Step] = []
        self.notes: list[str] = []
        self._open: list[ResultRef] = []
        self._ids = count(1)

    def link(self, names: Sequence[str]) -> None:
        """Add the named specialists, each as soon as what it consumes is there."""
        for name in names:
            if name not in self.cards:
                self.notes.append(f"{name} is not configured here.")
        known = [name for name in dict.fromkeys(names) if name in self.cards]
        waiting = sorted(known, key=lambda name: self._stage(self.cards[name]))
        while waiting:
            ready = next((name for name in waiting if self._inputs(self.cards[name])), None)
            if ready is None:
                # Nothing fits as it is: look for specialists that lead to the first one waiting.
                ready = waiting[0]
                if not self._bridge(self.cards[ready].consumes, self._at_hand()):
                    self.notes.append(self._missing(self.cards[ready]))
                    waiting.remove(ready)
                    continue
            self._add(self.cards[ready])
            # What a bridge has called on its way here need not be called again.
            called = {step.specialist for step in self.steps}
            waiting = [name for name in waiting if name not in called]

    def reach(self, kind: Kind) -> None:
        """Make sure that some step yields this kind; the person's own words are text already."""
        if any(kind in self.cards[step.specialist].produces for step in self.steps):
            return
        if self.notes:
            return  # what is missing is said; inventing an answer beside it would mislead
        if not self.steps and kind == TEXT and "chat" in self.cards:
            self._add(self.cards["chat"])
        elif not self._bridge((kind,), self._at_hand() or {TEXT}):
            self.notes.append(f"Nothing that is registered can make {kind} out of this.")

    def takes_media(self, step: Step) -> bool:
        return any(isinstance(ref, PartRef) and ref.kind != TEXT for ref in step.inputs)

    def _stage(self, card: Card) -> int:
        """Perceive first, then work on words, then turn words into other kinds."""
        if any(kind != TEXT and kind in self.parts for kind in card.consumes):
            return 0
        if card.name == "memory":
            return 1
        if TEXT in card.produces:
            return 2
        return 3

    def _inputs(self, card: Card) -> tuple[Ref, ...]:
        """What the specialist would work on now: attachments it consumes, else open results, else words."""
        media = tuple(
            PartRef(i, kind) for i, kind in enumerate(self.parts) if kind != TEXT and kind in card.consumes
        )
        if media:
            # What was attached now is meant; what was attached before, only where nothing new fits.
            return tuple(ref for ref in media if ref.index <= self._new) or media
        if card.name == "memory":
            return (PartRef(0, TEXT),)
        results = tuple(ref for ref in self._open if ref.kind in card.consumes)
        if results:
            return results
        if TEXT in card.consumes:
            return tuple(PartRef(i, kind) for i, kind in enumerate(self.parts) if kind == TEXT)[:1] or (
                PartRef(0, TEXT),
            )
        return ()

    def _add(self, card: Card) -> None:
        inputs = self._inputs(card)
        after = tuple(dict.fromkeys(ref.step for ref in inputs if isinstance(ref, ResultRef)))
        step = Step(f"s{next(self._ids)}", card.name, inputs, after)
        self.steps.append(step)
        if TEXT in card.produces:
            # A text step takes up the results it read: what follows works on its words instead.
            self._open = [ref for ref in self._open if ref.step not in after]
        if card.name != SPEAKS:
            self._open += [ResultRef(step.id, kind) for kind in card.produces]

    def _at_hand(self) -> set[Kind]:
        """Kinds of attachments and results; the person's bare words are no picture to look at."""
        return {ref.kind for ref in self._open} | {kind for kind in self.parts if kind != TEXT}

    def _bridge(self, wanted: Sequence[Kind], start: set[Kind]) -> bool:
        """Add the cheapest chain of specialists from the kinds in `start` to one of `wanted`."""
        order = count()
        queue: list[tuple[float, int, Kind, tuple[Card, ...]]] = [
            (0.0, next(order), kind, ()) for kind in sorted(start)
        ]
        heapq.heapify(queue)
        seen: set[Kind] = set()
        while queue:
            cost, _, kind, chain = heapq.heappop(queue)
            if kind in wanted and (chain or kind in {ref.kind for ref in self._open}):
                for card in chain:
                    self._add(card)
                return True
            if kind in seen:
                continue
            seen.add(kind)
            for card in self.cards.values():
                if kind in card.consumes and card.name != "memory":
                    seconds = self.costs.get(card.name) or card.cost.seconds
                    penalty = 0.0 if card.available else 1000.0
                    for produced in card.produces:
                        heapq.heappush(
                            queue, (cost + seconds + penalty, next(order), produced, (*chain, card))
                        )
        return False

    def _missing(self, card: Card) -> str:
        wanted = " or ".join(kind for kind in card.consumes if kind != TEXT) or "input"
        return f"{card.name} needs {wanted}, and there is none in this conversation."
