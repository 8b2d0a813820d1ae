"""Matching: which Cards a request asks for by what they say of themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.controller.request import Request
from orchestrator.linking import Hints
from specialists.base import Card
from specialists.encoder_heads import Matched

ASKED = 0.5
"""From this share on, a request asks for a Card."""

LEAST_DOUBT = 0.001
"""No share says more than this that something is certain."""


class Matcher(Protocol):
    def match(self, request: Request, cards: tuple[Card, ...]) -> Matched: ...


@dataclass(frozen=True, slots=True)
class CardMatch:
    """What a request asks for. `order` are the Cards' names as the request comes to them."""

    asked: Mapping[str, float]
    order: tuple[str, ...]
    hints: Hints

    def ranked(self) -> list[tuple[tuple[str, ...], float]]:
        """The sets of Cards that the request may mean, the likeliest first, with their share of belief: the
        best one, and those that differ from it in one Card. What is left of the belief is that nothing is
        asked for: what all Cards together leave open must not count as doubt between these."""
        wanted = self._wanted()
        found = [tuple(wanted)]
        for name in sorted(self.asked, key=lambda name: abs(self.asked[name] - ASKED))[:5]:
            other = [n for n in self.order if (n in wanted) != (n == name)]
            if other:
                found.append(tuple(other))
        beliefs = [self._belief(names) for names in (*found, ())]
        most = max(beliefs)
        weights = [math.exp(belief - most) for belief in beliefs]
        shares = [weight / sum(weights) for weight in weights[:-1]]
        return sorted(zip(found, shares, strict=True), key=lambda entry: -entry[1])

    def _wanted(self) -> list[str]:
        wanted = [name for name in self.order if self.asked[name] > ASKED]
        return wanted or [max(self.order, key=lambda name: self.asked[name])]

    def _belief(self, names: Sequence[str]) -> float:
        """How likely exactly these are asked for, as a logarithm."""
        chosen = set(names)
        chances = (share if name in chosen else 1 - share for name, share in self.asked.items())
        return sum(math.log(max(chance, LEAST_DOUBT)) for chance in chances)


def match(router: Matcher, request: Request, cards: tuple[Card, ...]) -> CardMatch:
    """Match a request to Cards. `cards` must not be empty."""
    found = router.match(request, cards)
    names = [card.name for card in cards]
    asked = {name: float(share) for name, share in zip(names, found.share, strict=True)}
    by_place = sorted(range(len(names)), key=lambda i: (int(found.at[i]), -float(found.share[i])))
    counting = [i for i, name in enumerate(names) if asked[name] > LEAST_DOUBT]
    links = {(names[i], names[j]): float(found.links[i, j]) for i in counting for j in counting if i != j}
    words = {names[i]: found.words[i] for i in counting}
    return CardMatch(asked, tuple(names[i] for i in by_place), Hints(links, asked, words))
