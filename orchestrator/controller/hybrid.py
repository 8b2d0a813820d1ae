"""The hybrid controller: exemplars decide where they are sure, the LLM where they are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.controller.llm import LlmController
from orchestrator.controller.request import Request
from orchestrator.controller.route import Controller, Route
from specialists.base import Card


class HybridController:
    """Below `margin` the LLM is asked; 0 never asks, 1 always does.

    The default of 0 suits the small embedded model, which routes worse than the exemplars alone; a large
    model earns a wider margin.
    """

    def __init__(self, quick: Controller, llm: LlmController, margin: float) -> None:
        self._quick = quick
        self._llm = llm
        self._margin = margin

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        by_example = await self._quick.route(request, cards)
        if by_example.margin >= self._margin:
            return replace(by_example, controller=f"hybrid: {by_example.controller}")
        chosen = await self._llm.choose(request, cards, by_example)
        return replace(chosen, controller=f"hybrid: {chosen.controller}")
