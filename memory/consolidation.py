"""Consolidation: what was said and found is worked into episodes of clips, facts, summaries and themes.

What is still to be done stands in the table `consolidation`. Each step takes some of it and writes what it
comes to in one transaction, so that a killed process goes on where it stood, two at once do no harm, and a
step done twice changes nothing. Nothing here is invented: every text is made of words of its sources.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from sqlite3 import Connection

import numpy as np

from memory.database import Database
from memory.episodes import moments
from memory.facts import Fact, stated, timeline
from memory.ids import new_id
from memory.records import Record
from memory.rows import COLUMNS, from_row, insert
from memory.sentences import content
from memory.summaries import summarised, themes
from memory.vectors import Floats, Vectors, vectors_of
from specialists.content import TEXT
from specialists.errors import AntiphonError, SpecialistFailed

Write = Callable[[str], str]
"""A capable chat model: a prompt to its answer. What it raises as an AntiphonError leaves the plain text."""

STAGES = ("episode", "fact", "summary", "theme")
"""In this order: themes are made of summaries."""

TURNS = 8
"""Turns of a session that one summary is about, if they are of one day (UTC)."""
DAY = 86_400
AT_ONCE = 200
"""Records that one summary rests on, at most: the newest."""
SUMMARIES = 1000
"""Summaries of a person that themes are looked for in, the newest."""

BY = "consolidation"
_SELECT = f"SELECT row, {', '.join(COLUMNS)} FROM records"


@dataclass(frozen=True, slots=True)
class _Row:
    row: int
    record: Record


class Consolidation:
    """Works through what is to be consolidated. One thread at a time; any number of processes."""

    def __init__(self, database: Database, vectors: Vectors) -> None:
        self._database = database
        self._vectors = vectors
        self._running = threading.Lock()

    def __call__(
        self, limit: int | None = None, stop: Callable[[], bool] = lambda: False, write: Write | None = None
    ) -> int:
        """Take at most `limit` steps, until `stop` or nothing is left; how many were taken.

        Takes none while another thread is at it: that one sees to what is new as well.
        """
        if not self._running.acquire(blocking=False):
            return 0
        try:
            done = 0
            for stage in STAGES:
                while not stop() and (limit is None or done < limit) and self._step(stage, write):
                    done += 1
            return done
        finally:
            self._running.release()

    def waiting(self) -> Mapping[str, int]:
        """How many records wait to be worked in, by stage."""
        with self._database.read() as connection:
            return dict(connection.execute("SELECT stage, count(*) FROM consolidation GROUP BY 1"))

    def _step(self, stage: str, write: Write | None) -> bool:
        """Whether there was something to do."""
        with self._database.read() as connection:
            found = connection.execute(
                f"{_SELECT} WHERE row = (SELECT min(record) FROM consolidation WHERE stage = ?)", (stage,)
            ).fetchone()
        if found is None:
            return False
        first = _row(found)
        if stage == "episode":
            self._moments(first)
        elif stage == "fact":
            self._facts(first, write)
        elif stage == "summary":
            self._summary(first, write)
        else:
            self._themes(first.record.person)
        return True

    def _moments(self, clip: _Row) -> None:
        made = moments(clip.record)
        with self._database.write() as connection:
            if not _is_there(connection, clip):
                return
            for old in _resting_on(connection, [clip.row], "episode"):
                _delete(connection, old.row)
            for record in made:
                insert(connection, replace(record, id=new_id()))
            _done(connection, "episode", [clip.row])

    def _facts(self, said: _Row, write: Write | None) -> None:
        abouts = list(dict.fromkeys(statement.about for statement in stated(said.record)))
        worded: dict[str, str] = {}
        if write is not None:
            with self._database.read() as connection:
                wanted = [fact for about in abouts for fact in _timeline(connection, said, about)[1]]
            worded = {fact.text: _worded_fact(write, fact.text) for fact in wanted}
        with self._database.write() as connection:
            if not _is_there(connection, said):
                return
            seen: set[int] = {said.row}
            before = set(_waiting(connection, seen))
            for about in abouts:
                there, facts = _timeline(connection, said, about)
                rested_on = _sources_of(connection, [fact.row for fact in there])
                before |= set(_waiting(connection, rested_on - seen))
                seen |= rested_on
                _replace_facts(connection, said.record.person, about, there, facts, worded)
            # Deleting a fact asks for its sources to be looked at again: that has just been done.
            _done(connection, "fact", seen)
            connection.executemany(
                "INSERT INTO consolidation VALUES ('fact', ?)", [(row,) for row in before - {said.row}]
            )

    def _summary(self, said: _Row, write: Write | None) -> None:
        with self._database.read() as connection:
            group = _group(connection, said.record)
        records = [row.record for row in group]
        text = summarised(records, self._meanings)
        if text and write is not None:
            text = _worded_summary(write, text, records)
        with self._database.write() as connection:
            if _group(connection, said.record) != group:
                return  # something was said or forgotten meanwhile; the next step looks again
            rows = [row.row for row in group]
            old = _resting_on(connection, rows, "summary")
            sources = tuple(record.id for record in records)
            if not (len(old) == 1 and (old[0].record.text, old[0].record.sources) == (text, sources)):
                for gone in old:
                    _delete(connection, gone.row)
                if text:
                    insert(connection, _derived("summary", text, records))
            _done(connection, "summary", [said.row])
            connection.execute(
                f"DELETE FROM consolidation WHERE stage = 'summary' AND record IN ({_GROUP})",
                _group_values(said.record),
            )

    def _themes(self, person: str) -> None:
        with self._database.read() as connection:
            summaries = _summaries(connection, person)
        texts = [row.record.text for row in summaries]
        found = themes(texts, lambda _: self._stored(summaries))
        with self._database.write() as connection:
            if _summaries(connection, person) != summaries:
                return
            wanted = {
                tuple(summaries[n].record.id for n in group): (name, [summaries[n].record for n in group])
                for name, group in found
            }
            for old in _of_level(connection, "theme", person):
                name, _ = wanted.get(old.record.sources, ("", ()))
                if name == old.record.text:
                    del wanted[old.record.sources]
                else:
                    _delete(connection, old.row)
            for name, records in wanted.values():
                insert(connection, _derived("theme", name, records))
            connection.execute(
                "DELETE FROM consolidation WHERE stage = 'theme' AND record IN (SELECT row FROM records"
                " WHERE level = 'summary' AND person = ?)",
                (person,),
            )

    def _meanings(self, texts: Sequence[str]) -> Floats | None:
        if not self._vectors.configured:
            return None
        try:
            return self._vectors.of(texts)
        except SpecialistFailed:  # `problem` keeps what it said; words alone serve as well
            return None

    def _stored(self, rows: Sequence[_Row]) -> Floats | None:
        """The vectors of the records, those not yet made included: [n, d]."""
        if not self._vectors.configured:
            return None
        try:
            space = self._vectors.space()
            with self._database.read() as connection:
                known, vectors = vectors_of(connection, space, np.array([row.row for row in rows], np.int64))
            found = dict(zip(known.tolist(), vectors, strict=True))
            missing = [row for row in rows if row.row not in found]
            if missing:
                made = self._vectors.of([row.record.text for row in missing])
                found |= {row.row: vector for row, vector in zip(missing, made, strict=True)}
        except SpecialistFailed:
            return None
        return np.stack([found[row.row] for row in rows])


def is_worded_from(text: str, sources: Sequence[str]) -> bool:
    """Whether all content words of a text stand in its sources."""
    return set(content(text)) <= {word for source in sources for word in content(source)}


def _worded_fact(write: Write, stated_text: str) -> str:
    prompt = (
        'Put this statement of a person into one short sentence in the third person, with "the person" for'
        f' "I". Use only its own words.\n\n{stated_text}'
    )
    text = _written(write, prompt)
    allowed = [stated_text, "the person says is has"]
    return text if text and is_worded_from(text, allowed) else stated_text


def _worded_summary(write: Write, extract: str, records: Sequence[Record]) -> str:
    said = "\n".join(f"- {record.text}" for record in records if record.role != "assistant")
    prompt = f"Sum this up in at most three sentences. Use only words that stand in it.\n\n{said or extract}"
    text = _written(write, prompt)
    return text if text and is_worded_from(text, [record.text for record in records]) else extract


def _written(write: Write, prompt: str) -> str:
    try:
        return " ".join(write(prompt).split())
    except AntiphonError:  # a model that fails leaves what there is without it
        return ""


def _timeline(connection: Connection, said: _Row, about: str) -> tuple[list[_Row], list[Fact]]:
    """The facts there are about this, and those there are to be now that this was said."""
    there = [
        _row(found)
        for found in connection.execute(
            f"{_SELECT} WHERE key = ? AND key != '' AND level = 'fact' AND person = ? ORDER BY row",
            (about, said.record.person),
        )
    ]
    ids = {said.record.id, *(source for fact in there for source in fact.record.sources)}
    sources = connection.execute(
        f"{_SELECT} WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(sorted(ids)),)
    )
    said_of_it = [s for found in sources.fetchall() for s in stated(_row(found).record) if s.about == about]
    return there, timeline(said_of_it)


def _replace_facts(
    connection: Connection,
    person: str,
    about: str,
    there: Sequence[_Row],
    facts: Sequence[Fact],
    worded: Mapping[str, str],
) -> None:
    """Bring the facts about one thing to what they are to be; one that stays the same keeps its id."""
    old = {(fact.record.facts.get("stated"), fact.record.sources[0]): fact for fact in there}
    kept = [old.pop((fact.text, fact.sources[0]), None) for fact in facts]
    for gone in old.values():
        _delete(connection, gone.row)
    ids = [row.record.id if row else new_id() for row in kept]
    for fact, row, fact_id, following in zip(facts, kept, ids, [*ids[1:], ""], strict=True):
        sources = [_by_id(connection, source) for source in fact.sources]
        text = row.record.text if row else worded.get(fact.text, fact.text)
        wanted = replace(
            _derived("fact", text, sources),
            id=fact_id,
            person=person,
            key=about,
            facts={"stated": fact.text},
            valid_from=fact.start,
            valid_to=fact.end,
            superseded_by=following,
        )
        if row is None:
            insert(connection, wanted)
        elif row.record != wanted:
            _update(connection, row.row, wanted)


def _update(connection: Connection, row: int, fact: Record) -> None:
    """What can change of a fact whose text stays: further sources, and until when it holds."""
    connection.execute(
        "UPDATE records SET session = ?, turn = ?, time = ?, sources = ?, valid_from = ?, valid_to = ?,"
        " superseded_by = ? WHERE row = ?",
        (
            *(fact.session, fact.turn, fact.time, json.dumps(fact.sources, separators=(",", ":"))),
            *(fact.valid_from, fact.valid_to, fact.superseded_by, row),
        ),
    )
    connection.execute("DELETE FROM record_sources WHERE record = ?", (row,))
    connection.execute(
        "INSERT INTO record_sources SELECT row, ? FROM records WHERE id IN (SELECT value FROM json_each(?))",
        (row, json.dumps(fact.sources)),
    )


def _derived(level: str, text: str, sources: Sequence[Record]) -> Record:
    """A derived record of the time and session of its newest source."""
    newest = max(sources, key=lambda record: (record.time, record.id))
    return Record(
        text,
        TEXT,
        "derived",
        newest.session,
        newest.turn,
        BY,
        time=newest.time,
        id=new_id(),
        person=newest.person,
        level=level,
        sources=tuple(record.id for record in sources),
    )


_GROUP = (
    "SELECT row FROM records WHERE session = ? AND level = '' AND text != ''"
    f" AND (turn + {TURNS - 1}) / {TURNS} = ? AND CAST(time / {DAY} AS INTEGER) = ?"
)


def _group_values(said: Record) -> tuple[str, int, int]:
    """Which stretch of its session a record belongs to, as the values of _GROUP."""
    return said.session, (said.turn + TURNS - 1) // TURNS, int(said.time / DAY)


def _group(connection: Connection, said: Record) -> list[_Row]:
    """The newest records of the stretch of a session that this one belongs to, in the order of time."""
    found = connection.execute(
        f"{_SELECT} WHERE row IN ({_GROUP}) ORDER BY time DESC, row DESC LIMIT ?",
        (*_group_values(said), AT_ONCE),
    ).fetchall()
    return [_row(values) for values in reversed(found)]


def _summaries(connection: Connection, person: str) -> list[_Row]:
    return _of_level(connection, "summary", person, SUMMARIES)


def _of_level(connection: Connection, level: str, person: str, limit: int = -1) -> list[_Row]:
    """The newest of a person's records of this level, in the order of time."""
    found = connection.execute(
        f"{_SELECT} WHERE level = ? AND level != '' AND person = ? ORDER BY time DESC, row DESC LIMIT ?",
        (level, person, limit),
    )
    return [_row(values) for values in reversed(found.fetchall())]


