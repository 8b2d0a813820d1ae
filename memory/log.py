"""The session log: every event of every session, append-only, in the store's own database."""

from __future__ import annotations

import json
import sqlite3
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from memory import sound, uses
from memory.blobs import BlobStore
from memory.database import Database
from memory.records import Record
from memory.rows import insert
from specialists.errors import BadInput, UnknownName

NAME_LENGTH = 80
TITLE_LENGTH = 120

EventDict = dict[str, Any]

INPUTS = "inputs"
"""Under this name an event carries what its turn took in from outside before it, so that it can run again."""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What a list of sessions shows. `first` and `last` are wall times in seconds since the epoch."""

    name: str
    title: str
    """The first thing the person said; empty as long as there is none."""
    turns: int
    events: int
    first: float
    last: float


def session_name(name: str) -> str:
    """The name in normal form: 1 to 80 letters, digits, spaces, `.`, `_` and `-`, a letter or digit first.

    Raises BadInput for any other.
    """
    normal = unicodedata.normalize("NFC", name)
    good = (
        0 < len(normal) <= NAME_LENGTH
        and normal[0].isalnum()
        and not normal[-1].isspace()
        # Marks (category M) stand in the words of many scripts.
        and all(c in "._- " or unicodedata.category(c)[0] in "LMN" for c in normal)
    )
    if not good:
        raise BadInput(
            "not a usable session name",
            part=f"session {name!r:.100}",
            remedy=f"Use 1 to {NAME_LENGTH} letters, digits, spaces and . _ -, a letter or digit first",
        )
    return normal


class SessionLog:
    """Append, read, list and delete. Events are plain JSON dicts with at least type, turn, seq and time."""

    def __init__(self, database: Database, blobs: BlobStore, delete: Callable[[str], object]) -> None:
        """`delete` is what forgets a whole session: more than the log knows of it."""
        self._database = database
        self._blobs = blobs
        self._delete = delete

    def append(self, session: str, events: Sequence[Mapping[str, Any]]) -> None:
        """Add events; durable when it returns, all of them or none.

        Their `seq` must follow the session's last one without a gap, from 1. Sound under the name `pcm`
        goes to the blob store. Raises BadInput for anything else.
        """
        name = session_name(session)
        if not events:
            return
        # All that can be refused is refused before a blob is written, so that none is left behind.
        self._check_order(name, events, self.last_seq(name))
        slim, sounds = zip(*(sound.moved(event) for event in events), strict=True)
        bodies = [_body(name, event) for event in slim]
        for data in dict.fromkeys(chain.from_iterable(sounds)):
            self._blobs.put(data, sound.MEDIA_TYPE)
        with self._database.write() as connection:
            self._check_order(name, events, _last(connection, name))
            _insert(connection, name, slim, bodies)

    def place(self, session: str, events: Sequence[EventDict], records: Sequence[Record]) -> None:
        """Write a whole session that is not there yet, with its records: all of it or nothing.

        Events are as `read` gives them with `audio` False and `inputs`; their blobs must be in the store.
        Raises BadInput when there is such a session, or when an event or record cannot be stored.
        """
        name = session_name(session)
        if not events:
            raise BadInput("there is not one event", part=f"session {name}")
        self._check_order(name, events, 0)
        bodies = [_body(name, event) for event in events]
        with self._database.write() as connection:
            if _last(connection, name):
                raise BadInput("is there already", part=f"session {name}", remedy="Choose another name")
            _insert(connection, name, events, bodies)
            for record in records:
                insert(connection, record)

    def read(
        self, session: str, since: int = 0, *, audio: bool = True, inputs: bool = False
    ) -> list[EventDict]:
        """The events with `seq` above `since`, as they were appended; none for an unknown session.

        With `audio` False sound stays in the blob store: `pcm` is then `{"blob": digest, "size": bytes}`.
        With `inputs` events carry what their turns took in, under that name.
        Raises BadInput when stored sound is damaged, UnknownName when it is lost.
        """
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT body FROM events WHERE session = ? AND seq > ? ORDER BY seq",
                (session_name(session), since),
            ).fetchall()
        events = [json.loads(body) for (body,) in rows]
        if not inputs:
            for event in events:
                event.pop(INPUTS, None)
        return [sound.restored(event, self._blobs) for event in events] if audio else events

    def last_seq(self, session: str) -> int:
        """The highest sequence number, 0 for a session without events."""
        with self._database.read() as connection:
            return _last(connection, session_name(session))

    def sessions(self) -> list[SessionInfo]:
        """All sessions, the one last written to first."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT name, title, turns, last, opened, touched FROM sessions ORDER BY touched DESC, name"
            ).fetchall()
        return [SessionInfo(*row) for row in rows]

    def session(self, name: str) -> SessionInfo:
        """One session. Raises UnknownName."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT name, title, turns, last, opened, touched FROM sessions WHERE name = ?",
                (session_name(name),),
            ).fetchone()
        if row is None:
            raise _unknown(name)
        return SessionInfo(*row)

    def delete(self, session: str) -> None:
        """Delete a session: its events, its records, what was corrected in it, the blobs only they used, and
        what other sessions were given of it.

        Raises UnknownName when there is neither an event nor a record of it, BadInput while it is open.
        """
        self._delete(session)

    def _check_order(self, name: str, events: Sequence[Mapping[str, Any]], last: int) -> None:
        for expected, event in enumerate(events, last + 1):
            if event.get("seq") != expected:
                raise BadInput(
                    f"event number {event.get('seq')!r} cannot be logged: {expected} comes next",
                    part=f"session {name}",
                    remedy="If the session is open in another process, close it there or use another name",
                )


def _insert(
    connection: sqlite3.Connection, name: str, events: Sequence[EventDict], bodies: Sequence[str]
) -> None:
    now = time.time()
    connection.execute(
        "INSERT INTO sessions (name, opened, touched) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (name, now, now),
    )
    for event, body in zip(events, bodies, strict=True):
        connection.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)",
            (name, event["seq"], event["turn"], event["type"], event["time"], now, body),
        )
        uses.by_event(connection, name, event["seq"], uses.digests_in(event))
    title = next(filter(None, map(title_of, events)), "")
    connection.execute(
        "UPDATE sessions SET last = ?, turns = max(turns, ?), touched = ?,"
        " title = CASE title WHEN '' THEN ? ELSE title END WHERE name = ?",
        (events[-1]["seq"], max(event["turn"] for event in events), now, title, name),
    )


def title_of(event: Mapping[str, Any]) -> str:
    """What the person says in this event, as a title; empty when they say nothing in it."""
    text = ""
    if event["type"] == "turn.started":
        parts = event.get("message", {}).get("parts", ())
        text = " ".join(part.get("text", "") for part in parts if part.get("kind") == "text")
    elif event["type"] == "speech.transcript" and event.get("final"):
        text = event.get("text", "")
    text = " ".join(text.split())
    return text if len(text) <= TITLE_LENGTH else f"{text[: TITLE_LENGTH - 1]}…"


def _last(connection: sqlite3.Connection, name: str) -> int:
    row = connection.execute("SELECT last FROM sessions WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def _body(name: str, event: EventDict) -> str:
    fields = {"type": str, "turn": int, "seq": int, "time": int | float}
    for field, kind in fields.items():
        if not isinstance(event.get(field), kind):
            raise BadInput(f"an event needs {field!r}", part=f"session {name}")
    try:
        text = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(
            f"event {event['seq']} ({event['type']}) is not plain JSON: {error}", part=f"session {name}"
        ) from None
    return text


def _unknown(name: str) -> UnknownName:
    return UnknownName(
        "there is no such session", part=f"session {name!r}", remedy="`antiphon sessions list` shows them all"
    )
