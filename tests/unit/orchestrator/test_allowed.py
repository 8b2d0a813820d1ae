"""What a model may write, and that models of all kinds keep to it."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import control
from orchestrator.controller.allowed import EXACT, bare, bracketed, controls_for, one_of, servable
from orchestrator.controller.exemplars import Decision, built_in
from orchestrator.controller.request import Request, Said
from orchestrator.controller.route import controls_of, decision_of
from specialists.base import Card, Task
from specialists.chat import create
from specialists.chat.form import Form, read
from specialists.models import ModelStore
from specialists.pool import ModelPool
from specialists.registry import Setup
from specialists.runtime import LocalRuntime
from tests.unit.orchestrator.test_planner import CARDS

HISTORY = (Said("user", "look", ("image",)), Said("assistant", "A street."))
EVERYTHING = Request("x", ("image", "document", "audio", "video"), HISTORY)


def accepts(form: Form, decision: Decision) -> bool:
    return form.accepts(bare(controls_of(decision)).split())


def test_every_decision_that_an_exemplar_shows_can_be_written() -> None:
    kept_out = [e for e in built_in() if not accepts(controls_for(e.request, CARDS), e.decision)]
    assert not kept_out


@given(
    st.permutations([card.name for card in CARDS]),
    st.integers(1, len(CARDS)),
    st.booleans(),
    st.booleans(),
)
def test_a_decision_survives_being_written(order: list[str], steps: int, text: bool, reuse: bool) -> None:
    chosen = tuple(order[:steps])
    made = tuple(n for n, step in (("speech", "tts"), ("image", "imagegen")) if step in chosen)
    reuse = reuse or "memory" in chosen  # what recalls rests on something already obtained
    decision = Decision(chosen, ("text", *made) if text or not made else made, reuse)
    line = bare(controls_of(decision))
    assert decision_of(bracketed(line.split())) == decision
    assert controls_for(EVERYTHING, CARDS).accepts(line.split())


def test_a_specialist_is_called_once() -> None:
    form = controls_for(EVERYTHING, CARDS)
    for twice in ("call:chat call:chat", "say call:tts", "show:image call:imagegen", "recall recall:text"):
        assert not form.accepts([*twice.split(), "answer"])


def test_a_line_says_something_and_ends() -> None:
    form = controls_for(EVERYTHING, CARDS)
    assert not form.accepts(["answer"])
    assert not form.accepts(["call:chat"])
    assert not form.accepts(["call:chat", "answer", "answer"])


@pytest.mark.parametrize(
    ("attachments", "history", "words"),
    [
        ((), (), {"call:chat", "recall", "say", "call:tts", "show:image", "call:imagegen"}),
        (("image",), (), {"call:vision", "call:ocr"}),
        (("audio",), (), {"call:asr"}),
        ((), HISTORY, {"call:vision", "call:ocr", "recall:text"}),
    ],
)
def test_only_what_has_its_medium_can_be_called(
    attachments: tuple[str, ...], history: tuple[Said, ...], words: set[str]
) -> None:
    plain = set(controls_for(Request("x"), CARDS).words)
    assert set(controls_for(Request("x", attachments, history), CARDS).words) == plain | words


def test_what_is_made_can_be_worked_on_and_what_is_attached_leads_further() -> None:
    cards = (
        *CARDS,
        Card("upscale", "", ("image",), ("image",)),
        Card("soundtrack", "", ("video",), ("audio",)),
    )
    assert {card.name for card in servable(Request("x"), cards)} == {
        *("chat", "tts", "imagegen", "memory", "upscale")
    }
    with_video = {card.name for card in servable(Request("x", ("video",)), cards)}
    assert with_video >= {"video", "soundtrack", "asr"}
    assert "vision" not in with_video


def test_a_large_catalogue_stays_small() -> None:
    tools = tuple(Card(f"tool-{i}", "", ("text",), ("text",)) for i in range(60))
    form = controls_for(Request("x"), tools)
    assert len(form.words) == 60 > EXACT
    assert len(form.states) < 12
    assert form.accepts(["call:tool-3", "call:tool-59", "answer"])
    assert len(form.grammar()) < 20_000


def test_a_name_that_no_control_can_hold_is_left_out() -> None:
    form = controls_for(Request("x"), (*CARDS, Card('b" | "x', "", ("text",), ("text",))))
    assert form == controls_for(Request("x"), CARDS)


def test_one_of_some_lines_is_nothing_else() -> None:
    lines = [
        controls_of(Decision(steps)) for steps in (("ocr",), ("ocr", "chat", "memory"), ("vision", "chat"))
    ]
    form = one_of(lines)
    assert read(form.to_text()) == form
    for length in range(5):
        for words in permutations(form.words, length):
            assert form.accepts([*words, "answer"]) == ((*bracketed(words), control.ANSWER) in lines)


async def test_the_embedded_model_writes_nothing_else_however_it_is_drawn(model_store: ModelStore) -> None:
    chat = create(Setup("chat", model_store, LocalRuntime(), pool=ModelPool()))
    request = Request("Read this to me, please", ("image",), HISTORY)
    form = controls_for(request, CARDS)
    lines = []
    for seed in range(20):
        params = {"form": form.to_text(), "temperature": 1.5, "seed": seed, "max_tokens": 256}
        task = Task("t", "chat", instruction=request.text, params=params)
        lines.append("".join([chunk.text async for chunk in chat.run(task)]))
    assert all(form.accepts(line.split()) for line in lines)
    assert len(set(lines)) > 3
