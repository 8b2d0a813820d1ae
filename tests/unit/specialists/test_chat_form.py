"""The form of an answer: one automaton, and what each backend makes of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialists.chat.form import END, FEW_LINES, Form, read
from specialists.errors import BadInput

# go, or left and right in either order, then stop.
FORM = Form(
    ({"go": 3, "left": 1, "right": 2}, {"right": 3, "stop": END}, {"left": 3, "stop": END}, {"stop": END}),
    "stop",
)
LINES = ["go", "left right", "left", "right left", "right"]


@st.composite
def forms(draw: st.DrawFn) -> Form:
    size = draw(st.integers(1, 6))
    states = []
    for at in range(size):
        words = draw(st.lists(st.sampled_from("abcd"), unique=True)) if at + 1 < size else []
        state = {word: draw(st.integers(at + 1, size - 1)) for word in words}
        if not state or draw(st.booleans()):
            state["z"] = END
        states.append(state)
    return Form(tuple(states), "z")


@given(forms())
def test_what_it_lists_it_accepts_and_it_travels_as_text(form: Form) -> None:
    assert read(form.to_text()) == form
    lines = form.schema()["properties"].get("line", {"enum": []})["enum"]
    assert all(form.accepts([*line.split(), "z"]) for line in lines)
    assert all(form.accepts(form.unpacked(json.dumps({"line": line})).split()) for line in lines)


@given(forms(), st.lists(st.sampled_from("abcdz"), max_size=7))
def test_it_accepts_nothing_that_it_does_not_list(form: Form, words: list[str]) -> None:
    schema = form.schema()["properties"]
    if "line" in schema:
        assert form.accepts(words) == (words[-1:] == ["z"] and " ".join(words[:-1]) in schema["line"]["enum"])


def test_a_schema_lists_few_answers_whole_and_of_many_the_words() -> None:
    assert FORM.schema()["properties"]["line"]["enum"] == LINES
    wide = Form(({str(i): 1 for i in range(FEW_LINES + 1)}, {"stop": END}), "stop")
    assert wide.schema()["properties"]["words"]["items"]["enum"] == list(wide.words)
    assert wide.unpacked('{"words": ["3"]}') == "3 stop"


@pytest.mark.parametrize("text", ["go stop", "[1]", '{"words": [1]}', '{"line": 3}', "", '{"lines": "go"}'])
def test_what_is_not_the_json_asked_for_stays_as_it_is(text: str) -> None:
    assert FORM.unpacked(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"last": "stop", "states": []}',
        '{"last": "stop", "states": [{}]}',
        '{"last": "stop", "states": [{"go": 0}]}',
        '{"last": "stop", "states": [{"go": 2}, {"stop": -1}]}',
        '{"last": "stop", "states": [{"go": -1}]}',
        '{"last": "stop", "states": [{"stop": 1}, {"stop": -1}]}',
        '{"last": "stop", "states": [{"a b": 1}, {"stop": -1}]}',
        '{"last": "stop", "states": [{"a\\"": 1}, {"stop": -1}]}',
        '{"last": 1, "states": [{"stop": -1}]}',
        '{"last": "stop", "states": [{"go": true}, {"stop": -1}]}',
        "[" * 100_000,
    ],
)
def test_a_form_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        read(text)
