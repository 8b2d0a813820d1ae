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
from specialists.errors import Unavailable


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


def clean(database: Database) -> None:
    with database.deleting():
        pass
    with database.cleaning() as unclean:
        assert unclean


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
        clean(database)
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
        clean(databases[cleaner])
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


def test_a_database_with_pages_of_pointers_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA auto_vacuum = 2")
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    with path.open("r+b") as file, pytest.raises(OSError, match="pages"):
        slack.wipe(file.fileno(), 0, 1 << 20)


def test_two_names_of_one_store_are_one_database(tmp_path: Path) -> None:
    """Else the descriptors of the one would take away the locks of the other."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    one, other = Database(tmp_path / "real" / "memory.db"), Database(tmp_path / "link" / "memory.db")
    assert one.path == other.path
    with handles.opened(tmp_path / "link" / "memory.db") as descriptor:
        pass
    other.close()
    assert os.fstat(descriptor)
    one.close()


def test_what_another_has_cleaned_is_not_cleaned_again(tmp_path: Path) -> None:
    database = Database(tmp_path / "memory.db")
    clean(database)
    with database.cleaning() as unclean:
        assert not unclean
    database.close()


def test_a_store_opens_while_it_is_cleaned(tmp_path: Path) -> None:
    database = Database(tmp_path / "memory.db")
    with database.deleting():
        pass
    with database.cleaning():
        other = Database(tmp_path / "memory.db")
        with pytest.raises(Unavailable, match="locked"), other.cleaning(patience=0.0):
            pass
        other.close()
    database.close()


def test_a_newer_version_stays_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    database = Database(path)
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 1000")
    newer.close()
    clean(database)
    with sqlite3.connect(path) as newer:
        assert newer.execute("PRAGMA user_version").fetchone() == (1000,)
    newer.close()
    database.close()


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
