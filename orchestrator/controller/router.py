"""The fitted router: a small encoder that was fitted to exemplars scores every decision of a request.

Specialists that it has not met, and registries that are not ours, it matches by what their Cards say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from orchestrator.controller import text_form
from orchestrator.controller.decoding import MEDIA, OUTPUTS, REUSE, Decoder, output_head
from orchestrator.controller.exemplar import ExemplarController, as_route
from orchestrator.controller.exemplars import Decision, Exemplar
from orchestrator.controller.matching import ASKED, CardMatch, match
from orchestrator.controller.request import Request
from orchestrator.controller.route import Route
from orchestrator.controller.structure import Weights, meaning
from specialists.base import Card
from specialists.content import TEXT
from specialists.encoder_heads import EncoderHeads, Matched, Offers
from specialists.errors import BadConfig
from specialists.threads import in_thread

FOLDER = Path(__file__).parent / "fitted"
WEIGHTS, CONSTANTS, CLAIMS, VOCABULARY = "router.onnx", "router.npz", "router.json", "tokenizer.json"

FAMILIAR = 0.5
"""With a smaller share of its specialists registered, the router is in foreign parts and goes by Cards."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a router says of itself. `decisions` names its heads in order: specialists, outputs, reuse.

    `combinations` are the whole decisions it has seen and may take. `temperature` and `biases`, one a
    decision, turn logits into scores; `structure` weighs what Cards are matched. `exemplars` and `catalogues`
    are digests of what it was made of; it learned from `fitted` of the exemplars, `held_out` were kept back:
    `right` and `steps` are the shares of these that it decided wholly right, and whose steps it got right,
    without a second opinion.
    """

    decisions: tuple[str, ...]
    combinations: tuple[Decision, ...]
    text_form: int
    tokens: int
    temperature: float
    biases: tuple[float, ...]
    structure: Weights
    exemplars: str
    catalogues: str
    fitted: int
    held_out: int
    right: float
    steps: float

    @property
    def names(self) -> frozenset[str]:
        """The specialists it knows."""
        return frozenset(self.decisions) - {output_head(name) for name in OUTPUTS} - {REUSE}

    @classmethod
    def read(cls, folder: Path) -> Claims:
        """Raises BadConfig when the folder holds no router that this version can use."""
        path = folder / CLAIMS
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            claims = cls(**{**values, **_tuples(values)})
        except KeyError as error:
            raise BadConfig(f"lacks {error}", part=str(path), remedy=REMEDY) from error
        except (OSError, ValueError, TypeError) as error:
            raise BadConfig(f"no fitted router: {error}", part=str(path), remedy=REMEDY) from error
        if claims.text_form != text_form.VERSION:
            raise BadConfig("was fitted to another form of requests", part=str(path), remedy=REMEDY)
        return claims

    def write(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (folder / CLAIMS).write_text(text + "\n", encoding="utf-8")


REMEDY = 'Fit one with `antiphon router fit`, or set `kind = "exemplar"` in [controller]'


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    seen = [Decision(tuple(d["steps"]), tuple(d["outputs"]), d["reuse"]) for d in values["combinations"]]
    lists = {name: tuple(values[name]) for name in ("decisions", "biases")}
    structure = Weights(**{name: tuple(weights) for name, weights in values["structure"].items()})
    return {**lists, "combinations": tuple(seen), "structure": structure}


class FittedRouter:
    """The artefact in a folder: its claims, and the scores of its heads."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Raises BadConfig when there is none, or none that this version can use."""
        self.claims = Claims.read(folder)
        self._heads = EncoderHeads(
            folder / WEIGHTS, folder / CONSTANTS, folder / VOCABULARY, self.claims.tokens
        )
        self._read: Callable[[tuple[tuple[str, ...], ...]], Offers] = lru_cache(maxsize=8)(self._heads.offers)
        self._reading = Lock()

    def _offers(self, cards: tuple[Card, ...]) -> Offers:
        # Whether a specialist is available now says nothing of what it offers.
        texts = tuple(text_form.offers(card) for card in cards)
        with self._reading:  # many Cards take seconds: requests that come meanwhile wait for the same
            return self._read(texts)

    @staticmethod
    def present(folder: Path = FOLDER) -> bool:
        return (folder / CLAIMS).is_file()

    def scores(self, request: Request) -> Mapping[str, float]:
        """A score for each decision it knows, positive for yes: half the calibrated log-odds."""
        logits = self._heads.logits(*text_form.segments(request))
        scores = logits / (2 * self.claims.temperature) + np.array(self.claims.biases)
        return dict(zip(self.claims.decisions, scores.tolist(), strict=True))

    def match(self, request: Request, cards: tuple[Card, ...]) -> Matched:
        """Which of any Cards the request asks for by what they say of themselves, and how they link."""
        return self._heads.match(*text_form.segments(request), self._offers(cards))

    def rank(self, request: Request, cards: Sequence[Card]) -> list[tuple[Decision, float]]:
        """What the request can mean, best first, with shares of belief. It must know every one of `cards`."""
        return decode(self.scores(request), self.claims.combinations, cards, request)


