"""Audit: whether what is stored fits together, and what of it looks wrong to somebody who reads it.

Records, logs and blobs are the truth: what is wrong with them is told and left alone. What is derived from
them can be made anew, which is what `repair` does.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from memory import locks, schema, uses
from memory.blobs import BlobStore
from memory.database import Database
from memory.looks import BITS
from memory.sights import FEATURE_BYTES, WINDOWS

EXAMPLES = 5
ECHO_WORDS = 5
"""Shorter sentences are in everybody's mouth: saying them too is no echo."""
FRESH_SECONDS = 3600.0
"""A blob that nobody uses may be on its way into a record for so long."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of trouble: its short name, what it is, how often, and a few of the things it befell.

    `wrong` is False for what is only worth knowing. `repaired` says that it has been made good.
    """

    check: str
    what: str
    count: int
    examples: tuple[str, ...] = ()
    wrong: bool = True
    repairable: bool = False
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class _Check:
    """A question that names what is amiss, and the statement that makes it good where one can."""

    name: str
    what: str
    find: str
    repair: str = ""
    wrong: bool = True


_SENSELESS = (
    f"SELECT digest FROM sights WHERE length(windows) != {8 * WINDOWS} OR length(whole) != {BITS // 8}"
    f" OR length(features) % {FEATURE_BYTES} != 0"
    " UNION SELECT digest FROM sounds WHERE length(marks) % 8 != 0"
)

_CHECKS = (
    _Check(
        "kinds",
        "records that cannot be asked for by their own kind",
        "SELECT id FROM records r WHERE NOT EXISTS"
        " (SELECT 1 FROM record_kinds k WHERE k.record = r.row AND k.kind = r.kind)",
        "INSERT OR IGNORE INTO record_kinds SELECT kind, row FROM records",
    ),
    _Check(
        "blob users",
        "records whose blobs do not know them",
        "SELECT r.id FROM records r, json_each(r.blobs) b WHERE NOT EXISTS"
        " (SELECT 1 FROM record_blobs u WHERE u.record = r.row AND u.digest = b.value)",
        "INSERT OR IGNORE INTO record_blobs SELECT b.value, r.row FROM records r, json_each(r.blobs) b"
        " WHERE EXISTS (SELECT 1 FROM blobs WHERE digest = b.value)",
    ),
    _Check(
        "vectors",
        "vectors of no record, or of another length than their space",
        "SELECT v.id FROM vectors v JOIN spaces s ON s.id = v.space"
        " LEFT JOIN records r ON r.row = v.record WHERE r.row IS NULL OR length(v.vector) != length(s.probe)",
        "DELETE FROM vectors WHERE record NOT IN (SELECT row FROM records)"
        " OR length(vector) != (SELECT length(probe) FROM spaces WHERE id = space)",
    ),
    _Check(
        "waiting",
        "records that neither have a vector nor wait for one",
        "SELECT r.id FROM records r, spaces s WHERE r.text != ''"
        " AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.record = r.row AND v.space = s.id)"
        " AND NOT EXISTS (SELECT 1 FROM pending p WHERE p.record = r.row AND p.space = s.id)",
        "INSERT INTO pending (space, record) SELECT s.id, r.row FROM records r, spaces s WHERE r.text != ''"
        " AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.record = r.row AND v.space = s.id)"
        " AND NOT EXISTS (SELECT 1 FROM pending p WHERE p.record = r.row AND p.space = s.id)",
    ),
    _Check(
        "waiting twice",
        "records that wait for a vector they have",
        "SELECT r.id FROM pending p JOIN vectors v USING (space, record) JOIN records r ON r.row = p.record",
        "DELETE FROM pending WHERE EXISTS"
        " (SELECT 1 FROM vectors v WHERE v.space = pending.space AND v.record = pending.record)",
    ),
    _Check(
        "senses",
        "files of which something else is kept than how they look or sound",
        _SENSELESS,
        f"DELETE FROM sensed WHERE digest IN ({_SENSELESS})",  # they are gone through again
    ),
    _Check(
        "log",
        "sessions whose log has gaps, or more or fewer events than they say",
        "SELECT name FROM sessions s LEFT JOIN (SELECT session, count(*) AS n, max(seq) AS highest"
        " FROM events GROUP BY session) e ON e.session = s.name"
        " WHERE coalesce(n, 0) != last OR coalesce(highest, 0) != last",
    ),
    _Check(
        "unsourced",
        "derived records whose sources are not there, or not those they name",
        "SELECT id FROM records r WHERE level != '' AND (SELECT count(*) FROM record_sources s WHERE"
        " s.record = r.row) != (SELECT count(DISTINCT value) FROM json_each(r.sources))"
        " OR level != '' AND json_array_length(sources) = 0",
        "DELETE FROM records WHERE row IN (SELECT row FROM records r WHERE level != '' AND (SELECT count(*)"
        " FROM record_sources s WHERE s.record = r.row) != (SELECT count(DISTINCT value) FROM"
        " json_each(r.sources)) OR level != '' AND json_array_length(sources) = 0)",
    ),
    _Check(
        "hearsay",
        "facts that rest on the assistant's own words",
        "SELECT DISTINCT f.id FROM records f JOIN record_sources s ON s.record = f.row"
        " JOIN records r ON r.row = s.source WHERE f.level = 'fact' AND r.role = 'assistant'",
        "DELETE FROM records WHERE level = 'fact' AND row IN (SELECT s.record FROM record_sources s"
        " JOIN records r ON r.row = s.source WHERE r.role = 'assistant')",
    ),
    _Check(
        "superseded",
        "facts in whose place stands one that is not there",
        "SELECT id FROM records f WHERE level = 'fact' AND superseded_by != ''"
        " AND NOT EXISTS (SELECT 1 FROM records n WHERE n.id = f.superseded_by)",
        "UPDATE records SET superseded_by = '', valid_to = NULL WHERE level = 'fact' AND superseded_by != ''"
        " AND NOT EXISTS (SELECT 1 FROM records n WHERE n.id = records.superseded_by)",
    ),
    _Check(
        "duplicates",
        "records that stand more than once in the same turn",
        "SELECT max(id) FROM records WHERE turn > 0 AND session != '' AND level = ''"
        " GROUP BY session, turn, role, source, key, text, blobs, facts, anchors HAVING count(*) > 1",
    ),
    _Check(
        "found again",
        "evidence that was found more than once, under the same key",
        "SELECT max(id) FROM records WHERE key != '' AND role = 'evidence' AND level = ''"
        " GROUP BY key, text HAVING count(*) > 1",
        wrong=False,
    ),
    _Check(
        "no session",
        "records of sessions that have no log",
        "SELECT id FROM records WHERE session != '' AND session NOT IN (SELECT name FROM sessions)",
        wrong=False,
    ),
)


