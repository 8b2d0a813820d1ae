"""What is spoken of a message when speech is all that is asked for."""

from __future__ import annotations

import pytest

from orchestrator.wording import words_to_say


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('Say "good night" aloud', "good night"),
        ("Say “good \nnight” and 'bye'", "good \nnight"),
        ("Say 'it's late' aloud", "it's late"),
        ("Don't say: it's late", "it's late"),
        ("Say “this: now", "now"),
        ("Say this", "Say this"),
    ],
)
def test_what_is_to_be_said_is_found(text: str, said: str) -> None:
    assert words_to_say(text, [], reuse=False) == said


def test_marks_that_nothing_closes_are_passed_over_at_once() -> None:
    text = "“" * 100_000 + " 'a" * 100_000
    assert words_to_say(text, [], reuse=False) == text
