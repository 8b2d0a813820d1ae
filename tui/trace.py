"""What is known of a turn, folded from its Events: the one value that every widget draws from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from orchestrator.events import (
    Corrected,
    Event,
    Failed,
    Heard,
    MediaReady,
    PartRejected,
    Planned,
    Recalled,
    Replanned,
    Routed,
    SpeechDelta,
    StepFailed,
    StepFinished,
    StepProgress,
    StepStarted,
    TextDelta,
    TurnFinished,
    TurnStarted,
)
from specialists.content import Message, Part
from tui.speech import Speech

StepState = Literal["waiting", "running", "done", "reused", "failed", "dropped", "stopped"]


@dataclass(slots=True)
class StepTrace:
    """One step as it goes. `since` is when it began, on the screen's own clock; `took` is in seconds."""

    id: str
    specialist: str
    after: tuple[str, ...] = ()
    state: StepState = "waiting"
    since: float = 0.0
    took: float = 0.0
    attempt: int = 1
    finding: str = ""
    note: str = ""


@dataclass(slots=True)
class TurnTrace:
    """A turn, from the words that asked to how it ended."""

    number: int = 0
    asked: Message | None = None
    rejected: list[PartRejected] = field(default_factory=list)
    corrected: Corrected | None = None
    recalled: Recalled | None = None
    routed: list[Routed] = field(default_factory=list)
    planned: list[Planned] = field(default_factory=list)
    steps: dict[str, StepTrace] = field(default_factory=dict)
    problems: list[Failed] = field(default_factory=list)
    text: str = ""
    speech: Speech = field(default_factory=Speech)
    media: list[Part] = field(default_factory=list)
    heard: Heard | None = None
    finished: TurnFinished | None = None
    dropped: bool = False
    """The turn was given up on this side, without an end from the engine."""

    @property
    def over(self) -> bool:
        return self.finished is not None or self.dropped

    @property
    def interrupted(self) -> bool:
        return self.dropped or (self.finished is not None and self.finished.outcome == "interrupted")

    def take(self, event: Event, now: float) -> None:
        """Fold one Event in. `now` is the screen's clock, in seconds."""
        match event:
            case TurnStarted():
                self.number, self.asked = event.turn, event.message
            case PartRejected():
                self.rejected.append(event)
            case Corrected() | Recalled() | Routed() | Planned():
                self._decide(event)
            case StepStarted() | StepProgress() | StepFinished() | StepFailed():
                self._step(event, now)
            case Replanned():
                self._replan(event)
            case TextDelta():
                self.text += event.text
            case SpeechDelta():
                self.speech.add(event)
            case MediaReady():
                self.media.append(event.part)
            case Heard():
                self.heard = event
            case Failed():
                self.problems.append(event)
            case TurnFinished():
                self._finish(event)
            case _:
                pass  # of the session, not of a turn

    def drop(self) -> None:
        """Note that nothing more will come."""
        self.dropped = True
        self._stop_steps()

    def _decide(self, event: Corrected | Recalled | Routed | Planned) -> None:
        match event:
            case Corrected():
                self.corrected = event
            case Recalled():
                self.recalled = event
            case Routed():
                self.routed.append(event)
            case Planned():
                self._plan(event)

    def _plan(self, event: Planned) -> None:
        self.planned.append(event)
        for step in event.plan.steps:
            known = self.steps.setdefault(step.id, StepTrace(step.id, step.specialist))
            known.after = step.after

    def _replan(self, event: Replanned) -> None:
        for step in event.dropped:
            lost = self.steps.setdefault(step.id, StepTrace(step.id, step.specialist, step.after))
            lost.state, lost.note = "dropped", event.reason
        if event.instead is not None:
            new = event.instead
            self.steps.setdefault(new.id, StepTrace(new.id, new.specialist, new.after))

    def _step(self, event: StepStarted | StepProgress | StepFinished | StepFailed, now: float) -> None:
        # A step that no plan named (a retry elsewhere, a late correction) still gets its line.
        step = self.steps.setdefault(event.step, StepTrace(event.step, getattr(event, "specialist", "")))
        match event:
            case StepStarted():
                step.state, step.since, step.attempt = "running", now, event.attempt
                step.specialist, step.finding = event.specialist, ""
            case StepProgress():
                step.finding += event.text
            case StepFinished():
                step.state = "reused" if event.reused else "done"
                step.took, step.finding = event.seconds, event.text or step.finding
                step.specialist, step.note = event.specialist, ""
                if event.likeness is not None:
                    step.note = f"of a picture {event.likeness:.0%} alike"
            case StepFailed():
                step.state, step.note = "failed", event.reason
                if event.then != "give up":
                    step.note += f" \N{RIGHTWARDS ARROW} {event.then.replace(':', ' ')}"

    def _finish(self, event: TurnFinished) -> None:
        self.finished = event
        # What was heard counts, and an honest sentence may come with the end alone.
        if not self.text or event.outcome != "interrupted":
            self.text = event.text or self.text
        self._stop_steps()

    def _stop_steps(self) -> None:
        for step in self.steps.values():
            if step.state in ("waiting", "running"):
                step.state = "stopped"
