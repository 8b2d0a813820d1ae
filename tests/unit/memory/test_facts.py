"""Statements are told from all else, and facts follow from statements alone."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.facts import Statement, meaning, stated, timeline
from memory.records import Record
from memory.sentences import sentences, words
from memory.statements import statements


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("By the way, we moved to Leipzig last month.", ["we moved to Leipzig last month."]),
        ("I no longer eat meat, my new number is 6", ["I no longer eat meat", "my new number is 6"]),
        ("We live in Ghent, can you find a baker there?", ["We live in Ghent"]),
        ("My wife and I have two kids.", ["My wife and I have two kids."]),
        ("Remember that my flight leaves at 6:40.", ["my flight leaves at 6:40."]),
        ("Dr. Amin is my dentist.", ["Dr. Amin is my dentist."]),
        ("I smoke.", ["I smoke."]),
        ("Do I live in Berlin?", []),
        ("I want a picture of my dog.", []),
        ("If I lived in Rome, I'd walk.", []),
        ("Translate this: I live in Rome. My wife is Anna.", []),
        ("Read it out: my name is Bond", []),
        ("Can you say 'I live in Rome. I am old.' in Italian?", []),
        ("> My father owns three shops.\nWhat is meant?", []),
        ("Pretend to be a baker. I am your apprentice.", []),
        ("I think that is a cat.", []),
        ("Paris is the capital of France.", []),
        ("", []),
    ],
)
def test_only_statements_about_the_person_and_their_world_count(said: str, found: list[str]) -> None:
    assert statements(said) == found


@pytest.mark.parametrize("role", ["assistant", "evidence", "derived"])
def test_words_of_nobody_but_the_person_are_statements(role: str) -> None:
    assert stated(Record("I live in Berlin.", "text", role)) == []
    assert stated(Record("I live in Berlin.", "text", "user")) != []


@pytest.mark.parametrize(
    ("earlier", "later", "same"),
    [
        ("I live in Berlin.", "We moved to Leipzig last month", False),
        ("I moved to Leipzig", "I live in Leipzig now.", True),
        ("I eat meat every day", "I no longer eat meat", False),
        ("I like jazz", "I love jazz!", True),
        ("I like jazz", "I can't stand jazz", False),
        ("My number is 5", "My new phone number is 6.", False),
        ("I smoke", "I've stopped smoking", False),
        ("We have a car", "We sold our car", False),
        ("I have two cats", "I have three cats", False),
        ("I'm 34", "I turned 35 yesterday", False),
        ("I work at Bosch", "I got a new job at Siemens", False),
        ("I'm a vegetarian", "I'm not a vegetarian any more", False),
        ("My favourite colour is green", "My favourite colour is now blue", False),
    ],
)
def test_what_is_said_of_the_same_thing(earlier: str, later: str, same: bool) -> None:
    assert meaning(earlier)[0] == meaning(later)[0]
    assert (meaning(earlier)[1] == meaning(later)[1]) is same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I live in Berlin", "My sister lives in Rome"),
        ("My number is 5", "My sister's number is 6"),
        ("I like green tea", "I don't like black tea"),
        ("My brother is a nurse", "My brother is allergic to nuts"),
    ],
)
def test_different_things_do_not_end_each_other(one: str, other: str) -> None:
    assert meaning(one)[0] != meaning(other)[0]


SAID = st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc")), max_size=12)


@given(SAID, st.randoms(use_true_random=False))
def test_facts_follow_from_their_statements_in_whatever_order(
    said: list[tuple[int, str]], shuffle: random.Random
) -> None:
    made = [
        Statement(says, "home", says, source=f"r{n:02}", time=float(time))
        for n, (time, says) in enumerate(said)
    ]
    facts = timeline(made)
    shuffle.shuffle(made)
    assert timeline(made) == facts
    assert sorted(source for fact in facts for source in fact.sources) == sorted(s.source for s in made)
    for fact, following in pairwise(facts):
        assert fact.end == following.start
        assert fact.text != following.text
    if facts:
        assert facts[-1].end is None
        newest = max(made, key=lambda s: (s.time, s.source))
        assert facts[-1].text == newest.says


PIECES = st.sampled_from(
    [
        *("I live in Rome.", "my", "if", "?", "moved to", "“", "I", "We", "and", ":", ">", "\n", "no"),
        *("my dog is old", ";", "that's", "'", "have two cats"),
    ]
)


@given(st.text() | st.lists(PIECES).map(" ".join))
def test_a_statement_is_a_stretch_of_what_was_said(text: str) -> None:
    assert all(found in text for found in statements(text))
    for statement in stated(Record(text, "text", "user")):
        assert statement.text in text
        assert statement.about
        assert statement.says


@given(st.text())
def test_sentences_lose_no_word(text: str) -> None:
    assert [word for sentence in sentences(text) for word in words(sentence)] == words(text)
