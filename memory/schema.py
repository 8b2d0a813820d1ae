"""The tables of the store, by version. A released migration is never changed; add the next one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from specialists.errors import BadInput, Unavailable

APPLICATION_ID = 0x416E7469
"""Marks the file as ours: "Anti" in ASCII."""

V1 = """
-- What is remembered. `row` orders records by their writing and is never given twice.
CREATE TABLE records (
    row      INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    text     TEXT NOT NULL,
    kind     TEXT NOT NULL,
    role     TEXT NOT NULL,
    session  TEXT NOT NULL,
    turn     INTEGER NOT NULL,
    source   TEXT NOT NULL,
    key      TEXT NOT NULL,
    blobs    TEXT NOT NULL,
    media    TEXT NOT NULL,
    anchors  TEXT NOT NULL,
    score    REAL,
    facts    TEXT NOT NULL,
    time     REAL NOT NULL
);
CREATE INDEX records_by_session ON records (session, row);
CREATE INDEX records_by_time ON records (time);
CREATE INDEX records_by_key ON records (key, row) WHERE key != '';

-- The kinds a record can be asked for by: its own and those of the media it rests on.
CREATE TABLE record_kinds (
    kind    TEXT NOT NULL,
    record  INTEGER NOT NULL REFERENCES records (row) ON DELETE CASCADE,
    PRIMARY KEY (kind, record)
) WITHOUT ROWID;
CREATE INDEX record_kinds_by_record ON record_kinds (record);

-- The word index holds no text of its own: it is kept in step with `records` by triggers.
CREATE VIRTUAL TABLE words USING fts5 (
    text, content = 'records', content_rowid = 'row', tokenize = 'porter unicode61 remove_diacritics 2'
);
CREATE TRIGGER words_insert AFTER INSERT ON records BEGIN
    INSERT INTO words (rowid, text) VALUES (new.row, new.text);
END;
CREATE TRIGGER words_delete AFTER DELETE ON records BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.row, old.text);
END;
CREATE TRIGGER words_update AFTER UPDATE OF text ON records BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.row, old.text);
    INSERT INTO words (rowid, text) VALUES (new.row, new.text);
END;

-- A space is what one encoder spans; `probe` is its vector of a fixed text, by which it is known again.
-- `deletions` grows with every vector that goes, so that an index elsewhere sees that it holds too much.
CREATE TABLE spaces (
    id         INTEGER PRIMARY KEY,
    probe      BLOB NOT NULL,
    deletions  INTEGER NOT NULL DEFAULT 0
);
-- Unit vectors, float32 little endian. `id` is the high-water mark that indexes catch up from.
CREATE TABLE vectors (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    space   INTEGER NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
    record  INTEGER NOT NULL REFERENCES records (row) ON DELETE CASCADE,
    vector  BLOB NOT NULL,
    UNIQUE (record, space)
);
CREATE INDEX vectors_by_space ON vectors (space, id);
CREATE TRIGGER vectors_delete AFTER DELETE ON vectors BEGIN
    UPDATE spaces SET deletions = deletions + 1 WHERE id = old.space;
END;
-- Records that still need their vector. A record that made the encoder fail waits behind the others.
CREATE TABLE pending (
    space     INTEGER NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
    record    INTEGER NOT NULL REFERENCES records (row) ON DELETE CASCADE,
    failures  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (space, failures, record)
) WITHOUT ROWID;
CREATE INDEX pending_by_record ON pending (record);
CREATE TRIGGER pending_insert AFTER INSERT ON records WHEN new.text != '' BEGIN
    INSERT INTO pending (space, record) SELECT id, new.row FROM spaces;
END;

