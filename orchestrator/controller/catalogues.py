"""Catalogues of tools with requests and the plans that serve them: what matching and linking learn from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from orchestrator.controller.lines import packaged, read_values
from orchestrator.controller.request import Request
from specialists.base import Card


@dataclass(frozen=True, slots=True)
class Planned:
    """A request with the tools that serve it, in order, and which works on the result of which."""

    request: Request
    tools: tuple[str, ...]
    links: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Catalogue:
    name: str
    cards: tuple[Card, ...]
    requests: tuple[Planned, ...]


@cache
def built_in() -> tuple[Catalogue, ...]:
    """The catalogues that come with Antiphon: worlds of tools that none of its specialists is from."""
    return packaged("catalogues.jsonl", from_json)


def read(path: Path) -> tuple[Catalogue, ...]:
    """The catalogues of a file of JSON lines. Raises BadInput, which names the line."""
    return read_values(path, from_json, "a catalogue", "A line has name, tools and requests")


def digest(catalogues: Iterable[Catalogue]) -> str:
    """SHA-256 over the catalogues in canonical form, a line each."""
    return hashlib.sha256("".join(_canonical(c) + "\n" for c in catalogues).encode()).hexdigest()


def from_json(values: Mapping[str, Any]) -> Catalogue:
    """One line of a catalogue file."""
    cards = tuple(
        Card(tool["name"], tool["description"], tuple(tool["consumes"]), tuple(tool["produces"]))
        for tool in values["tools"]
    )
    return Catalogue(values["name"], cards, tuple(_planned(r) for r in values["requests"]))


def _planned(values: Mapping[str, Any]) -> Planned:
    tools = {step["id"]: step["tool"] for step in values["steps"]}
    links = {(tools[before], step["tool"]) for step in values["steps"] for before in step["after"]}
    return Planned(
        Request(values["text"], tuple(values["attachments"])),
        tuple(dict.fromkeys(tools.values())),
        frozenset(link for link in links if link[0] != link[1]),
    )


def _canonical(catalogue: Catalogue) -> str:
    tools = [[card.name, card.description, card.consumes, card.produces] for card in catalogue.cards]
    asked = [[p.request.text, p.request.attachments, p.tools, sorted(p.links)] for p in catalogue.requests]
    return json.dumps([catalogue.name, tools, asked])
