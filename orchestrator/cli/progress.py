"""How far a step has come in a long recording or film, told now and then."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from specialists.content import AUDIO, VIDEO
from specialists.timeline import clock

if TYPE_CHECKING:
    from orchestrator.events import Event, StepProgress

LONG = 120.0
"""Seconds from which something is long."""
SHARE = 0.05
"""So much further it must have come before that is told again."""
WHOLE = ("film", "gap")
"""Labels of what is told about all of it."""


@dataclass(slots=True)
class Progress:
    """Of the longest recording or film of a turn."""

    _seconds: float = 0.0
    _names: dict[str, str] = field(default_factory=dict)
    _told: dict[str, float] = field(default_factory=dict)

    def take(self, event: Event) -> str:
        """The line to tell, as in "video: 12:00 of 30:00"; empty where there is nothing new to tell."""
        match event.type:
            case "turn.started":
                clips = (part for part in event.message.parts if part.kind in (AUDIO, VIDEO))
                self._seconds = max((part.facts.get("seconds", 0.0) for part in clips), default=0.0)
            case "step.started":
                self._names[event.step] = event.specialist
            case "step.progress":
                return self._at(event)
            case _:
                pass
        return ""

    def _at(self, event: StepProgress) -> str:
        span = event.anchor.span if event.anchor is not None else None
        if self._seconds < LONG or span is None or event.label in WHOLE:
            return ""
        if span.start < self._told.get(event.step, 0.0) + SHARE * self._seconds:
            return ""
        self._told[event.step] = span.start
        return f"{self._names[event.step]}: {clock(span.start)} of {clock(round(self._seconds))}"
