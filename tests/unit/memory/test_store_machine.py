"""The store against a model of plain lists and dicts, in any order of calls."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from memory.blobs import digest_of
from memory.records import Record
from memory.store import MemoryStore
from specialists.content import Anchor, Box, Chars, Span
from specialists.errors import BadInput, UnknownName

SESSIONS = st.sampled_from(["trip", "work", "Zürich 2026"])
CONTENTS = st.sampled_from([b"", b"one", b"two" * 1000])
NUMBERS = st.floats(-1e6, 1e6)
ANCHORS = st.builds(
    Anchor,
    part=st.integers(0, 3),
    box=st.none() | st.builds(Box, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    span=st.none() | st.builds(Span, NUMBERS, NUMBERS),
    chars=st.none() | st.builds(Chars, st.integers(0, 9), st.integers(0, 9)),
    page=st.none() | st.integers(1, 9),
)
RECORDS = st.builds(
    Record,
    text=st.sampled_from(["", "cat", "a cat and a dog", "Hund", "日本語"]) | st.text(max_size=8),
    kind=st.sampled_from(["text", "audio"]),
    role=st.sampled_from(["user", "assistant", "evidence"]),
    session=SESSIONS | st.just(""),
    turn=st.integers(0, 5),
    key=st.sampled_from(["", "k1", "k2"]),
    blobs=st.lists(CONTENTS.map(digest_of), max_size=2).map(tuple),
    media=st.lists(st.sampled_from(["image", "video"]), max_size=2).map(tuple),
    anchors=st.lists(ANCHORS, max_size=2).map(tuple),
    score=st.none() | st.floats(0, 1),
    facts=st.dictionaries(st.text(max_size=3), st.integers(0, 9) | st.text(max_size=3), max_size=2),
    time=st.floats(1, 1e9),
)


class StoreMachine(RuleBasedStateMachine):
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = MemoryStore.open(self.folder)
        self.records: dict[str, Record] = {}
        self.logs: dict[str, list[dict[str, Any]]] = {}
        self.event_blobs: dict[str, set[str]] = {}
        self.loose: set[str] = set()

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    @rule(target=ids, records=st.lists(RECORDS, max_size=3))
    def remember(self, records: list[Record]) -> Any:
        for record in records:
            for content in (b"", b"one", b"two" * 1000):
                if digest_of(content) in record.blobs:
                    self.store.blobs.put(content, "image/png")
        stored = self.store.remember(records)
        assert [record.text for record in stored] == [record.text for record in records]
        for record in stored:
            assert not self.records or record.id > max(self.records)
            self.records[record.id] = record
            self.loose -= set(record.blobs)
        return multiple(*(record.id for record in stored))

    @rule(record_id=consumes(ids))
    def forget(self, record_id: str) -> None:
        if record_id not in self.records:  # it went with its session
            with pytest.raises(UnknownName):
                self.store.forget([record_id])
            return
        self.store.forget([record_id])
        del self.records[record_id]

    @rule(session=SESSIONS, count=st.integers(1, 3), content=CONTENTS, gap=st.booleans())
    def append(self, session: str, count: int, content: bytes, gap: bool) -> None:
        log = self.logs.setdefault(session, [])
        ref = self.store.blobs.put(content, "image/png")
        blob = {"digest": ref.digest, "size": ref.size, "media_type": ref.media_type}
        first = len(log) + 1 + gap
        events = [
            {"type": "x", "turn": 1, "seq": seq, "time": 0.5, "part": {"blob": blob}}
            for seq in range(first, first + count)
        ]
        if gap:
            self.loose.add(ref.digest)
            with pytest.raises(BadInput):
                self.store.log.append(session, events)
            return
        self.store.log.append(session, events)
        log.extend(events)
        self.event_blobs.setdefault(session, set()).add(ref.digest)
        self.loose.discard(ref.digest)

    @rule(session=SESSIONS)
    def delete_session(self, session: str) -> None:
        held = [key for key, record in self.records.items() if record.session == session]
        if not held and not self.logs.get(session):
            with pytest.raises(UnknownName):
                self.store.log.delete(session)
            return
        self.store.log.delete(session)
        self.logs.pop(session, None)
        self.event_blobs.pop(session, None)
        for key in held:
            del self.records[key]

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = MemoryStore.open(self.folder)

    @rule(key=st.sampled_from(["k1", "k2", "k3"]))
    def evidence(self, key: str) -> None:
        fitting = [r for r in self.records.values() if r.key == key and r.role == "evidence"]
        assert self.store.evidence(key) == (fitting[-1] if fitting else None)

    @rule(session=SESSIONS)
    def recall_in_session(self, session: str) -> None:
        fitting = {
            key
            for key, r in self.records.items()
            if r.session == session and "cat" in r.text.casefold().split()
        }
        assert {hit.record.id for hit in self.store.recall("cat", k=1000, session=session)} >= fitting

    @invariant()
    def the_records_are_those_of_the_model(self) -> None:
        assert self.store.records() == list(self.records.values())

    @invariant()
    def the_logs_are_those_of_the_model(self) -> None:
        kept = {name: log for name, log in self.logs.items() if log}
        assert {info.name: info.events for info in self.store.log.sessions()} == {
            name: len(log) for name, log in kept.items()
        }
        for name, log in kept.items():
            assert self.store.log.read(name) == log

    @invariant()
    def only_used_blobs_are_there(self) -> None:
        used = {digest for record in self.records.values() for digest in record.blobs}
        used |= {digest for digests in self.event_blobs.values() for digest in digests}
        for digest in used:
            self.store.blobs.read(digest)
        # What was put for a call that was then refused may stay: somebody may be about to use it.
        here = {path.name for path in self.store.blobs.root.glob("??/??/*")}
        assert used <= here <= used | self.loose


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
