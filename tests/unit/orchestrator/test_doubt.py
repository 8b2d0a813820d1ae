"""Asking back where two meanings are about as likely."""

from __future__ import annotations

import pytest

from orchestrator.controller.exemplars import Decision
from orchestrator.controller.route import Route, controls_of
from orchestrator.doubt import question


def routed(margin: float, *decisions: Decision) -> Route:
    candidates = tuple((controls_of(decision), 1 / len(decisions)) for decision in decisions)
    return Route(candidates[0][0], "fitted", margin, candidates)


@pytest.mark.parametrize(
    ("first", "second", "asked"),
    [
        (("vision",), ("ocr",), "shall I look at what the picture shows, or read the words in it?"),
        (("ocr", "chat"), ("ocr", "tts"), "shall I only read the words in it, or say it aloud as well?"),
        (("chat",), ("tts",), "shall I answer from what we have, or say it aloud?"),
        (("memory", "chat"), ("chat",), "shall I look into our earlier conversations, or answer from what"),
        (("plant_id",), ("vision", "ocr"), "shall I use plant id, or look at what the picture shows and"),
    ],
)
def test_a_question_names_what_sets_them_apart(
    first: tuple[str, ...], second: tuple[str, ...], asked: str
) -> None:
    outputs = {True: ("speech",), False: ("text",)}
    decisions = [Decision(steps, outputs["tts" in steps]) for steps in (first, second)]
    assert asked in question(routed(0.01, *decisions), 0.05)


def test_a_sure_decision_asks_nothing() -> None:
    assert question(routed(0.05, Decision(("vision",)), Decision(("ocr",))), 0.05) == ""


def test_what_makes_no_difference_to_the_person_is_not_asked() -> None:
    assert question(routed(0.0, Decision(("ocr",)), Decision(("ocr", "chat"))), 0.05) == ""


def test_a_decision_without_rivals_asks_nothing() -> None:
    assert question(routed(0.0, Decision(("chat",))), 0.05) == ""
