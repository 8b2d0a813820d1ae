"""Requests and Cards as the text that a fitted encoder reads."""

from __future__ import annotations

import re
from collections import Counter

from orchestrator.controller.request import Request, Said
from specialists.base import Card

VERSION = 3
"""Raised whenever the form changes: a router that was fitted to another form is refused."""

_REQUEST = (60, 24)
_SAID = (24, 8)
_OFFERED = (40, 0)
"""Words kept from the beginning and the end of the request, of an earlier message, of a description."""

EXAMPLES = 8
"""As many examples of a Card are read as requests that ask for it."""


def segments(request: Request) -> tuple[str, str]:
    """What is attached and asked now; what was said before, the latest last ("" for nothing).

    `[image x2] earlier: [audio] what do these have in common`, `user [audio]: listen. assistant: [answer]`
    """
    facts = [_kinds(request.attachments) or "[nothing]"]
    if earlier := sorted(request.earlier_kinds):
        facts.append(f"earlier: [{', '.join(earlier)}]")
    words = _cut(request.text, *_REQUEST) or "[no words]"
    return " ".join([*facts, words]), " ".join(_said(said) for said in request.history)


def _said(said: Said) -> str:
    kinds = _kinds(said.attachments)
    return f"{said.role}{' ' + kinds if kinds else ''}: {_cut(said.text, *_SAID)}"


def _kinds(attachments: tuple[str, ...]) -> str:
    counts = Counter(attachments)
    return ", ".join(f"[{kind} x{n}]" if n > 1 else f"[{kind}]" for kind, n in sorted(counts.items()))


def _cut(text: str, head: int, tail: int) -> str:
    words = text.split()
    if len(words) <= head + tail:
        return " ".join(words)
    return " ".join([*words[:head], "…", *words[len(words) - tail :]])


def offers(card: Card) -> tuple[str, ...]:
    """What a specialist offers, as the encoder reads it: what it does to which kinds, then its examples.

    `speech to text: Writes down what is said. [audio to text]`, `speech to text: what did she say?`
    """
    name = _spaced(card.name)
    kinds = f"[{', '.join(card.consumes)} to {', '.join(card.produces)}]"
    examples = (f"{name}: {_cut(example, *_OFFERED)}" for example in card.examples[:EXAMPLES])
    return (f"{name}: {_cut(card.description, *_OFFERED)} {kinds}", *examples)


def _spaced(name: str) -> str:
    return " ".join(
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ").lower().split()
    )
