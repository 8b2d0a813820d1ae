"""The plan as it runs: a line a step."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import RenderResult
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget

from tui.text import line, seconds
from tui.trace import StepTrace, TurnTrace

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_MARKS = {
    "waiting": ("·", "$muted"),
    "done": ("✓", "$success"),
    "reused": ("↺", "$accent"),
    "failed": ("✗", "$error"),
    "dropped": ("–", "$muted"),
    "stopped": ("–", "$muted"),
}


class PlanView(Widget):
    """Draws the steps of a turn. `clock` gives the seconds that running steps are timed with."""

    def __init__(self, trace: TurnTrace, clock: Callable[[], float]) -> None:
        super().__init__()
        self._trace = trace
        self._clock = clock
        self._waiting_for = ""
        self._timer: Timer | None = None

    def on_mount(self) -> None:
        self._timer = self.set_interval(0.1, self.refresh, pause=True)
        self.update()

    def update(self, waiting_for: str | None = None) -> None:
        """Draw anew. `waiting_for` says what keeps the turn from its first step."""
        if waiting_for is not None:
            self._waiting_for = waiting_for
        self.display = bool(self._trace.steps) or not self._trace.over
        if self._timer is not None:
            self._timer.pause() if self._trace.over else self._timer.resume()
        self.refresh(layout=True)

    def render(self) -> RenderResult:
        steps = list(self._trace.steps.values())
        if not steps:
            return Content("") if self._trace.over else self._thinking()
        name = max(len(line(step.specialist, 16)) for step in steps)
        return Content("\n").join(self._row(step, name) for step in steps)

    def _thinking(self) -> Content:
        words = f"waiting for {self._waiting_for}" if self._waiting_for else "thinking"
        return Content.assemble((self._spin(), "$primary"), " ", (words, "$muted"))

    def _row(self, step: StepTrace, width: int) -> Content:
        mark, style = (self._spin(), "$primary") if step.state == "running" else _MARKS[step.state]
        muted = "$muted" if step.state in ("waiting", "dropped", "stopped") else ""
        row = Content.assemble(
            (mark, style), " ", (line(step.specialist, 16).ljust(width), muted), "  ", self._time(step)
        )
        room = self.size.width - len(row) - 2
        if room > 8 and (note := self._note(step)):
            wrong = bool(step.note) and not muted and step.state != "reused"
            row = Content.assemble(row, "  ", (line(note, room), "$error" if wrong else "$muted"))
        return row

    def _time(self, step: StepTrace) -> tuple[str, str]:
        match step.state:
            case "running":
                return seconds(max(self._clock() - step.since, 0.1)).rjust(7), "$primary"
            case "done":
                return seconds(step.took).rjust(7), ""
            case "reused":
                return " reused", "$accent"
            case "failed":
                return " failed", "$error"
            case "dropped":
                return "dropped", "$muted"
            case "stopped":
                return "stopped", "$muted"
            case _:
                return "waiting", "$muted"

    def _note(self, step: StepTrace) -> str:
        if step.note:
            return step.note
        if step.state == "waiting" and step.after:
            return "for " + ", ".join(self._trace.steps[name].specialist for name in step.after)
        if step.state == "running" and step.attempt > 1:
            return f"try {step.attempt}"
        if step.finding.strip() and step.finding.strip() in self._trace.text:
            return ""  # the reply says it below
        return step.finding

    def _spin(self) -> str:
        return _SPINNER[int(self._clock() * 10) % len(_SPINNER)]