def decode(
    scores: Mapping[str, float],
    combinations: tuple[Decision, ...],
    cards: Sequence[Card],
    request: Request,
) -> list[tuple[Decision, float]]:
    """The combinations that fit scores by name, best first, with shares of belief."""
    decoder = _decoder(combinations, tuple(cards))
    return decoder.rank(np.array([scores[name] for name in decoder.columns]), request)


INWARD = frozenset(("vector",))
"""Kinds that nobody is given: a Card that makes nothing else serves other parts of us, not requests."""

SECOND_OPINION = 0.1
"""The weight of kernel ridge beside the router: they err on different requests. Beside one that saw none of
them, the exemplars that were kept back are least of a surprise with 0.1 to 0.2, and most often right with 0
to 0.1."""

LIKELY, CERTAIN = 0.3, 0.99
"""Beside Cards that the router knows, a new one is called from this share on where its own examples or
description are among the nearest exemplars, and from that one on whatever they are. With the nearest
exemplar of all it needs no share."""


class FittedController:
    """Routes by the fitted router: by its heads where it knows the specialists, by what Cards say of
    themselves where it does not. Exemplars have a say in it, and show what a request is like."""

    def __init__(self, router: FittedRouter, exemplars: ExemplarController) -> None:
        self._router = router
        self._exemplars = exemplars

    @property
    def claims(self) -> Claims:
        return self._router.claims

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        return await in_thread(self.decide, request, cards)

    def nearest(self, request: Request, cards: Sequence[Card]) -> tuple[Exemplar, ...]:
        """The exemplars that a request is most like."""
        return self._exemplars.nearest(request, cards)

    def decide(self, request: Request, cards: Sequence[Card]) -> Route:
        """The same as `route`, synchronous."""
        cards = [card for card in cards if set(card.produces) - INWARD]
        known = tuple(card for card in cards if card.name in self.claims.names)
        if len(known) < FAMILIAR * len(self.claims.names):
            return self._abroad(request, tuple(cards))
        weighed = self._exemplars.weigh(request, cards)
        nearest, ranked = weighed.nearest, self._joint(request, known, weighed.scores)
        if len(known) == len(cards):
            return as_route(ranked, nearest, "fitted")
        matched = match(self._router, request, tuple(cards))
        first = nearest[0].decision.steps
        shown = {name for exemplar in nearest for name in exemplar.decision.steps}
        asked_for = [
            card
            for card in cards
            if card not in known
            and (card.name in first or matched.asked[card.name] > (LIKELY if card.name in shown else CERTAIN))
        ]
        if not asked_for:
            return as_route(ranked, nearest, "fitted")
        decision = _beside(ranked[0][0], asked_for, known, matched)
        sure = max(LIKELY, *(matched.asked[card.name] for card in asked_for))
        without = [(other, share * (1 - sure)) for other, share in ranked]
        return as_route([(decision, sure), *without], nearest, "fitted: cards")

    def _joint(
        self, request: Request, known: Sequence[Card], opinion: Mapping[str, float]
    ) -> list[tuple[Decision, float]]:
        """What the request can mean by the router's scores and, with less weight, by those of exemplars."""
        scores = {
            name: score + SECOND_OPINION * opinion.get(name, 0.0)
            for name, score in self._router.scores(request).items()
        }
        return decode(scores, self.claims.combinations, known, request)

    def _abroad(self, request: Request, cards: tuple[Card, ...]) -> Route:
        matched = match(self._router, request, cards)
        meant = meaning(matched, cards, (*request.attachments, *request.earlier_kinds), self.claims.structure)
        found = meant.ranked()
        ranked = [(_of_cards(names, cards), share) for names, share in found]
        return replace(as_route(ranked, (), "fitted: cards"), hints=meant.hints(found[0][0]))


def _of_cards(names: Sequence[str], cards: Sequence[Card]) -> Decision:
    """A decision for these: the person gets what none of them can work on any further, or text."""
    made = {card.name: card for card in cards}
    outputs = dict.fromkeys(
        kind
        for name in names
        for kind in made[name].produces
        if not any(kind in made[other].consumes for other in names if other != name)
    )
    return Decision(tuple(names), tuple(outputs) or (TEXT,))


def _beside(decision: Decision, new: Sequence[Card], known: Sequence[Card], matched: CardMatch) -> Decision:
    """The decision with new specialists in place of those that take the same kinds and are not asked for."""
    taken = {kind for card in new for kind in card.consumes}
    wanted = max(ASKED, *(matched.asked[card.name] for card in new))
    cards = {card.name: card for card in known}
    kept = [
        name
        for name in decision.steps
        if not taken & set(cards[name].consumes) or matched.asked[name] > wanted
    ]
    steps = (*(card.name for card in new), *kept)
    reuse = decision.reuse and not any(set(card.consumes) & MEDIA for card in new)
    return Decision(steps, decision.outputs, reuse)


@lru_cache(maxsize=8)
def _decoder(combinations: tuple[Decision, ...], cards: tuple[Card, ...]) -> Decoder:
    names = {card.name for card in cards}
    return Decoder((decision for decision in combinations if names.issuperset(decision.steps)), cards)
