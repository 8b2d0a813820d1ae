"""Doubt: when two meanings of a request are about as likely, the person is asked which one is meant.

A wrong specialist costs seconds and an answer beside the point, a question costs one word. So it is asked
only where the controller's margin says that guessing is about as good as tossing a coin, and where the two
meanings would do visibly different things.
"""

from __future__ import annotations

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


def question(chosen: Route, below: float) -> str:
    """The question to ask back, or nothing where the decision is sure enough or the difference is small."""
    if chosen.margin >= below or len(chosen.candidates) < 2:
        return ""
    first, second = (decision_of(controls) for controls, _ in chosen.candidates[:2])
    deeds = [_told(decision, other) for decision, other in ((first, second), (second, first))]
    if deeds[0] == deeds[1]:
        return ""
    return f"{_OPENING} {deeds[0]}, or {deeds[1]}?"


def _told(decision: Decision, other: Decision) -> str:
    """What this decision does that the other does not."""
    return _listed([_deed(name) for name in decision.steps if name not in other.steps and name != "chat"])


def _deed(name: str) -> str:
    return _DEEDS.get(name, f"use {name.replace('_', ' ').replace('-', ' ')}")


def _listed(deeds: Sequence[str]) -> str:
    return " and ".join(deeds) or _WITHOUT