class Audit:
    """Looks through one store."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        rows: Callable[[], Iterable[int]],
        clean: Callable[[], None],
    ) -> None:
        """`rows` are the records in the index file; `clean` rids files of what the store no longer has."""
        self._database = database
        self._blobs = blobs
        self._rows = rows
        self._clean = clean

    def __call__(self, *, repair: bool = False) -> list[Finding]:
        """What is found, the wrong first; with `repair`, after what can be made anew was made anew."""
        found = self._look()
        if not repair:
            return found
        self._repair({finding.check for finding in found if finding.repairable})
        left = {finding.check: finding for finding in self._look()}
        mended = [
            Finding(f.check, f.what, f.count, f.examples, wrong=False, repairable=True, repaired=True)
            for f in found
            if f.repairable and f.check not in left
        ]
        return [*left.values(), *mended]

    def _look(self) -> list[Finding]:
        found = [*self._words(), *self._index()]
        with self._database.read() as connection:
            found += [*_whole(connection), *_guards(connection)]
            for check in _CHECKS:
                names = [str(name) for (name,) in connection.execute(check.find)]
                found += _finding(
                    check.name, check.what, names, wrong=check.wrong, repairable=bool(check.repair)
                )
            found += [*_echoes(connection), *_event_blobs(connection), *self._of_blobs(connection)]
            found += self._locks(connection)
        return sorted(found, key=lambda finding: not finding.wrong)

    def _repair(self, checks: set[str]) -> None:
        with self._database.write() as connection:
            for check in _CHECKS:
                if check.name in checks:
                    connection.execute(check.repair)
            if "words" in checks:
                connection.execute("INSERT INTO words (words) VALUES ('rebuild')")
            if "event blobs" in checks:
                for session, seq, missing in _unrecorded(connection):
                    uses.by_event(connection, session, seq, missing)
        with self._database.read() as connection:
            loose = self._loose(connection)
        for digest in loose:
            self._blobs.delete(digest, unless_put_after=time.time() - FRESH_SECONDS)
        self._clean()
        with self._database.read() as connection:
            locks.remove(self._database.path.parent, locks.left(self._database.path.parent, connection))

    def _words(self) -> Iterator[Finding]:
        """Whether the word index holds the words of the records and no others."""
        with self._database.write() as connection:
            try:
                connection.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
            except sqlite3.DatabaseError as error:
                yield Finding("words", f"the word index is out of step: {error}", 1, repairable=True)

    def _index(self) -> Iterator[Finding]:
        rows = set(self._rows())
        with self._database.read() as connection:
            known = {row for (row,) in connection.execute("SELECT record FROM vectors")}
        names = [f"row {row}" for row in sorted(rows - known)]
        yield from _finding("index", "vectors in the index file whose record is gone", names, repairable=True)

    def _of_blobs(self, connection: sqlite3.Connection) -> Iterator[Finding]:
        known = [digest for (digest,) in connection.execute("SELECT digest FROM blobs ORDER BY digest")]
        used = {
            digest
            for (digest,) in connection.execute(
                "SELECT digest FROM record_blobs UNION SELECT digest FROM event_blobs"
            )
        }
        lost, damaged = [], []
        for digest in known:
            path = self._blobs.path(digest)
            if not path.is_file():
                lost += [digest] if digest in used else []
            elif not _matches(path, digest):
                damaged.append(digest)
        yield from _finding("lost blobs", "blobs that are used and not there", lost)
        yield from _finding("damaged blobs", "blobs that are not what was stored", damaged)
        idle = [digest for digest in known if digest not in used]
        yield from _finding(
            "unused blobs", "blobs whose last user is gone", idle, wrong=False, repairable=True
        )
        loose = self._loose(connection)
        yield from _finding("loose blobs", "blobs that nobody ever used", loose, repairable=True)

    def _loose(self, connection: sqlite3.Connection) -> list[str]:
        known = {digest for (digest,) in connection.execute("SELECT digest FROM blobs")}
        limit = time.time() - FRESH_SECONDS
        return [
            path.name
            for path in self._blobs.root.glob("??/??/*")
            if path.name not in known and path.stat().st_mtime < limit
        ]

    def _locks(self, connection: sqlite3.Connection) -> Iterator[Finding]:
        left = locks.left(self._database.path.parent, connection)
        yield from _finding(
            "locks", "lock files of sessions that are gone", left, wrong=False, repairable=True
        )


def _finding(
    name: str, what: str, names: Sequence[str], *, wrong: bool = True, repairable: bool = False
) -> list[Finding]:
    if not names:
        return []
    return [Finding(name, what, len(names), tuple(names[:EXAMPLES]), wrong, repairable)]


def _whole(connection: sqlite3.Connection) -> Iterator[Finding]:
    said = [line for (line,) in connection.execute("PRAGMA integrity_check") if line != "ok"]
    yield from _finding("database", "SQLite finds the file damaged", said)
    broken = [f"{table} {row}" for table, row, _, _ in connection.execute("PRAGMA foreign_key_check")]
    yield from _finding("references", "rows that refer to others that are not there", broken)


def _guards(connection: sqlite3.Connection) -> Iterator[Finding]:
    """The triggers that keep the log as it is and the indexes in step."""
    wanted = {name for script in schema.MIGRATIONS for name in re.findall(r"CREATE TRIGGER (\w+)", script)}
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")}
    yield from _finding("guards", "triggers that are missing", sorted(wanted - there))


def _echoes(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Words of the assistant that came back as the person's, in the same session and later."""
    said: dict[tuple[str, int], int] = {}
    names = []
    for row, name, role, session, text in connection.execute(
        "SELECT row, id, role, session, text FROM records WHERE level = '' AND role IN ('user', 'assistant')"
        " AND session != '' ORDER BY row"
    ):
        words = re.findall(r"\w+", text.casefold())
        if len(words) < ECHO_WORDS:
            continue
        key = (session, hash(tuple(words)))
        if role == "assistant":
            said.setdefault(key, row)
        elif key in said:
            names.append(name)
    yield from _finding("echoes", "words of the assistant that came back as the person's", names)


def _event_blobs(connection: sqlite3.Connection) -> Iterator[Finding]:
    names = [f"{session} event {seq}" for session, seq, _ in _unrecorded(connection)]
    yield from _finding("event blobs", "events whose blobs do not know them", names, repairable=True)


def _unrecorded(connection: sqlite3.Connection) -> list[tuple[str, int, list[str]]]:
    """(session, seq, digests) of the events that use blobs without its being written down."""
    recorded: dict[tuple[str, int], set[str]] = {}
    for digest, session, seq in connection.execute("SELECT digest, session, seq FROM event_blobs"):
        recorded.setdefault((session, seq), set()).add(digest)
    found = []
    for session, seq, body in connection.execute("SELECT session, seq, body FROM events"):
        named = set(uses.digests_in(json.loads(body))) if '"digest"' in body or '"blob"' in body else set()
        if missing := named - recorded.get((session, seq), set()):
            found.append((session, seq, sorted(missing)))
    return found


def _matches(path: Path, digest: str) -> bool:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == digest
