"""A turn folded from its Events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.events import (
    Event,
    PartRejected,
    Planned,
    Replanned,
    SpeechDelta,
    StepFailed,
    StepFinished,
    StepProgress,
    StepStarted,
    TextDelta,
    TurnFinished,
    TurnStarted,
)
from orchestrator.plan import Plan, Step
from specialists.content import message
from tui.trace import TurnTrace

PLAN = Plan(steps=(Step("s1", "ocr"), Step("s2", "chat", after=("s1",))))


def folded(*events: Event) -> TurnTrace:
    trace = TurnTrace()
    for now, event in enumerate(events):
        trace.take(event, float(now))
    return trace


def test_steps_go_from_waiting_to_running_to_done() -> None:
    trace = folded(Planned(plan=PLAN), StepStarted(step="s1", specialist="ocr"))
    assert [(s.specialist, s.state) for s in trace.steps.values()] == [
        ("ocr", "running"),
        ("chat", "waiting"),
    ]
    assert trace.steps["s1"].since == 1.0
    trace.take(StepFinished(step="s1", specialist="ocr", text="words", seconds=2.5), 9.0)
    assert (trace.steps["s1"].state, trace.steps["s1"].took, trace.steps["s1"].finding) == (
        "done",
        2.5,
        "words",
    )


def test_a_reused_step_says_so_without_having_started() -> None:
    trace = folded(Planned(plan=PLAN), StepFinished(step="s1", specialist="ocr", reused=True))
    assert trace.steps["s1"].state == "reused"


def test_a_failure_names_what_follows_and_a_retry_runs_again() -> None:
    failed = StepFailed(step="s1", specialist="ocr", code="x", reason="it broke", then="fallback:vision")
    trace = folded(Planned(plan=PLAN), failed)
    assert (trace.steps["s1"].state, trace.steps["s1"].note) == ("failed", "it broke → fallback vision")
    trace.take(StepStarted(step="s1", specialist="vision", attempt=2), 3.0)
    trace.take(StepFinished(step="s1", specialist="vision", seconds=1.0), 4.0)
    assert (trace.steps["s1"].specialist, trace.steps["s1"].state, trace.steps["s1"].note) == (
        "vision",
        "done",
        "",
    )


def test_progress_is_kept_as_the_finding() -> None:
    trace = folded(
        StepStarted(step="s1", specialist="ocr"),
        StepProgress(step="s1", text="a"),
        StepProgress(step="s1", text="b"),
    )
    assert trace.steps["s1"].finding == "ab"


def test_the_end_stops_what_still_ran_and_keeps_what_was_seen_of_an_interrupted_reply() -> None:
    trace = folded(
        Planned(plan=PLAN),
        StepStarted(step="s1", specialist="ocr"),
        TextDelta(text="all that was "),
        TextDelta(text="written"),
        TurnFinished(outcome="interrupted", text="all that"),
    )
    assert {step.state for step in trace.steps.values()} == {"stopped"}
    assert trace.interrupted
    assert trace.text == "all that was written"


def test_the_end_brings_a_sentence_that_was_not_streamed() -> None:
    assert folded(TurnFinished(outcome="failed", text="I could not.")).text == "I could not."


def test_a_dropped_turn_is_over_and_interrupted() -> None:
    trace = folded(StepStarted(step="s1", specialist="ocr"))
    trace.drop()
    assert (trace.over, trace.interrupted, trace.steps["s1"].state) == (True, True, "stopped")


def test_what_was_asked_rejected_and_spoken_is_kept() -> None:
    trace = folded(
        TurnStarted(turn=7, message=message("user", "hi")),
        PartRejected(part="a.png", reason="truncated", code="bad_input"),
        SpeechDelta(text="b", rate=8000, pcm=bytes(8000), index=1),
        SpeechDelta(text="a", rate=8000, pcm=bytes(16000), index=0),
    )
    assert (trace.number, trace.asked, len(trace.rejected)) == (7, message("user", "hi"), 1)
    assert [piece.text for piece in trace.speech.pieces] == ["a", "b"]
    assert trace.speech.seconds == 1.5


STEP = st.sampled_from(["s1", "s2", "s3"])
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(StepStarted, step=STEP, specialist=STEP),
    st.builds(StepProgress, step=STEP, text=st.text(max_size=3)),
    st.builds(StepFinished, step=STEP, specialist=STEP, reused=st.booleans()),
    st.builds(StepFailed, step=STEP, specialist=STEP, code=st.just("x"), reason=st.just("y")),
    st.builds(TextDelta, text=st.text(max_size=3)),
    st.just(Planned(plan=PLAN)),
)


@given(st.lists(EVENTS))
def test_after_the_end_nothing_runs_whatever_came_before(events: list[Event]) -> None:
    trace = folded(*events, TurnFinished(outcome="answered"))
    assert trace.over
    assert not {step.state for step in trace.steps.values()} & {"waiting", "running"}
    assert trace.text == "".join(event.text for event in events if isinstance(event, TextDelta))


def test_a_plan_that_changes_shows_what_was_dropped_and_what_runs_instead() -> None:
    trace = TurnTrace()
    chat, vision = Step("s2", "chat", after=("s1",)), Step("s1-instead", "vision")
    trace.take(Planned(plan=Plan((Step("s1", "ocr"), chat))), 0.0)
    trace.take(Replanned(cause="s1", reason="no text", dropped=(chat,), instead=vision), 1.0)
    trace.take(TurnFinished(outcome="answered"), 2.0)
    assert (trace.steps["s2"].state, trace.steps["s2"].note) == ("dropped", "no text")
    assert trace.steps["s1-instead"].specialist == "vision"
