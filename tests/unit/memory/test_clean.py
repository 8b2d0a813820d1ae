"""What is deleted leaves the disk as well: at once, at the next cleaning, or after the process was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from memory import fts
from memory.forgetting import Forget
from memory.records import Record
from memory.store import MemoryStore
from specialists.errors import UnknownName

Reopen = Callable[..., MemoryStore]

KILLED = """
import os, signal, sys
from pathlib import Path
from memory.forgetting import Forget
from memory.records import Record
from memory.store import MemoryStore

store = MemoryStore.open(Path(sys.argv[1]), None)
others = [Record(f"bystander {n}", "text", "user", session="other", turn=1) for n in range(300)]
store.remember(others)
photo = store.blobs.put(b"quokka photograph", "image/jpeg")
said = Record("the quokka sleeps in Zanzibar", "text", "user", session="trip", turn=1, blobs=(photo.digest,))
(stored,) = store.remember([said])
event = {"type": "turn.started", "turn": 1, "seq": 1, "time": 0.0, "message": {"role": "user", "parts": []}}
store.log.append("trip", [{**event, "said": "the quokka sleeps in Zanzibar"}])
(store.path / "locks").mkdir(exist_ok=True)
(store.path / "locks" / "trip.lock").touch()
if sys.argv[2] == "erase":
    store._erase(Forget(session="trip"))  # all of `erase` but the cleaning
    (store.path / "locks" / "trip.lock").touch()
else:
    store.forget([stored.id])
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(folder: Path, after: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder), after], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL


def holding(folder: Path, *words: bytes) -> list[str]:
    """The files in which one of the words stands."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(word in path.read_bytes().lower() for word in words)]


def test_what_a_killed_process_had_erased_is_cleaned_away_at_the_next_start(
    tmp_path: Path, reopen: Reopen
) -> None:
    folder = tmp_path / "memory"
    killed(folder, "erase")
    assert holding(folder, b"quokka", b"zanzibar")
    with reopen() as store:
        assert holding(folder, b"quokka", b"zanzibar") == []
        assert not (folder / "locks" / "trip.lock").exists()
        assert not store._database.unclean
        assert [finding for finding in store.audit() if finding.wrong or finding.repairable] == []
        assert len(store.records("other")) == 300


def test_what_a_killed_process_had_taken_back_is_cleaned_away_too(tmp_path: Path, reopen: Reopen) -> None:
    folder = tmp_path / "memory"
    killed(folder, "forget")
    with reopen() as store:
        store.erase(Forget(session="trip"))  # the log holds the words too
        assert holding(folder, b"quokka", b"zanzibar") == []


def test_taking_back_does_not_write_the_word_index_anew(store: MemoryStore) -> None:
    stored = store.remember([Record(f"zebra number {n}", "text", "user") for n in range(300)])
    store.forget([stored[7].id])
    assert store._database.unclean
    assert b"zebra" in holding_terms(store)
    store.forget([record.id for record in stored if record.id != stored[7].id])
    assert b"zebra" in holding_terms(store)  # no record has it any more
    store.clean()
    assert b"zebra" not in holding_terms(store)
    assert not store._database.unclean


def test_closing_cleans(tmp_path: Path, reopen: Reopen) -> None:
    with reopen() as store:
        (stored,) = store.remember([Record("the quokka sleeps", "text", "user")])
        store.forget([stored.id])
    assert holding(tmp_path / "memory", b"quokka") == []


def test_a_journal_that_somebody_reads_is_emptied_the_next_time(store: MemoryStore, reopen: Reopen) -> None:
    (stored,) = store.remember([Record("the quokka sleeps", "text", "user")])
    other = reopen()
    with other._database.read() as connection:
        connection.execute("SELECT count(*) FROM records").fetchone()
        store.forget([stored.id])
        store._database._writer.execute("PRAGMA busy_timeout = 1")
        store.clean()
        assert store._database.unclean
    store.clean()
    assert not store._database.unclean
    assert holding(store.path, b"quokka") == []


def test_a_refused_deletion_leaves_nothing_to_clean(store: MemoryStore) -> None:
    with pytest.raises(UnknownName):
        store.forget(["01NOSUCH"])
    assert not store._database.unclean


def holding_terms(store: MemoryStore) -> set[bytes]:
    with store._database.read() as connection:
        return set(fts.stored_terms(connection))
