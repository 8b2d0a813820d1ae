"""Taking words out of the log: the one place where an event that was written is changed.

An event that is forgotten keeps its number, its turn and its time, and nothing else: its body becomes
`{"type": "event.forgotten", "was": TYPE, ...}`. So the log has no gap, and a replay shows that something
was there. An event that only mentions a forgotten record loses that mention.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from memory import uses

FORGOTTEN = "event.forgotten"
"""The type of an event whose content is gone."""

BARE = ("session.opened", "floor.changed", FORGOTTEN)
"""Types of events that hold nothing of what was said: they stay when what is around them is forgotten."""

MASK = "[forgotten]"

_SAYING = ("text", "said", "id")
_HARMLESS = ("kind", "role", "session", "turn", "level")
"""Of inputs that carry a whole record or correction: the fields that say something, and that say nothing."""

Place = tuple[str, int]
"""The name of a session and the sequence number of an event in it."""


def blank(connection: sqlite3.Connection, places: Iterable[Place]) -> None:
    """Leave of these events only that they were, within the transaction of the caller."""
    with _writable(connection):
        for session, seq in places:
            (body,) = connection.execute(
                "SELECT body FROM events WHERE session = ? AND seq = ?", (session, seq)
            ).fetchone()
            event = json.loads(body)
            left = {
                **{name: event[name] for name in ("session", "turn", "seq", "time") if name in event},
                "type": FORGOTTEN,
                "was": event["type"],
            }
            _replace(connection, (session, seq), left)


def mask(connection: sqlite3.Connection, places: Iterable[Place], hidden: Collection[str]) -> None:
    """Take the mentions of `hidden` (ids of records, or whole texts) out of these events."""
    with _writable(connection):
        for session, seq in places:
            (body,) = connection.execute(
                "SELECT body FROM events WHERE session = ? AND seq = ?", (session, seq)
            ).fetchone()
            _replace(connection, (session, seq), _masked(json.loads(body), hidden))


def leaves(value: object) -> Iterator[str]:
    """Every text that plain values hold, names of fields left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves(inner)


def _replace(connection: sqlite3.Connection, place: Place, event: Mapping[str, Any]) -> None:
    body = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    connection.execute(
        "UPDATE events SET type = ?, body = ? WHERE session = ? AND seq = ?", (event["type"], body, *place)
    )
    connection.execute("DELETE FROM event_blobs WHERE session = ? AND seq = ?", place)
    uses.by_event(connection, *place, uses.digests_in(event))


def _masked(value: Any, hidden: Collection[str]) -> Any:
    if isinstance(value, Mapping):
        if value.get("record") in hidden:
            return {name: _of_hidden(name, inner) for name, inner in value.items()}
        return {name: _masked(inner, hidden) for name, inner in value.items()}
    if isinstance(value, list):
        if any(isinstance(pair, list) and pair[:1] == ["id"] and pair[-1] in hidden for pair in value):
            return [pair for pair in value if pair[0] not in _SAYING] + [[name, MASK] for name in _SAYING]
        return [_masked(inner, hidden) for inner in value]
    return MASK if isinstance(value, str) and value in hidden else value


def _of_hidden(name: str, value: Any) -> Any:
    """What may stay of a field of an object that is about a forgotten record."""
    if name == "rest":
        return [pair for pair in value if pair[0] in _HARMLESS]
    return {"text": MASK, "record": ""}.get(name, value)


@contextmanager
def _writable(connection: sqlite3.Connection) -> Iterator[None]:
    """Lift the trigger that keeps events as they are. It is part of the caller's transaction: whoever else
    looks at the database never sees it without the trigger, and a transaction undone has lifted nothing."""
    (trigger,) = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = 'events_never_change'"
    ).fetchone()
    connection.execute("DROP TRIGGER events_never_change")
    yield
    connection.execute(trigger)
