"""The hybrid controller: exemplars narrow the candidates, the LLM decides where that is close."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.control import Control
from orchestrator.controller.allowed import one_of
from orchestrator.controller.llm import LlmController, Quick
from orchestrator.controller.request import Request
from orchestrator.controller.route import Route
from specialists.base import Card

PLAUSIBLE = 0.1
"""A candidate whose share is less than this part of the best one's makes no sense: what is right is hardly
ever among those (`benchmarks/routing_llm.py` says how often it is among the others)."""


class HybridController:
    """Below `margin` the LLM is asked which of the plausible candidates it is; 0 never asks, 1 always does.

    The default of 0 suits the small embedded model, which routes worse than the exemplars alone; a large
    model earns a wider margin.
    """

    def __init__(self, quick: Quick, llm: LlmController, margin: float) -> None:
        self._quick = quick
        self._llm = llm
        self._margin = margin

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        chosen = await self._quick.route(request, cards)
        lines = plausible(chosen)
        if chosen.margin < self._margin and len(lines) > 1:
            chosen = await self._llm.choose(request, cards, chosen, one_of(lines))
        return replace(chosen, controller=f"hybrid: {chosen.controller}")


def plausible(route: Route) -> tuple[tuple[Control, ...], ...]:
    """The candidates that stand near enough to the best one to be meant."""
    best = max((share for _, share in route.candidates), default=0.0)
    return tuple(controls for controls, share in route.candidates if share >= PLAUSIBLE * best)
