"""Archives and copies: a session leaves and comes back whole, and nothing that was tampered with comes in."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory.archive import SEAL, export, restore
from memory.copies import fork
from memory.records import Record
from memory.store import MemoryStore
from specialists.errors import AntiphonError, BadInput, UnknownName

OUTER = [HealthCheck.function_scoped_fixture]
SOUND = bytes(range(256)) * 8


def session(store: MemoryStore, name: str = "trip") -> str:
    """A session of two turns with sound, an attachment and its evidence; the id of a record."""
    photo = store.blobs.put(b"a photo", "image/png")
    (found,) = store.remember(
        [
            Record(
                "a cat", "image", "evidence", name, 1, "vision", "k1", blobs=(photo.digest,), media=("image",)
            )
        ]
    )
    store.remember([Record("and now?", "text", "user", name, 2)])

    def event(kind: str, turn: int, **more: Any) -> dict[str, Any]:
        return {"session": name, "turn": turn, "time": 1.0, "type": kind, **more}

    part = {"kind": "image", "blob": {"digest": photo.digest, "size": 7, "media_type": "image/png"}}
    events = [
        event("session.opened", 0),
        event("turn.started", 1, message={"role": "user", "parts": [part]}),
        event(
            "step.finished", 1, text="a cat\u2028", record=found.id, inputs=[[2, "value", "x", [found.id]]]
        ),
        event("reply.speech", 1, pcm=base64.urlsafe_b64encode(SOUND).decode()),
        event("turn.finished", 1, text="a cat"),
        event("speech.heard", 1, heard="a"),
        event("turn.started", 2, message={"role": "user", "parts": []}),
        event("turn.finished", 2, text=""),
    ]
    store.log.append(name, [{**values, "seq": seq} for seq, values in enumerate(events, 1)])
    return found.id


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[str], MemoryStore]:
    return lambda name: MemoryStore.open(tmp_path / name)


def test_a_session_comes_back_whole_in_another_store(
    opened: Callable[[str], MemoryStore], tmp_path: Path
) -> None:
    file = tmp_path / "trip.antiphon"
    with opened("a") as store:
        session(store)
        before, records = store.log.read("trip", inputs=True), store.records("trip")
        export(store, "trip", file)
        first = file.read_bytes()
        export(store, "trip", file)
        assert file.read_bytes() == first, "the same session gives the same file"
    with opened("b") as store:
        assert restore(store, file) == "trip"
        assert store.log.read("trip", inputs=True) == before
        assert store.records("trip") == records
        assert store.evidence("k1") == records[0]
        with pytest.raises(BadInput, match="already"):
            restore(store, file)
        assert restore(store, file, "copy") == "copy"
        (copied, _) = store.records("copy")
        assert copied.id != records[0].id
        assert store.log.read("copy", inputs=True)[2]["record"] == copied.id
        assert store.log.read("copy", inputs=True)[2]["inputs"][0][3] == [copied.id]
        store.log.delete("trip")
        assert base64.urlsafe_b64decode(store.log.read("copy")[3]["pcm"]) == SOUND


def test_a_flipped_bit_anywhere_is_refused(opened: Callable[[str], MemoryStore], tmp_path: Path) -> None:
    file = tmp_path / "trip.antiphon"
    with opened("a") as store:
        session(store)
        export(store, "trip", file)
    good = file.read_bytes()
    with opened("b") as store:

        @settings(
            max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
        )
        @given(st.integers(0, len(good) * 8 - 1))
        def refused(bit: int) -> None:
            bad = bytearray(good)
            bad[bit // 8] ^= 1 << bit % 8
            file.write_bytes(bytes(bad))
            with pytest.raises(BadInput, match=r"checksum|its end is missing"):
                restore(store, file)

        @settings(max_examples=50, deadline=None, suppress_health_check=OUTER)
        @given(st.integers(0, len(good) - 1))
        def cut(length: int) -> None:
            file.write_bytes(good[:length])
            with pytest.raises(BadInput):
                restore(store, file)

        refused()
        cut()
        assert store.log.sessions() == []
        assert store.records() == []
        assert store.blobs.usage().count == 0


def sealed(path: Path, members: dict[str, bytes], manifest: dict[str, Any]) -> None:
    """An archive as a stranger would forge it: with a seal that fits."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.comment = SEAL + b"0" * 64
    data = path.read_bytes()[:-64]
    path.write_bytes(data + hashlib.sha256(data).hexdigest().encode())


