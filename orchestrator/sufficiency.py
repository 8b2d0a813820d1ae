"""Sufficiency: whether what was found in an earlier medium answers this question, or it must be looked at
again with another sense.

The controller knows what was attached, not what was found in it. Where it rests on what is there and nearly
had another sense look, what was found decides: if that sense has not looked yet, and the findings are about
something else than the question, it does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from memory.records import Hit
from orchestrator.controller.route import Route, decision_of
from specialists.base import Card
from specialists.content import TEXT, Part

NEARLY = 0.3
"""A candidate with this part of the best one's share is nearly chosen. `python -m benchmarks.sufficiency`
shows what this and OVERLAP lead to; they were set on its questions."""

OVERLAP = 0.3
"""A finding whose meaning is as near as this to the question (cosine of the text encoder) answers it."""

NOT_TOLD = "what was found does not tell"
"""Who decided, where this did."""


def sufficient(chosen: Route, earlier: Sequence[Part], hits: Sequence[Hit], cards: Sequence[Card]) -> Route:
    """The route as it is where what is known suffices, else the candidate that looks with another sense.

    `earlier` are the media of earlier messages that the request may mean, `hits` what memory found for it.
    """
    digests = {part.key for part in earlier}
    found = [hit for hit in hits if hit.record.role == "evidence" and digests & set(hit.record.blobs)]
    covered = _covered([hit.record.source for hit in found], cards)
    if not found or any((hit.cosine or 0.0) >= OVERLAP for hit in found):
        return chosen
    if not _senses(chosen, cards) <= covered:
        return chosen
    best = max((share for _, share in chosen.candidates), default=0.0)
    for controls, share in chosen.candidates:
        other = replace(chosen, controls=controls, controller=NOT_TOLD)
        if share >= NEARLY * best and not _senses(other, cards) <= covered:
            return other
    return chosen


def _covered(sources: Collection[str], cards: Sequence[Card]) -> set[str]:
    """The specialists that have looked, with those that they call."""
    called = (name for card in cards if card.name in sources for name in card.requires)
    return {*sources, *called}


def _senses(route: Route, cards: Sequence[Card]) -> set[str]:
    """The specialists of a route that tell in words what is in a medium."""
    perceiving = {card.name for card in cards if set(card.consumes) - {TEXT} and TEXT in card.produces}
    return perceiving & set(decision_of(route.controls).steps)