-- Sessions and their events. `last` is the highest sequence number, `opened` and `touched` are wall times.
CREATE TABLE sessions (
    name     TEXT PRIMARY KEY,
    title    TEXT NOT NULL DEFAULT '',
    turns    INTEGER NOT NULL DEFAULT 0,
    last     INTEGER NOT NULL DEFAULT 0,
    opened   REAL NOT NULL,
    touched  REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE events (
    session  TEXT NOT NULL REFERENCES sessions (name) ON DELETE CASCADE,
    seq      INTEGER NOT NULL,
    turn     INTEGER NOT NULL,
    type     TEXT NOT NULL,
    time     REAL NOT NULL,
    wall     REAL NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (session, seq)
) WITHOUT ROWID;
CREATE TRIGGER events_in_order BEFORE INSERT ON events
WHEN new.seq != 1 + (SELECT coalesce(max(seq), 0) FROM events WHERE session = new.session) BEGIN
    SELECT raise(ABORT, 'the log has no gaps: an event must follow the last one');
END;
CREATE TRIGGER events_never_change BEFORE UPDATE ON events BEGIN
    SELECT raise(ABORT, 'the log is append-only: an event cannot be changed');
END;
-- An event goes only with its whole session, whose row then goes first.
CREATE TRIGGER events_stay BEFORE DELETE ON events
WHEN EXISTS (SELECT 1 FROM sessions WHERE name = old.session) BEGIN
    SELECT raise(ABORT, 'the log is append-only: an event cannot be deleted');
END;

-- Who uses which blob. `used` is the last time a use was recorded, in seconds since the epoch.
CREATE TABLE blobs (
    digest  TEXT PRIMARY KEY,
    used    REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE record_blobs (
    digest  TEXT NOT NULL REFERENCES blobs (digest),
    record  INTEGER NOT NULL REFERENCES records (row) ON DELETE CASCADE,
    PRIMARY KEY (digest, record)
) WITHOUT ROWID;
CREATE INDEX record_blobs_by_record ON record_blobs (record);
CREATE TABLE event_blobs (
    digest   TEXT NOT NULL REFERENCES blobs (digest),
    session  TEXT NOT NULL,
    seq      INTEGER NOT NULL,
    PRIMARY KEY (digest, session, seq),
    FOREIGN KEY (session, seq) REFERENCES events (session, seq) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX event_blobs_by_event ON event_blobs (session, seq);
"""

V2 = """
-- How a person wants a request routed. `person` is the prefix of the person's sessions; `attachments`,
-- `earlier` and `controls` are JSON arrays.
CREATE TABLE corrections (
    id           TEXT PRIMARY KEY,
    person       TEXT NOT NULL,
    text         TEXT NOT NULL,
    attachments  TEXT NOT NULL,
    earlier      TEXT NOT NULL,
    controls     TEXT NOT NULL,
    said         TEXT NOT NULL,
    session      TEXT NOT NULL,
    turn         INTEGER NOT NULL,
    time         REAL NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX corrections_by_request ON corrections (person, text, attachments, earlier);
CREATE INDEX corrections_by_session ON corrections (session);
"""

V3 = """
-- What is made of records: see `Record.level`. `sources` repeats `record_sources` as a JSON array of ids;
-- the two never differ, because what is derived goes with the first of its sources that goes.
ALTER TABLE records ADD COLUMN person TEXT NOT NULL DEFAULT '';
ALTER TABLE records ADD COLUMN episode TEXT NOT NULL DEFAULT '';
ALTER TABLE records ADD COLUMN level TEXT NOT NULL DEFAULT '';
ALTER TABLE records ADD COLUMN sources TEXT NOT NULL DEFAULT '[]';
ALTER TABLE records ADD COLUMN valid_from REAL;
ALTER TABLE records ADD COLUMN valid_to REAL;
ALTER TABLE records ADD COLUMN superseded_by TEXT NOT NULL DEFAULT '';
CREATE INDEX records_by_episode ON records (episode, row) WHERE episode != '';
CREATE INDEX records_by_level ON records (level, person, row) WHERE level != '';
-- Turns that were remembered before there were episodes. Sessions of a key begin with its prefix.
UPDATE records SET episode = session || ':' || turn WHERE session != '' AND turn > 0;
UPDATE records SET person = substr(session, 1, 21) WHERE session GLOB 'key-????????????????.*';

CREATE TABLE record_sources (
    source  INTEGER NOT NULL REFERENCES records (row) ON DELETE CASCADE,
    record  INTEGER NOT NULL REFERENCES records (row) ON DELETE CASCADE,
    PRIMARY KEY (source, record)
) WITHOUT ROWID;
CREATE INDEX record_sources_by_record ON record_sources (record);

-- Records that are still to be worked into the level `stage`. Done in the transaction that writes the result.
CREATE TABLE consolidation (
    stage   TEXT NOT NULL,
    record  INTEGER NOT NULL REFERENCES records (row) ON DELETE CASCADE,
    PRIMARY KEY (stage, record)
) WITHOUT ROWID;
CREATE INDEX consolidation_by_record ON consolidation (record);
CREATE TRIGGER consolidation_insert AFTER INSERT ON records WHEN new.level IN ('', 'summary') BEGIN
    INSERT INTO consolidation SELECT 'fact', new.row
        WHERE new.level = '' AND new.role = 'user' AND new.text != '';
    INSERT INTO consolidation SELECT 'summary', new.row
        WHERE new.level = '' AND new.session != '' AND new.text != '';
    INSERT INTO consolidation SELECT 'episode', new.row
        WHERE new.level = '' AND json_type(new.facts, '$.pieces') = 'array';
    INSERT INTO consolidation SELECT 'theme', new.row WHERE new.level = 'summary';
END;
INSERT INTO consolidation SELECT 'fact', row FROM records WHERE role = 'user' AND text != '';
INSERT INTO consolidation SELECT 'summary', row FROM records WHERE session != '' AND text != '';

-- With a source goes all that rests on it, also by way of something else that is derived.
CREATE TRIGGER derived_delete BEFORE DELETE ON records
WHEN EXISTS (SELECT 1 FROM record_sources WHERE source = old.row) BEGIN
    DELETE FROM records WHERE row IN (
        WITH RECURSIVE resting (row) AS (
            SELECT record FROM record_sources WHERE source = old.row
            UNION SELECT s.record FROM record_sources s JOIN resting ON s.source = resting.row
        ) SELECT row FROM resting
    );
END;
-- What other sources of a derived record say is worked in again, and the fact before a fact is looked at.
CREATE TRIGGER derived_again BEFORE DELETE ON records WHEN old.level != '' BEGIN
    INSERT OR IGNORE INTO consolidation SELECT old.level, source FROM record_sources WHERE record = old.row;
    INSERT OR IGNORE INTO consolidation SELECT 'fact', s.source
        FROM records r JOIN record_sources s ON s.record = r.row
        WHERE old.level = 'fact' AND r.level = 'fact' AND r.key = old.key AND r.key != ''
        AND r.superseded_by = old.id;
END;
-- A fact that was superseded by this one holds until what superseded this one, or still.
CREATE TRIGGER facts_delete AFTER DELETE ON records WHEN old.level = 'fact' BEGIN
    UPDATE records SET valid_to = old.valid_to, superseded_by = old.superseded_by
        WHERE level = 'fact' AND key = old.key AND key != '' AND superseded_by = old.id;
END;
"""

V4 = """
-- How pictures look, derived from their blobs. `sketch` is that of memory.looks; numbers are never
-- given twice.
CREATE TABLE pictures (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    digest  TEXT NOT NULL UNIQUE REFERENCES blobs (digest) ON DELETE CASCADE,
    sketch  BLOB NOT NULL
);
-- What was asked of a picture: the evidence key less the picture, beside the evidence that answered it.
CREATE TABLE asked (
    record   INTEGER PRIMARY KEY REFERENCES records (row) ON DELETE CASCADE,
    asked    TEXT NOT NULL,
    picture  INTEGER NOT NULL REFERENCES pictures (id) ON DELETE CASCADE
);
CREATE INDEX asked_by_picture ON asked (asked, picture);
CREATE INDEX asked_of_picture ON asked (picture);
-- How far what is found in `other` holds for `digest`, 0 to 1; 0 also where the person said that it does not.
CREATE TABLE alike (
    digest    TEXT NOT NULL REFERENCES blobs (digest) ON DELETE CASCADE,
    other     TEXT NOT NULL REFERENCES blobs (digest) ON DELETE CASCADE,
    likeness  REAL NOT NULL,
    PRIMARY KEY (digest, other)
) WITHOUT ROWID;
CREATE INDEX alike_by_other ON alike (other);
"""

V5 = """
-- The tokens of a record's text as its encoder sees them: int8, `width` to each; see memory.late. A table
-- with row ids: without them every row would take a page of its own.
CREATE TABLE tokens (
    id      INTEGER PRIMARY KEY,
    record  INTEGER NOT NULL REFERENCES records (row) ON DELETE CASCADE,
    space   INTEGER NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
    width   INTEGER NOT NULL,
    states  BLOB NOT NULL,
    UNIQUE (record, space)
);
-- What was embedded before has none: it is embedded again.
INSERT INTO pending (space, record) SELECT space, record FROM vectors;
DELETE FROM vectors;
"""

V6 = """
-- How pictures, frames of films and sounds are known again (memory.sights, memory.sounds), derived from the
-- blobs of records: `sensed` are those that were gone through, by this version of doing it, whatever was
-- found. A film is as this shows it from `begins` to `ends`, in seconds; both NULL for a picture. Numbers are
-- never given twice.
CREATE TABLE sensed (
    digest   TEXT PRIMARY KEY REFERENCES blobs (digest) ON DELETE CASCADE,
    version  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE sights (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    digest    TEXT NOT NULL REFERENCES sensed (digest) ON DELETE CASCADE,
    begins    REAL,
    ends      REAL,
    windows   BLOB NOT NULL,
    whole     BLOB NOT NULL,
    features  BLOB NOT NULL
);
CREATE INDEX sights_by_digest ON sights (digest);
CREATE TABLE sounds (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    digest  TEXT NOT NULL UNIQUE REFERENCES sensed (digest) ON DELETE CASCADE,
    marks   BLOB NOT NULL
);
"""

V7 = """
-- What the encoder makes of the tokens of the probe's text, int8, as in `tokens`: it may tell the same of
-- whole texts and other things of their tokens. Empty where it tells nothing of tokens.
ALTER TABLE spaces ADD COLUMN tokens BLOB NOT NULL DEFAULT x'';
-- Of spaces from before nobody knows: they go with their vectors, and everything is embedded again.
DELETE FROM spaces;
"""

MIGRATIONS = (V1, V2, V3, V4, V5, V6, V7)
"""The script at index n leads from version n to version n + 1."""

VERSION = len(MIGRATIONS)


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to this version; several processes may try at once.

    Raises BadInput when the file belongs to another program or to a newer version, Unavailable when this
    SQLite lacks what the store needs.
    """
    connection.execute("BEGIN")
    try:
        version = _version(connection, path)
    finally:
        connection.execute("ROLLBACK")
    if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise Unavailable(
            "the file system cannot hold a shared journal (WAL)",
            part=str(path),
            remedy="Put the data folder on a local disk",
        )
    if version < VERSION:
        _migrate(connection, path)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again: another process may have been first.
        for script in MIGRATIONS[_version(connection, path) :]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The version of the file, 0 for an empty one; within a transaction of the caller's."""
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if owner != APPLICATION_ID and tables:
        raise BadInput(
            "this database belongs to another program",
            part=str(path),
            remedy="Choose another folder for the memory",
        )
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise BadInput(
            f"written by a newer Antiphon (store version {version}, this one knows {VERSION})",
            part=str(path),
            remedy="Update Antiphon, or choose another data folder",
        )
    return version


def _statements(script: str) -> Iterator[str]:
    """The script's statements one by one; a trigger's body belongs to its statement."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