def facts(data: bytes, **more: Any) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), **more}


EVENT = json.dumps({"type": "x", "turn": 0, "seq": 1, "time": 0.0}).encode() + b"\n"
STRANGE = json.dumps(
    {"type": "x", "turn": 0, "seq": 1, "time": 0.0, "pcm": {"blob": "a" * 64, "size": 1}}
).encode()
BOMB = bytes(30_000_000)
RECORD = json.dumps({"text": "x", "kind": "text", "role": "user", "id": "no id"}).encode()


@pytest.mark.parametrize(
    ("members", "told", "version", "why"),
    [
        ({"../../evil": b"x"}, {}, 1, "belongs to no session"),
        ({"blobs/../../evil": b"x"}, {}, 1, "belongs to no session"),
        ({f"blobs/{'a' * 64}": b"x"}, {}, 1, "not what its name says"),
        ({f"blobs/{hashlib.sha256(b'x').hexdigest()}": b"x"}, {}, 1, "nothing uses"),
        ({}, {"events.jsonl": facts(EVENT, bytes=10)}, 1, "checksum of events"),
        ({}, {"events.jsonl": facts(EVENT, bytes=10**12)}, 1, "are allowed"),
        ({}, {}, 2, "version 2"),
        ({"events.jsonl": b"{}\n"}, {}, 1, "event"),
        ({"events.jsonl": b"[" * 100_000}, {}, 1, "cannot be read"),
        ({"events.jsonl": STRANGE}, {}, 1, "lacks files"),
        ({"records.jsonl": RECORD}, {}, 1, "record 1"),
        ({"events.jsonl": b""}, {}, 1, "not one event"),
        (
            {"events.jsonl": bytes(30_000_000)},
            {"events.jsonl": facts(bytes(30_000_000), bytes=30)},
            1,
            "checksum",
        ),
    ],
)
def test_a_forged_archive_is_refused(
    opened: Callable[[str], MemoryStore],
    tmp_path: Path,
    members: dict[str, bytes],
    told: dict[str, Any],
    version: int,
    why: str,
) -> None:
    file = tmp_path / "forged.antiphon"
    held = {"events.jsonl": EVENT, "records.jsonl": b"", **members}
    listed = {name: facts(data) for name, data in held.items()} | told
    sealed(file, held, {"format": "antiphon session", "version": version, "session": "s", "members": listed})
    with opened("b") as store:
        with pytest.raises(AntiphonError, match=why):
            restore(store, file)
        assert store.log.sessions() == []
        assert store.blobs.usage().count == 0
    assert not (tmp_path.parent / "evil").exists()


def test_a_fork_goes_its_own_way(opened: Callable[[str], MemoryStore]) -> None:
    with opened("a") as store:
        first = session(store)
        assert fork(store, "trip", 1, "other") == 6, "with what was heard of the turn"
        events = store.log.read("other")
        (record,) = store.records("other")
        assert record.id != first
        assert events[2]["record"] == record.id
        assert {event["session"] for event in events} == {"other"}
        store.log.delete("trip")
        assert store.evidence("k1") == record
        assert store.blobs.read(record.blobs[0]) == b"a photo"
        with pytest.raises(UnknownName, match="no finished turn 7"):
            fork(store, "other", 7, "third")
        with pytest.raises(BadInput, match="already"):
            fork(store, "other", 1, "other")
