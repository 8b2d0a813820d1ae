"""Doubt: when two meanings of a request are about as likely, the person is asked which one is meant.

A wrong specialist costs seconds and an answer beside the point, a question costs one word. So it is asked
only where the controller's margin says that guessing is about as good as tossing a coin, and where the two
meanings would do visibly different things.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from orchestrator.controller.exemplars import Decision
from orchestrator.controller.route import Route, decision_of

_DEEDS: Mapping[str, str] = {
    "vision": "look at what the picture shows",
    "ocr": "read the words in it",
    "asr": "listen to the recording",
    "video": "watch the clip",
    "tts": "say it aloud",
    "imagegen": "make a picture",
    "memory": "look into our earlier conversations",
}
"""What calling a specialist means to the person. `chat` is not among them: with it or without, the answer is
in words."""

_OPENING = "I am not sure what you mean: shall I"
_WITHOUT = "answer from what we have"


def is_question(text: str) -> bool:
    """Whether this is what was asked back before."""
    return text.startswith(_OPENING)


def answered(text: str, meanings: Sequence[Decision]) -> Decision | None:
    """The meaning that an answer to the question chooses by its place ("the second", "both"), if it does.

    `meanings` are the two that were offered, in their order.
    """
    first, second = meanings
    words = set(re.findall(r"[a-z0-9]+", text.casefold()))
    if words & {"both", "all"}:
        steps = tuple(dict.fromkeys((*first.steps, *second.steps)))
        outputs = tuple(dict.fromkeys((*first.outputs, *second.outputs)))
        return Decision(steps, outputs, first.reuse and second.reuse)
    if words & {"first", "former", "1", "1st"}:
        return first
    if words & {"second", "latter", "2", "2nd", "other"}:
        return second
    return None


def question(chosen: Route, below: float) -> str:
    """The question to ask back, or nothing where the decision is sure enough or the difference is small."""
    if chosen.margin >= below or len(chosen.candidates) < 2:
        return ""
    first, second = (_deeds(decision_of(controls)) for controls, _ in chosen.candidates[:2])
    if set(first) == set(second):
        return ""
    return f"{_OPENING} {_told(first, second)}, or {_told(second, first)}?"


def _deeds(decision: Decision) -> list[str]:
    return [_deed(name) for name in decision.steps if name != "chat"]


def _told(deeds: Sequence[str], others: Sequence[str]) -> str:
    """What is done in one case and not in the other; all of it where the other does that and more."""
    more = " and ".join(deed for deed in deeds if deed not in others)
    if not more:
        return f"only {' and '.join(deeds)}" if deeds else _WITHOUT
    return f"{more} as well" if others and set(others) <= set(deeds) else more


def _deed(name: str) -> str:
    return _DEEDS.get(name, f"use {name.replace('_', ' ').replace('-', ' ')}")
