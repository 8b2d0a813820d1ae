"""Forgetting for good: what a wish to forget comes to, and carrying it out in one transaction.

The unit is the turn, because its question, findings and answer speak of one another: when something of a
turn is to be forgotten, its records go and the log keeps only that there was such a turn. What goes as
well: later turns that used what is forgotten, or repeat it after they were given it; what was derived from
it alone; and sessions of which nothing else is left.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from memory import redaction
from memory.blobs import is_digest
from memory.log import session_name, title_of
from memory.redaction import BARE, Place
from memory.repeats import Repeats
from specialists.errors import BadInput, UnknownName

Turn = tuple[str, int]
"""The name of a session and the number of a turn in it, from 1."""

_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_WORD = re.compile(r"\w+")
_AT_ONCE = 500

_SOURCES = "WHERE row IN (SELECT source FROM record_sources WHERE record = ?)"
_RESTING = (
    "WITH RECURSIVE resting (row) AS (SELECT record FROM record_sources WHERE source = ?"
    " UNION SELECT s.record FROM record_sources s JOIN resting ON s.source = resting.row)"
    " SELECT row, id FROM resting JOIN records USING (row)"
)


@dataclass(frozen=True, slots=True)
class Forget:
    """A wish to forget all that meets every restriction given here, of which there must be one.

    `ids` are records. `session` names one, `person` is the prefix of a person's sessions. `after` and
    `before` are seconds since the epoch: from the one on, up to and without the other. `query` stands for
    what holds all of its words, `blob` (a digest) for what rests on it. Sessions in `spared` stay as they
    are.
    """

    ids: tuple[str, ...] = ()
    session: str | None = None
    person: str | None = None
    after: float | None = None
    before: float | None = None
    query: str = ""
    blob: str = ""
    spared: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        narrow = self.narrowed
        if not narrow and self.session is None and self.person is None:
            raise BadInput(
                "nothing says what is to be forgotten",
                part="forget",
                remedy="Name records, a session, a person, a time, words or a blob",
            )
        if self.person is not None and not self.person:
            raise BadInput("the prefix of the person's sessions is empty", part="forget")
        if self.query and not _WORD.search(self.query):
            raise BadInput(f"there is no word in {self.query!r:.60}", part="forget")
        if self.blob and not is_digest(self.blob):
            raise BadInput("not a SHA-256 digest of 64 hex digits", part=f"blob {self.blob!r:.80}")

    @property
    def narrowed(self) -> bool:
        """Whether less than whole sessions is meant."""
        times = self.after is not None or self.before is not None
        return bool(self.ids or times or self.query or self.blob)


@dataclass(slots=True)
class Extent:
    """What a wish to forget comes to: rows of records, turns, events of the log, and the rest.

    Of the sessions in `sessions` nothing stays. `events` lose all but their number, `mentions` only what
    they say of a forgotten record. `repeated` are the turns that go because they used or repeat what goes.
    `blobs` are those that nothing else uses.
    """

    rows: set[int] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    turns: set[Turn] = field(default_factory=set)
    repeated: set[Turn] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    events: set[Place] = field(default_factory=set)
    mentions: set[Place] = field(default_factory=set)
    corrections: set[str] = field(default_factory=set)
    corrected: set[str] = field(default_factory=set)
    """The requests of those corrections."""
    blobs: set[str] = field(default_factory=set)

    @property
    def empty(self) -> bool:
        return not (self.rows or self.sessions or self.events or self.corrections)

    def counted(self, connection: sqlite3.Connection) -> tuple[int, int]:
        """How many records and events go, while they are still there."""
        whole = sum(
            connection.execute("SELECT count(*) FROM events WHERE session = ?", (session,)).fetchone()[0]
            for session in self.sessions
        )
        return len(self.rows), len(self.events) + whole

    @property
    def changed(self) -> set[str]:
        """The sessions that lose what somebody who has them open would still know."""
        return self.sessions | {session for session, _ in self.events}


def survey(connection: sqlite3.Connection, what: Forget) -> Extent:
    """What forgetting this takes with it, as things are in the caller's transaction.

    Raises UnknownName for a record or a session that is not there.
    """
    _check(connection, what)
    extent = Extent()
    _direct(connection, what, extent)
    _follow(connection, what, extent)
    _whole_sessions(connection, what, extent)
    extent.corrections, extent.corrected = _corrections(connection, what, extent)
    _mentions(connection, extent)
    extent.blobs = _only_used_here(connection, extent)
    return extent


def carry_out(connection: sqlite3.Connection, extent: Extent) -> None:
    """Forget it, within the caller's transaction. Blobs, indexes and free pages are cleaned after it."""
    for session in extent.sessions:
        connection.execute("DELETE FROM sessions WHERE name = ?", (session,))
    redaction.blank(connection, sorted(extent.events))
    redaction.mask(connection, sorted(extent.mentions), extent.ids | extent.corrections | extent.corrected)
    connection.executemany("DELETE FROM records WHERE row = ?", [(row,) for row in extent.rows])
    connection.executemany("DELETE FROM corrections WHERE id = ?", [(name,) for name in extent.corrections])
    for session in {name for name, _ in extent.events}:
        _retitle(connection, session)