def _resting_on(connection: Connection, rows: Sequence[int], level: str) -> list[_Row]:
    found = connection.execute(
        f"{_SELECT} WHERE level = ? AND row IN (SELECT record FROM record_sources"
        " WHERE source IN (SELECT value FROM json_each(?)))",
        (level, json.dumps(list(rows))),
    )
    return [_row(values) for values in found]


def _by_id(connection: Connection, record_id: str) -> Record:
    return _row(connection.execute(f"{_SELECT} WHERE id = ?", (record_id,)).fetchone()).record


def _is_there(connection: Connection, row: _Row) -> bool:
    found = connection.execute("SELECT id FROM records WHERE row = ?", (row.row,)).fetchone()
    return found is not None and found[0] == row.record.id


def _delete(connection: Connection, row: int) -> None:
    connection.execute("DELETE FROM records WHERE row = ?", (row,))


def _waiting(connection: Connection, rows: Collection[int]) -> list[int]:
    """Those of the rows whose statements are still to be worked in."""
    found = connection.execute(
        "SELECT record FROM consolidation WHERE stage = 'fact'"
        " AND record IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(rows)),),
    )
    return [row for (row,) in found]


def _sources_of(connection: Connection, rows: Sequence[int]) -> set[int]:
    found = connection.execute(
        "SELECT source FROM record_sources WHERE record IN (SELECT value FROM json_each(?))",
        (json.dumps(list(rows)),),
    )
    return {row for (row,) in found}


def _done(connection: Connection, stage: str, rows: Collection[int]) -> None:
    connection.executemany(
        "DELETE FROM consolidation WHERE stage = ? AND record = ?", [(stage, row) for row in rows]
    )


def _row(values: Sequence[object]) -> _Row:
    row, *rest = values
    return _Row(int(str(row)), from_row(tuple(rest)))
