"""How long to wait for more, by what was said and how it sounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.speech.endpoint import AFTER_STOP, QUESTION, SHORT_QUESTION, STATEMENT, UNFINISHED, patience
from orchestrator.speech.unfinished import is_unfinished

BASE = 0.6

UNFINISHED_TEXTS = [
    "So what I want is", "So what I want is...", "Could you tell me the.", "I was thinking about going to.",
    "How long does it take to?", "Is there a?", "Well, um", "You know.", "Let me see.", "I would like",
    "I wanted to ask.", "If you have the time.", "When the train arrives,", "He said that.",
    "My number is 041.", "The code is four eight", "Call 555-1234", "I need bread, milk.",
    "We went to Rome. Florence.", "Put it in", "Bread and", "The picture of the cat", "Can you",
    "Remind me", "My name is", "Because I was late.", "Is it true that?", "Could you tell me that?",
    "How do you spell?", "I need a word that means.", "Tell my brother that.", "I'd like you too.",
    "I am looking forward.", "Can you have a look at?",
    "Who was the man that?", "Can you pick up?", "Which club did?", "Could you?",
    "We met my aunt yesterday and she said.",
]  # fmt: skip
FINISHED_TEXTS = [
    "What is the capital of France?", "Thank you very much.", "Turn it on.", "Stop that.", "I think so.",
    "Yes, please.", "No, the other one.", "What is that?", "Who are you talking to?", "Tell me a story.",
    "When does the train leave?", "If it rains, we stay at home.", "Set a timer for ten minutes.",
    "What is two plus two?", "I need bread, milk and eggs.", "It is what it is, thanks.", "Come in.",
    "Hello.", "Before we go we have to eat.", "wait for me", "Cats", "What are you looking at?",
    "How do you spell that?", "What do you think about that?", "I like that.", "Me too.", "Who was that?",
    "How many legs does a spider have?", "What can you do?", "Where is it?",
    "Can you slow down?", "What is the point of that?",
]  # fmt: skip


@pytest.mark.parametrize("said", UNFINISHED_TEXTS)
def test_what_is_plainly_unfinished_is_waited_for(said: str) -> None:
    assert is_unfinished(said)
    assert patience(said, BASE) == patience(said, BASE, 0.99) == BASE * UNFINISHED


@pytest.mark.parametrize("said", FINISHED_TEXTS)
def test_what_may_be_all_is_not_waited_for_long(said: str) -> None:
    assert not is_unfinished(said)
    assert patience(said, BASE) <= BASE * STATEMENT


def test_a_question_ends_sooner_than_what_may_go_on() -> None:
    assert patience("Tell me a story.", BASE) == BASE * STATEMENT
    assert patience("Tell me a story about a lighthouse.", BASE) == BASE * STATEMENT
    assert patience("What is the time in Tokyo?", BASE) == BASE * QUESTION
    assert patience("What do you think?", BASE) == BASE * SHORT_QUESTION
    assert patience("Which planet is the closest to the sun.", BASE) == BASE * QUESTION
    assert patience("Really?", BASE) == BASE
    for answer in ("Thank you very much.", "Yes, please.", "No, the other one.", "Never mind."):
        assert patience(answer, BASE) == BASE


def test_the_sound_can_say_that_more_follows() -> None:
    assert patience("Tell me a story.", BASE, 0.1) == BASE * UNFINISHED
    assert patience("Tell me a story.", BASE, 0.95) == BASE * STATEMENT
    assert patience("What time is it?", BASE, 0.1) == BASE * UNFINISHED


def test_a_question_that_hardly_ends_here_is_waited_for_like_a_sentence() -> None:
    assert patience("Who won the last big race?", BASE, None, 0.05) == BASE * STATEMENT
    assert patience("Who won the last big race?", BASE, None, 0.5) == BASE * QUESTION
    assert patience("What is it?", BASE, None, 0.05) == BASE * STATEMENT
    assert patience("Yes, please.", BASE, None, 0.05) == BASE


def test_after_a_stop_something_may_follow_whatever_the_sound() -> None:
    assert patience("Stop.", BASE, 0.99) == AFTER_STOP
    assert patience("Stop.", 2.0) == 2.0


CHANCES = st.none() | st.floats(0, 1)


@given(st.text(max_size=40), st.floats(0.1, 3), CHANCES, CHANCES)
def test_the_wait_has_bounds_for_any_text(
    said: str, base: float, complete: float | None, whole: float | None
) -> None:
    assert base * QUESTION <= patience(said, base, complete, whole) <= max(base * UNFINISHED, AFTER_STOP)