def _check(connection: sqlite3.Connection, what: Forget) -> None:
    for record in what.ids:
        found = connection.execute("SELECT level FROM records WHERE id = ?", (record,)).fetchone()
        if found is None:
            raise UnknownName(
                "there is no such record",
                part=f"record {record!r}",
                remedy="`antiphon memory search` shows records with their ids",
            )
        if found[0] in ("summary", "theme"):
            raise BadInput(
                f"a {found[0]} goes with what it rests on, and would be made again from it",
                part=f"record {record}",
                remedy="Forget the session, or what it says by --query",
            )
    if what.session is not None and not any(
        connection.execute(sql, (session_name(what.session),)).fetchone()
        for sql in (
            "SELECT 1 FROM sessions WHERE name = ?",
            "SELECT 1 FROM records WHERE session = ? LIMIT 1",
        )
    ):
        raise UnknownName(
            "there is no such session",
            part=f"session {what.session!r}",
            remedy="`antiphon sessions list` shows them all",
        )


def _direct(connection: sqlite3.Connection, what: Forget, extent: Extent) -> None:
    """What meets the restrictions itself."""
    conditions, values = _conditions(what, "time")
    if what.narrowed:
        # What is derived goes with what it rests on. A statement can be meant itself; a summary cannot.
        meant = ("", "fact", "episode") if what.ids or what.query else ("",)
        conditions.append(f"level IN ({', '.join('?' * len(meant))})")
        values += meant
    if what.ids:
        conditions.append(f"id IN ({', '.join('?' * len(what.ids))})")
        values += what.ids
    if what.query:
        conditions.append("row IN (SELECT rowid FROM words WHERE words MATCH ?)")
        values.append(" AND ".join(f'"{word}"' for word in _words(what.query)))
    if what.blob:
        conditions.append("row IN (SELECT record FROM record_blobs WHERE digest = ?)")
        values.append(what.blob)
    _take_rows(connection, extent, f"WHERE {' AND '.join(conditions)}", values)
    if what.ids:
        return
    conditions, values = _conditions(what, "wall")
    if what.blob:
        conditions.append(
            "EXISTS (SELECT 1 FROM event_blobs b WHERE b.session = events.session AND b.seq = events.seq"
            " AND b.digest = ?)"
        )
        values.append(what.blob)
    wanted = set(_words(what.query))
    conditions.append(f"type NOT IN ({', '.join('?' * len(BARE))})")
    for session, seq, turn, body in connection.execute(
        f"SELECT session, seq, turn, body FROM events WHERE {' AND '.join(conditions)}", (*values, *BARE)
    ):
        if wanted and not _says(body, wanted):
            continue
        if turn:
            extent.turns.add((session, turn))
        else:
            extent.events.add((session, seq))


def _follow(connection: sqlite3.Connection, what: Forget, extent: Extent) -> None:
    """Take in the rest of the turns, and the turns that used or repeat what goes, until nothing is added."""
    done: set[Turn] = set()
    asked: set[str] = set()
    repeats = Repeats(connection)
    while True:
        turns = extent.turns - done
        for session, turn in turns:
            _take_rows(connection, extent, "WHERE session = ? AND turn = ?", (session, turn))
            extent.events |= _events_of(connection, session, turn)
        done |= turns
        ids = extent.ids - asked
        if not turns and not ids:
            return
        asked |= ids
        used, given = _mentioning(connection, ids, what.spared)
        repeats.take(extent.rows)
        later = _later(connection, turns, what.spared)
        found = used | {turn for turn in (given | later) - extent.turns if repeats.in_turn(turn)}
        extent.repeated |= found - extent.turns
        extent.turns |= found


