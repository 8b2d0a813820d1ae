"""Text for the screen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.text import clean, line, plural, seconds, size


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    assert not any((ord(c) < 32 and c not in "\t\n") or 127 <= ord(c) < 160 for c in clean(text))
    assert clean(clean(text)) == clean(text)


def test_escape_sequences_and_direction_marks_are_shown_not_obeyed() -> None:
    assert clean("a\x1b]0;title\x07b") == "a\ufffd]0;title\ufffdb"
    assert clean("gpj.\u202etxt") == "gpj.\ufffdtxt"
    assert clean("one\r\ntwo\tthree") == "one\ntwo\tthree"


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_a_line_is_one_line_of_the_width(text: str, width: int) -> None:
    assert "\n" not in line(text)
    assert len(line(text, width)) <= width


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (31_234, "31 kB"), (2_500_000, "2.5 MB"), (3e9, "3.0 GB")],
)
def test_sizes(count: int, shown: str) -> None:
    assert size(int(count)) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "0 ms"), (0.0142, "14 ms"), (0.5, "0.50 s"), (12.34, "12.3 s")]
)
def test_durations(value: float, shown: str) -> None:
    assert seconds(value) == shown


def test_plurals() -> None:
    assert (plural(1, "turn"), plural(2, "turn")) == ("1 turn", "2 turns")
