from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from memory import schema
from memory.records import Record
from memory.store import MemoryStore
from specialists.errors import BadInput, Ours, Unavailable
from tests.unit.memory.conftest import hashed


def test_a_new_store_has_the_present_version_and_survives_reopening(tmp_path: Path) -> None:
    for _ in range(2):
        with MemoryStore.open(tmp_path):
            pass
    direct = sqlite3.connect(tmp_path / "memory.db")
    assert direct.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
    assert direct.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert direct.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_newer_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    with MemoryStore.open(tmp_path) as store:
        store.remember([Record("kept", "text", "user")])
    direct = sqlite3.connect(tmp_path / "memory.db")
    direct.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    direct.close()
    with pytest.raises(BadInput, match=r"newer Antiphon.*Update"):
        MemoryStore.open(tmp_path)
    direct = sqlite3.connect(tmp_path / "memory.db")
    assert direct.execute("SELECT text FROM records").fetchall() == [("kept",)]


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    direct = sqlite3.connect(tmp_path / "memory.db")
    direct.execute("CREATE TABLE theirs (x)")
    direct.commit()
    direct.close()
    before = (tmp_path / "memory.db").read_bytes()
    with pytest.raises(BadInput, match="another program"):
        MemoryStore.open(tmp_path)
    assert (tmp_path / "memory.db").read_bytes() == before


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "memory.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(BadInput, match=r"memory\.db.*damaged.*backup"):
        MemoryStore.open(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match="folder"):
        MemoryStore.open(tmp_path / "file" / "memory")


def test_a_store_that_is_closed_says_so(tmp_path: Path) -> None:
    store = MemoryStore.open(tmp_path)
    store.close()
    store.close()
    for call in (store.records, lambda: store.remember([Record("x", "text", "user")])):
        with pytest.raises(Ours, match="closed"):
            call()


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MemoryStore.open(tmp_path) as store:
        store.remember([Record("kept", "text", "user")])
    broken = "CREATE TABLE added (x);\nCREATE TABLE records (x);\n"
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, broken))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    with pytest.raises(Unavailable, match="already exists"):
        MemoryStore.open(tmp_path)
    monkeypatch.undo()
    with MemoryStore.open(tmp_path) as store:
        assert [record.text for record in store.records()] == ["kept"]


def test_a_migration_keeps_what_was_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with MemoryStore.open(tmp_path) as store:
        (record,) = store.remember([Record("kept", "text", "user")])
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE added (x);\n"))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    with MemoryStore.open(tmp_path) as store:
        assert store.records() == [record]


OPEN = """
import sys
from pathlib import Path
from memory.store import MemoryStore
from memory.records import Record

print("ready", flush=True)
sys.stdin.readline()
with MemoryStore.open(Path(sys.argv[1])) as store:
    store.remember([Record("here", "text", "user")])
"""


def test_processes_that_begin_one_store_at_once_all_succeed(tmp_path: Path) -> None:
    for round_number in range(3):
        folder = tmp_path / str(round_number)
        children = [
            subprocess.Popen(
                [sys.executable, "-c", OPEN, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        for child in children:
            _, complaint = child.communicate(timeout=60)
            assert child.returncode == 0, complaint
        with MemoryStore.open(folder) as store:
            assert len(store.records()) == 4


def test_vectors_from_before_their_tokens_were_known_go_with_their_space(tmp_path: Path) -> None:
    with MemoryStore.open(tmp_path, hashed) as store:
        store.remember([Record("a tabby cat", "text", "user")])
        assert store.embed_pending() == 1
    direct = sqlite3.connect(tmp_path / "memory.db")
    direct.execute("ALTER TABLE spaces DROP COLUMN tokens")
    direct.execute("PRAGMA user_version = 6")
    direct.commit()
    direct.close()
    with MemoryStore.open(tmp_path, hashed) as store:
        assert [hit.record.text for hit in store.recall("cat")] == ["a tabby cat"]
        with store._database.read() as connection:
            assert connection.execute("SELECT count(*) FROM spaces").fetchone() == (1,)
            assert connection.execute("SELECT count(*), max(space) FROM vectors").fetchone()[0] == 1
            assert connection.execute("SELECT count(*) FROM pending").fetchone() == (0,)
