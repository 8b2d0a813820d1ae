"""How far a long step has come, as the command line tells it."""

from __future__ import annotations

import pytest

from orchestrator.cli.ask import _Turn
from orchestrator.cli.progress import Progress
from orchestrator.events import StepProgress, StepStarted, TextDelta, TurnStarted
from specialists.content import TEXT, VIDEO, Anchor, Message, Part, Span

FILM = Part(VIDEO, name="film.mp4", facts={"seconds": 1800.0})


def told(start: float, label: str = "scene", step: str = "s1") -> StepProgress:
    return StepProgress(step=step, text="x", anchor=Anchor(span=Span(start, start + 5)), label=label)


def begun(*parts: Part) -> Progress:
    progress = Progress()
    assert progress.take(TurnStarted(message=Message("user", parts))) == ""
    for step in ("s1", "s2"):
        assert progress.take(StepStarted(step=step, specialist="video", attempt=1)) == ""
    return progress


def test_every_twentieth_is_told_once() -> None:
    progress = begun(Part(TEXT, text="what happens?"), FILM)
    lines = [progress.take(told(float(at))) for at in range(0, 1800, 15)]
    assert len([line for line in lines if line]) == 19
    assert [line for line in lines if line][:2] == ["video: 1:30 of 30:00", "video: 3:00 of 30:00"]
    assert progress.take(told(1795.0)) == ""
    assert progress.take(told(900.0, step="s2")) == "video: 15:00 of 30:00"


def test_what_is_short_or_about_the_whole_is_not_told() -> None:
    assert begun(FILM).take(told(1000.0, "film")) == ""
    assert begun(FILM).take(StepProgress(step="s1", text="x")) == ""
    assert begun(Part(VIDEO, facts={"seconds": 60.0})).take(told(50.0)) == ""
    assert begun().take(told(50.0)) == ""


def test_ask_tells_it_until_the_reply_comes(capsys: pytest.CaptureFixture[str]) -> None:
    turn = _Turn(quiet=False, stream=True)
    turn.take(TurnStarted(message=Message("user", (FILM,))))
    turn.take(StepStarted(step="s1", specialist="video", attempt=1))
    turn.take(told(600.0))
    turn.take(TextDelta(text="A film."))
    turn.take(told(1200.0))
    captured = capsys.readouterr()
    assert captured.err == "  video: 10:00 of 30:00\n"
    assert captured.out == "A film."
