"""Clauses: the same however the text arrives, whole, and short at first."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from specialists.clauses import ClauseSplitter, speakable, split

WORDS = (
    "word that with going to and A 3.5 10:30 e.g. Dr. no. etc. 1. I. J. ?! ... 。 」 ， , ; : — **"
    " ` ``` - # | --- é"
)
SPACES = (" ", "  ", "\n", "\n\n", "\t", "\n```\n", " - ", '"', "\u200b")
LONG = ("x" * 70, "y" * 230, "z" * 420, "https://a.example/x,y.html")
PIECES = st.sampled_from((*WORDS.split(), *SPACES, *LONG))
TEXTS = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=200)


def fed(text: str, sizes: list[int] | None = None) -> list[str]:
    splitter, clauses, at = ClauseSplitter(), [], 0
    for size in sizes or []:
        clauses += splitter.feed(text[at : at + size])
        at += size
    return clauses + splitter.feed(text[at:]) + splitter.flush()


@given(TEXTS, st.lists(st.integers(0, 9), max_size=60))
@example("etc." + " " * 300 + "x", [1] * 40)
@example("\n\n```\ncode. More.\n```\nText", [1] * 40)
def test_clauses_are_the_text_however_it_arrives(text: str, sizes: list[int]) -> None:
    clauses = fed(text, sizes)
    assert "".join(clauses).rstrip() == text.rstrip()
    assert clauses == fed(text)
    assert clauses == fed(text, [1] * len(text))


@given(TEXTS)
def test_no_clause_is_blank_or_endless(text: str) -> None:
    for clause in fed(text):
        assert clause.strip()
        assert "```" in clause or len(clause.lstrip()) <= 401


@given(TEXTS)
def test_speakable_text_is_clean(text: str) -> None:
    words = speakable(text)
    assert words == " ".join(words.split())
    assert not set(words) & set("`[]{}\\_")


@pytest.mark.parametrize(
    "text",
    [
        "It costs 3.50 in all, e.g. at 10:30.",
        "Ask Dr. Berg or Mrs. Hale.",
        "J. F. Kennedy was there.",
        "See https://example.com/a,b.html?q=1:2 first.",
        "The meeting is at 9 a.m. on Friday.",
        "No. 5 is the house.",
        "3. Stir the soup.",
        "Prices (apples, pears etc.) rose.",
    ],
)
def test_a_later_sentence_stays_whole(text: str) -> None:
    assert fed(f"Well then. Good. {text} End.")[2].strip() == text


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("The answer is no. Then he left.", ["The answer is no. ", "Then he left."]),
        ("So do I. And you?", ["So do I. ", "And you?"]),
        ('He said "Go!" Then he went.', ['He said "Go!" ', "Then he went."]),
        ("**Note.** It works.", ["**Note.** ", "It works."]),
        ("Milk\nEggs\nthat are fresh", ["Milk\n", "Eggs\nthat are fresh"]),
        ("これはペンです。次の文。", ["これはペンです。", "次の文。"]),
        ("Look:\n\n```py\na = 1. \nb\n```\nDone.", ["Look:\n", "\n```py\na = 1. \nb\n```\n", "Done."]),
    ],
)
def test_cuts(text: str, clauses: list[str]) -> None:
    assert fed(text) == clauses


def test_the_first_clause_comes_early_and_later_ones_are_longer() -> None:
    sentence = "Of course, I can tell you about it, and about the others, and the ones after, " * 4
    lengths = [len(clause) for clause in fed(sentence)]
    assert lengths[0] < 15
    assert lengths[0] < lengths[1] < lengths[2]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("You can use a window with a glass that lets in light.", "You can use a window "),
        ("The ideal amount of time to boil an egg depends on it.", "The ideal amount of time "),
        ("You can use any room with walls.", "You can use any room "),  # as early as it may be
        ("Take this one with you.", "Take this one with you."),  # too early
        (
            "I am not going to tell you what and where it is.",
            "I am not going to tell you what and where it is.",
        ),
        ("It is made of the wood from the trees.", "It is made of the wood "),
    ],
)
def test_the_first_clause_ends_with_a_phrase(text: str, first: str) -> None:
    assert fed(text)[0] == first


def test_later_clauses_do_not_end_with_a_phrase() -> None:
    later = "You can use a window with a glass that lets in light from the street."
    assert fed(f"Yes. {later}") == ["Yes. ", later]


def test_a_clause_is_out_as_soon_as_it_is_certain() -> None:
    splitter = ClauseSplitter()
    assert splitter.feed("One moment.") == []
    assert splitter.feed(" ") == ["One moment. "]
    assert splitter.feed("I look") == []
    assert splitter.flush() == ["I look"]


@given(TEXTS)
def test_a_clause_is_not_split_again(text: str) -> None:
    for clause in fed(text):
        assert [part.rstrip() for part in split(clause)] == [clause.rstrip()]


def test_a_whole_text_is_cut_like_a_stream_unless_it_is_one_clause() -> None:
    sentence = "Well then, I think that it will rain, so take an umbrella."
    assert split(sentence) == [sentence]
    assert split(sentence * 2) == fed(sentence * 2)
    assert split(f"{sentence} Bye.") == fed(f"{sentence} Bye.")
    assert split(" ") == []


def test_flush_begins_a_new_text() -> None:
    splitter = ClauseSplitter()
    long = "Of course, I can tell you about it, and about the others"
    first = splitter.feed(long) + splitter.flush()
    assert splitter.feed(long) + splitter.flush() == first


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# Title", "Title"),
        ("- **bold** and *soft* and `x = 1`", "bold and soft and x = 1"),
        ("Read [the guide](https://example.com/x) now", "Read the guide now"),
        ("![A cat](cat.png)", "A cat"),
        ("See https://www.example.com/a/b?c=d.", "See example.com."),
        ("<b>Hi</b> there", "Hi there"),
        ("```python\nprint(1)\n```", "A block of code."),
        ("| a | b |", "a, b"),
        ("|---|:-:|", ""),
        ("---", ""),
        ("> quoted", "quoted"),
        ("2 * 3 = 6", "2 * 3 = 6"),
        ("snake_case and _soft_", "snake case and soft"),
        ("Great 🎉 news ✨", "Great news"),
        ("20 °C", "20 °C"),
        ("[[ rɔː fəʊniːmz ]]", "rɔː fəʊniːmz"),
        ("5 - 3", "5 - 3"),
    ],
)
def test_speakable(text: str, words: str) -> None:
    assert speakable(text) == words


def test_a_text_without_a_boundary_is_cut_in_time_that_grows_with_its_length() -> None:
    began = time.perf_counter()
    clauses = ClauseSplitter().feed("z" * 900_000)
    assert time.perf_counter() - began < 2.0  # searching each clause to the text's end took 50 s
    assert "".join(clauses) == "z" * sum(map(len, clauses))
