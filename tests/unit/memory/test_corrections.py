"""The store of corrections against a model of plain lists, and what goes with a session."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from memory import schema
from memory.corrections import MOST, Correction
from memory.store import MemoryStore
from specialists.errors import BadInput, UnknownName

PEOPLE = ("", "key-a.", "key-b.")
CORRECTIONS = st.builds(
    Correction,
    person=st.sampled_from(PEOPLE),
    text=st.sampled_from(["what's this", "WHAT'S THIS", ""]) | st.text(max_size=8),
    controls=st.lists(st.sampled_from(["<|call:ocr|>", "<|say|>", "<|answer|>"]), max_size=3).map(tuple),
    attachments=st.sampled_from([(), ("image",), ("audio", "image")]),
    earlier=st.sampled_from([(), ("document",)]),
    said=st.text(max_size=8),
    session=st.sampled_from(["trip", "work"]),
    turn=st.integers(0, 9),
    time=st.floats(1, 1e9),
)


class CorrectionsMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = MemoryStore.open(self.folder)
        self.kept: list[Correction] = []

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    @rule(correction=CORRECTIONS)
    def add(self, correction: Correction) -> None:
        def request(c: Correction) -> tuple[object, ...]:
            return (c.person, c.text, c.attachments, c.earlier)

        stored = self.store.corrections.add(correction)
        assert replace(stored, id="") == correction
        self.kept = [c for c in self.kept if request(c) != request(correction)]
        self.kept.append(stored)

    @rule(person=st.sampled_from(PEOPLE), index=st.integers(0, 5))
    def remove(self, person: str, index: int) -> None:
        if index >= len(self.kept):
            return
        chosen = self.kept[index]
        if chosen.person != person:  # what belongs to another is not there
            with pytest.raises(UnknownName):
                self.store.corrections.remove(chosen.id, person)
            return
        self.store.corrections.remove(chosen.id, person)
        self.kept.remove(chosen)

    @rule(person=st.sampled_from(PEOPLE))
    def clear(self, person: str) -> None:
        assert self.store.corrections.clear(person) == sum(c.person == person for c in self.kept)
        self.kept = [c for c in self.kept if c.person != person]

    @rule(session=st.sampled_from(["trip", "work"]))
    def delete_session(self, session: str) -> None:
        self.store.log.append(
            session,
            [{"type": "x", "turn": 1, "seq": self.store.log.last_seq(session) + 1, "time": 0.5}],
        )
        self.store.log.delete(session)
        self.kept = [c for c in self.kept if c.session != session]

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = MemoryStore.open(self.folder)

    @invariant()
    def each_person_has_their_own_newest_first(self) -> None:
        for person in PEOPLE:
            assert self.store.corrections.of(person) == [c for c in self.kept[::-1] if c.person == person]


TestCorrections = CorrectionsMachine.TestCase
TestCorrections.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


def test_a_store_of_the_first_version_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
    monkeypatch.setattr(schema, "VERSION", 1)
    MemoryStore.open(tmp_path).close()
    monkeypatch.undo()
    with MemoryStore.open(tmp_path) as store:
        stored = store.corrections.add(Correction("", "what's this", ("<|call:ocr|>",)))
        assert stored.time > 0
        assert store.corrections.of("") == [stored]


def test_what_is_removed_is_gone_from_the_disk(tmp_path: Path) -> None:
    with MemoryStore.open(tmp_path) as store:
        stored = store.corrections.add(Correction("", "the secret question", ("<|call:ocr|>",)))
        store.corrections.remove(stored.id, "")
        held = b"".join(path.read_bytes() for path in tmp_path.glob("memory.db*"))
    assert b"secret" not in held


def test_text_that_no_file_can_hold_is_refused(tmp_path: Path) -> None:
    with MemoryStore.open(tmp_path) as store:
        with pytest.raises(BadInput):
            store.corrections.add(Correction("", "half \ud800", ()))
        assert store.corrections.of("") == []


def test_only_the_newest_count(tmp_path: Path) -> None:
    MemoryStore.open(tmp_path).close()
    direct = sqlite3.connect(tmp_path / "memory.db")
    rows = [(f"{n:05}", "", str(n), "[]", "[]", "[]", "", "s", 1, 1.0) for n in range(MOST + 5)]
    direct.executemany("INSERT INTO corrections VALUES (?,?,?,?,?,?,?,?,?,?)", rows)
    direct.commit()
    direct.close()
    with MemoryStore.open(tmp_path) as store:
        found = store.corrections.of("")
    assert (len(found), found[0].text, found[-1].text) == (MOST, str(MOST + 4), "5")
