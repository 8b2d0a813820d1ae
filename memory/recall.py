"""Recall: what memory holds on a question, by words and by meaning, fused into one order."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from sqlite3 import Connection

from memory.answering import answering
from memory.database import Database
from memory.index import VectorIndex
from memory.nearest import by_vector
from memory.records import Hit, Query, Record
from memory.rows import COLUMNS, from_row
from memory.senses import Like, Senses, resting_on
from memory.setting import Setting, Stretch, beside_event
from memory.vectors import Floats, Vectors
from memory.words import Frequencies, by_words
from specialists.content import Anchor
from specialists.embed import Encoded
from specialists.errors import BadInput, SpecialistFailed

RRF = 60
"""Reciprocal rank fusion: a record scores 1 / (RRF + rank) in each list it stands in."""

ANSWERING = 200
"""So many of the first records are compared with the question word by word."""

FAVOUR = 0.1
"""What the time and the speaker of a record weigh beside its ranks, where its tokens were not looked at."""

TOLD_OF = 20
"""So many of the first records are read for the time that they speak of; each takes some tenths of a ms."""

DEPTH = 100
"""Each list is read at least so deep: a record that is fair in both may beat one that is good in one."""

_LEVEL = "level IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class _Filter:
    """The restrictions of a Query as SQL over the table `records`.

    That of the levels stands first, apart from `conditions`: nearly all records meet it, so that a list of
    those that do would cost more than leaving the others out of what was found. That of the kinds stands
    last, in one of two shapes with the same values.
    """

    conditions: tuple[str, ...]
    values: tuple[object, ...]
    kinds: int | None
    """How many kinds are wanted; None for any."""
    of_session: bool
    """Whether one session or one caller's are meant."""

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
        if query.until is not None:
            conditions.append("time < ?")
            values.append(query.until)
        values += query.kinds or ()
        kinds = None if query.kinds is None else len(query.kinds)
        return cls(tuple(conditions), tuple(values), kinds, query.session is not None or bool(query.scope))

    def where(self, *more: str) -> str:
        """To check records that are at hand: the kinds of each are looked up."""
        return self._and(more, "EXISTS (SELECT 1 FROM record_kinds WHERE record = row AND kind IN ({}))")

    def listing(self) -> str:
        """To list the records that meet it: those of the kinds are read first, unless sessions tell more."""
        if self.of_session:
            return self.where()
        return self._and((), "row IN (SELECT record FROM record_kinds WHERE kind IN ({}))")

    def _and(self, more: Sequence[str], of_kinds: str) -> str:
        kinds = () if self.kinds is None else (of_kinds.format(", ".join("?" * self.kinds)),)
        return " AND ".join((*more, _LEVEL, *self.conditions, *kinds))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question in vectors: of all of it, in this space, and of its tokens where the encoder tells."""

    space: int
    vector: Floats
    tokens: Encoded | None


@dataclass(slots=True)
class _Ranking:
    """Ranks by list name, for each row; cosines, how well it answers, and what it has ahead for its time and
    its speaker, where these are known."""

    ranks: dict[int, dict[str, int]] = field(default_factory=dict)
    cosines: dict[int, float] = field(default_factory=dict)
    answering: dict[int, float] = field(default_factory=dict)
    favour: dict[int, float] = field(default_factory=dict)
    likes: dict[int, Like] = field(default_factory=dict)
    """What was asked by, where the record rests on something like it."""

    def add(self, name: str, rows: Sequence[int]) -> None:
        for rank, row in enumerate(rows, 1):
            self.ranks.setdefault(row, {})[name] = rank

    def best(self, k: int) -> list[tuple[int, float]]:
        """(row, score): records of the asked blobs first, then of what is like what was asked by, then by how
        well they answer, then by their ranks, the newer first on a tie."""
        scored = [(row, self._score(row)) for row in self.ranks]
        scored.sort(
            key=lambda item: ("blob" not in self.ranks[item[0]], -self._like(item[0]), -item[1], -item[0])
        )
        return scored[:k]

    def hit(self, row: int, record: Record, score: float) -> Hit:
        hit = Hit(record, score, self.ranks[row], self.cosines.get(row))
        if (like := self.likes.get(row)) is None:
            return hit
        return replace(hit, likeness=like.likeness, where=Anchor(span=like.span) if like.span else None)

    def _like(self, row: int) -> float:
        return self.likes[row].likeness if row in self.likes else 0.0

    def _score(self, row: int) -> float:
        # Ranks are worth at most a twentieth: less than any record whose tokens were looked at.
        fused = math.fsum(1 / (RRF + rank) for rank in self.ranks[row].values())
        fused += FAVOUR * self.favour.get(row, 0.0)
        return self.answering.get(row, fused - 1.0 if self.answering else fused)


class Recall:
    """Answers Queries. Without an encoder, or while it fails, by words alone."""

    def __init__(self, database: Database, vectors: Vectors, index: VectorIndex, senses: Senses) -> None:
        self._database = database
        self._senses = senses
        self._vectors = vectors
        self._index = index

    def __call__(self, query: Query) -> list[Hit]:
        """The best `query.k` records. Raises BadInput for a Query that cannot be meant."""
        if query.k < 0:
            raise BadInput(f"k is {query.k}: it must not be negative", part="query")
        if query.k == 0:
            return []
        setting = Setting.of(query.text, time.time() if query.now is None else query.now)
        if setting.event is not None:
            setting = self._placed(query, setting)
        return self._found(replace(query, text=setting.text), setting)

    def _placed(self, query: Query, setting: Setting) -> Setting:
        """The setting with the time of its event, which is found first; as it is where nothing is found."""
        event = setting.event
        if event is None:
            return setting
        asked = replace(query, text=event.event, blobs=(), like=(), k=1)
        told = self._found(asked, Setting(event.event, setting.now))
        if not told:
            return setting
        return replace(setting, stretch=beside_event(event, told[0].record.time, told[0].record.text))

    def _found(self, query: Query, setting: Setting) -> list[Hit]:
        depth = max(DEPTH, 2 * query.k)
        wanted = _Filter.of(query)
        ranking = _Ranking()
        asked = self._read(query)
        if asked is not None:
            found = self._by_meaning(asked, depth, wanted)
            ranking.cosines.update(found)
            ranking.add("dense", list(found))
        then = _Filter.of(_within(query, setting.stretch)) if setting.stretch is not None else None
        if then is not None and asked is not None:
            found = self._by_meaning(asked, depth, then)
            ranking.cosines.update(found)
            ranking.add("when", list(found))
        likes = self._likes(query)
        with self._database.read() as connection:
            ranking.likes = resting_on(connection, likes, wanted.where(), wanted.values)
            for sense in ("look", "sound"):
                ranking.add(sense, [row for row, like in ranking.likes.items() if like.sense == sense])
            ranking.add("blob", _by_blob(connection, query.blobs, depth, wanted))
            frequencies = Frequencies(connection)
            ranking.add("lexical", by_words(frequencies, query.text, depth, wanted.where(), wanted.values))
            if not query.text.strip() and not query.blobs and not query.like:
                ranking.add("recent", _recent(connection, depth, wanted))
            if then is not None and asked is None:
                ranking.add("when", _of_time(frequencies, query.text, depth, then))
            ranking.favour = setting.favour(connection, list(ranking.ranks))
            if asked is not None and asked.tokens is not None:
                first = [row for row, _ in ranking.best(max(ANSWERING, 2 * query.k))]
                ranking.answering = answering(
                    connection, asked.space, query.text, asked.tokens, first, ranking.favour, frequencies
                )
                answer = [row for row, _ in ranking.best(TOLD_OF) if row in ranking.answering]
                for row, more in setting.told(connection, answer).items():
                    ranking.answering[row] += more
            best = ranking.best(query.k)
            records = _records(connection, [row for row, _ in best])
        # A record that was forgotten while we searched is left out.
        return [ranking.hit(row, records[row], score) for row, score in best if row in records]

    def _likes(self, query: Query) -> list[Like]:
        """The stored files that are like the asked ones, each once, the most alike first."""
        best: dict[str, Like] = {}
        for asked in query.like:
            for like in self._senses.find(asked, hurried=query.hurried):
                if like.digest not in best or like.likeness > best[like.digest].likeness:
                    best[like.digest] = like
        return sorted(best.values(), key=lambda like: -like.likeness)

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
        return dict(
            by_vector(
                self._database,
                self._index,
                asked.space,
                asked.vector,
                depth,
                wanted.where(),
                wanted.values,
                wanted.listing(),
            )
        )


def _by_blob(connection: Connection, digests: Sequence[str], depth: int, wanted: _Filter) -> list[int]:
    """Rows of the records that rest on one of these blobs, the newest first."""
    marks = ", ".join("?" * len(digests))
    condition = f"row IN (SELECT record FROM record_blobs WHERE digest IN ({marks}))"
    rows = connection.execute(
        f"SELECT row FROM records WHERE {wanted.where(condition)} ORDER BY row DESC LIMIT ?",
        (*digests, *wanted.values, depth),
    )
    return [row for (row,) in rows]


def _of_time(frequencies: Frequencies, text: str, depth: int, then: _Filter) -> list[int]:
    """Rows of the records of a time that share words with the text; the newest where none does."""
    found = by_words(frequencies, text, depth, then.where(), then.values)
    return found or _recent(frequencies.connection, depth, then)


def _within(query: Query, stretch: Stretch) -> Query:
    """The query, restricted to what is of that time."""
    since = stretch.start if query.since is None else max(query.since, stretch.start)
    until = stretch.end if query.until is None else min(query.until, stretch.end)
    return replace(query, since=since, until=until)


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
