"""What two hypotheses in a row agree on stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.speech.agreement import after, agreed

WORDS = st.sampled_from(["so", "What,", "what", "I", "want...", "wants", "-"])
TEXTS = st.lists(WORDS, max_size=6).map(" ".join)


@pytest.mark.parametrize(
    ("before", "now", "stays"),
    [
        ("", "Tell me", ""),
        ("Tell me", "Tell me a story.", "Tell me"),
        ("tell me.", "Tell me, please", "Tell me,"),
        ("Tell me a star", "Tell me a story", "Tell me a"),
        ("Help me", "Tell me", ""),
        ("Tell me a story.", "Tell me", "Tell me"),
        ("  it’s  nine", "It's nine", "It's nine"),
    ],
)
def test_the_common_beginning_is_kept_as_it_is_written_now(before: str, now: str, stays: str) -> None:
    assert now[: agreed(before, now)] == stays


@given(TEXTS, TEXTS)
def test_what_is_agreed_is_whole_words_that_both_begin_with(before: str, now: str) -> None:
    count = len(now[: agreed(before, now)].split())
    assert now[: agreed(before, now)].split() == now.split()[:count]
    assert agreed(now, now[: agreed(before, now)]) == agreed(before, now)
    assert count <= len(before.split())


@given(TEXTS, st.integers(0, 9))
def test_the_end_of_so_many_words(text: str, count: int) -> None:
    assert text[: after(text, count)].split() == text.split()[:count]
