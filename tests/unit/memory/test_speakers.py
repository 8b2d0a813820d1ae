from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.speakers import Speaker, speaker

PERSON, ASSISTANT = Speaker("user"), Speaker("assistant")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("what did I say about the fence", PERSON),
        ("what did I tell you last Tuesday", PERSON),
        ("remember what I told you?", PERSON),
        ("Have I mentioned a headache?", PERSON),
        ("what did you tell me about the fence", ASSISTANT),
        ("which book did you recommend", ASSISTANT),
        ("the recipe you gave me", ASSISTANT),
        ("what was your advice", ASSISTANT),
        ("what did Anna say about the fence", Speaker(name="anna")),
        ("what did my sister tell me", Speaker(name="sister")),
        ("what is wrong according to Dr. Wolf", Speaker(name="dr. wolf")),
        ("Anna said something of a boat", Speaker(name="anna")),
        ("who told me that", None),
        ("can you tell me where the key is", None),
        ("how long had she been there when she first announced it", None),
        ("where is the key", None),
        ("", None),
    ],
)
def test_whose_words_are_asked_for(text: str, expected: Speaker | None) -> None:
    assert speaker(text)[0] == expected


def test_saying_is_taken_out_of_the_question_and_names_are_not() -> None:
    assert speaker("what did I tell you about the fence")[1] == "what you about the fence"
    assert speaker("what did Anna say about the fence")[1] == "what did Anna say about the fence"


def test_a_name_stands_before_the_words() -> None:
    anna = Speaker(name="anna")
    assert anna.spoke("user", "Anna: the fence is done")
    assert anna.spoke("evidence", "Anna Maria Schmidt: yes")
    assert not anna.spoke("user", "Ben: Anna says no")
    assert not anna.spoke("user", "I met Anna")
    assert PERSON.spoke("user", "Ben: no")
    assert not PERSON.spoke("assistant", "no")


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_may_be_asked_and_said(question: str, said: str) -> None:
    found, _ = speaker(question)
    if found is not None:
        assert bool(found.role) != bool(found.name)
        found.spoke("user", said)
