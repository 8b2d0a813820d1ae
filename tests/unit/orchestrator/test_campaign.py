"""The fault campaign of benchmarks/faults.py, shorter, and that its judge sees what it must see."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.faults import campaign, said, unended
from orchestrator.events import Planned, Replanned, StepFailed, StepFinished, TextDelta, TurnFinished
from orchestrator.plan import Plan, Step


async def test_no_turn_is_silent_late_or_leaves_anything_behind(tmp_path: Path) -> None:
    report = await campaign(tmp_path, turns=40, seed=7)
    assert report.wrong == []
    assert report.turns >= 40
    assert {"answered", "partial", "failed", "interrupted"} <= set(report.outcomes)


PLAN = Planned(plan=Plan((Step("s1", "ocr"), Step("s2", "chat", after=("s1",)), Step("s3", "tts"))))


@pytest.mark.parametrize(
    ("end", "heard"),
    [
        (TurnFinished(outcome="failed"), False),
        (TurnFinished(outcome="answered", text="Paris."), False),  # it was to be spoken
        (TurnFinished(outcome="partial", text="tts failed: no."), True),
        (TurnFinished(outcome="interrupted"), True),
    ],
)
def test_a_silent_turn_is_seen(end: TurnFinished, heard: bool) -> None:
    assert said(end, [PLAN, TextDelta(text=end.text)]) is heard


def test_a_step_without_an_end_is_seen() -> None:
    assert unended([PLAN]) == ["s1 ocr", "s2 chat", "s3 tts"]
    retried = StepFailed(step="s1", specialist="ocr", code="x", reason="y", then="retry")
    assert unended([PLAN, retried])[0] == "s1 ocr"
    ended = [
        StepFinished(step="s1", specialist="ocr"),
        Replanned(cause="s1", reason="", dropped=(PLAN.plan.steps[1],), instead=Step("s1-instead", "vision")),
        StepFailed(step="s3", specialist="tts", code="x", reason="y"),
    ]
    assert unended([PLAN, *ended]) == ["s1-instead vision"]
