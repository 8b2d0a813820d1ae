"""Which turns repeat what is to be forgotten: an answer written with it in view may hold its words."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Iterable

from memory import redaction
from memory.log import INPUTS

LENGTH = 6
"""So many words in a row are a repetition; fewer are found in anybody's mouth."""

Shingle = tuple[str, ...]


class Repeats:
    """The runs of words that go, and the search for them in turns that would stay.

    A run that was said before what goes cannot come from it, so it does not count, and neither does one
    that the person says anew in the turn itself.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._read: set[int] = set()
        self._shingles: set[Shingle] = set()
        self._first = 0

    def take(self, rows: Collection[int]) -> None:
        """Take in the texts of these rows."""
        for row in set(rows) - self._read:
            (text,) = self._connection.execute("SELECT text FROM records WHERE row = ?", (row,)).fetchone()
            self._shingles |= shingles([text])
            self._first = min(row, self._first or row)
            self._read.add(row)

    def in_turn(self, turn: tuple[str, int]) -> bool:
        """Whether the log of this turn repeats one of them."""
        own: set[Shingle] = set()
        told: set[Shingle] = set()
        for kind, body in self._connection.execute(
            "SELECT type, body FROM events WHERE session = ? AND turn = ?", turn
        ).fetchall():
            if kind in ("memory.recalled", *redaction.BARE):
                continue
            event = json.loads(body)
            event.pop(INPUTS, None)  # they hold what recall gave, which need not have been used
            said = shingles(redaction.leaves(event))
            if kind in ("turn.started", "turn.corrected"):
                own |= said
            else:
                told |= said
        return any(self._is_new(shingle) for shingle in (told - own) & self._shingles)

    def _is_new(self, shingle: Shingle) -> bool:
        """Whether nothing that was remembered before holds this run of words."""
        phrase = '"' + " ".join(shingle) + '"'
        older = self._connection.execute(
            "SELECT 1 FROM words WHERE words MATCH ? AND rowid < ? LIMIT 1", (phrase, self._first)
        )
        return older.fetchone() is None


def shingles(texts: Iterable[str]) -> set[Shingle]:
    """Every run of LENGTH words, each text on its own, letters in lower case."""
    found: set[Shingle] = set()
    for text in texts:
        words = re.findall(r"\w+", text.casefold())
        found.update(tuple(words[i : i + LENGTH]) for i in range(len(words) - LENGTH + 1))
    return found
