"""How written figures and abbreviations are read out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialists.clauses import speakable
from specialists.spoken import read_out


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It was built in 1850.", "It was built in 18 50."),
        ("from 1905 to 1700", "from 19 oh 5 to 17 hundred"),
        ("the summer of 1969, and 2024", "the summer of 19 69, and 2024"),
        ("On 2026-11-22 it rained.", "On November 22, 2026 it rained."),
        (
            "1,250 km at 5 km/h, 1 kg, 3 GHz",
            "1,250 kilometres at 5 kilometres an hour, 1 kilogram, 3 gigahertz",
        ),
        ("in 3/4 of cases, 5/8 of an inch", "in three quarters of cases, 5 over 8 of an inch"),
        ("World War II, Chapter IV, act IX", "World War 2, Chapter 4, act 9"),
        ("No. 4 in St. James Park", "number 4 in Saint James Park"),
        (
            "approx. 90, i.e. many, e.g. ten vs. nine",
            "approximately 90, that is, many, for example ten versus nine",
        ),
        ("about 1e6 of them", "about 1 times ten to the 6 of them"),
        ("Call 0341 5550199.", "Call 0 3 4 1, 5 5 5 0 1 9 9."),
        ("+49 341 555", "plus 4 9, 3 4 1, 5 5 5"),
    ],
)
def test_what_is_written_out(written: str, spoken: str) -> None:
    assert read_out(written) == spoken


@pytest.mark.parametrize(
    "text",
    [
        "in 1500 people",
        "after 1200 miles",
        "of 1,850 men",
        "of 1850.5",
        "12:45",
        "$5.99",
        "2026-13-40",
        "0.0341",
        "007",
        "1/2/2026",
        "and/or",
        "v2.10/3",
        "I am",
        "Part I'll never forget",
        "a 5 kmh sign",
        "the no. of things",
        "iPhone 15",
        "",
    ],
)
def test_what_is_left_as_it_is(text: str) -> None:
    assert read_out(text) == text


@given(st.text(max_size=200))
def test_any_text_is_taken_and_no_word_is_lost(text: str) -> None:
    assert any(map(str.isalnum, read_out(text))) or not any(map(str.isalnum, text))


def test_a_voice_is_given_the_words() -> None:
    assert (
        speakable("**Built in 1850**, see [No. 4](https://example.org).") == "Built in 18 50, see number 4."
    )
