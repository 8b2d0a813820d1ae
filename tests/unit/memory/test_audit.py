"""The audit finds what was broken on purpose, and repairs what is derived."""

from __future__ import annotations

import os
import sqlite3
import time

import pytest

from memory.records import Record
from memory.store import MemoryStore
from tests.unit.memory.test_forgetting import ANSWER, SECRET, Talk


def wrong(store: MemoryStore) -> set[str]:
    return {finding.check for finding in store.audit() if finding.wrong}


@pytest.fixture
def full(store: MemoryStore) -> MemoryStore:
    """Two sessions, a picture, a fact, vectors and an index file."""
    photo = store.blobs.put(b"photo", "image/png").digest
    talk = Talk(store, "trip")
    (said, _, _) = talk.exchange(SECRET, ANSWER, blob=photo, found="a flowerpot")
    Talk(store, "work").exchange("how are you doing today, my friend", "Well.")
    store.remember([Record("Ottilie has a pot", "text", "derived", level="fact", sources=(said.id,))])
    store.recall("flowerpot")
    store._index.save()
    assert [finding for finding in store.audit() if finding.wrong] == []
    return store


DERIVED = {
    "kinds": "DELETE FROM record_kinds WHERE record = 1",
    "blob users": "DELETE FROM record_blobs",
    "event blobs": "DELETE FROM event_blobs",
    "waiting": "DELETE FROM vectors WHERE record = 1",
    "waiting twice": "INSERT INTO pending SELECT space, record, 0 FROM vectors LIMIT 1",
    "vectors": "UPDATE vectors SET vector = x'00' WHERE record = 2",
    "words": "INSERT INTO words (words, rowid, text) SELECT 'delete', row, text FROM records WHERE row = 1",
    "unsourced": "DELETE FROM record_sources",
    "hearsay": "UPDATE records SET role = 'assistant' WHERE row = (SELECT source FROM record_sources)",
}


@pytest.mark.parametrize(("check", "damage"), DERIVED.items(), ids=DERIVED)
def test_what_is_derived_is_made_anew(full: MemoryStore, check: str, damage: str) -> None:
    with full._database.write() as connection:
        connection.execute(damage)
    assert check in wrong(full)
    found = {finding.check: finding for finding in full.audit(repair=True)}
    assert found[check].repaired
    assert check not in wrong(full)


TRUTH = {
    "log": ("UPDATE sessions SET last = last + 1 WHERE name = 'trip'",),
    "guards": ("DROP TRIGGER events_stay",),
    "duplicates": (
        "CREATE TEMP TABLE t AS SELECT * FROM records WHERE row = 1",
        "UPDATE t SET row = 99, id = 'twin'",
        "INSERT INTO records SELECT * FROM t",
    ),
    "echoes": (
        "CREATE TEMP TABLE t AS SELECT * FROM records WHERE role = 'assistant' LIMIT 1",
        "UPDATE t SET row = 99, id = 'echo', role = 'user', turn = 2",
        "INSERT INTO records SELECT * FROM t",
    ),
    "references": ("PRAGMA foreign_keys = OFF", "DELETE FROM blobs"),
}


@pytest.mark.parametrize(("check", "damage"), TRUTH.items(), ids=TRUTH)
def test_what_is_the_truth_is_told_and_left_alone(
    full: MemoryStore, check: str, damage: tuple[str, ...]
) -> None:
    direct = sqlite3.connect(full.path / "memory.db", isolation_level=None)
    for statement in damage:
        direct.execute(statement)
    direct.close()
    assert check in wrong(full)
    assert check in {finding.check for finding in full.audit(repair=True) if finding.wrong}


def test_blobs_that_are_lost_damaged_or_nobodys_are_told(full: MemoryStore) -> None:
    photo = full.blobs.path(next(record for record in full.records("trip") if record.blobs).blobs[0])
    loose = full.blobs.put(b"nobody's", "image/png")
    assert wrong(full) == set(), "it may be on its way into a record"
    long_ago = time.time() - 7200
    os.utime(full.blobs.path(loose), (long_ago, long_ago))
    photo.write_bytes(b"changed")
    assert wrong(full) == {"loose blobs", "damaged blobs"}
    photo.unlink()
    assert wrong(full) == {"loose blobs", "lost blobs"}
    full.audit(repair=True)
    assert wrong(full) == {"lost blobs"}
    assert not full.blobs.has(loose)


def test_a_vector_of_a_record_that_is_gone_is_found_in_the_index_file(full: MemoryStore) -> None:
    with full._database.write() as connection:  # as far as a process gets that is killed here
        connection.execute("DELETE FROM records WHERE row = 1")
    assert "index" in wrong(full)
    full.audit(repair=True)
    assert "index" not in wrong(full)


def test_short_answers_are_no_echo(store: MemoryStore) -> None:
    talk = Talk(store, "trip")
    talk.exchange("is it a cat?", "Yes it is.")
    talk.exchange("yes it is", "Fine.")
    assert wrong(store) == set()
