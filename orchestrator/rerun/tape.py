"""The tape: a recorded session as its events and, between them, what its turns took in from outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from memory.log import INPUTS
from specialists.errors import BadInput

BEGIN, CHUNK, END, ERROR, VALUE = "begin", "chunk", "end", "error", "value"
"""Of calls: it began, gave a piece, ended, failed; or gave its one result."""

READ = "read"
"""Readings of clock, chance and figures, in their order."""

SETUP = "setup"
"""The Cards and the settings, wherever they changed."""

SEND, STOP, HEARD, LATE, NOTE = "send", "stop", "heard", "late", "note"
"""Of people and time: a turn began, was cut, was found to have been heard in part, ran out of time; and
something that happened around the turns."""

ARRIVALS = frozenset({CHUNK, END, ERROR, VALUE})

NOTED = "floor.changed"
"""Events of this type always come from around the turns."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One input. It was taken in when the log held `at` events; `key` names the call, turn or figure."""

    at: int
    kind: str
    key: str = ""
    value: Any = None


@dataclass(frozen=True, slots=True)
class Tape:
    """Events as plain values, in order and without gaps from 1, and the entries between them."""

    events: tuple[Mapping[str, Any], ...]
    entries: tuple[Entry, ...]
    readings: Mapping[int, Mapping[str, tuple[Any, ...]]] = field(default_factory=dict)
    """What was read in each turn, by turn and name."""


def parse(recorded: Iterable[Mapping[str, Any]], session: str) -> Tape:
    """The tape of a log that was read with its inputs.

    Raises BadInput for a log that was written without them, that is damaged, or of which something was
    forgotten.
    """
    events: list[Mapping[str, Any]] = []
    entries: list[Entry] = []
    for values in recorded:
        event = dict(values)
        inputs = event.pop(INPUTS, ())
        if event.get("type") == "event.forgotten":
            raise BadInput(
                f"something of turn {event.get('turn')} was forgotten, so it cannot run again as it was",
                part=f"session {session}",
                remedy="`antiphon sessions replay` shows what is left",
            )
        events.append(event)
        entries += _entries(inputs, session)
        if event.get("type") == NOTED:
            entries.append(Entry(len(events) - 1, NOTE))
    # What was taken in at one place stays in its order: the sort is stable.
    entries.sort(key=lambda entry: entry.at)
    sends = sum(entry.kind == SEND for entry in entries)
    turns = sum(event.get("type") == "turn.started" for event in events)
    if sends < turns:
        raise BadInput(
            f"the log holds {turns} turns, but what came in from outside for {sends} of them only",
            part=f"session {session}",
            remedy="Sessions can run again when all of their turns were recorded with this version",
        )
    plain = tuple(entry for entry in entries if entry.kind != READ)
    return Tape(tuple(events), plain, _readings(entries))


def _entries(inputs: Any, session: str) -> list[Entry]:
    try:
        found = [Entry(int(at), str(kind), *rest) for at, kind, *rest in inputs]
    except (TypeError, ValueError) as error:
        raise BadInput(f"an input cannot be read: {error}", part=f"session {session}") from error
    if any(not _sound(entry) for entry in found):
        raise BadInput("an input is damaged", part=f"session {session}")
    return found


def _sound(entry: Entry) -> bool:
    turn = entry.kind != SEND or entry.key.isdecimal()
    read = entry.kind != READ or isinstance(entry.value, list)
    return isinstance(entry.key, str) and entry.at >= 0 and turn and read


def _readings(entries: Iterable[Entry]) -> dict[int, dict[str, tuple[Any, ...]]]:
    found: dict[int, dict[str, tuple[Any, ...]]] = {}
    turn = 0
    for entry in entries:
        if entry.kind == SEND:
            turn = int(entry.key)
        if entry.kind == READ:
            of_turn = found.setdefault(turn, {})
            of_turn[entry.key] = (*of_turn.get(entry.key, ()), *entry.value)
    return found
