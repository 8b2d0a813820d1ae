"""A turn as spans: what its Events say of when each part of it began and ended.

Pure: Events in, spans out, in seconds on the Events' clock. Content (what was said, read, heard or
remembered) stands only in spans that were asked to hold it: names, figures and codes tell no one's words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.events import (
    Corrected,
    Event,
    Failed,
    PartRejected,
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

Value = str | bool | int | float | Sequence[str] | Sequence[float]
Attributes = Mapping[str, Value]

_REASON = re.compile(r"(replaced by [^:]*):.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened within a span."""

    name: str
    time: float
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """`error` is the code of what went wrong in it, empty where nothing did."""

    name: str
    start: float
    end: float
    attributes: Attributes = field(default_factory=dict)
    moments: tuple[Moment, ...] = ()
    error: str = ""


class TurnSpans:
    """Folds the Events of one turn, from TurnStarted to TurnFinished."""

    def __init__(self, *, content: bool = False) -> None:
        self._content = content
        self._asked: TurnStarted | None = None
        self._decisions: list[Span] = []
        self._steps: list[Span] = []
        self._running: dict[str, StepStarted] = {}
        self._failed: dict[str, int] = {}
        self._moments: list[Moment] = []
        self._problem = ""
        self._resumed: dict[str, float] = {}
        """When the last attempt at a step ended that is not the last."""
        self._characters = 0
        self._spoken = _Spoken()

    def take(self, event: Event) -> None:
        match event:
            case TurnStarted():
                self._asked = event
            case Recalled() | Routed() | Planned():
                self._decisions.append(self._decision(event))
            case StepStarted():
                self._running[event.step] = event
            case StepFinished() | StepFailed():
                self._steps.append(self._step(event))
            case TextDelta():
                self._characters += len(event.text)
            case SpeechDelta():
                self._spoken.add(event)
            case Failed():
                self._problem = event.code
                self._note("problem", event, {"error.type": event.code})
            case PartRejected():
                self._note("rejected", event, {"error.type": event.code})
            case Corrected():
                self._note("corrected", event, {"antiphon.of": event.of, "antiphon.controls": event.controls})
            case Replanned():
                self._note("replanned", event, _change(event))
            case _:
                pass

    def spans(self, finished: TurnFinished) -> tuple[Span, ...]:
        """The turn's span, and those within it in the order in which they began."""
        began = finished.time - finished.timings.get("total", 0.0)
        inner = [*self._decisions, *self._steps, *self._stopped(finished), *self._verbs(finished, began)]
        return (self._turn(finished, began), *sorted(inner, key=lambda span: span.start))

    def _note(self, name: str, event: Event, attributes: Attributes) -> None:
        self._moments.append(Moment(name, event.time, attributes))

    def _turn(self, finished: TurnFinished, began: float) -> Span:
        asked = self._asked
        attributes: dict[str, Value] = {
            "session.id": finished.session,
            "antiphon.turn": finished.turn,
            "antiphon.outcome": finished.outcome,
            "antiphon.calls": finished.calls,
            "antiphon.reused": finished.reused,
        }
        for name in ("own", "first_text", "first_speech"):
            if name in finished.timings:
                attributes[f"antiphon.seconds.{name}"] = finished.timings[name]
        if asked is not None:
            attributes["antiphon.voice"] = asked.voice
            attributes["antiphon.attachments"] = tuple(part.kind for part in asked.message.media)
        if self._content:
            attributes["antiphon.reply"] = finished.text
            attributes["antiphon.request"] = asked.message.text if asked is not None else ""
        error = (self._problem or "failed") if finished.outcome == "failed" else ""
        return Span("turn", began, finished.time, attributes, tuple(self._moments), error)

    def _decision(self, event: Recalled | Routed | Planned) -> Span:
        match event:
            case Recalled():
                name, attributes = "recall", _recalled(event, self._content)
            case Routed():
                name, attributes = "route", _routed(event, self._content)
            case Planned():
                name, attributes = "plan", _planned(event, self._content)
        return Span(name, event.time - event.seconds, event.time, attributes)

    def _step(self, event: StepFinished | StepFailed) -> Span:
        """One attempt. What memory answered, or what failed before its call, began when it ended."""
        started = self._running.pop(event.step, None)
        attributes = self._attempt(event.step, event.specialist, started)
        began = started.time if started is not None else self._resumed.get(event.step, event.time)
        error = ""
        if isinstance(event, StepFailed):
            error = event.code
            attributes["antiphon.then"] = event.then
            self._failed[event.step] = self._failed.get(event.step, 0) + 1
            self._resumed[event.step] = event.time
        else:
            attributes["antiphon.reused"] = event.reused
            if event.likeness is not None:
                attributes["antiphon.likeness"] = event.likeness
        if self._content:
            attributes["antiphon.text"] = event.reason if isinstance(event, StepFailed) else event.text
        return Span(f"step {event.specialist}", began, event.time, attributes, error=error)

    def _attempt(self, step: str, specialist: str, started: StepStarted | None) -> dict[str, Value]:
        return {
            "antiphon.step": step,
            "antiphon.specialist": specialist,
            "antiphon.attempt": started.attempt if started is not None else self._failed.get(step, 0) + 1,
        }

    def _stopped(self, finished: TurnFinished) -> Iterator[Span]:
        """The steps that the turn's end stopped."""
        for step, started in self._running.items():
            attributes = self._attempt(step, started.specialist, started)
            attributes["antiphon.stopped"] = True
            yield Span(f"step {started.specialist}", started.time, finished.time, attributes)

    def _verbs(self, finished: TurnFinished, began: float) -> Iterator[Span]:
        """What no Event of its own tells: the marks of the turn's end say when each verb was done."""
        marks = {name: began + after for name, after in finished.timings.items() if name != "total"}
        if "perceive" in marks:
            yield Span("perceive", began, marks["perceive"])
        if "execute" in marks:
            written = {"antiphon.characters": self._characters}
            yield Span("respond", marks["execute"], marks.get("respond", finished.time), written)
        if "respond" in marks and "remember" in marks:
            yield Span("remember", marks["respond"], marks["remember"])
        if self._spoken.pieces:
            yield self._spoken.span()


