"""Recall: what memory holds on a question, by words and by meaning, fused into one order."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from sqlite3 import Connection

from memory.answering import answering
from memory.database import Database
from memory.index import VectorIndex
from memory.nearest import by_vector
from memory.records import Hit, Query, Record
from memory.rows import COLUMNS, from_row
from memory.vectors import Floats, Vectors
from memory.words import by_words
from specialists.embed import Encoded
from specialists.errors import BadInput, SpecialistFailed

RRF = 60
"""Reciprocal rank fusion: a record scores 1 / (RRF + rank) in each list it stands in."""

ANSWERING = 200
"""So many of the first records are compared with the question word by word."""

DEPTH = 100
"""Each list is read at least so deep: a record that is fair in both may beat one that is good in one."""

_LEVEL = "level IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class _Filter:
    """The restrictions of a Query as SQL over the table `records`.

    That of the levels stands first, apart from `conditions`: nearly all records meet it, so that a list of
    those that do would cost more than leaving the others out of what was found.
    """

    conditions: tuple[str, ...]
    values: tuple[object, ...]

    @classmethod
    def of(cls, query: Query) -> _Filter:
        conditions: list[str] = []
        values: list[object] = [json.dumps(query.levels)]
        if "" not in query.levels:
            conditions.append("level != ''")
        if query.session is not None:
            conditions.append("session = ?")
            values.append(query.session)
        if query.scope:
            # All names that begin with it lie between it and it with the last character of all behind.
            conditions.append("session >= ? AND session < ?")
            values += [query.scope, f"{query.scope}{chr(0x10FFFF)}"]
        if query.since is not None:
            conditions.append("time >= ?")
            values.append(query.since)
        if query.kinds is not None:
            marks = ", ".join("?" * len(query.kinds))
            conditions.append(f"row IN (SELECT record FROM record_kinds WHERE kind IN ({marks}))")
            values.extend(query.kinds)
        return cls(tuple(conditions), tuple(values))

    def where(self, *more: str) -> str:
        return " AND ".join((*more, _LEVEL, *self.conditions))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question in vectors: of all of it, in this space, and of its tokens where the encoder tells."""

    space: int
    vector: Floats
    tokens: Encoded | None


@dataclass(slots=True)
class _Ranking:
    """Ranks by list name, for each row; cosines, and how well it answers, where these are known."""

    ranks: dict[int, dict[str, int]] = field(default_factory=dict)
    cosines: dict[int, float] = field(default_factory=dict)
    answering: dict[int, float] = field(default_factory=dict)

    def add(self, name: str, rows: Sequence[int]) -> None:
        for rank, row in enumerate(rows, 1):
            self.ranks.setdefault(row, {})[name] = rank

    def best(self, k: int) -> list[tuple[int, float]]:
        """(row, score): records of the asked blobs first, then by how well they answer, then by their ranks,
        the newer first on a tie."""
        scored = [(row, self._score(row)) for row in self.ranks]
        scored.sort(key=lambda item: ("blob" not in self.ranks[item[0]], -item[1], -item[0]))
        return scored[:k]

    def _score(self, row: int) -> float:
        # Ranks are worth at most a twentieth: less than any record whose tokens were looked at.
        fused = math.fsum(1 / (RRF + rank) for rank in self.ranks[row].values())
        return self.answering.get(row, fused - 1.0 if self.answering else fused)


class Recall:
    """Answers Queries. Without an encoder, or while it fails, by words alone."""

    def __init__(self, database: Database, vectors: Vectors, index: VectorIndex) -> None:
        self._database = database
        self._vectors = vectors
        self._index = index

    def __call__(self, query: Query) -> list[Hit]:
        """The best `query.k` records. Raises BadInput for a Query that cannot be meant."""
        if query.k < 0:
            raise BadInput(f"k is {query.k}: it must not be negative", part="query")
        if query.k == 0:
            return []
        depth = max(DEPTH, 2 * query.k)
        wanted = _Filter.of(query)
        ranking = _Ranking()
        asked = self._read(query)
        if asked is not None:
            found = self._by_meaning(asked, depth, wanted)
            ranking.cosines.update(found)
            ranking.add("dense", list(found))
        with self._database.read() as connection:
            ranking.add("blob", _by_blob(connection, query.blobs, depth, wanted))
            ranking.add("lexical", by_words(connection, query.text, depth, wanted.where(), wanted.values))
            if not query.text.strip() and not query.blobs:
                ranking.add("recent", _recent(connection, depth, wanted))
            if asked is not None and asked.tokens is not None:
                first = [row for row, _ in ranking.best(max(ANSWERING, 2 * query.k))]
                ranking.answering = answering(connection, asked.space, query.text, asked.tokens, first)
            best = ranking.best(query.k)
            records = _records(connection, [row for row, _ in best])
        # A record that was forgotten while we searched is left out.
        return [
            Hit(records[row], score, ranking.ranks[row], ranking.cosines.get(row))
            for row, score in best
            if row in records
        ]

    def _read(self, query: Query) -> _Asked | None:
        """The question in vectors; None without words, and while there is no encoder that works, as Stats
        then says."""
        if not query.text.strip() or not self._vectors.configured:
            return None
        # A text that the encoder cannot take must not hide the rest; `problem` keeps what it said.
        with suppress(SpecialistFailed):
            self._vectors.catch_up(query.hurried)
        try:
            space = self._vectors.space()
            vectors, tokens = self._vectors.read([query.text])
        except SpecialistFailed:
            return None
        return _Asked(space, vectors[0], tokens[0] if tokens else None)

    def _by_meaning(self, asked: _Asked, depth: int, wanted: _Filter) -> dict[int, float]:
        """Row to cosine, nearest first."""
        where, values = wanted.where(), wanted.values
        return dict(by_vector(self._database, self._index, asked.space, asked.vector, depth, where, values))


def _by_blob(connection: Connection, digests: Sequence[str], depth: int, wanted: _Filter) -> list[int]:
    """Rows of the records that rest on one of these blobs, the newest first."""
    marks = ", ".join("?" * len(digests))
    condition = f"row IN (SELECT record FROM record_blobs WHERE digest IN ({marks}))"
    rows = connection.execute(
        f"SELECT row FROM records WHERE {wanted.where(condition)} ORDER BY row DESC LIMIT ?",
        (*digests, *wanted.values, depth),
    )
    return [row for (row,) in rows]


def _recent(connection: Connection, depth: int, wanted: _Filter) -> list[int]:
    rows = connection.execute(
        f"SELECT row FROM records WHERE {wanted.where()} ORDER BY time DESC, row DESC LIMIT ?",
        (*wanted.values, depth),
    )
    return [row for (row,) in rows]


def _records(connection: Connection, rows: Sequence[int]) -> Mapping[int, Record]:
    marks = ", ".join("?" * len(rows))
    found = connection.execute(f"SELECT row, {', '.join(COLUMNS)} FROM records WHERE row IN ({marks})", rows)
    return {row: from_row(tuple(values)) for row, *values in found}
