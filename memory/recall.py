"""Recall: what memory holds on a question, by words and by meaning, fused into one order."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from sqlite3 import Connection

import numpy as np

from memory.database import Database
from memory.index import VectorIndex
from memory.records import Hit, Query, Record
from memory.rows import COLUMNS, from_row
from memory.vectors import Vectors
from specialists.errors import BadInput, SpecialistFailed

RRF = 60
"""Reciprocal rank fusion: a record scores 1 / (RRF + rank) in each list it stands in."""

DEPTH = 50
"""Each list is read at least so deep: a record that is fair in both may beat one that is good in one."""

WORDS = 32
"""So many different words of a question are looked up; a pasted page has no need for more."""

FREQUENT = 2000
FREQUENT_SHARE = 0.1
"""A word in more records than this, or in more than this share, says little and costs much to rank."""

EMBEDDED_AT_ONCE = 64
"""Records that still wait for their vector and get it before a search; the rest is found by words alone."""


@dataclass(frozen=True, slots=True)
class _Filter:
    """The restrictions of a Query as SQL over the table `records`."""

    conditions: tuple[str, ...]
    values: tuple[object, ...]

    @classmethod
    def of(cls, query: Query) -> _Filter:
        conditions: list[str] = []
        values: list[object] = []
        if query.session is not None:
            conditions.append("session = ?")
            values.append(query.session)
        if query.scope:
            conditions.append("substr(session, 1, ?) = ?")
            values += [len(query.scope), query.scope]
        if query.since is not None:
            conditions.append("time >= ?")
            values.append(query.since)
        if query.kinds is not None:
            marks = ", ".join("?" * len(query.kinds))
            conditions.append(f"row IN (SELECT record FROM record_kinds WHERE kind IN ({marks}))")
            values.extend(query.kinds)
        return cls(tuple(conditions), tuple(values))

    def where(self, *more: str) -> str:
        return " AND ".join((*more, *self.conditions)) or "true"


@dataclass(slots=True)
class _Ranking:
    """Ranks by list name, for each row; and cosines where there are any."""

    ranks: dict[int, dict[str, int]] = field(default_factory=dict)
    cosines: dict[int, float] = field(default_factory=dict)

    def add(self, name: str, rows: Sequence[int]) -> None:
        for rank, row in enumerate(rows, 1):
            self.ranks.setdefault(row, {})[name] = rank

    def best(self, k: int) -> list[tuple[int, float]]:
        """(row, score): records of the asked blobs first, then by score, the newer first on a tie."""
        scored = [
            (row, math.fsum(1 / (RRF + rank) for rank in ranks.values())) for row, ranks in self.ranks.items()
        ]
        scored.sort(key=lambda item: ("blob" not in self.ranks[item[0]], -item[1], -item[0]))
        return scored[:k]


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
        if query.text.strip():
            found = self._by_meaning(query.text, depth, wanted)
            ranking.cosines.update(found)
            ranking.add("dense", list(found))
        with self._database.read() as connection:
            ranking.add("blob", _by_blob(connection, query.blobs, depth, wanted))
            ranking.add("lexical", by_words(connection, query.text, depth, wanted.where(), wanted.values))
            if not query.text.strip() and not query.blobs:
                ranking.add("recent", _recent(connection, depth, wanted))
            best = ranking.best(query.k)
            records = _records(connection, [row for row, _ in best])
        # A record that was forgotten while we searched is left out.
        return [
            Hit(records[row], score, ranking.ranks[row], ranking.cosines.get(row))
            for row, score in best
            if row in records
        ]

    def _by_meaning(self, text: str, depth: int, wanted: _Filter) -> dict[int, float]:
        """Row to cosine, nearest first; empty while there is no encoder that works, as Stats then says."""
        if not self._vectors.configured:
            return {}
        # A text that the encoder cannot take must not hide the rest; `problem` keeps what it said.
        with suppress(SpecialistFailed):
            self._vectors.embed_pending(EMBEDDED_AT_ONCE)
        try:
            space = self._vectors.space()
            vector = self._vectors.of([text])[0]
        except SpecialistFailed:
            return {}
        allowed = None
        if wanted.conditions:
            with self._database.read() as connection:
                rows = connection.execute(f"SELECT row FROM records WHERE {wanted.where()}", wanted.values)
                allowed = np.array([row for (row,) in rows], dtype=np.int64)
            if not len(allowed):
                return {}
        return dict(self._index.search(space, vector, depth, allowed))


def by_words(
    connection: Connection, text: str, depth: int, where: str = "true", values: Sequence[object] = ()
) -> list[int]:
    """Rows of the records that share words with the text, the best by BM25 first."""
    expression = _expression(connection, text)
    if not expression:
        return []
    rows = connection.execute(
        "SELECT row FROM words JOIN records ON row = words.rowid"
        f" WHERE words MATCH ? AND {where} ORDER BY words.rank, row DESC LIMIT ?",
        (expression, *values, depth),
    )
    return [row for (row,) in rows]


def _expression(connection: Connection, text: str) -> str:
    """The text as an FTS5 expression of quoted words, so that nothing in it is syntax; empty without words.

    Frequent words are left out; when all are frequent, only records that have every one of them count.
    """
    words = list(dict.fromkeys(re.findall(r"\w+", text.casefold())))[:WORDS]
    quoted = [f'"{word}"' for word in words]
    if not quoted:
        return ""
    total = connection.execute("SELECT count(*) FROM (SELECT 1 FROM records LIMIT ?)", (FREQUENT * 10,))
    limit = min(FREQUENT, max(DEPTH, int(total.fetchone()[0] * FREQUENT_SHARE)))
    rare = [word for word in quoted if not _is_in_more(connection, word, limit)]
    return " OR ".join(rare) if rare else " AND ".join(quoted)


def _is_in_more(connection: Connection, word: str, limit: int) -> bool:
    """Whether more than `limit` records have the word; counting stops there."""
    counted = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)", (word, limit + 1)
    )
    return int(counted.fetchone()[0]) > limit


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
