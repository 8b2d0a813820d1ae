"""The exemplar controller: kernel ridge regression from example requests to decisions.

Every decision (each specialist, each output, reuse) is one regression over the same similarities, so a new
exemplar is one more row and takes effect at once. The decisions are then read jointly: among the
combinations that exemplars show and this request can serve, the one that fits all scores best.
(Kernel ridge: Saunders, Gammerman and Vovk, "Ridge Regression Learning Algorithm in Dual Variables", 1998.)
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import numpy as np

from orchestrator.controller.decoding import Decoder
from orchestrator.controller.exemplars import Decision, Exemplar, applicable, core
from orchestrator.controller.features import Embed, Similarity
from orchestrator.controller.request import Request
from orchestrator.controller.route import Route, controls_of
from specialists.base import Card
from specialists.errors import Theirs
from specialists.threads import in_thread

log = logging.getLogger("antiphon")

RIDGE = 0.2

NEAREST = 6
"""As many of the exemplars that a request is most like are shown."""

OPTIONAL = -0.5
"""The target of a specialist that may be called and need not be: between no and either."""

LIMIT = 1.2
"""Scores beyond it say no more than that the answer is plain."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """What exemplars say of a request: decisions with their shares, best first, the nearest requests, and a
    score for each single decision, positive for yes."""

    ranked: tuple[tuple[Decision, float], ...]
    nearest: tuple[Exemplar, ...]
    scores: Mapping[str, float]


class ExemplarController:
    """Routes by example. `embed` adds the sense of sentences; without it words and spelling decide."""

    def __init__(self, exemplars: Sequence[Exemplar] | None = None, embed: Embed | None = None) -> None:
        self._exemplars = tuple(core() if exemplars is None else exemplars)
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
        weighed = self.weigh(request, cards)
        return as_route(weighed.ranked, weighed.nearest, "exemplar")

    def nearest(self, request: Request, cards: Sequence[Card]) -> tuple[Exemplar, ...]:
        """The exemplars that a request is most like."""
        return self.weigh(request, cards).nearest

    def weigh(self, request: Request, cards: Sequence[Card]) -> Weighed:
        """Every decision that could be meant, with the exemplars behind it."""
        fit = self._fitted(cards)
        vectors = _sense([request.text], self._embed)
        vector = None if vectors is None else vectors[0]
        similarity = fit.similarity.to_fitted(request, vector)
        scores = np.clip(similarity @ fit.alphas, -LIMIT, LIMIT)
        ranked = fit.decoder.rank(scores, request)
        nearest = np.argsort(-similarity, kind="stable")[:NEAREST]
        by_name = dict(zip(fit.decoder.columns, scores.tolist(), strict=True))
        return Weighed(tuple(ranked), tuple(fit.exemplars[i] for i in nearest), by_name)

    def _fitted(self, cards: Sequence[Card]) -> _Fit:
        key = tuple(sorted(f"{card.name}@{card.version}" for card in cards))
        with self._fitting:
            if key not in self._fits:
                self._fits[key] = _fit(applicable(self._exemplars, cards), tuple(cards), self._embed)
            return self._fits[key]


def _sense(texts: Sequence[str], embed: Embed | None) -> np.ndarray | None:
    """The vectors of texts; None without an encoder or while it fails, when words alone must decide."""
    if embed is None:
        return None
    try:
        return embed(texts)
    except Theirs as error:
        log.warning("routing goes by words alone: %s", error)
        return None


@lru_cache(maxsize=4)
def _fit(exemplars: tuple[Exemplar, ...], cards: tuple[Card, ...], embed: Embed | None) -> _Fit:
    # A second engine over the same exemplars and Cards need not solve the same equations again.
    return _Fit(exemplars, cards, embed)


class _Fit:
    """The regressions for one registry: `alphas` is float64 [exemplars, decisions]."""

    def __init__(self, exemplars: tuple[Exemplar, ...], cards: Sequence[Card], embed: Embed | None) -> None:
        self.exemplars = exemplars
        self.decoder = Decoder((exemplar.decision for exemplar in exemplars), cards)
        requests = [exemplar.request for exemplar in exemplars]
        vectors = _sense([r.text for r in requests], embed)
        self.similarity = Similarity(requests, vectors)
        targets = np.stack([self.decoder.row(e.decision) for e in exemplars])
        for i, exemplar in enumerate(exemplars):
            for name in exemplar.optional:
                if name in self.decoder.names:
                    targets[i, self.decoder.names.index(name)] = OPTIONAL
        # One factorisation serves all decisions.
        kernel = self.similarity.matrix() + RIDGE * np.eye(len(requests))
        self.alphas = np.linalg.solve(kernel, targets)


def as_route(ranked: Sequence[tuple[Decision, float]], nearest: Sequence[Exemplar], controller: str) -> Route:
    """The best decision as a Route; its margin is how far its share stands before the next."""
    (best, top), *rest = ranked
    return Route(
        controls_of(best),
        controller,
        max(0.0, top - rest[0][1]) if rest else 1.0,
        tuple((controls_of(decision), share) for decision, share in ranked[:5]),
        tuple(exemplar.request.text for exemplar in nearest),
    )
