"""Linking the steps of a registry that is not ours: which step works on the results of which.

The controller's hints say how likely one specialist works on another's result, and how much each is asked
for. Types decide what is possible: an edge needs a kind that one produces and the other consumes, and no
step may wait for itself. What a step still lacks is taken from the attachments, from another step, or from a
specialist that nobody named (the chain of the most asked-for specialists that leads there).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from orchestrator.plan import PartRef, Ref, ResultRef, Step
from specialists.base import Card
from specialists.content import TEXT, Kind

LINKED = -0.5
"""From these log-odds on, a specialist works on another's result: where none is named, most have one."""

SECOND = 1.5
"""From these on, also beside another one that gives it the same kind."""

LEAST_ASKED = 0.02
"""A specialist that nobody named joins a chain only when the request asks for it at least so much."""

NEVER_ASKED = 1e-4
"""What counts for a specialist that the request does not ask for at all."""

STEP_COST = 1.0
"""What each further link of a chain costs, against the negative logarithm of how much it is asked for."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What a controller read in a request besides its decision.

    `links` are log-odds that the second specialist works on the result of the first, `asked` the share in
    0..1 to which the request asks for a specialist, `words` the piece of the request that does.
    """

    links: Mapping[tuple[str, str], float] = field(default_factory=dict)
    asked: Mapping[str, float] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)


