"""Exemplars: example requests with the decisions that serve them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from orchestrator.controller.lines import packaged, read_values
from orchestrator.controller.request import Request, Said
from specialists.base import Card
from specialists.content import TEXT
from specialists.errors import BadInput

CORE = "exemplars.jsonl"
MORE = ("exemplars-voices.jsonl", "exemplars-people.jsonl")
"""Requests of every sort, and as many people say them."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a request needs: specialists in order, what the person gets, whether it rests on what is there."""

    steps: tuple[str, ...]
    outputs: tuple[str, ...] = ("text",)
    reuse: bool = False


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A request with its decision; `optional` names specialists that may be called and need not be."""

    request: Request
    decision: Decision
    optional: tuple[str, ...] = ()
    source: str = "built in"


@cache
def built_in() -> tuple[Exemplar, ...]:
    """All exemplars that come with Antiphon."""
    return core() + tuple(exemplar for name in MORE for exemplar in packaged(name, from_json))


@cache
def core() -> tuple[Exemplar, ...]:
    """Those of every sort in few words: enough to tell a new Card from the rest, and quick to learn."""
    return packaged(CORE, from_json)


def read(path: Path) -> tuple[Exemplar, ...]:
    """The exemplars of a file of JSON lines. Raises BadInput, which names the line."""
    remedy = "A line has text, attachments, history, steps, optional, outputs and reuse"
    found = read_values(path, from_json, "an exemplar", remedy)
    if not found:
        raise BadInput("holds no exemplars", part=str(path))
    return found


def digest(exemplars: Iterable[Exemplar]) -> str:
    """SHA-256 over the exemplars in canonical form, a line each: what a fitted router was made of."""
    return hashlib.sha256("".join(canonical(e) + "\n" for e in exemplars).encode()).hexdigest()


def canonical(exemplar: Exemplar) -> str:
    """An exemplar as JSON that does not depend on how its file was written."""
    request, decision = exemplar.request, exemplar.decision
    history = [[said.role, said.text, said.attachments] for said in request.history]
    asked = [request.text, request.attachments, history]
    return json.dumps([asked, decision.steps, decision.outputs, decision.reuse, exemplar.optional])


def from_json(values: Mapping[str, Any]) -> Exemplar:
    """One line of an exemplar file."""
    return Exemplar(
        Request(
            values["text"],
            tuple(values["attachments"]),
            tuple(Said(s["role"], s["text"], tuple(s.get("attachments", ()))) for s in values["history"]),
        ),
        Decision(tuple(values["steps"]), tuple(values["outputs"]), bool(values["reuse"])),
        tuple(values["optional"]),
    )


def from_card(card: Card) -> tuple[Exemplar, ...]:
    """A Card's own examples and its description, so that a specialist that is new works at once."""
    media = tuple(kind for kind in card.consumes if kind != TEXT)[:1]
    output = "speech" if card.produces == ("audio",) else card.produces[0] if card.produces else TEXT
    decision = Decision((card.name,), (output if output in {"speech", "image"} else TEXT,))
    words = (*card.examples, f"{card.name.replace('_', ' ').replace('-', ' ')}: {card.description}")
    return tuple(
        Exemplar(Request(text, media), decision, optional=("chat",), source=f"card {card.name}")
        for text in words
    )


def applicable(exemplars: Sequence[Exemplar], cards: Iterable[Card]) -> tuple[Exemplar, ...]:
    """The exemplars whose specialists are all registered, and those of every Card.

    Built-in names that the exemplars already cover well are not repeated from their Cards.
    """
    cards = tuple(cards)
    names = {card.name for card in cards}
    known = tuple(e for e in exemplars if set(e.decision.steps) <= names)
    covered = {name for e in known for name in e.decision.steps}
    new = tuple(e for card in cards if card.name not in covered for e in from_card(card))
    return known + new
