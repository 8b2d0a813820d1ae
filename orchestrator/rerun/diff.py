"""What a turn did, before and after: routes, steps, evidence, text and time, as a person compares them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.rerun.playing import LiveCall

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing of a turn: `what` it is, as it was and as it is now."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class TurnDiff:
    """One turn before and after. Seconds are those that the turn took, and that its live calls took now.

    `live` are the calls that were made and not played; without any the turn is what it was.
    """

    turn: int
    request: str
    changes: tuple[Change, ...]
    live: tuple[LiveCall, ...]
    seconds: float
    live_seconds: tuple[tuple[str, float, float], ...] = ()
    """Of each step that was called: its specialist, the seconds it took then, and now."""


def diff(recorded: Iterable[Event], now: Iterable[Event], calls: Sequence[LiveCall]) -> tuple[TurnDiff, ...]:
    """Every turn of the two logs, in order."""
    before, after = _by_turn(recorded), _by_turn(now)
    return tuple(
        _turn(number, before.get(number, ()), after.get(number, ()), calls)
        for number in sorted(before.keys() | after.keys())
    )


def _turn(
    number: int, before: Sequence[Event], after: Sequence[Event], calls: Sequence[LiveCall]
) -> TurnDiff:
    was, is_now = _views(before), _views(after)
    names = [*was, *(name for name in is_now if name not in was)]
    changes = tuple(
        Change(name, was.get(name, ""), is_now.get(name, ""))
        for name in names
        if was.get(name, "") != is_now.get(name, "")
    )
    live = tuple(dict.fromkeys(call for call in calls if call.turn == number))
    called = {call.specialist for call in live}
    took, takes = _seconds(before), _seconds(after)
    steps = tuple(
        (name, took.get((step, name), 0.0), seconds)
        for (step, name), seconds in takes.items()
        if name in called
    )
    finished = next((event for event in before if event["type"] == "turn.finished"), {})
    total = float(finished.get("timings", {}).get("total", 0.0))
    return TurnDiff(number, _request(before or after), changes, live, total, steps)


def _views(events: Sequence[Event]) -> dict[str, str]:
    """What is compared, by its name."""
    views: dict[str, str] = {}
    for event in events:
        match event["type"]:
            case "turn.routed":
                views["route"] = " ".join(event["controls"])
            case "turn.planned":
                views["plan"] = " → ".join(step["specialist"] for step in event["plan"]["steps"])
            case "step.finished":
                parts = [part.get("blob") or {} for part in event["parts"]]
                made = " ".join(str(blob.get("digest", ""))[:12] for blob in parts)
                views[f"evidence of {event['step']} ({event['specialist']})"] = f"{event['text']}{made}"
            case "step.failed":
                views[f"failure of {event['step']} ({event['specialist']})"] = str(event["reason"])
            case "turn.finished":
                views["reply"] = str(event["text"])
                views["outcome"] = str(event["outcome"])
            case _:
                pass
    speech = [event for event in events if event["type"] == "reply.speech"]
    if speech:
        views["speech"] = "".join(str(event["text"]) for event in speech)
    return views


def _seconds(events: Sequence[Event]) -> dict[tuple[str, str], float]:
    done = (event for event in events if event["type"] == "step.finished")
    return {(event["step"], event["specialist"]): float(event["seconds"]) for event in done}


def _request(events: Sequence[Event]) -> str:
    started = next((event for event in events if event["type"] == "turn.started"), None)
    if started is None:
        return ""
    parts = started["message"]["parts"]
    words = [part["text"] for part in parts if part["kind"] == "text" and not part["name"]]
    return " ".join([*words, *(f"[{part['name']}]" for part in parts if part["name"])])


def _by_turn(events: Iterable[Event]) -> dict[int, list[Event]]:
    found: dict[int, list[Event]] = {}
    for event in events:
        if event["turn"] and event["type"] not in ("floor.changed", "speech.heard"):
            found.setdefault(event["turn"], []).append(event)
    return found
