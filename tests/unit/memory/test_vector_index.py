from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from memory.index_file import PAGE
from memory.records import Record
from memory.store import MemoryStore
from memory.vectors import Embed

Reopen = Callable[..., MemoryStore]


def said(text: str) -> Record:
    return Record(text, "text", "user")


@pytest.fixture
def saved(reopen: Reopen, tmp_path: Path) -> Path:
    """The index file of a closed store that holds two records."""
    with reopen() as store:
        store.remember([said("a tabby cat"), said("an invoice")])
        assert store.recall("cat")
    return tmp_path / "memory" / "index.faiss"


def dense(store: MemoryStore, query: str) -> list[str]:
    return [hit.record.text for hit in store.recall(query) if hit.ranks.get("dense") == 1]


def header(path: Path) -> dict[str, object]:
    return json.loads(path.read_bytes()[:PAGE])  # type: ignore[no-any-return]


def test_it_is_taken_up_again_and_only_written_when_it_grew(saved: Path, reopen: Reopen) -> None:
    before = saved.stat().st_mtime_ns
    with reopen() as store:
        assert dense(store, "cat") == ["a tabby cat"]
    assert saved.stat().st_mtime_ns == before
    with reopen() as store:
        store.remember([said("a ginger cat")])
        assert dense(store, "ginger cat") == ["a ginger cat"]
    assert header(saved)["mark"] == {"space": 1, "high": 3, "deletions": 0}


def test_what_it_holds_is_used_and_not_read_again(saved: Path, reopen: Reopen) -> None:
    # Without this the tests below would pass for an index that is always built anew.
    store = reopen()
    with store._database.write() as connection:
        connection.execute("DELETE FROM vectors WHERE id = 1")
        connection.execute("UPDATE spaces SET deletions = 0")
    space = store._vectors.space()
    vector = store._vectors.of(["a tabby cat"])[0]
    assert store._index.candidates(space, vector, 5).tolist() == [1, 2]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-7],
        lambda data: data[:30],
        lambda data: data[: PAGE + 5],
        lambda data: data + b"\0",
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:PAGE] + bytes([data[PAGE] ^ 1]) + data[PAGE + 1 :],
        lambda data: b"\0" * len(data),
        lambda data: data.replace(b'"sha256"', b'"sha-256"'),
        lambda data: b"[1]".ljust(PAGE) + data[PAGE:],
        lambda data: b'"sha256"'.ljust(PAGE) + data[PAGE:],
        lambda data: b'{"sha256": 1, "more": 2}'.ljust(PAGE) + data[PAGE:],
        lambda data: data.replace(b'"deletions": 0', b'"deletions": 5'),
        lambda data: data.replace(b'"count": 2', b'"count": 9'),
        lambda data: data.replace(b'"count": 2', b'"count":-2'),
        lambda data: data.replace(b'"tips": {"1": "', b'"tips": {"2": "'),
    ],
)
def test_a_damaged_file_is_built_anew(saved: Path, reopen: Reopen, damage: Callable[[bytes], bytes]) -> None:
    whole = saved.read_bytes()
    assert damage(whole) != whole
    saved.write_bytes(damage(whole))
    with reopen() as store:
        assert dense(store, "cat") == ["a tabby cat"]
        assert dense(store, "invoice") == ["an invoice"]
    assert saved.read_bytes() == whole


def test_a_missing_file_is_built_anew(saved: Path, reopen: Reopen) -> None:
    whole = saved.read_bytes()
    saved.unlink()
    with reopen() as store:
        assert dense(store, "cat") == ["a tabby cat"]
    assert saved.read_bytes() == whole


def test_the_file_of_another_store_is_not_taken(saved: Path, embed: Embed, tmp_path: Path) -> None:
    with MemoryStore.open(tmp_path / "other", embed) as other:
        other.remember([said("a red boat"), said("a green tree")])
        other.recall("boat")
    saved.replace(tmp_path / "other" / "index.faiss")
    with MemoryStore.open(tmp_path / "other", embed) as other:
        assert dense(other, "boat") == ["a red boat"]


def test_the_file_of_a_later_state_of_the_store_is_not_taken(reopen: Reopen, tmp_path: Path) -> None:
    # As after a restored backup: the index would hold under the same ids what is not there any more.
    folder = tmp_path / "memory"
    with reopen() as store:
        store.remember([said("a tabby cat")])
        store.recall("cat")
    backup = (folder / "memory.db").read_bytes()
    with reopen() as store:
        store.remember([said("an invoice")])
        store.recall("invoice")
    (folder / "memory.db").write_bytes(backup)
    with reopen() as store:
        store.remember([said("a red boat")])
        assert dense(store, "red boat") == ["a red boat"]


def test_the_writes_of_another_process_are_seen(reopen: Reopen) -> None:
    one, two = reopen(), reopen()
    one.remember([said("a tabby cat")])
    assert dense(two, "cat") == ["a tabby cat"]
    two.remember([said("a ginger cat")])
    assert dense(one, "ginger cat") == ["a ginger cat"]
    assert one.stats().index.embedded == 2


def test_the_deletions_of_another_process_are_seen(reopen: Reopen) -> None:
    one, two = reopen(), reopen()
    cat, _ = one.remember([said("a tabby cat"), said("an invoice")])
    assert len(two.recall("cat")) == 2
    one.forget([cat.id])
    assert [hit.record.text for hit in two.recall("cat")] == ["an invoice"]
    two.close()
    assert [hit.record.text for hit in reopen().recall("cat")] == ["an invoice"]


def test_what_another_process_forgets_while_a_file_is_written_does_not_come_into_it(
    saved: Path, reopen: Reopen
) -> None:
    one, two = reopen(), reopen()
    two.remember([said("a ginger cat")])
    assert two.recall("cat")
    one.forget([record.id for record in one.records()])
    assert not saved.exists()
    two.close()
    assert not saved.exists()


def test_how_it_searches_is_told(reopen: Reopen) -> None:
    store = reopen()
    assert store.index_state().search == "not loaded"
    store.remember([said("a tabby cat")])
    store.recall("cat")
    assert store.index_state().search == "exact"