def _take_rows(connection: sqlite3.Connection, extent: Extent, where: str, values: Sequence[object]) -> None:
    """Records, what is derived from them, and what the derived among them rest on: they would come again."""
    for row, name, session, turn, level in connection.execute(
        f"SELECT row, id, session, turn, level FROM records {where}", values
    ).fetchall():
        if row in extent.rows:
            continue
        extent.rows.add(row)
        extent.ids.add(name)
        if level:
            _take_rows(connection, extent, _SOURCES, (row,))
        elif session and turn > 0:
            extent.turns.add((session, turn))
        for derived, derived_name in connection.execute(_RESTING, (row,)).fetchall():
            extent.rows.add(derived)
            extent.ids.add(derived_name)


def _events_of(connection: sqlite3.Connection, session: str, turn: int) -> set[Place]:
    """The events of a turn, and what the ears wrote down around it: that bears no turn's number yet.

    The words of a spoken turn are heard between the beginning of the turn before and its own end.
    """
    rows = connection.execute(
        "SELECT seq, type FROM events WHERE session = ? AND turn = ?", (session, turn)
    ).fetchall()
    if not rows:
        return set()
    (begin,) = connection.execute(
        "SELECT coalesce(max(seq), 0) FROM events WHERE session = ? AND turn > 0 AND turn < ?"
        " AND (type = 'turn.started' OR type = ?)",
        (session, turn, redaction.FORGOTTEN),
    ).fetchone()
    rows += connection.execute(
        "SELECT seq, type FROM events WHERE session = ? AND turn = 0 AND seq > ? AND seq < ?",
        (session, begin, max(seq for seq, _ in rows)),
    ).fetchall()
    return {(session, seq) for seq, kind in rows if kind not in BARE}


def _mentioning(
    connection: sqlite3.Connection, ids: Collection[str], spared: Collection[str]
) -> tuple[set[Turn], set[Turn]]:
    """The turns whose steps used one of these records, and those that were only given one by recall."""
    used: set[Turn] = set()
    given: set[Turn] = set()
    for session, _, turn, body in _events_with(connection, ids):
        if session not in spared and turn:
            event = json.loads(body)
            rests = event["type"] == "step.finished" and event.get("record") in ids
            (used if rests else given).add((session, turn))
    return used, given


def _events_with(connection: sqlite3.Connection, ids: Collection[str]) -> Iterator[tuple[str, int, int, str]]:
    """(session, seq, turn, body) of the events that name one of these records or corrections."""
    if not ids:
        return
    for session, seq, turn, body in connection.execute("SELECT session, seq, turn, body FROM events"):
        if not set(_ID.findall(body)).isdisjoint(ids):
            yield session, seq, turn, body


def _later(connection: sqlite3.Connection, turns: Iterable[Turn], spared: Collection[str]) -> set[Turn]:
    """The turns of the same sessions that came after: their answers were written with these in view."""
    first: dict[str, int] = {}
    for session, turn in turns:
        first[session] = min(turn, first.get(session, turn))
    return {
        (session, turn)
        for session, begin in first.items()
        if session not in spared
        for (turn,) in connection.execute(
            "SELECT DISTINCT turn FROM events WHERE session = ? AND turn > ? AND type != ?",
            (session, begin, redaction.FORGOTTEN),
        )
    }


def _whole_sessions(connection: sqlite3.Connection, what: Forget, extent: Extent) -> None:
    """Sessions of which nothing is left go altogether, with their row."""
    if what.narrowed:
        touched = {session for session, _ in extent.events}
    else:
        conditions, values = _conditions(what, "0", "name")
        touched = {
            name
            for (name,) in connection.execute(
                f"SELECT name FROM sessions WHERE {' AND '.join(conditions)}", values
            )
        }
    bare = ", ".join("?" * len(BARE))
    for session in touched:
        rest = {
            (session, seq)
            for (seq,) in connection.execute(
                f"SELECT seq FROM events WHERE session = ? AND type NOT IN ({bare})", (session, *BARE)
            )
        }
        rows = {row for (row,) in connection.execute("SELECT row FROM records WHERE session = ?", (session,))}
        if rest <= extent.events and rows <= extent.rows:
            extent.sessions.add(session)
    extent.events = {place for place in extent.events if place[0] not in extent.sessions}


