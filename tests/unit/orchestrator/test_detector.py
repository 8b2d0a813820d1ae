"""Backchannels and noise let the assistant go on; words that mean something stop it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.speech.detector import LocalDetector, Overlap, Verdict, is_backchannel, is_stop
from orchestrator.speech.endpoint import joined, patience

BACKCHANNELS = [
    "Okay, go on.", "Go on.", "I see you.", "Yeah, huh?", "Got it.", "Oh, how nice!", "Yes, please continue.",
    "Mm-hm.", "Mm-hmm.", "MMM.", "Mm.", "Uh-huh.", "Uhuh", "Hmm.", "Emm...", "Oh.", "Ah!", "Yeah.",
    "Yeah, yeah.", "Right.", "Okay.", "OK", "I see.", "Oh, I see.", "That's right.", "Sure.", "Really?",
    "Yes, exactly.",
]  # fmt: skip
INTERRUPTIONS = [
    "Go on to the next one.", "Continue with the other story.", "You know what I need?",
    "Stop.", "Wait.", "No.", "No, no.", "Okay, stop.", "Yeah, wait.", "Wait, stop!",
    "Right, but what about cats?", "Hold on.", "What time is it?", "Yes, and the red one?",
    "I", "the", "tell me",
]  # fmt: skip


def overlap(text: str | None, *, voiced: float = 0.5, ended: bool = True, **more: object) -> Overlap:
    return Overlap(voiced=voiced, ended=ended, level=-23.0, text=text, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", BACKCHANNELS)
def test_backchannels(text: str) -> None:
    assert is_backchannel(text)
    assert LocalDetector().judge(overlap(text)) is Verdict.BACKCHANNEL


@pytest.mark.parametrize("text", INTERRUPTIONS)
def test_interruptions(text: str) -> None:
    assert not is_backchannel(text)
    assert LocalDetector().judge(overlap(text)) is Verdict.INTERRUPTION


@pytest.mark.parametrize("text", ["stop", "no", "wait"])
@given(others=st.lists(st.sampled_from(["yeah", "right", "mm-hm", "okay"]), max_size=4), at=st.integers(0, 4))
def test_a_word_that_says_stop_is_never_a_backchannel(text: str, others: list[str], at: int) -> None:
    words = [*others[:at], text, *others[at:]]
    verdict = LocalDetector().judge(overlap(" ".join(words), score=0.1))
    assert verdict is Verdict.INTERRUPTION


def test_a_backchannel_is_not_decided_while_the_person_goes_on() -> None:
    assert LocalDetector().judge(overlap("Yeah", ended=False, voiced=0.06)) is Verdict.UNDECIDED
    assert LocalDetector().judge(overlap("Yeah", ended=False)) is Verdict.SUSPECTED


def test_the_words_decide_when_they_are_known_however_short_the_sound() -> None:
    detector = LocalDetector()
    assert detector.judge(overlap(None, voiced=0.06)) is Verdict.UNDECIDED
    assert detector.judge(overlap(None, voiced=0.3)) is Verdict.SUSPECTED
    assert detector.judge(overlap(None, voiced=0.06, failed=True)) is Verdict.NOISE
    assert detector.judge(overlap("", voiced=0.06)) is Verdict.NOISE
    assert detector.judge(overlap("", voiced=0.3)) is Verdict.NOISE
    assert detector.judge(overlap("Stop.", voiced=0.06)) is Verdict.INTERRUPTION


@pytest.mark.parametrize(
    ("text", "voiced", "score"),
    [("Chair.", 0.3, 0.52), ("Bye.", 0.25, 0.62), ("you", 0.1, 0.54), ("Yes, or?", 0.6, 0.54),
     ("to understand.", 0.9, 0.73), ("You know what I mean?", 0.6, 0.43), ("Help.", 0.3, 0.45)],
)  # fmt: skip
def test_brief_words_that_were_hardly_heard_are_a_sign_of_listening(
    text: str, voiced: float, score: float
) -> None:
    assert LocalDetector().judge(overlap(text, voiced=voiced, score=score)) is Verdict.BACKCHANNEL
    if voiced < LocalDetector.BRIEF:
        assert LocalDetector().judge(overlap(text, voiced=1.2, score=score)) is Verdict.INTERRUPTION


@pytest.mark.parametrize(
    ("text", "voiced", "score"),
    [("Hello?", 0.35, 0.62), ("Turn it off.", 0.5, 0.75), ("Boss, please.", 0.74, 0.42), ("Next.", 0.4, 0.85),
     ("Why?", 0.3, 0.58), ("One moment.", 0.6, 0.3), ("We told you that.", 0.83, 0.62)],
)  # fmt: skip
def test_brief_words_that_ask_for_something_take_the_floor(text: str, voiced: float, score: float) -> None:
    assert LocalDetector().judge(overlap(text, voiced=voiced, score=score)) is Verdict.INTERRUPTION


def test_a_faint_voice_is_somebody_else() -> None:
    assert LocalDetector().judge(Overlap(1.0, ended=True, level=-60.0, text="buy two")) is Verdict.NOISE


def test_a_short_sound_with_doubtful_words_is_a_misheard_hum() -> None:
    detector = LocalDetector()
    assert detector.judge(overlap("them.", voiced=0.3, score=0.34)) is Verdict.BACKCHANNEL
    assert detector.judge(overlap("them.", voiced=0.3, score=0.8)) is Verdict.INTERRUPTION
    assert detector.judge(overlap("them.", voiced=1.5, score=0.34)) is Verdict.INTERRUPTION


def test_duration_decides_where_words_cannot() -> None:
    detector = LocalDetector()
    assert detector.judge(overlap(None, voiced=2.0, ended=False)) is Verdict.SUSPECTED
    assert detector.judge(overlap(None, voiced=3.0, ended=False)) is Verdict.INTERRUPTION
    assert detector.judge(overlap(None, voiced=1.0, ended=False, failed=True)) is Verdict.INTERRUPTION
    assert detector.judge(overlap(None, voiced=0.5, failed=True)) is Verdict.NOISE


@pytest.mark.parametrize(
    ("text", "only"),
    [("Stop.", True), ("Please stop it.", True), ("Okay, that's enough.", True), ("Be quiet please", True),
     ("Stop. What time is it?", False), ("No.", False), ("Okay.", False), ("", False)],
)  # fmt: skip
def test_requests_for_silence_alone(text: str, only: bool) -> None:
    assert is_stop(text) is only


def test_the_wait_for_the_end_of_a_turn_depends_on_what_was_said() -> None:
    base = 0.6
    assert patience("What is the capital of France?", base) < base
    assert patience("Tell me a story about an old lighthouse.", base) > base
    assert patience("", base) == base
    assert patience("Stop.", base) > base
    for open_end in ("I would like to", "What I want is.", "Bread, milk and", "so", "Well, tomorrow..."):
        assert patience(open_end, base) > 2 * base


@pytest.mark.parametrize(
    ("before", "text", "whole"),
    [
        ("Could you give me?", "a recipe for tomato soup.", "Could you give me a recipe for tomato soup."),
        ("Tell me a long story.", "about a dragon.", "Tell me a long story about a dragon."),
        ("Is that all?", "What time is it?", "Is that all? What time is it?"),
        ("", "What time is it?", "What time is it?"),
        ("So what I want is", "Tea.", "So what I want is Tea."),
    ],
)
def test_two_halves_are_one_request(before: str, text: str, whole: str) -> None:
    assert joined(before, text) == whole


def test_words_that_go_on_are_not_yet_what_they_will_be() -> None:
    detector = LocalDetector()
    assert detector.judge(overlap("Oh, the", ended=False, voiced=0.4)) is Verdict.SUSPECTED
    assert detector.judge(overlap("Oh, okay.", voiced=0.5)) is Verdict.BACKCHANNEL
    assert detector.judge(overlap("Oh, the other one", ended=False, voiced=1.0)) is Verdict.INTERRUPTION
    assert detector.judge(overlap("Stop", ended=False, voiced=0.2)) is Verdict.INTERRUPTION
