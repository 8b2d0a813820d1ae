"""What people corrected: a request, and how it should have been routed. Each belongs to one person."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from memory.database import Database
from memory.ids import new_id
from specialists.content import Kind
from specialists.errors import UnknownName

MOST = 1000
"""So many of a person's corrections count, the newest: each request is compared with all of them."""

_COLUMNS = "id, person, text, attachments, earlier, controls, said, session, turn, time"


@dataclass(frozen=True, slots=True)
class Correction:
    """A request and the controls that serve it, as one person wants it.

    `attachments` are the kinds attached to it, `earlier` the kinds attached before it; of both, each once and
    in the order of the alphabet, so that equal requests are seen to be equal. `controls` are tokens in their
    text form. `said` is how the person put the correction, in `turn` of `session`. `time` is in seconds
    since the epoch. `person` is the prefix of the person's sessions, empty for the local one. `id` is empty
    until it is stored.
    """

    person: str
    text: str
    controls: tuple[str, ...]
    attachments: tuple[Kind, ...] = ()
    earlier: tuple[Kind, ...] = ()
    said: str = ""
    session: str = ""
    turn: int = 0
    time: float = 0.0
    id: str = ""


class Corrections:
    """The corrections in a store's database. What a call has stored or removed when it returns is so."""

    def __init__(self, database: Database, clean: Callable[[], None]) -> None:
        """`clean` sees to it that nothing of what was deleted stays on the disk."""
        self._database = database
        self._clean = clean

    def add(self, correction: Correction) -> Correction:
        """Keep a correction, in place of an earlier one of the same request by the same person.

        It comes back as stored, with its id and the present time. Raises BadInput for text that cannot be
        stored.
        """
        stored = replace(correction, id=new_id(), time=correction.time or time.time())
        kinds = json.dumps(stored.attachments), json.dumps(stored.earlier)
        same = "person = ? AND text = ? AND attachments = ? AND earlier = ?"
        request = (stored.person, stored.text, *kinds)
        with self._database.read() as connection:
            known = connection.execute(f"SELECT 1 FROM corrections WHERE {same}", request).fetchone()
        with self._database.deleting() if known else self._database.write() as connection:
            connection.execute(f"DELETE FROM corrections WHERE {same}", request)
            connection.execute(
                f"INSERT INTO corrections ({_COLUMNS}) VALUES ({', '.join('?' * 10)})",
                (
                    *(stored.id, stored.person, stored.text, *kinds, json.dumps(stored.controls)),
                    *(stored.said, stored.session, stored.turn, stored.time),
                ),
            )
        return stored

    def of(self, person: str) -> list[Correction]:
        """A person's corrections, the newest first, at most `MOST`."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM corrections WHERE person = ? ORDER BY id DESC LIMIT ?",
                (person, MOST),
            ).fetchall()
        return [_from_row(row) for row in rows]

    def remove(self, correction_id: str, person: str) -> None:
        """Remove one for good. Raises UnknownName when this person has none of that id."""
        with self._database.deleting() as connection:
            removed = connection.execute(
                "DELETE FROM corrections WHERE id = ? AND person = ?", (correction_id, person)
            ).rowcount
            if not removed:
                raise UnknownName(
                    "there is no such correction",
                    part=f"correction {correction_id!r:.60}",
                    remedy="`antiphon corrections list` shows them with their ids",
                )
        self._clean()

    def clear(self, person: str) -> int:
        """Remove all of a person's for good; how many there were."""
        with self._database.deleting() as connection:
            removed = connection.execute("DELETE FROM corrections WHERE person = ?", (person,)).rowcount
        self._clean()
        return removed


def _from_row(row: tuple[object, ...]) -> Correction:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    for name in ("attachments", "earlier", "controls"):
        values[name] = tuple(json.loads(str(values[name])))
    return Correction(**values)  # type: ignore[arg-type]
