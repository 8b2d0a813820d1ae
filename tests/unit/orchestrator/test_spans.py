"""A turn's Events as spans."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.events import (
    Candidate,
    Event,
    Failed,
    HitSummary,
    Planned,
    Recalled,
    Replanned,
    Routed,
    SpeechDelta,
    StepFailed,
    StepFinished,
    StepStarted,
    TextDelta,
    TurnFinished,
    TurnStarted,
)
from orchestrator.plan import Plan, Step
from orchestrator.spans import Span, TurnSpans
from specialists.content import message

SECRET = "my cat has the flu"
PLAN = Plan((Step("s1", "ocr"), Step("s2", "tts", after=("s1",))), ("speech",), notes=(SECRET,))
TIMINGS = {"perceive": 0.1, "recall": 0.3, "route": 0.5, "execute": 2.0, "respond": 3.0, "remember": 3.2}


def at(time: float, event: Any) -> Any:
    return replace(event, session="s", turn=1, time=time)


def folded(*events: Event, content: bool = False, end: TurnFinished | None = None) -> dict[str, Span]:
    spans = TurnSpans(content=content)
    for event in events:
        spans.take(event)
    last = end or at(13.3, TurnFinished(outcome="answered", text=SECRET, timings={**TIMINGS, "total": 3.3}))
    found = spans.spans(last)
    assert found[0].name == "turn"
    return {span.name: span for span in found}


HIT = HitSummary(record="r", text=SECRET, kind="text", source="user", score=0.7)

WHOLE = (
    at(10.05, TurnStarted(message=message("user", SECRET))),
    at(
        10.3,
        Recalled(
            hits=(HitSummary(record="r", text=SECRET, kind="text", source="user", score=0.7),), seconds=0.2
        ),
    ),
    at(
        10.4,
        Routed(
            controls=("<|call:ocr|>", "<|answer|>"),
            controller=f"llm, replaced by fitted: it wrote {SECRET}",
            margin=0.4,
            candidates=(Candidate(control="<|call:ocr|> <|answer|>", score=0.7),),
            exemplars=(SECRET,),
            emitted=(SECRET,),
            invalid=(SECRET,),
            seconds=0.05,
        ),
    ),
    at(10.5, Planned(plan=PLAN, seconds=0.01)),
    at(10.6, StepStarted(step="s1", specialist="ocr")),
    at(11.0, StepFailed(step="s1", specialist="ocr", code="transient", reason=SECRET, then="retry")),
    at(11.2, StepStarted(step="s1", specialist="ocr", attempt=2)),
    at(12.0, StepFinished(step="s1", specialist="ocr", text=SECRET)),
    at(12.1, TextDelta(text=SECRET)),
    at(12.2, SpeechDelta(text=SECRET, rate=100, pcm=b"\0" * 200)),
    at(12.9, SpeechDelta(text=SECRET, rate=100, pcm=b"\0" * 100, index=1)),
)


def test_every_part_of_a_turn_has_its_times() -> None:
    found = folded(*WHOLE)
    times = {name: (round(span.start, 6), round(span.end, 6)) for name, span in found.items()}
    assert times == {
        "turn": (10.0, 13.3),
        "perceive": (10.0, 10.1),
        "recall": (10.1, 10.3),
        "route": (10.35, 10.4),
        "plan": (10.49, 10.5),
        "step ocr": (11.2, 12.0),
        "respond": (12.0, 13.0),
        "speak": (12.2, 12.9),
        "remember": (13.0, 13.2),
    }
    assert found["speak"].attributes["antiphon.seconds.sound"] == 1.5
    assert found["route"].attributes["antiphon.margin"] == 0.4


def test_each_attempt_is_a_span_of_its_own() -> None:
    spans = TurnSpans()
    for event in WHOLE:
        spans.take(event)
    steps = [s for s in spans.spans(at(13.3, TurnFinished(outcome="answered"))) if s.name == "step ocr"]
    assert [(s.attributes["antiphon.attempt"], s.error) for s in steps] == [(1, "transient"), (2, "")]
    assert (steps[0].start, steps[0].end) == (10.6, 11.0)


def test_a_second_try_that_nobody_announced_begins_where_the_first_ended() -> None:
    """Speaking tries a clause again within the one step."""
    failed = StepFailed(step="s2", specialist="tts", code="transient", reason="", then="retry")
    spans = TurnSpans()
    for event in (
        at(1.0, StepStarted(step="s2", specialist="tts")),
        at(2.0, failed),
        at(5.0, StepFinished(step="s2", specialist="tts")),
    ):
        spans.take(event)
    _, first, second = spans.spans(at(6.0, TurnFinished(outcome="answered")))
    assert (first.start, first.end, second.start, second.end) == (1.0, 2.0, 2.0, 5.0)
    assert second.attributes["antiphon.attempt"] == 2


def test_what_memory_answered_takes_no_time() -> None:
    step = folded(at(4.0, StepFinished(step="s1", specialist="ocr", reused=True)))["step ocr"]
    assert step.start == step.end == 4.0
    assert step.attributes["antiphon.reused"] is True


def test_a_step_that_the_end_stopped_ends_with_the_turn() -> None:
    end = at(7.0, TurnFinished(outcome="interrupted", timings={"total": 2.0}))
    found = folded(at(6.0, StepStarted(step="s1", specialist="chat")), end=end)
    assert (found["step chat"].end, found["step chat"].attributes["antiphon.stopped"]) == (7.0, True)
    assert found["turn"].error == ""


def test_a_failed_turn_names_the_code_of_its_problem() -> None:
    problem = at(2.0, Failed(code="unavailable", part=SECRET, reason=SECRET))
    found = folded(problem, end=at(3.0, TurnFinished(outcome="failed")))
    assert found["turn"].error == "unavailable"
    assert found["turn"].moments[0].attributes == {"error.type": "unavailable"}


def test_a_plan_that_changed_says_how() -> None:
    change = at(2.0, Replanned(cause="s1", reason=SECRET, dropped=(Step("s2", "chat"),)))
    (moment,) = folded(change)["turn"].moments
    assert (moment.name, moment.attributes["antiphon.dropped"]) == ("replanned", ("chat",))


def test_nobodys_words_are_in_spans_that_were_not_asked_to_hold_them() -> None:
    problem = at(12.0, Failed(code="x", part=SECRET, reason=SECRET))
    change = at(12.0, Replanned(cause="s1", reason=SECRET, dropped=(Step("s2", "chat"),)))
    assert SECRET not in repr(folded(*WHOLE, problem, change).values())
    told = folded(*WHOLE, problem, change, content=True)
    holding = {name for name, span in told.items() if SECRET in repr(span.attributes)}
    assert holding == {"turn", "recall", "route", "plan", "step ocr"}


_STEPS = st.sampled_from(["s1", "s2"])
_HAPPENS = st.one_of(
    st.builds(StepStarted, step=_STEPS, specialist=st.just("ocr"), attempt=st.integers(1, 3)),
    st.builds(
        StepFailed,
        step=_STEPS,
        specialist=st.just("ocr"),
        code=st.just("x"),
        reason=st.just(""),
        then=st.sampled_from(["retry", "give up"]),
    ),
    st.builds(StepFinished, step=_STEPS, specialist=st.just("ocr"), reused=st.booleans()),
    st.builds(Recalled, seconds=st.floats(0, 1)),
    st.builds(SpeechDelta, text=st.just(""), rate=st.just(8000), pcm=st.binary(max_size=8)),
)


@given(st.lists(_HAPPENS, max_size=20), st.sampled_from(["answered", "interrupted", "failed"]))
def test_whatever_happens_no_span_ends_before_it_begins_or_after_the_turn(
    happened: list[Any], how: Any
) -> None:
    spans = TurnSpans()
    for second, event in enumerate(happened, start=1):
        spans.take(at(float(second), event))
    total = float(len(happened) + 1)
    turn, *inner = spans.spans(at(total, TurnFinished(outcome=how, timings={"total": total})))
    assert (turn.start, turn.end) == (0.0, total)
    assert all(0.0 <= span.start <= span.end <= total for span in inner)
    ended = sum(isinstance(event, (StepFailed, StepFinished)) for event in happened)
    assert sum(span.name.startswith("step ") for span in inner) >= ended