class Linker:
    """Links `names` over the kinds at hand. `parts` begins with the words; up to `new` they came now."""

    def __init__(
        self, names: Sequence[str], cards: Mapping[str, Card], parts: Sequence[Kind], new: int, hints: Hints
    ) -> None:
        self._cards = cards
        self._hints = hints
        self._parts = [PartRef(i, kind) for i, kind in enumerate(parts)]
        self._new = new
        self._names = [name for name in dict.fromkeys(names) if name in cards]
        self._before: dict[str, list[str]] = {name: [] for name in self._names}
        self._takers: dict[Kind, list[Card]] = {}
        for card in cards.values():
            for kind in card.consumes:
                self._takers.setdefault(kind, []).append(card)
        self.unfed: list[str] = []
        """Specialists that nothing can feed; their steps are left out."""

    def steps(self) -> list[Step]:
        """The linked steps, each after those it needs."""
        self._take_likely_edges()
        for name in list(self._names):
            self._feed(name)
        self._leave_out_the_unfed()
        self._use_idle_attachments()
        return self._ordered()

    def _take_likely_edges(self) -> None:
        links = self._hints.links
        likely = [edge for edge in self._possible_edges() if links.get(edge, -math.inf) > LINKED]
        for source, target in sorted(likely, key=lambda edge: -links[edge]):
            new = any(not self._comes_from_a_step(target, kind) for kind in self._shared(source, target))
            if (new or links[source, target] > SECOND) and not self._leads(target, source):
                self._before[target].append(source)

    def _comes_from_a_step(self, name: str, kind: Kind) -> bool:
        return any(kind in self._cards[source].produces for source in self._before[name])

    def _possible_edges(self) -> Iterable[tuple[str, str]]:
        for source in self._names:
            for target in self._names:
                if source != target and self._shared(source, target):
                    yield source, target

    def _shared(self, source: str, target: str) -> list[Kind]:
        return [k for k in self._cards[source].produces if k in self._cards[target].consumes]

    def _leads(self, source: str, target: str) -> bool:
        """Whether `target` already waits, directly or not, for `source`."""
        seen, waiting = {target}, [target]
        while waiting:
            new = [name for name in self._before[waiting.pop()] if name not in seen]
            seen.update(new)
            waiting += new
        return source in seen

    def _feed(self, name: str) -> None:
        """Give every kind that the specialist consumes a source where there is one."""
        consumes = self._cards[name].consumes
        lacking = [k for k in consumes if k != TEXT and not self._is_fed(name, k)]
        for kind in lacking:
            sources = [s for s in self._names if kind in self._cards[s].produces and not self._leads(name, s)]
            if sources:
                best = max(sources, key=lambda s: self._hints.links.get((s, name), -math.inf))
                self._before[name].append(best)
        if any(self._is_fed(name, kind) for kind in consumes):
            return
        # Better a specialist that hardly anybody asked for than a step with nothing to work on.
        if not self._bridge(name, {ref.kind for ref in self._parts}, 0.0):
            self.unfed.append(name)

    def _leave_out_the_unfed(self) -> None:
        """Those too that were to work on nothing but the results of steps that are left out."""
        left = [name for name in self._names if name not in self.unfed]
        while lost := [n for n in left if not any(self._is_fed(n, k) for k in self._cards[n].consumes)]:
            self.unfed += lost
            left = [name for name in left if name not in lost]

    def _is_fed(self, name: str, kind: Kind) -> bool:
        sources = [s for s in self._before[name] if s not in self.unfed]
        return any(kind in self._cards[s].produces for s in sources) or any(
            ref.kind == kind for ref in self._parts
        )

    def _use_idle_attachments(self) -> None:
        """An attachment that no step takes, and a step that has nothing but the bare words: they belong
        together, by way of whatever turns the one into the other."""
        taken = {kind for name in self._names for kind in self._cards[name].consumes}
        idle = {ref.kind for ref in self._parts[1 : self._new + 1] if ref.kind not in taken}
        if not idle:
            return
        for name in list(self._names):
            bare = not self._before[name] and set(self._cards[name].consumes) == {TEXT}
            if bare and self._bridge(name, idle, LEAST_ASKED):
                return

    def _bridge(self, name: str, start: set[Kind], least: float) -> bool:
        """Put the cheapest chain of unnamed specialists from the kinds in `start` before `name`."""
        wanted = set(self._cards[name].consumes)
        order = count()
        queue: list[tuple[float, int, Kind, tuple[str, ...]]] = [
            (0.0, next(order), kind, ()) for kind in sorted(start)
        ]
        seen: set[Kind] = set()
        while queue:
            cost, _, kind, chain = heapq.heappop(queue)
            if chain and kind in wanted:
                self._insert(chain, name)
                return True
            if kind in seen:
                continue
            seen.add(kind)
            for card in self._takers.get(kind, ()):
                asked = self._hints.asked.get(card.name, 0.0)
                if card.name in self._names or asked < least:
                    continue
                further = cost + STEP_COST - math.log(max(asked, NEVER_ASKED))
                for produced in card.produces:
                    heapq.heappush(queue, (further, next(order), produced, (*chain, card.name)))
        return False

    def _insert(self, chain: Sequence[str], name: str) -> None:
        previous = ""
        for link in chain:
            self._names.append(link)
            self._before[link] = [previous] if previous else []
            previous = link
        self._before[name].append(previous)

    def _ordered(self) -> list[Step]:
        """Steps as soon as what they need is there, otherwise as they were named."""
        waiting = [name for name in self._names if name not in self.unfed]
        ids: dict[str, str] = {}
        steps: list[Step] = []
        while waiting:
            name = next(n for n in waiting if all(s in ids or s in self.unfed for s in self._before[n]))
            waiting.remove(name)
            ids[name] = f"s{len(ids) + 1}"
            inputs = self._inputs(name, ids)
            after = tuple(dict.fromkeys(ref.step for ref in inputs if isinstance(ref, ResultRef)))
            steps.append(Step(ids[name], name, inputs, after))
        return steps

    def _inputs(self, name: str, ids: Mapping[str, str]) -> tuple[Ref, ...]:
        inputs: list[Ref] = []
        for kind in self._cards[name].consumes:
            sources = [s for s in self._before[name] if s in ids and kind in self._cards[s].produces]
            if sources:
                inputs += [ResultRef(ids[source], kind) for source in sources]
            else:
                inputs += self._attached(kind)
        return tuple(inputs)

    def _attached(self, kind: Kind) -> list[PartRef]:
        """Parts of this kind: those that came now, else earlier ones."""
        found = [ref for ref in self._parts if ref.kind == kind]
        return [ref for ref in found if ref.index <= self._new] or found
