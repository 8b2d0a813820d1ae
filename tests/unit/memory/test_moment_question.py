"""What questions about clips ask for, and beside what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.moment_question import MomentQuestion
from specialists.content import AUDIO, IMAGE, Kind


@pytest.mark.parametrize(
    ("text", "target", "kind", "anchor", "anchor_kind", "relation"),
    [
        (
            "What was on the sign when the woman spoke about the ferry?",
            *("What was on the sign", IMAGE, "the woman spoke about the ferry", AUDIO, "while"),
        ),
        (
            "What was said right after the cat appeared?",
            *("What was said", AUDIO, "the cat appeared", IMAGE, "after"),
        ),
        (
            "Before the sign came up, what did he tell us?",
            *("what did he tell us?", AUDIO, "the sign came up", IMAGE, "before"),
        ),
        (
            "What does the sign say while the bell rings?",
            *("What does the sign say", IMAGE, "the bell rings", None, "while"),
        ),
    ],
)
def test_a_question_in_two_parts(
    text: str, target: str, kind: Kind | None, anchor: str, anchor_kind: Kind | None, relation: str
) -> None:
    found = MomentQuestion.of(text)
    assert (found.target, found.kind, found.anchor, found.anchor_kind, found.relation) == (
        *(target, kind, anchor, anchor_kind, relation),
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("When does the red chart come?", IMAGE),
        ("And when did someone talk about ghosts?", AUDIO),
        ("What does the mackerel cost?", None),
        ("What happened before?", None),
        ("What was in the room after", None),
    ],
)
def test_a_question_in_one_part(text: str, kind: Kind | None) -> None:
    assert MomentQuestion.of(text) == MomentQuestion(text, kind)


@given(st.text())
def test_any_text_is_a_question(text: str) -> None:
    found = MomentQuestion.of(text)
    assert found.target in text
    assert bool(found.relation) == bool(found.anchor)
