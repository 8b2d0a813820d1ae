"""What SQLite leaves behind in its pages when it moves rows, and that cleaning takes it away."""

from __future__ import annotations

import os
import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import handles, slack
from memory.database import Database


def words_in(path: Path, words: set[str]) -> set[str]:
    data = b"".join(file.read_bytes() for file in sorted(path.parent.glob("memory.db*")))
    return {word for word in words if word.encode() in data}


def churn(database: Database, seed: int) -> set[str]:
    """Rows that grow, move and go; the words of those that are gone."""
    dice = random.Random(seed)
    there: list[str] = []
    gone: set[str] = set()
    with database.write() as connection:
        connection.execute("CREATE TABLE said (row INTEGER PRIMARY KEY, id TEXT UNIQUE, text TEXT)")
        for _ in range(4000):
            chance = dice.random()
            if chance < 0.6 or not there:
                word = f"zq{dice.getrandbits(96):024x}"
                connection.execute(
                    "INSERT INTO said(id, text) VALUES (?, ?)", (word, word + " x" * dice.randrange(150))
                )
                there.append(word)
            elif chance < 0.8:
                word = dice.choice(there)
                text = word + " y" * dice.randrange(200)
                connection.execute("UPDATE said SET text = ? WHERE id = ?", (text, word))
            else:
                word = there.pop(dice.randrange(len(there)))
                connection.execute("DELETE FROM said WHERE id = ?", (word,))
                gone.add(word)
    return gone


def sound(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def test_what_was_moved_and_then_deleted_is_wiped(tmp_path: Path) -> None:
    left = 0
    for seed in range(6):
        path = tmp_path / str(seed) / "memory.db"
        path.parent.mkdir()
        database = Database(path)
        gone = churn(database, seed)
        database.empty_journal()
        before = words_in(path, gone)
        with database.cleaning():
            pass
        assert words_in(path, gone) == set()
        database.close()
        assert sound(path) == "ok"
        left += len(before)
    assert left  # else SQLite has learnt to do it, and nothing here was shown


def test_pages_that_were_read_before_do_not_bring_it_back(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    for cleaner in (0, 1):
        path = tmp_path / str(cleaner) / "memory.db"
        path.parent.mkdir()
        databases = Database(path), Database(path)
        gone = churn(databases[0], 1)
        databases[0].empty_journal()
        assert words_in(path, gone)
        with databases[0].write() as connection:  # from now on it keeps these pages
            connection.execute("SELECT sum(length(text)) FROM said").fetchone()
        with databases[cleaner].cleaning():
            pass
        with databases[0].write() as connection:
            connection.execute("UPDATE said SET text = replace(text, 'x', 'z')")
        databases[0].empty_journal()
        assert words_in(path, gone) == set()
        for database in databases:
            database.close()
        assert sound(path) == "ok"


def test_in_pieces_it_does_the_same(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    database = Database(path)
    gone = churn(database, 1)
    database.empty_journal()
    with handles.opened(path) as file:
        at, steps = slack.wipe(file, 0, 20_000), 1
        while at:
            at = slack.wipe(file, at, 20_000)
            steps += 1
    assert steps > 10
    assert words_in(path, gone) == set()
    database.close()


@given(st.sampled_from([2, 5, 10, 13]), st.binary(min_size=511, max_size=511), st.sampled_from([0, 100]))
def test_the_room_lies_within_the_page_and_behind_its_pointers(kind: int, rest: bytes, at: int) -> None:
    page = rest[:at] + bytes([kind]) + rest[at:]
    begin, end = slack.unused(page, at)
    assert begin == end == 0 or at + 8 <= begin <= end <= len(page)


def test_a_file_whose_pages_cannot_be_told_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(bytes(4096))
    with path.open("r+b") as file, pytest.raises(OSError, match="pages"):
        slack.wipe(file.fileno(), 0, 1 << 20)


def test_a_descriptor_is_closed_with_the_last_connection(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    one, other = Database(path), Database(path)
    with handles.opened(path) as descriptor:
        pass
    one.close()
    with handles.opened(path) as again:
        assert again == descriptor
    other.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
