"""Which media of earlier messages a request means."""

from __future__ import annotations

import pytest

from orchestrator.arguments import earlier_meant
from specialists.content import BlobRef, Message, Part, message, text_part


def photo(name: str, kind: str = "image") -> Part:
    return Part(kind, blob=BlobRef(name[0] * 64, 1, "image/png"), name=f"{name}.png")


CAT, DOG, OWL, TAPE = photo("cat"), photo("dog"), photo("owl"), photo("tape", "audio")

HISTORY = (
    Message("user", (text_part("what is this"), CAT)),
    message("assistant", "A cat."),
    Message("user", (text_part("and these"), DOG, OWL)),
    message("assistant", "A dog and an owl."),
    Message("user", (text_part("who sings"), TAPE)),
    message("assistant", "A blackbird."),
)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("how old are they", (TAPE, DOG, OWL)),
        ("is the second picture sharp", (TAPE, OWL)),
        ("what colour is the third photo", (TAPE, OWL)),
        ("look at cat.png again", (TAPE, CAT)),
        ("", (TAPE, DOG, OWL)),
    ],
)
def test_what_words_choose_else_the_newest_message(words: str, meant: tuple[Part, ...]) -> None:
    assert earlier_meant(words, HISTORY) == meant


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("and what colours does the cat have?", CAT),
        ("how much was the coffee", DOG),
        ("is it old", OWL),
        ("does the animal look at me", CAT),
    ],
)
def test_what_the_person_called_it_tells_which_is_meant(words: str, meant: Part) -> None:
    history = (
        Message("user", (text_part("what animal is this"), CAT)),
        message("assistant", "A cat beside a cup of coffee and an owl."),
        Message("user", (text_part("add up this receipt for coffee and cake"), DOG)),
        message("assistant", "It shows a cat."),
        Message("user", (text_part("and here?"), OWL)),
    )
    assert earlier_meant(words, history) == (meant,)


def test_an_ordinal_beyond_the_newest_message_counts_over_the_conversation() -> None:
    history = (*HISTORY, Message("user", (text_part("and this"), photo("yak"))))
    assert earlier_meant("tell me more about the first picture", history)[0] == CAT


def test_without_history_nothing_is_meant() -> None:
    assert earlier_meant("the first picture", ()) == ()
