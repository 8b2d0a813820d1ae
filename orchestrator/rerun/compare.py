"""What of two events must be the same: everything but times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TIMES: Mapping[str, tuple[str, ...]] = {
    "": ("time",),
    "session.opened": ("wall_time",),
    "memory.recalled": ("seconds",),
    "turn.routed": ("seconds", "model_seconds"),
    "turn.planned": ("seconds",),
    "step.finished": ("seconds",),
    "turn.finished": ("timings",),
}
"""The fields that hold a time or a duration, by the type of event; those under "" are in every event. What a
plan was expected to take is not among them: a rerun sees the same expectations."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two logs part. `recorded` and `now` are events without their times, None where there is none;
    `field` is the first one that differs."""

    seq: int
    turn: int
    field: str = ""
    recorded: Mapping[str, Any] | None = None
    now: Mapping[str, Any] | None = None
    reason: str = ""

    def __str__(self) -> str:
        where = f"event {self.seq} (turn {self.turn})"
        if self.reason:
            return f"{where}: {self.reason}"
        if self.recorded is None or self.now is None:
            kind = (self.recorded or self.now or {}).get("type", "")
            return f"{where}: {kind} {'is new' if self.recorded is None else 'is missing'}"
        if self.field == "type":
            return f"{where}: was {self.recorded['type']}, is {self.now['type']}"
        before, after = (_short(event.get(self.field)) for event in (self.recorded, self.now))
        return f"{where}, {self.recorded['type']}, {self.field}: was {before}, is {after}"


def timeless(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event without its times."""
    hidden = (*TIMES[""], *TIMES.get(str(event.get("type")), ()))
    return {name: value for name, value in event.items() if name not in hidden}


def difference(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> Difference | None:
    """Where an event is not what it was; None where it is."""
    before, after = timeless(recorded), timeless(now)
    if before == after:
        return None
    names = ["type", *before, *after]
    field = next(name for name in names if before.get(name) != after.get(name))
    return Difference(int(recorded["seq"]), int(recorded["turn"]), field, before, after)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
