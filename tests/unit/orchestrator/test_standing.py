"""Standing requests: which sentences make one, and what meets it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.standing import (
    Dismissal,
    Listing,
    Standing,
    announcement,
    described,
    dismissed,
    meets,
    promise,
    spoken_time,
)
from orchestrator.wishes import seconds_of, wish

DOG = Standing("eyes", "a dog")
BUDGET = Standing("ears", "budget")
TIMER = Standing("clock", seconds=300.0, words="take the cake out")


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("Tell me when you see a dog.", DOG),
        ("please let me know if you spot a dog", DOG),
        ("could you tell me as soon as a dog appears?", DOG),
        ("Watch out for a dog!", DOG),
        ("Warn me whenever you see a dog", Standing("eyes", "a dog", always=True)),
        ("tell me when you hear the word budget", BUDGET),
        ('Let me know when someone says "budget".', BUDGET),
        ("listen for budget", BUDGET),
        ("tell me every time somebody mentions budget", Standing("ears", "budget", always=True)),
        ("Stop me at five minutes.", Standing("clock", seconds=300.0, urgent=True)),
        ("stop me after 5 minutes", Standing("clock", seconds=300.0, urgent=True)),
        ("interrupt me in half an hour", Standing("clock", seconds=1800.0, urgent=True)),
        ("Remind me in five minutes to take the cake out.", TIMER),
        ("remind me to take the cake out in 5 minutes", TIMER),
        ("In five minutes, remind me to take the cake out", TIMER),
        ("set a timer for ten minutes", Standing("clock", seconds=600.0)),
        ("start a 90 second timer", Standing("clock", seconds=90.0)),
        ("tell me when two minutes are up", Standing("clock", seconds=120.0)),
        ("Okay, can you please tell me in twenty-five minutes?", Standing("clock", seconds=1500.0)),
        ("wake me up in one and a half hours", Standing("clock", seconds=5400.0)),
        ("wake me up in an hour", Standing("clock", seconds=3600.0)),
        ("What are you watching for?", Listing()),
        ("which timers do I have?", Listing()),
        ("list my reminders", Listing()),
        ("cancel the timer", Dismissal(sense="clock")),
        ("Cancel all reminders.", Dismissal()),
        ("stop watching for the dog", Dismissal("the dog", "eyes")),
        ("stop listening", Dismissal(sense="ears")),
        ("you don't need to watch for dogs any more", Dismissal("dogs", "eyes")),
    ],
)
def test_what_a_sentence_wishes(text: str, made: object) -> None:
    assert wish(text) == made


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Tell me when the war ended.",
        "Tell me about dogs.",
        "What do you see?",
        "When will you see a dog?",
        "Stop.",
        "stop it",
        "Remind me what he said about five minutes of silence.",
        "Tell me what happened in five minutes of the film.",
        "How long is a dog watching television?",
        "Tell me when you think that we should leave for the airport so that nobody is late",
        "Let me know.",
        "I will be back in five minutes.",
        "tell me a story in two minutes of reading time",
        "cancel my subscription",
        "Tell me if that is a dog.",
        "listen to this",
        "look at this dog",
        "forget about it",
    ],
)
def test_other_sentences_wish_for_nothing(text: str) -> None:
    assert wish(text) is None


@given(st.text(max_size=400))
def test_any_text_is_taken(text: str) -> None:
    found = wish(text)
    if isinstance(found, Standing):
        assert promise(found) and announcement(found, text) and described(found, 1.0)
        assert meets(found, "eyes", text) in (True, False)


@given(st.integers(1, 5_000_000))
def test_a_time_is_told_in_two_units_at_most(seconds: int) -> None:
    told = spoken_time(seconds)
    assert told.count(" and ") <= 1
    if seconds < 3600:
        assert seconds_of(told) == seconds


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("five minutes", 300),
        ("2 hours and 15 minutes", 8100),
        ("two and a half minutes", 150),
        ("a couple of minutes", 120),
        ("forty-five seconds", 45),
        ("1.5 hours", 5400),
        ("an hour and a half", 5400),
        ("soon", None),
    ],
)
def test_how_long_words_mean(words: str, seconds: float | None) -> None:
    assert seconds_of(words) == seconds


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("It shows a dog (93 % sure). The main colours are brown and white.", True),
        ("It shows two dogs on a lawn.", True),
        ("It shows a cat (80 % sure), perhaps a dog (12 %).", False),
        ("It shows a cat. There is no dog in it.", False),
        ("It shows a hot-dog stand.", True),
        ("", False),
    ],
)
def test_a_dog_is_seen(text: str, met: bool) -> None:
    assert meets(DOG, "eyes", text) is met
    assert not meets(DOG, "ears", text)


def test_words_are_heard_whole_and_in_order() -> None:
    wanted = Standing("ears", "the new budget")
    assert meets(wanted, "ears", "And then we come to the new budget, which is small.")
    assert not meets(wanted, "ears", "The budget is new.")
    assert not meets(Standing("ears", "art"), "ears", "Let us start the party.")


def test_which_ones_a_dismissal_means() -> None:
    waiting = [DOG, BUDGET, TIMER]
    assert dismissed(Dismissal(), waiting) == [0, 1, 2]
    assert dismissed(Dismissal("the dog", "eyes"), waiting) == [0]
    assert dismissed(Dismissal("dogs"), waiting) == [0]
    assert dismissed(Dismissal("cake"), waiting) == [2]
    assert dismissed(Dismissal(sense="clock"), waiting) == [2]
    assert dismissed(Dismissal("the cat"), waiting) == []


def test_what_is_said() -> None:
    assert promise(TIMER) == "I will remind you in 5 minutes: take the cake out."
    assert announcement(TIMER) == "You wanted to be reminded: take the cake out."
    assert announcement(Standing("clock", seconds=300.0)) == "5 minutes are over."
    assert (
        announcement(DOG, "It shows a dog (93 % sure). It is brown.")
        == "I see a dog: It shows a dog (93 % sure)."
    )
    assert described(TIMER, 61.0) == "1 minute and 1 second to pass (take the cake out)"
