"""From scores of single decisions to one decision that a request can serve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from orchestrator.controller.exemplars import Decision
from orchestrator.controller.request import Request
from specialists.base import Card
from specialists.content import AUDIO, DOCUMENT, IMAGE, TEXT, VIDEO, Kind

OUTPUTS = ("text", "speech", "image")
REUSE = "reuse"
MEDIA = frozenset((IMAGE, AUDIO, VIDEO, DOCUMENT))


def output_head(name: str) -> str:
    """The name of the decision that this output is wanted."""
    return f"output:{name}"


class Decoder:
    """Reads scores jointly: among the decisions there are, the servable one that fits all scores best.

    Scores have one column for each of `names`, each output, and reuse: positive for yes.
    """

    def __init__(self, decisions: Iterable[Decision], cards: Sequence[Card]) -> None:
        self.names = tuple(card.name for card in cards)
        self.columns = (*self.names, *map(output_head, OUTPUTS), REUSE)
        self._consumes = {card.name: frozenset(card.consumes) & MEDIA for card in cards}
        # The order of steps is the planner's: the same specialists in another order are the same meaning.
        distinct = {(frozenset(d.steps), frozenset(d.outputs), d.reuse): d for d in decisions}
        self._decisions = tuple(distinct.values())
        self._rows = np.array([self.row(decision) for decision in self._decisions])

    def row(self, decision: Decision) -> np.ndarray:
        """A decision as +1 and -1: float64 [columns]."""
        values = [name in decision.steps for name in self.names]
        values += [name in decision.outputs for name in OUTPUTS]
        # What memory gives is something already obtained, whether or not something new is looked at as well.
        reuse = decision.reuse or "memory" in decision.steps
        return np.array([*values, reuse], dtype=float) * 2 - 1

    def rank(self, scores: np.ndarray, request: Request) -> list[tuple[Decision, float]]:
        """The decisions that this request can serve, best first, with shares of belief that add up to 1."""
        servable = [i for i, decision in enumerate(self._decisions) if self._servable(decision, request)]
        if not servable:
            return [(self._safe(request), 1.0)]
        fitness = self._rows[servable] @ scores
        shares = np.exp(fitness - fitness.max())
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable")
        return [(self._decisions[servable[i]], float(shares[i])) for i in order]

    def _servable(self, decision: Decision, request: Request) -> bool:
        """Whether every specialist that needs a medium finds it among the attachments, now or earlier."""
        present = frozenset(request.attachments) | request.earlier_kinds
        needed = [self._consumes[name] for name in decision.steps]
        return all(not kinds or kinds & present for kinds in needed)

    def _safe(self, request: Request) -> Decision:
        """When nothing fits: talk about it if a chat model is there, else whatever takes the input."""
        if "chat" in self.names:
            return Decision(("chat",))
        present: frozenset[Kind] = frozenset(request.attachments) | {TEXT}
        serving = [name for name in self.names if self._consumes[name] & present or not self._consumes[name]]
        return Decision(tuple(serving or self.names)[:1])
