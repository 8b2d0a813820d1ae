"""Matching: which Cards a request asks for by what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.controller.request import Request
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
    """What a request asks for, by Cards' names: how much, in 0..1, and by which of its tokens (`at`).

    `order` are the names as the request comes to them. Of those that are asked for at all, `links` are the
    log-odds that the second works on the result of the first, and `words` the piece of the request that asks.
    """

    asked: Mapping[str, float]
    order: tuple[str, ...]
    at: Mapping[str, int]
    links: Mapping[tuple[str, str], float] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)


def match(router: Matcher, request: Request, cards: tuple[Card, ...]) -> CardMatch:
    """Match a request to Cards. `cards` must not be empty."""
    found = router.match(request, cards)
    names = [card.name for card in cards]
    asked = {name: float(share) for name, share in zip(names, found.share, strict=True)}
    by_place = sorted(range(len(names)), key=lambda i: (int(found.at[i]), -float(found.share[i])))
    counting = [i for i, name in enumerate(names) if asked[name] > LEAST_DOUBT]
    links = {(names[i], names[j]): float(found.links[i, j]) for i in counting for j in counting if i != j}
    return CardMatch(
        asked,
        tuple(names[i] for i in by_place),
        {name: int(at) for name, at in zip(names, found.at, strict=True)},
        links,
        {names[i]: found.words[i] for i in counting},
    )