def _corrections(connection: sqlite3.Connection, what: Forget, extent: Extent) -> tuple[set[str], set[str]]:
    """Ids and requests of the corrections that go."""
    wanted = set(_words(what.query))
    found = [
        (name, text)
        for name, person, text, said, session, turn, when in connection.execute(
            "SELECT id, person, text, said, session, turn, time FROM corrections"
        )
        if session in extent.sessions
        or (session, turn) in extent.turns
        or (not what.narrowed and (session == what.session or (what.person and person == what.person)))
        or (wanted and _in_range(what, session, when) and wanted <= set(_words(f"{text} {said}")))
        or (not (wanted or what.ids or what.blob) and what.narrowed and _in_range(what, session, when))
    ]
    return {name for name, _ in found}, {text for _, text in found if len(_words(text)) > 2}


def _in_range(what: Forget, session: str, when: float) -> bool:
    return (
        session not in what.spared
        and (what.session is None or session == what.session)
        and (what.person is None or session.startswith(what.person))
        and (what.after is None or when >= what.after)
        and (what.before is None or when < what.before)
    )


def _mentions(connection: sqlite3.Connection, extent: Extent) -> None:
    """Events of turns that stay, but name what goes: what recall gave, what was not to be reused."""
    places = {
        (session, seq) for session, seq, _, _ in _events_with(connection, extent.ids | extent.corrections)
    }
    if extent.corrected:
        for session, seq, body in connection.execute(
            "SELECT session, seq, body FROM events WHERE type = 'turn.routed'"
        ):
            if not extent.corrected.isdisjoint(json.loads(body).get("exemplars", ())):
                places.add((session, seq))
    extent.mentions = {place for place in places - extent.events if place[0] not in extent.sessions}


def _only_used_here(connection: sqlite3.Connection, extent: Extent) -> set[str]:
    """Digests of the blobs that nothing but what goes is using."""
    users: dict[str, int] = {}
    for rows in _slices(sorted(extent.rows)):
        _count(connection, users, f"record_blobs WHERE record IN ({', '.join('?' * len(rows))})", rows)
    for session in extent.sessions:
        _count(connection, users, "event_blobs WHERE session = ?", (session,))
    for place in extent.events:
        _count(connection, users, "event_blobs WHERE session = ? AND seq = ?", place)
    total = (
        "SELECT (SELECT count(*) FROM record_blobs WHERE digest = ?1)"
        " + (SELECT count(*) FROM event_blobs WHERE digest = ?1)"
    )
    return {
        digest for digest, here in users.items() if connection.execute(total, (digest,)).fetchone()[0] == here
    }


def _count(
    connection: sqlite3.Connection, users: dict[str, int], where: str, values: Sequence[object]
) -> None:
    for digest, count in connection.execute(
        f"SELECT digest, count(*) FROM {where} GROUP BY digest", values
    ).fetchall():
        users[digest] = users.get(digest, 0) + count


def _conditions(what: Forget, clock: str, name: str = "session") -> tuple[list[str], list[object]]:
    """The restrictions that hold for records, events and sessions alike; `clock` is their column of time."""
    conditions, values = ["true"], list[object]()
    if what.session is not None:
        conditions.append(f"{name} = ?")
        values.append(session_name(what.session))
    if what.person is not None:
        conditions.append(f"substr({name}, 1, ?) = ?")
        values += [len(what.person), what.person]
    for sign, limit in ((">=", what.after), ("<", what.before)):
        if limit is not None:
            conditions.append(f"{clock} {sign} ?")
            values.append(limit)
    if what.spared:
        conditions.append(f"{name} NOT IN ({', '.join('?' * len(what.spared))})")
        values += sorted(what.spared)
    return conditions, values


def _retitle(connection: sqlite3.Connection, session: str) -> None:
    """The title is the first thing that the person still said."""
    bodies = connection.execute(
        "SELECT body FROM events WHERE session = ? AND type IN ('turn.started', 'speech.transcript')"
        " ORDER BY seq",
        (session,),
    )
    title = next(filter(None, (title_of(json.loads(body)) for (body,) in bodies)), "")
    connection.execute("UPDATE sessions SET title = ? WHERE name = ?", (title, session))


def _says(body: str, wanted: set[str]) -> bool:
    """Whether one text of the event has all these words."""
    return any(wanted <= set(_words(text)) for text in redaction.leaves(json.loads(body)))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _slices(values: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
