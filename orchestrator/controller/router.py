"""The fitted router: a small encoder that was fitted to the exemplars scores every decision of a request.

Specialists it has not met, and registries that are not ours, are decided by the exemplar controller.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from orchestrator.controller import text_form
from orchestrator.controller.decoding import OUTPUTS, Decoder
from orchestrator.controller.exemplar import ExemplarController, as_route
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

NEVER = -20.0
"""The score of a specialist that is not to be called."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a router says of itself. `decisions` names its heads in order: specialists, outputs, reuse.

    `exemplars` is their digest, `fitted` how many it learned from; `held_out` is how many were kept back,
    `right` and `steps` the shares of those it decided wholly right, and the steps of which it decided right.
    """

    decisions: tuple[str, ...]
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
            claims = cls(**{**values, "decisions": tuple(values["decisions"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BadConfig(f"no fitted router: {error}", part=str(path), remedy=REMEDY) from error
        if claims.text_form != text_form.VERSION:
            raise BadConfig("was fitted to another form of requests", part=str(path), remedy=REMEDY)
        return claims

    def write(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (folder / CLAIMS).write_text(text + "\n", encoding="utf-8")


REMEDY = "Fit one with `antiphon router fit`, or set `kind = \"exemplar\"` in [controller]"


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
        return dict(zip(self.claims.decisions, (logits / (2 * self.claims.temperature)).tolist(), strict=True))


class FittedController:
    """Routes by the fitted router where it is at home, by exemplars elsewhere."""

    def __init__(self, router: FittedRouter, exemplars: ExemplarController) -> None:
        self._router = router
        self._exemplars = exemplars

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        return await in_thread(self.decide, request, cards)

    def decide(self, request: Request, cards: Sequence[Card]) -> Route:
        """The same, synchronous."""
        weighed = self._exemplars.weigh(request, cards)
        known = self._router.claims.names
        if len(known & set(weighed.decoder.names)) < FAMILIAR * len(known):
            return as_route(weighed.ranked, weighed.nearest, "exemplar")
        best, _ = weighed.ranked[0]
        if not known.issuperset(best.steps):
            # Only the exemplars of its Card speak for a specialist that is new, and here they do.
            return as_route(weighed.ranked, weighed.nearest, "exemplar")
        scores = columns(self._router.scores(request), weighed.decoder)
        return as_route(weighed.decoder.rank(scores, request), weighed.nearest, "fitted")


def columns(scores: Mapping[str, float], decoder: Decoder) -> np.ndarray:
    """Scores by name in the decoder's order: float64 [columns]. Specialists without one are never called."""
    steps = [scores.get(name, NEVER) for name in decoder.names]
    return np.array([*steps, *(scores[output_head(name)] for name in OUTPUTS), scores[REUSE]])
