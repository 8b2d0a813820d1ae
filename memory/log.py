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

from memory import corrections, sound, uses
from memory.blobs import BlobStore
from memory.database import Database
from specialists.errors import BadInput, UnknownName

NAME_LENGTH = 80
TITLE_LENGTH = 120

EventDict = dict[str, Any]


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

    def __init__(self, database: Database, blobs: BlobStore, deleted: Callable[[], None]) -> None:
        self._database = database
        self._blobs = blobs
        self._deleted = deleted

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
        for data in chain.from_iterable(sounds):
            self._blobs.put(data, sound.MEDIA_TYPE)
        now = time.time()
        with self._database.write() as connection:
            connection.execute(
                "INSERT INTO sessions (name, opened, touched) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (name, now, now),
            )
            self._check_order(name, events, _last(connection, name))
            for event, body in zip(slim, bodies, strict=True):
                connection.execute(
                    "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (name, event["seq"], event["turn"], event["type"], event["time"], now, body),
                )
                uses.by_event(connection, name, event["seq"], uses.digests_in(event))
            title = next(filter(None, map(title_of, slim)), "")
            connection.execute(
                "UPDATE sessions SET last = ?, turns = max(turns, ?), touched = ?,"
                " title = CASE title WHEN '' THEN ? ELSE title END WHERE name = ?",
                (slim[-1]["seq"], max(event["turn"] for event in slim), now, title, name),
            )

    def read(self, session: str, since: int = 0, *, audio: bool = True) -> list[EventDict]:
        """The events with `seq` above `since`, as they were appended; none for an unknown session.

        With `audio` False sound stays in the blob store: `pcm` is then `{"blob": digest, "size": bytes}`.
        Raises BadInput when stored sound is damaged, UnknownName when it is lost.
        """
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT body FROM events WHERE session = ? AND seq > ? ORDER BY seq",
                (session_name(session), since),
            ).fetchall()
        events = [json.loads(body) for (body,) in rows]
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
        """Delete a session: its events, its records, what was corrected in it, and the blobs only they used.

        Raises UnknownName when there is neither an event nor a record of it.
        """
        name = session_name(session)
        with self._database.write() as connection:
            events = connection.execute("DELETE FROM sessions WHERE name = ?", (name,)).rowcount
            records = connection.execute("DELETE FROM records WHERE session = ?", (name,)).rowcount
            corrections.forget_session(connection, name)
        if not events and not records:
            raise _unknown(session)
        self._deleted()

    def _check_order(self, name: str, events: Sequence[Mapping[str, Any]], last: int) -> None:
        for expected, event in enumerate(events, last + 1):
            if event.get("seq") != expected:
                raise BadInput(
                    f"event number {event.get('seq')!r} cannot be logged: {expected} comes next",
                    part=f"session {name}",
                    remedy="If the session is open in another process, close it there or use another name",
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
