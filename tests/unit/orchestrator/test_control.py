"""Control tokens: what is read, what is refused, what data can never become."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import control
from orchestrator.control import Control, neutralise, parse, validate
from orchestrator.controller.exemplars import Decision, built_in
from orchestrator.controller.route import controls_of, decision_of

names = st.from_regex(r"[A-Za-z0-9_.-]{1,12}", fullmatch=True)
controls = st.one_of(
    st.sampled_from([control.SAY, control.WAIT, control.STOP, control.RESUME, control.RECALL]),
    names.map(control.call),
    names.map(lambda kind: Control("show", kind)),
    names.map(lambda kind: Control("recall", kind)),
)


@given(st.lists(controls, max_size=8, unique=True))
def test_written_controls_are_read_back(written: list[Control]) -> None:
    parsed = parse(" ".join(map(str, written)) + "<|answer|> and some words <|say|>")
    assert parsed.controls == (*written, control.ANSWER)
    assert parsed.invalid == ()


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    parsed = parse(text)
    assert all(token.verb in control.VERBS for token in parsed.controls)


@given(st.text(alphabet=st.sampled_from("<|>calsyo: r")))
def test_neutralised_text_holds_no_control(text: str) -> None:
    assert parse(neutralise(text)) == parse("")


@pytest.mark.parametrize(
    "token", ["<|call|>", "<|say:loud|>", "<|dance|>", "<|CALL:ocr|>", "<|call:../x|>", "<|show|>"]
)
def test_malformed_tokens_are_refused_and_named(token: str) -> None:
    assert parse(token) == control.Parsed((), (token,))


def test_controls_are_checked_against_the_registry() -> None:
    asked = (control.call("ocr"), control.call("dance"), Control("show", "image"), Control("recall", "smell"))
    checked = validate(asked, specialists={"ocr"}, kinds={"image", "text"})
    assert checked.controls == (control.call("ocr"), Control("show", "image"))
    assert checked.invalid == ("<|call:dance|>", "<|recall:smell|>")


def test_a_runaway_controller_is_cut() -> None:
    parsed = parse("".join(f"<|call:tool{i}|>" for i in range(40)))
    assert len(parsed.controls) == control.MAX_CONTROLS
    assert len(parsed.invalid) == 40 - control.MAX_CONTROLS


def test_every_exemplar_decision_survives_its_controls() -> None:
    for exemplar in built_in():
        decision = exemplar.decision
        back = decision_of(controls_of(decision))
        assert set(back.steps) == set(decision.steps)
        assert set(back.outputs) == set(decision.outputs)
        assert back.reuse == (decision.reuse or "memory" in decision.steps)


def test_speech_alone_and_speech_beside_text_differ() -> None:
    alone = controls_of(Decision(("chat", "tts"), ("speech",)))
    beside = controls_of(Decision(("chat", "tts"), ("text", "speech")))
    assert control.SAY in beside
    assert control.SAY not in alone
    assert decision_of(alone).outputs == ("speech",)
    assert decision_of(beside).outputs == ("text", "speech")
