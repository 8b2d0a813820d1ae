"""The exemplar controller: kernel ridge regression from example requests to decisions.

Every decision (each specialist, each output, reuse) is one regression over the same similarities, so a new
exemplar is one more row and takes effect at once. The decisions are then read jointly: among the
combinations that exemplars show and this request can serve, the one that fits all scores best.
(Kernel ridge: Saunders, Gammerman and Vovk, "Ridge Regression Learning Algorithm in Dual Variables", 1998.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from threading import Lock

import numpy as np

from orchestrator.controller.exemplars import Decision, Exemplar, applicable, built_in
from orchestrator.controller.features import Embed, Similarity
from orchestrator.controller.request import Request
from orchestrator.controller.route import Route, controls_of
from specialists.base import Card
from specialists.content import AUDIO, DOCUMENT, IMAGE, TEXT, VIDEO, Kind
from specialists.threads import in_thread

RIDGE = 0.2

OPTIONAL = -0.5
"""The target of a specialist that may be called and need not be: between no and either."""

OUTPUTS = ("text", "speech", "image")
MEDIA = frozenset((IMAGE, AUDIO, VIDEO, DOCUMENT))


class ExemplarController:
    """Routes by example. `embed` adds the sense of sentences; without it words and spelling decide."""

    def __init__(self, exemplars: Sequence[Exemplar] | None = None, embed: Embed | None = None) -> None:
        self._exemplars = tuple(built_in() if exemplars is None else exemplars)
        self._embed = embed
        self._fits: dict[tuple[str, ...], _Fit] = {}
        self._fitting = Lock()

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        return await in_thread(self.decide, request, cards)

    def fit(self, cards: Sequence[Card]) -> None:
        """Get ready for these Cards ahead of the first request."""
        self._fitted(cards)

    def decide(self, request: Request, cards: Sequence[Card]) -> Route:
        """The same, synchronous: pure arithmetic over exemplars."""
        fit = self._fitted(cards)
        vector = self._embed([request.text])[0] if self._embed is not None else None
        similarity = fit.similarity.to_fitted(request, vector)
        scores = similarity @ fit.alphas
        ranked = _rank(scores, fit, request)
        (best, top), *rest = ranked
        margin = top - rest[0][1] if rest else 1.0
        nearest = np.argsort(-similarity, kind="stable")[:3]
        return Route(
            controls_of(best),
            "exemplar",
            margin,
            tuple((controls_of(decision), float(score)) for decision, score in ranked[:5]),
            tuple(fit.exemplars[i].request.text for i in nearest),
        )

    def _fitted(self, cards: Sequence[Card]) -> _Fit:
        key = tuple(sorted(f"{card.name}@{card.version}" for card in cards))
        with self._fitting:
            if key not in self._fits:
                self._fits[key] = _fit(applicable(self._exemplars, cards), tuple(cards), self._embed)
            return self._fits[key]


@lru_cache(maxsize=4)
def _fit(exemplars: tuple[Exemplar, ...], cards: tuple[Card, ...], embed: Embed | None) -> _Fit:
    # A second engine over the same exemplars and Cards need not solve the same equations again.
    return _Fit(exemplars, cards, embed)


class _Fit:
    """The regressions for one registry: `alphas` is float64 [exemplars, decisions]."""

    def __init__(self, exemplars: tuple[Exemplar, ...], cards: Sequence[Card], embed: Embed | None) -> None:
        self.exemplars = exemplars
        self.names = tuple(card.name for card in cards)
        self.consumes = {card.name: frozenset(card.consumes) & MEDIA for card in cards}
        requests = [exemplar.request for exemplar in exemplars]
        vectors = embed([r.text for r in requests]) if embed is not None else None
        self.similarity = Similarity(requests, vectors)
        targets = np.stack([self.row(e.decision) for e in exemplars])
        for i, exemplar in enumerate(exemplars):
            for name in exemplar.optional:
                if name in self.names:
                    targets[i, self.names.index(name)] = OPTIONAL
        # One factorisation serves all decisions.
        kernel = self.similarity.matrix() + RIDGE * np.eye(len(requests))
        self.alphas = np.linalg.solve(kernel, targets)
        self.combinations = tuple(dict.fromkeys(exemplar.decision for exemplar in exemplars))
        self.rows = np.stack([self.row(decision) for decision in self.combinations])

    def row(self, decision: Decision) -> np.ndarray:
        """A decision as +1 and -1: float64 [decisions]."""
        values = [name in decision.steps for name in self.names]
        values += [name in decision.outputs for name in OUTPUTS]
        return np.array([*values, decision.reuse], dtype=float) * 2 - 1


def _rank(scores: np.ndarray, fit: _Fit, request: Request) -> list[tuple[Decision, float]]:
    """The decisions that this request can serve, best first, with shares of belief that add up to 1."""
    servable = [i for i, decision in enumerate(fit.combinations) if _servable(decision, fit, request)]
    if not servable:
        return [(_safe(fit, request), 1.0)]
    fitness = fit.rows[servable] @ np.clip(scores, -1.2, 1.2)
    shares = np.exp(fitness - fitness.max())
    shares /= shares.sum()
    order = np.argsort(-shares, kind="stable")
    return [(fit.combinations[servable[i]], float(shares[i])) for i in order]


def _servable(decision: Decision, fit: _Fit, request: Request) -> bool:
    """Whether every specialist that needs a medium finds it among the attachments, now or earlier."""
    present = frozenset(request.attachments) | request.earlier_kinds
    needed = [fit.consumes[name] for name in decision.steps]
    return all(not kinds or kinds & present for kinds in needed)


def _safe(fit: _Fit, request: Request) -> Decision:
    """The route when nothing fits: talk about it if a chat model is there, else whatever takes the input."""
    if "chat" in fit.names:
        return Decision(("chat",))
    present: frozenset[Kind] = frozenset(request.attachments) | {TEXT}
    serving = [name for name in fit.names if fit.consumes[name] & present or not fit.consumes[name]]
    return Decision(tuple(serving or fit.names)[:1])
