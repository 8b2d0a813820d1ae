from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memory.records import Record
from memory.store import MemoryStore
from specialists.errors import UnknownName

Reopen = Callable[..., MemoryStore]


def files_with(folder: Path, *words: bytes) -> list[str]:
    """The files in which one of the words stands, in any case of letters."""
    holding = []
    for path in folder.rglob("*"):
        if path.is_file() and any(word.lower() in path.read_bytes().lower() for word in words):
            holding.append(path.name)
    return holding


def speech(seq: int, sound: bytes) -> dict[str, object]:
    pcm = base64.urlsafe_b64encode(sound).decode()
    return {"type": "reply.speech", "turn": 1, "seq": seq, "time": 0.1, "pcm": pcm}


def asked(seq: int, digest: str) -> dict[str, object]:
    part = {"kind": "image", "blob": {"digest": digest, "size": 1, "media_type": "image/png"}}
    message = {"role": "user", "parts": [{"kind": "text", "text": "is it a wombat?"}, part]}
    return {"type": "turn.started", "turn": 1, "seq": seq, "time": 0.0, "message": message}


@pytest.fixture
def others(store: MemoryStore) -> Iterator[list[Record]]:
    """Records that stay, whatever is forgotten beside them."""
    yield store.remember([Record(f"bystander {n}", "text", "user", session="other") for n in range(200)])
    assert len(store.records("other")) == 200
    assert sum("lexical" in hit.ranks for hit in store.recall("bystander", k=300)) == 200


def test_nothing_of_a_forgotten_record_stays_on_disk(
    store: MemoryStore, others: list[Record], tmp_path: Path
) -> None:
    blob = store.blobs.put(b"zanzibar photograph", "image/jpeg")
    kept = store.blobs.put(b"kept photograph", "image/jpeg")
    stored = store.remember(
        [
            Record("Zanzibar", "text", "evidence", blobs=(blob.digest, kept.digest), facts={"n": "quokka"}),
            Record("still here", "text", "evidence", blobs=(kept.digest,)),
        ]
    )
    assert store.recall("zanzibar")[0].record == stored[0]
    assert files_with(tmp_path, b"zanzibar", b"quokka")
    store.forget([stored[0].id])
    store.clean()
    assert files_with(tmp_path, b"zanzibar", b"quokka") == []
    assert not store.blobs.has(blob)
    assert store.blobs.has(kept)
    assert all(hit.record.text != "Zanzibar" for hit in store.recall("zanzibar"))
    with pytest.raises(UnknownName):
        store.get(stored[0].id)


def test_nothing_of_a_deleted_session_stays_on_disk(
    store: MemoryStore, others: list[Record], tmp_path: Path
) -> None:
    photo, shared = store.blobs.put(b"wombat photo", "image/png"), store.blobs.put(b"shared", "image/png")
    sound = b"wombat sound " * 500
    store.log.append("zoo", [asked(1, photo.digest), speech(2, sound)])
    store.log.append("zoo", [{**asked(3, shared.digest), "turn": 2}])
    store.log.append("farm", [asked(1, shared.digest)])
    store.remember([Record("a wombat", "text", "evidence", session="zoo", blobs=(photo.digest,))])
    store.recall("wombat")
    store.log.delete("zoo")
    assert store.log.read("zoo") == []
    assert store.records("zoo") == []
    assert store.blobs.usage().count == 1
    assert store.blobs.has(shared)
    assert [info.name for info in store.log.sessions()] == ["farm"]
    store.log.delete("farm")
    assert files_with(tmp_path, b"wombat") == []
    assert store.blobs.usage().count == 0
    assert store.stats().events == 0


def test_a_blob_stays_as_long_as_an_event_or_a_record_uses_it(store: MemoryStore) -> None:
    photo = store.blobs.put(b"photo", "image/png")
    (record,) = store.remember([Record("seen", "text", "evidence", blobs=(photo.digest,))])
    store.log.append("zoo", [asked(1, photo.digest)])
    store.forget([record.id])
    assert store.blobs.has(photo)
    store.log.delete("zoo")
    assert not store.blobs.has(photo)


def test_a_blob_named_in_the_facts_is_used(store: MemoryStore) -> None:
    speech = store.blobs.put(b"spoken", "audio/wav")
    facts = {"answer": [{"digest": speech.digest, "size": 6}]}
    spoken, seen = store.remember(
        [
            Record("spoken", "audio", "evidence", facts=facts),
            Record("seen", "text", "evidence", blobs=(speech.digest,)),
        ]
    )
    store.forget([seen.id])
    assert store.blobs.has(speech)
    store.forget([spoken.id])
    assert not store.blobs.has(speech)


def test_a_blob_about_to_be_used_again_stays(store: MemoryStore) -> None:
    photo = store.blobs.put(b"photo", "image/png")
    (record,) = store.remember([Record("seen", "text", "evidence", blobs=(photo.digest,))])
    store.blobs.put(b"photo", "image/png")
    store.forget([record.id])
    store.remember([Record("seen again", "text", "evidence", blobs=(photo.digest,))])
    assert store.blobs.read(photo) == b"photo"
    store.forget([record.id for record in store.records()])
    assert not store.blobs.has(photo)


def test_a_blob_used_twice_goes_with_its_last_user(store: MemoryStore) -> None:
    ids = []
    for _ in range(2):
        photo = store.blobs.put(b"photo", "image/png")
        ids += store.remember([Record("seen", "text", "evidence", blobs=(photo.digest,))])
    store.forget([ids[0].id])
    assert store.blobs.has(photo)
    store.forget([ids[1].id])
    assert not store.blobs.has(photo)


def test_the_index_file_goes_too(store: MemoryStore, reopen: Reopen, tmp_path: Path) -> None:
    (record,) = store.remember([Record("seen", "text", "evidence")])
    store.recall("seen")
    store.close()
    assert (tmp_path / "memory" / "index.faiss").exists()
    reopen().forget([record.id])
    assert not (tmp_path / "memory" / "index.faiss").exists()


def test_a_deletion_cut_short_is_finished_at_the_next_start(store: MemoryStore, reopen: Reopen) -> None:
    photo = store.blobs.put(b"photo", "image/png")
    store.remember([Record("seen", "text", "evidence", blobs=(photo.digest,))])
    with store._database.write() as connection:  # as far as a process gets that is killed here
        connection.execute("DELETE FROM records")
    assert store.blobs.has(photo)
    reopen()
    assert not store.blobs.has(photo)


def test_a_deletion_cut_short_is_finished_in_the_index_too(reopen: Reopen, tmp_path: Path) -> None:
    with reopen() as store:
        store.remember([Record("a tabby cat", "text", "user"), Record("an invoice", "text", "user")])
        store.recall("cat")
    with reopen() as store:
        (vector,) = store._vectors.of(["a tabby cat"])
        assert vector.tobytes() in (tmp_path / "memory" / "index.faiss").read_bytes()
        with store._database.write() as connection:  # as far as a process gets that is killed here
            connection.execute("DELETE FROM records WHERE row = 1")
    reopen()
    assert vector.tobytes() not in (tmp_path / "memory" / "index.faiss").read_bytes()


def test_an_unknown_id_is_named_and_nothing_is_forgotten(store: MemoryStore) -> None:
    (record,) = store.remember([Record("seen", "text", "evidence")])
    with pytest.raises(UnknownName, match="01NOSUCH"):
        store.forget([record.id, "01NOSUCH"])
    assert store.records() == [record]
