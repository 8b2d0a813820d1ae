"""Long recordings and films: what they are expected to take, and how long they may take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from orchestrator.latency import Latency
from specialists.base import Card
from specialists.content import AUDIO, VIDEO, Part

MARGIN = 12.0
"""So many times as long as its Card expects may a call take for the length of what it works on: machines
differ, and may have other work."""


def media_seconds(card: Card, parts: Iterable[Part]) -> float:
    """Seconds of the recordings and films among these parts that a specialist works on."""
    lengths = (
        part.facts.get("seconds", 0.0)
        for part in parts
        if part.kind in card.consumes and part.kind in (AUDIO, VIDEO)
    )
    return sum(float(length) for length in lengths)


def extra(card: Card, parts: Iterable[Part]) -> float:
    """Seconds by which a call on these parts may take longer than one on short media."""
    return MARGIN * card.cost.per_second * media_seconds(card, parts)


def factor(card: Card, parts: Iterable[Part]) -> float:
    """How many times as long a call on these parts is expected to take as one on short media."""
    longer = card.cost.per_second * media_seconds(card, parts)
    return 1.0 + longer / card.cost.seconds if longer else 1.0


def by_length(
    cards: Sequence[Card], latencies: Mapping[str, Latency], parts: Sequence[Part]
) -> tuple[tuple[Card, ...], dict[str, Latency]]:
    """The Cards and figures of short media, as they are to be expected for these parts."""
    factors = {card.name: factor(card, parts) for card in cards}
    expected = tuple(
        replace(card, cost=replace(card.cost, seconds=card.cost.seconds * factors[card.name]))
        for card in cards
    )
    return expected, {name: _times(latency, factors.get(name, 1.0)) for name, latency in latencies.items()}


def _times(latency: Latency, factor: float) -> Latency:
    if factor == 1.0:
        return latency
    return Latency(
        latency.calls,
        latency.p50 * factor,
        latency.p95 * factor,
        latency.first_p50 * factor,
        latency.first_p95 * factor,
    )
