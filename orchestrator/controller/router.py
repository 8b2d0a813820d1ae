"""The fitted router: a small encoder that was fitted to the exemplars scores every decision of a request.

Specialists it has not met, and registries that are not ours, are decided by the exemplar controller.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.controller import text_form
from orchestrator.controller.decoding import OUTPUTS, Decoder
from orchestrator.controller.exemplar import ExemplarController, as_route
from orchestrator.controller.exemplars import Decision
from orchestrator.controller.request import Request
from orchestrator.controller.route import Route
from specialists.base import Card
from specialists.encoder_heads import EncoderHeads
from specialists.errors import BadConfig
from specialists.threads import in_thread

FOLDER = Path(__file__).parent / "fitted"
WEIGHTS, CLAIMS, VOCABULARY = "router.onnx", "router.json", "tokenizer.json"

REUSE = "reuse"

FAMILIAR = 0.5
"""With a smaller share of its specialists registered, the router is in foreign parts and keeps out."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a router says of itself. `decisions` names its heads in order: specialists, outputs, reuse.

    `combinations` are the whole decisions it has seen and may take. `exemplars` is the digest of what it was
    made of; it learned from `fitted` of them, `held_out` were kept back: `right` and `steps` are the shares
    of these that it decided wholly right, and whose steps it decided right.
    """

    decisions: tuple[str, ...]
    combinations: tuple[Decision, ...]
    text_form: int
    tokens: int
    temperature: float
    exemplars: str
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
        except (OSError, ValueError, TypeError, KeyError) as error:
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
    return {"decisions": tuple(values["decisions"]), "combinations": tuple(seen)}


def output_head(name: str) -> str:
    return f"output:{name}"


class FittedRouter:
    """The artefact in a folder: its claims, and the scores of its heads."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Raises BadConfig when there is none, or none that this version can use."""
        self.claims = Claims.read(folder)
        self._heads = EncoderHeads(folder / WEIGHTS, folder / VOCABULARY, self.claims.tokens)

    @staticmethod
    def present(folder: Path = FOLDER) -> bool:
        return (folder / CLAIMS).is_file()

    def scores(self, request: Request) -> Mapping[str, float]:
        """A score for each decision it knows, positive for yes: half the calibrated log-odds."""
        logits = self._heads.logits(*text_form.segments(request))
        scores = (logits / (2 * self.claims.temperature)).tolist()
        return dict(zip(self.claims.decisions, scores, strict=True))

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
    columns = [scores[name] for name in decoder.names]
    columns += [scores[output_head(name)] for name in OUTPUTS]
    return decoder.rank(np.array([*columns, scores[REUSE]]), request)


class FittedController:
    """Routes by the fitted router where it is at home, by exemplars elsewhere."""

    def __init__(self, router: FittedRouter, exemplars: ExemplarController) -> None:
        self._router = router
        self._exemplars = exemplars

    @property
    def claims(self) -> Claims:
        return self._router.claims

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        return await in_thread(self.decide, request, cards)

    def decide(self, request: Request, cards: Sequence[Card]) -> Route:
        """The same, synchronous."""
        weighed = self._exemplars.weigh(request, cards)
        known = tuple(card for card in cards if card.name in self.claims.names)
        if len(known) < FAMILIAR * len(self.claims.names):
            return as_route(weighed.ranked, weighed.nearest, "exemplar")
        for decision in (weighed.ranked[0][0], weighed.nearest[0].decision):
            # Only the exemplars of its Card speak for a specialist that is new: here they do.
            if self._new(decision) and any(decision == other for other, _ in weighed.ranked):
                return as_route(_first(decision, weighed.ranked), weighed.nearest, "exemplar")
        return as_route(self._router.rank(request, known), weighed.nearest, "fitted")

    def _new(self, decision: Decision) -> bool:
        return not self.claims.names.issuperset(decision.steps)


def _first(decision: Decision, ranked: Sequence[tuple[Decision, float]]) -> list[tuple[Decision, float]]:
    return sorted(ranked, key=lambda entry: entry[0] != decision)


@lru_cache(maxsize=8)
def _decoder(combinations: tuple[Decision, ...], cards: tuple[Card, ...]) -> Decoder:
    names = {card.name for card in cards}
    return Decoder((decision for decision in combinations if names.issuperset(decision.steps)), cards)
