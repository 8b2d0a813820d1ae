"""What stands above single records: episodes, and what is derived from them."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection

from memory.database import Database
from memory.episodes import Episode, episodes_of, in_order, span_of, turn_episode, within
from memory.records import Record
from memory.rows import COLUMNS, from_row
from specialists.errors import UnknownName

_SELECT = f"SELECT {', '.join(COLUMNS)} FROM records"
_IN_SCOPE = "substr(session, 1, ?) = ?"


class Levels:
    """Reads episodes, facts, summaries and themes. A `scope` is a prefix of session names."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def episodes(
        self, session: str | None = None, limit: int | None = None, scope: str = ""
    ) -> list[Episode]:
        """The newest episodes, or those of one session, in the order of time."""
        where, values = ("episode != ''", [])
        if session is not None:
            where, values = (f"{where} AND session = ?", [session])
        with self._database.read() as connection:
            names = connection.execute(
                f"SELECT episode FROM records WHERE {where} AND {_IN_SCOPE}"
                " GROUP BY episode ORDER BY max(time) DESC, max(row) DESC LIMIT ?",
                (*values, len(scope), scope, -1 if limit is None else limit),
            ).fetchall()
            found = [record for (name,) in names for record in _of_episode(connection, name)]
        return episodes_of(sorted(found, key=in_order))

    def episode(self, name: str) -> list[Record]:
        """The records of an episode across kinds, in the order of time. Raises UnknownName."""
        with self._database.read() as connection:
            found = _of_episode(connection, name)
        if not found:
            raise UnknownName(
                "there is no such episode",
                part=f"episode {name!r:.100}",
                remedy="`antiphon memory timeline` shows episodes with their names",
            )
        return sorted(found, key=within)

    def linked(self, record: Record) -> list[Record]:
        """What of other kinds belongs to the same episode, in the order of time; of a moment of a clip, first
        what happens at the same time in it, and then the turn in which the clip was looked at."""
        with self._database.read() as connection:
            same = _of_episode(connection, record.episode)
            turn = _of_episode(connection, turn_episode(record.session, record.turn)) if record.level else []
        here = span_of(record) if record.level else None

        def away(other: Record) -> tuple[bool, int, float, float, str]:
            there = span_of(other)
            beside = (
                here is not None and there is not None and there.start < here.end and here.start < there.end
            )
            return (not beside, *within(other))

        others = [other for other in same if other.kind != record.kind and other.id != record.id]
        return [*sorted(others, key=away), *sorted(turn, key=within)]

    def of_level(
        self, level: str, *, person: str | None = None, scope: str = "", ended: bool = True
    ) -> list[Record]:
        """All records of a level, in the order of time; without `ended`, only facts that still hold."""
        where, values = f"level = ? AND level != '' AND {_IN_SCOPE}", [level, len(scope), scope]
        if person is not None:
            where, values = f"{where} AND person = ?", [*values, person]
        if not ended:
            where += " AND valid_to IS NULL"
        with self._database.read() as connection:
            return _records(connection, f"{where} ORDER BY time, row", values)


def _of_episode(connection: Connection, name: str) -> list[Record]:
    return _records(connection, "episode = ? AND episode != '' ORDER BY row", [name])


def _records(connection: Connection, where: str, values: Sequence[object]) -> list[Record]:
    return [from_row(row) for row in connection.execute(f"{_SELECT} WHERE {where}", values)]
