"""Cross-modal completion: from a hit in one kind to what its episode holds of the others.

What was said when this picture was shown; what the screen showed when this was heard.
"""

from __future__ import annotations

from sqlite3 import Connection

from memory.database import Database
from memory.episodes import moments, turn_episode, within
from memory.records import Hit, Record
from memory.rows import COLUMNS, from_row
from memory.senses import beside
from specialists.content import AUDIO, IMAGE, Span

_SELECT = f"SELECT {', '.join(f'r.{name}' for name in COLUMNS)} FROM records r"


class Completion:
    """Reads what belongs to a hit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __call__(self, hit: Hit) -> list[Record]:
        """What of other kinds belongs to this hit, the nearest first: of a place in a film or recording what
        else is seen or heard there, then the turn in which it was looked at, in its order.

        The moments of a clip have no ids as long as they are not consolidated.
        """
        record, kind = hit.record, _kind(hit)
        span = hit.where.span if hit.where else None
        with self._database.read() as connection:
            there = _moments(connection, record, span) if span is not None else []
            names = {record.episode, turn_episode(record.session, record.turn)} - {""}
            around = [other for name in sorted(names) for other in _of_episode(connection, name)]
        there = [other for other in there if other.kind != kind]
        near = {other.id for other in there}
        near.add(record.id)
        around = [other for other in around if other.kind != kind and other.id not in near]
        around = [other for other in around if not _elsewhere(other, span)]
        clip = [other for other in around if other.level == "episode"]
        turn = [other for other in around if other.level != "episode"]
        return [*sorted(there, key=within), *sorted(clip, key=within), *sorted(turn, key=within)]


def _kind(hit: Hit) -> str:
    """The kind by which it was found."""
    if "look" in hit.ranks:
        return IMAGE
    return AUDIO if "sound" in hit.ranks else hit.record.kind


def _elsewhere(record: Record, span: Span | None) -> bool:
    """Whether it is a moment of a clip at another time than this."""
    return record.level == "episode" and span is not None and not _at(record, span)


def _at(record: Record, span: Span) -> bool:
    return any(anchor.span is not None and beside(anchor.span, span) for anchor in record.anchors)


def _moments(connection: Connection, record: Record, span: Span) -> list[Record]:
    """The moments of the clip at this time, those of its evidence where none were made of it yet."""
    whole = record.sources[0] if record.level else record.id
    rows = connection.execute(
        f"{_SELECT} JOIN record_sources s ON s.record = r.row"
        " WHERE r.level = 'episode' AND s.source = (SELECT row FROM records WHERE id = ?)",
        (whole,),
    )
    found = [from_row(row) for row in rows]
    if not found and not record.level:
        found = moments(record)
    return [moment for moment in found if _at(moment, span)]


def _of_episode(connection: Connection, name: str) -> list[Record]:
    rows = connection.execute(f"{_SELECT} WHERE r.episode = ? ORDER BY r.row", (name,))
    return [from_row(row) for row in rows]
