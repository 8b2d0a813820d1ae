"""What a model may write: the controls that a request can be served with, as a Form of bare words.

A model writes controls bare (`call:ocr say answer`), because the bracketed form in a prompt would be data
made inert.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from orchestrator import control
from orchestrator.control import Control
from orchestrator.controller.request import Request
from specialists.base import Card
from specialists.chat.form import END, Form
from specialists.content import TEXT

LONGEST = 8
"""Controls of one decision, `answer` aside."""

EXACT = 8
"""Up to so many choices the form itself forbids a second control for the same specialist. The automaton
doubles with every one; beyond, doubles are dropped when the line is read."""

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_LAST = "answer"


def bare(controls: Iterable[Control]) -> str:
    """Controls without their brackets."""
    return " ".join(str(token)[2:-2] for token in controls)


def bracketed(words: Iterable[str]) -> tuple[Control, ...]:
    """The controls of bare words."""
    return tuple(Control(*word.split(":", 1)) for word in words)


def servable(request: Request, cards: Sequence[Card]) -> tuple[Card, ...]:
    """The Cards that this request can use: one of the kinds they consume is there or can be got.

    What is attached, now or earlier, leads to everything that can be made of it. What can only be made of
    words is made for the reply: it may be worked on, but nobody asks what it shows.
    """
    found = {TEXT, *request.attachments, *request.earlier_kinds}
    made: set[str] = set()
    chosen: dict[str, Card] = {}
    grown = True
    while grown:
        grown = False
        for card in cards:
            if card.name in chosen:
                continue
            perceives = found.intersection(card.consumes) - {TEXT}
            if perceives:
                found.update(card.produces)
            elif TEXT in card.consumes or (TEXT not in card.produces and made.intersection(card.consumes)):
                made.update(card.produces)
            else:
                continue
            chosen[card.name] = card
            grown = True
    return tuple(card for card in cards if card.name in chosen)


def controls_for(request: Request, cards: Sequence[Card]) -> Form:
    """Every line of controls that this request can be served with."""
    choices = [_words(card) for card in servable(request, cards) if _NAME.fullmatch(card.name)]
    if request.history:
        choices = [(*words, "recall:text") if "recall" in words else words for words in choices]
        if not any("recall" in words for words in choices):
            choices.append(("recall:text",))
    return _any_order(choices)


def one_of(lines: Iterable[Sequence[Control]]) -> Form:
    """Exactly these lines of controls, each ending with `answer`."""
    tree: dict[str, Any] = {}
    for line in lines:
        at = tree
        for word in bare(line).split():
            at = at.setdefault(word, {})
    states: list[dict[str, int]] = [{}]
    waiting = [(0, tree)]
    for number, branch in waiting:  # grows while it is walked: targets come later
        for word, rest in branch.items():
            if word == _LAST:
                states[number][word] = END
                continue
            states.append({})
            states[number][word] = len(states) - 1
            waiting.append((len(states) - 1, rest))
    return Form(tuple(states), _LAST)


def _any_order(choices: Sequence[Sequence[str]]) -> Form:
    """One word each of some choices, one choice at least, in any order, then `answer`."""
    exact = len(choices) <= EXACT
    # What a state remembers: how many words there are, and of which choices.
    memories: list[tuple[int, frozenset[int]]] = [(0, frozenset())]
    numbers = {memories[0]: 0}
    states: list[dict[str, int]] = []
    for length, used in memories:  # grows while it is walked: targets come later
        state: dict[str, int] = {}
        for choice, words in enumerate(choices):
            if length == LONGEST or choice in used:
                continue
            after = (length + 1, used | {choice} if exact else used)
            if after not in numbers:
                numbers[after] = len(memories)
                memories.append(after)
            state |= dict.fromkeys(words, numbers[after])
        if length:
            state[_LAST] = END
        states.append(state)
    return Form(tuple(states), _LAST)


def _words(card: Card) -> tuple[str, ...]:
    """The bare controls that run a specialist; at most one of them makes sense in one decision."""
    match card.name:
        case "memory":
            return (bare([control.RECALL]),)
        case "tts":
            return (bare([control.SAY]), f"call:{card.name}")
        case "imagegen":
            return (bare([control.SHOW_IMAGE]), f"call:{card.name}")
    return (f"call:{card.name}",)