@dataclass(slots=True)
class _Spoken:
    """The sound of a reply, without holding it."""

    pieces: int = 0
    seconds: float = 0.0
    first: float = 0.0
    last: float = 0.0

    def add(self, piece: SpeechDelta) -> None:
        self.first = self.first if self.pieces else piece.time
        self.last = piece.time
        self.pieces += 1
        self.seconds += len(piece.pcm) / 2 / piece.rate

    def span(self) -> Span:
        sound = {"antiphon.pieces": self.pieces, "antiphon.seconds.sound": self.seconds}
        return Span("speak", self.first, self.last, sound)


def _recalled(event: Recalled, content: bool) -> Attributes:
    found: dict[str, Value] = {
        "antiphon.hits": len(event.hits),
        "antiphon.hits.exact": sum(hit.exact for hit in event.hits),
    }
    if event.hits:
        found["antiphon.hits.best"] = max(hit.score for hit in event.hits)
    if content:
        found["antiphon.hits.texts"] = tuple(hit.text for hit in event.hits)
    return found


def _routed(event: Routed, content: bool) -> Attributes:
    found: dict[str, Value] = {
        # Why a chat model was replaced may repeat what it wrote.
        "antiphon.controller": event.controller if content else _REASON.sub(r"\1", event.controller),
        "antiphon.controls": event.controls,
        "antiphon.margin": event.margin,
        "antiphon.candidates": tuple(candidate.control for candidate in event.candidates),
        "antiphon.candidates.scores": tuple(candidate.score for candidate in event.candidates),
        "antiphon.refused": len(event.invalid),
        "antiphon.repaired": event.repaired,
        "antiphon.seconds.model": event.model_seconds,
    }
    if content:
        found |= {
            "antiphon.exemplars": event.exemplars,
            "antiphon.asked": tuple(f"{one.specialist}: {one.words}" for one in event.asked),
            "antiphon.emitted": event.emitted,
            "antiphon.refused.tokens": event.invalid,
        }
    return found


def _planned(event: Planned, content: bool) -> Attributes:
    plan = event.plan
    found: dict[str, Value] = {
        "antiphon.steps": tuple(step.specialist for step in plan.steps),
        "antiphon.outputs": plan.outputs,
        "antiphon.reuse": plan.reuse,
        "antiphon.given_up": tuple(_given_up(t.action, t.specialist, t.instead) for t in plan.tradeoffs),
    }
    if plan.estimate is not None:
        found["antiphon.seconds.expected"] = plan.estimate.seconds
        found["antiphon.price"] = plan.estimate.price
    if content:
        found["antiphon.notes"] = plan.notes
    return found


def _given_up(action: str, specialist: str, instead: str) -> str:
    """`drop tts`, `replace vision by vision-small`, `late`."""
    return " ".join(filter(None, [action, specialist, f"by {instead}" if instead else ""]))


def _change(event: Replanned) -> Attributes:
    return {
        "antiphon.cause": event.cause,
        "antiphon.dropped": tuple(step.specialist for step in event.dropped),
        "antiphon.instead": event.instead.specialist if event.instead is not None else "",
    }
