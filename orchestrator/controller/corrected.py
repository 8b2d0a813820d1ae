"""The controller with a person's corrections before it: what they corrected once is routed as they want it.

A request goes the way of the nearest of the person's own corrections when the same kinds are at hand and its
words mean nearly the same. `benchmarks/corrections.py` shows what each threshold helps and hurts.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from memory.corrections import Correction
from orchestrator import control
from orchestrator.controller.decoding import MEDIA
from orchestrator.controller.features import Embed
from orchestrator.controller.request import Request
from orchestrator.controller.route import Controller, Route, decision_of
from specialists.base import Card
from specialists.errors import Theirs
from specialists.threads import in_thread

log = logging.getLogger("antiphon")

_STOPS = re.compile(r"(?<![?!.,;:…？！。，])[?!.,;:…？！。，]++(?=\s|$)")

ALIKE = 0.85
"""Cosine from which a request is taken for the one that was corrected."""

CorrectionsOf = Callable[[str], Awaitable[Sequence[Correction]]]
"""A person's corrections, the newest first."""

MARK = "corrected: "
"""Stands before the controller's name and before the request in a trace."""


class CorrectedController:
    """Asks the corrections of `request.person` first, and `inner` where none of them fits.

    Without an encoder, or while it fails, only the very same words count as alike.
    """

    def __init__(self, inner: Controller, corrections: CorrectionsOf, embed: Embed | None) -> None:
        self._inner = inner
        self._corrections = corrections
        self._alike = Alike(embed)

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        if request.person is None:
            return await self._inner.route(request, cards)
        try:
            known = await self._corrections(request.person)
        except Theirs as error:  # routed as for anybody else, rather than not at all
            log.warning("corrections cannot be looked up: %s", error)
            known = ()
        if possible := fitting(known, request, cards):
            found = await in_thread(nearest, request, possible, self._alike)
            if found is not None:
                return found
        return await self._inner.route(request, cards)


class Alike:
    """How alike the words of requests are: the cosine of their vectors, and 1 for the very same words."""

    KEPT = 4096

    def __init__(self, embed: Embed | None) -> None:
        self._embed = embed
        self._vectors: dict[str, np.ndarray] = {}
        """Of corrections: they come up with every request."""

    def __call__(self, text: str, others: Sequence[str]) -> list[float]:
        text, others = _plain(text), [_plain(other) for other in others]
        same = [1.0 if other == text else 0.0 for other in others]
        # A request without words is alike only to another one.
        if self._embed is None or max(same) == 1.0 or not text:
            return same
        try:
            vector = self._embed([text])[0]
            return [float(self._vector(other, others) @ vector) for other in others]
        except Theirs as error:
            log.warning("corrections go by their very words alone: %s", error)
            return same

    def _vector(self, text: str, batch: Sequence[str]) -> np.ndarray:
        if text not in self._vectors:
            assert self._embed is not None, "asked only with an encoder"
            new = [other for other in dict.fromkeys(batch) if other not in self._vectors]
            if len(self._vectors) + len(new) > self.KEPT:
                self._vectors, new = {}, list(dict.fromkeys(batch))
            self._vectors |= dict(zip(new, self._embed(new), strict=True))
        return self._vectors[text]


def fitting(corrections: Sequence[Correction], request: Request, cards: Sequence[Card]) -> list[Correction]:
    """Those of a request with the same kinds at hand, whose specialists are there with what they work on."""
    return [c for c in corrections if _same_kinds(c, request) and _servable(c, request, cards)]


def nearest(
    request: Request, corrections: Sequence[Correction], similarity: Alike, alike: float = ALIKE
) -> Route | None:
    """The route of the nearest correction, None where none is `alike`; of equally near ones the first wins.

    The margin is how much nearer it is than any correction that says otherwise.
    """
    scores = similarity(request.text, [c.text for c in corrections])
    ranked = sorted(zip(scores, corrections, strict=True), key=lambda pair: -pair[0])
    score, best = ranked[0]
    if score < alike:
        return None
    otherwise = [(s, c) for s, c in ranked if c.controls != best.controls]
    return Route(
        _controls(best),
        f"{MARK}{score:.2f} alike",
        min(1.0, score - max(0.0, otherwise[0][0])) if otherwise else 1.0,
        tuple((_controls(c), s) for s, c in [ranked[0], *otherwise[:4]]),
        (f"{MARK}{best.text}",),
    )


def _servable(correction: Correction, request: Request, cards: Sequence[Card]) -> bool:
    parsed = control.parse(" ".join(correction.controls))
    known = control.validate(
        parsed.controls, specialists={c.name for c in cards}, kinds={k for c in cards for k in c.produces}
    )
    if parsed.invalid or known.invalid:
        return False
    decision = decision_of(known.controls)
    needed = [frozenset(card.consumes) & MEDIA for card in cards if card.name in decision.steps]
    present = frozenset(request.attachments) | request.earlier_kinds
    if decision.reuse and "memory" not in decision.steps and not request.history:
        return False
    return all(not kinds or kinds & present for kinds in needed)


def _same_kinds(correction: Correction, request: Request) -> bool:
    """Whether "it" can mean the same: what is attached, else what was attached before."""
    if request.attachments or correction.attachments:
        return set(correction.attachments) == set(request.attachments)
    return set(correction.earlier) == request.earlier_kinds


def _controls(correction: Correction) -> tuple[control.Control, ...]:
    return control.parse(" ".join(correction.controls)).controls


def _plain(text: str) -> str:
    """The words alone: a question mark more would make short requests unlike."""
    return " ".join(_STOPS.sub(" ", text.casefold()).split())
