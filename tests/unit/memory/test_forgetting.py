"""Forgetting for good: by record, session, person, time, words and blob; and the proof of it."""

from __future__ import annotations

import json
import select
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from memory import fts, locks
from memory.corrections import Correction
from memory.forgetting import Forget
from memory.proof import PIECE, Needles
from memory.records import Record
from memory.replay import replay
from memory.store import MemoryStore
from memory.vectors import PROBE, Embed
from orchestrator.cli.transcript import turns
from orchestrator.events import from_dict
from orchestrator.history import History
from specialists.embed import Encoded
from specialists.errors import BadInput, UnknownName

Reopen = Callable[..., MemoryStore]

SECRET = "my sister Ottilie hides her spare key under the blue flowerpot"
ANSWER = "Noted: the spare key of your sister Ottilie lies under the blue flowerpot"


class Talk:
    """A conversation as the engine writes it: the log of each turn, and its records."""

    def __init__(self, store: MemoryStore, session: str) -> None:
        self.store, self.session, self.turn = store, session, 0

    def exchange(
        self,
        said: str,
        reply: str,
        *,
        blob: str = "",
        hits: tuple[Record, ...] = (),
        found: str = "",
        **more: Any,
    ) -> list[Record]:
        """One turn; the records it left: the words, the answer, and what was found in the blob."""
        self.turn += 1
        records = [Record(said, "text", "user", self.session, self.turn, **more)]
        records.append(Record(reply, "text", "assistant", self.session, self.turn, **more))
        if found:
            records.append(
                Record(found, "text", "evidence", self.session, self.turn, "ocr", blobs=(blob,), **more)
            )
        stored = self.store.remember(records)
        parts: list[dict[str, Any]] = [{"kind": "text", "text": said, "name": "", "blob": None}]
        if blob:
            ref = {"digest": blob, "size": 5, "media_type": "image/png"}
            parts.append({"kind": "image", "text": "", "name": "a.png", "blob": ref})
        summary = [
            {"record": hit.id, "text": hit.text, "kind": "text", "source": "", "score": 1.0, "exact": False}
            for hit in hits
        ]
        events: list[dict[str, Any]] = [
            {"type": "turn.started", "message": {"role": "user", "parts": parts}, "voice": False},
            {"type": "memory.recalled", "hits": summary, "seconds": 0.0},
        ]
        if found:
            finding = {"step": "s1", "specialist": "ocr", "text": found, "record": stored[2].id}
            events.append({"type": "step.finished", **finding})
        events += [{"type": "reply.text", "text": f"{word} "} for word in reply.split(" ")]
        events.append({"type": "turn.finished", "outcome": "answered", "text": reply, "timings": {}})
        self.write(self.turn, events)
        return stored

    def add(self, kind: str, turn: int | None = None, **fields: Any) -> None:
        self.write(self.turn if turn is None else turn, [{"type": kind, **fields}])

    def write(self, turn: int, events: list[dict[str, Any]]) -> None:
        first = self.store.log.last_seq(self.session) + 1
        common = {"session": self.session, "turn": turn}
        numbered = [{**common, "seq": seq, "time": seq / 10, **e} for seq, e in enumerate(events, first)]
        self.store.log.append(self.session, numbered)


def types(store: MemoryStore, session: str, turn: int) -> set[str]:
    return {event["type"] for event in store.log.read(session) if event["turn"] == turn}


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file()).lower()


def test_a_record_goes_with_its_turn_and_the_rest_replays(store: MemoryStore, tmp_path: Path) -> None:
    talk = Talk(store, "trip")
    talk.exchange("what a fine day", "It is indeed.")
    said, answer = talk.exchange(SECRET, ANSWER)
    talk.exchange("and who won the match?", "I do not know that.")
    erased = store.erase(Forget(ids=(said.id,)))
    assert erased.extent.ids == {said.id, answer.id}
    assert erased.proof.clean, erased.proof.left
    assert b"ottilie" not in everything(tmp_path)
    events = store.log.read("trip")
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert types(store, "trip", 2) == {"event.forgotten"}
    assert [event for _, event in replay(events, speed=None)] == events
    assert [view.outcome for view in turns(events)] == ["answered", "forgotten", "answered"]
    history = History()
    for event in events:
        history = history.after(from_dict(event))
    assert [message.text for message in history.messages] == [
        "what a fine day",
        "It is indeed.",
        "and who won the match?",
        "I do not know that.",
    ]


def test_a_turn_number_that_was_forgotten_is_not_given_again(store: MemoryStore) -> None:
    talk = Talk(store, "trip")
    talk.exchange("hello", "Good day.")
    (said, _) = talk.exchange(SECRET, ANSWER)
    store.erase(Forget(ids=(said.id,)))
    history = History()
    for event in store.log.read("trip"):
        history = history.after(from_dict(event))
    assert history.turns == 2
    assert history.open_turn == 0


def test_the_log_stays_append_only_afterwards(store: MemoryStore) -> None:
    talk = Talk(store, "trip")
    talk.exchange("hello", "Good day.")
    (said, _) = talk.exchange(SECRET, ANSWER)
    store.erase(Forget(ids=(said.id,)))
    for change in ("UPDATE events SET time = 0", "DELETE FROM events"):
        direct = sqlite3.connect(store.path / "memory.db")
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            direct.execute(change)
        direct.close()
    talk.exchange("still there?", "Yes.")


def test_what_others_were_given_of_it_goes_too(store: MemoryStore, tmp_path: Path) -> None:
    (said, answer) = Talk(store, "home").exchange(SECRET, ANSWER)
    work = Talk(store, "work")
    work.exchange("where is the key?", ANSWER, hits=(said, answer))
    work.exchange("how is the weather?", "Fine and dry.", hits=(said,))
    erased = store.erase(Forget(session="home"))
    assert erased.proof.clean, erased.proof.left
    assert erased.extent.repeated == {("work", 1)}
    assert b"ottilie" not in everything(tmp_path)
    (recalled,) = [event for event in store.log.read("work") if event["type"] == "memory.recalled"]
    assert recalled["hits"][0]["text"] == "[forgotten]"
    assert [record.text for record in store.records()] == ["how is the weather?", "Fine and dry."]


def test_who_says_the_same_by_themselves_keeps_it(store: MemoryStore) -> None:
    question = "what do you see in this picture of mine"
    Talk(store, "old").exchange(question, "A cat.")
    trip = Talk(store, "trip")
    trip.exchange(question, "A dog.")
    trip.exchange(question, "A horse.")
    erased = store.erase(Forget(ids=(store.records("trip")[0].id,)))
    assert erased.proof.clean
    assert erased.proof.kept > 0
    assert [record.text for record in store.records()] == [question, "A cat.", question, "A horse."]


def test_a_blob_goes_with_all_that_was_seen_in_it(store: MemoryStore, tmp_path: Path) -> None:
    photo = store.blobs.put(b"PIN on a note", "image/png").digest
    talk = Talk(store, "trip")
    (_, _, found) = talk.exchange(
        "what is this?", "A note with 4711 on it", blob=photo, found="PIN 4711-0815-42"
    )
    talk.exchange("is it mine?", "Nobody knows.")
    later = Talk(store, "later")
    later.exchange("hello", "Good day.")
    later.add("step.finished", step="s1", specialist="ocr", text=found.text, record=found.id, reused=True)
    erased = store.erase(Forget(blob=photo))
    assert erased.extent.blobs == {photo}
    assert erased.proof.clean, erased.proof.left
    assert not store.blobs.has(photo)
    assert b"4711" not in everything(tmp_path)
    assert photo.encode() not in everything(tmp_path)
    assert [record.text for record in store.records()] == ["is it mine?", "Nobody knows."]
    assert [info.name for info in store.log.sessions()] == ["trip"], "nothing of the other one was left"


def test_words_are_forgotten_wherever_they_were_said(store: MemoryStore, tmp_path: Path) -> None:
    talk = Talk(store, "trip")
    talk.exchange("I like tea", "Tea is good.")
    talk.exchange(SECRET, ANSWER)
    other = Talk(store, "other")
    other.exchange("Is there a flowerpot for Ottilie?", "There is none.")
    store.corrections.add(Correction("", "where did Ottilie put it", ("<|recall|>",), session="gone", turn=1))
    erased = store.erase(Forget(query="ottilie"))
    assert erased.proof.clean, erased.proof.left
    assert b"ottilie" not in everything(tmp_path)
    assert store.recall("ottilie flowerpot")[0].record.text in ("I like tea", "Tea is good.")
    assert len(erased.extent.corrections) == 1


def test_a_query_narrows_a_session(store: MemoryStore) -> None:
    for session in ("one", "two"):
        Talk(store, session).exchange("the password is swordfish", "All right.")
        talk = Talk(store, session)
        talk.turn = 1
        talk.exchange("something else", "Yes.")
    store.erase(Forget(session="one", query="swordfish password"))
    assert [record.text for record in store.records("one")] == ["something else", "Yes."]
    assert len(store.records("two")) == 4


def test_a_time_range_ends_before_its_end(store: MemoryStore) -> None:
    talk = Talk(store, "trip")
    for when in (10.0, 20.0, 30.0):
        store.remember([Record(f"said at {when}", "text", "user", "notes", time=when)])
        talk.exchange(f"at {when}", "Yes.", time=when)
    store.erase(Forget(after=20.0, before=30.0))
    assert [record.time for record in store.records("notes")] == [10.0, 30.0]
    assert types(store, "trip", 2) == {"event.forgotten"}
    assert "event.forgotten" not in types(store, "trip", 1) | types(store, "trip", 3)


def test_a_session_whose_time_is_over_goes_as_a_whole(store: MemoryStore) -> None:
    talk = Talk(store, "trip")
    talk.add("session.opened", turn=0, wall_time=1.0, resumed=False)
    talk.exchange(SECRET, ANSWER)
    (tmp := locks.lock_path(store.path, "trip")).parent.mkdir()
    tmp.touch()
    erased = store.erase(Forget(before=2e10))
    assert erased.extent.sessions == {"trip"}
    assert store.log.sessions() == []
    assert not tmp.exists()


def test_a_person_goes_with_all_sessions(store: MemoryStore, tmp_path: Path) -> None:
    for name in ("key-1.home", "key-1.work", "key-2.home"):
        Talk(store, name).exchange(f"{SECRET} {name}", "All right.")
        store.corrections.add(Correction(name[:6], f"the {name} flowerpot", ("<|recall|>",)))
    erased = store.erase(Forget(person="key-1."))
    assert erased.extent.sessions == {"key-1.home", "key-1.work"}
    assert erased.proof.clean, erased.proof.left
    assert b"key-1." not in everything(tmp_path)
    assert [info.name for info in store.log.sessions()] == ["key-2.home"]
    assert store.corrections.of("key-1.") == []
    assert len(store.corrections.of("key-2.")) == 1


def test_what_the_ears_wrote_down_goes_with_the_turn(store: MemoryStore, tmp_path: Path) -> None:
    talk = Talk(store, "voice")
    talk.exchange("good morning", "Good morning.")
    talk.add("speech.transcript", turn=0, text="my sister Ottilie", final=False)
    talk.add("speech.transcript", turn=0, text=SECRET, final=True)
    (said, _) = talk.exchange(SECRET, ANSWER)
    talk.exchange("what else?", "Nothing.")
    store.erase(Forget(ids=(said.id,)))
    assert b"ottilie" not in everything(tmp_path)
    assert store.log.session("voice").title == "good morning"


def test_the_title_of_a_session_is_forgotten_too(store: MemoryStore) -> None:
    talk = Talk(store, "trip")
    (said, _) = talk.exchange(SECRET, ANSWER)
    talk.exchange("and the weather?", "Fine.")
    assert "Ottilie" in store.log.session("trip").title
    store.erase(Forget(ids=(said.id,)))
    assert store.log.session("trip").title == "and the weather?"


def test_inputs_of_a_turn_that_stays_say_nothing_of_it(store: MemoryStore, tmp_path: Path) -> None:
    (said, _) = Talk(store, "home").exchange(SECRET, ANSWER)
    (corrected,) = [
        store.corrections.add(Correction("", "where is the key of Ottilie", ("x",), session="home"))
    ]
    work = Talk(store, "work")
    work.exchange("how are you today?", "Well.")
    fields = [["id", corrected.id], ["text", corrected.text], ["controls", ["x"]]]
    inputs = [
        [
            1,
            "value",
            "recall",
            {"record": said.id, "text": SECRET, "rest": [["kind", "text"], ["key", SECRET]]},
        ],
        [2, "value", "corrections", [{"is": "Correction", "of": fields}]],
    ]
    work.add("turn.routed", controls=[], exemplars=[corrected.text], inputs=inputs)
    erased = store.erase(Forget(session="home"))
    assert erased.proof.clean, erased.proof.left
    assert b"ottilie" not in everything(tmp_path)
    (routed,) = [event for event in store.log.read("work", inputs=True) if event["type"] == "turn.routed"]
    assert routed["inputs"][0][3]["rest"] == [["kind", "text"]]
    assert routed["exemplars"] == ["[forgotten]"]


def test_what_was_derived_goes_with_what_it_rests_on(store: MemoryStore, tmp_path: Path) -> None:
    (said, _) = Talk(store, "home").exchange(SECRET, ANSWER)
    (other, _) = Talk(store, "work").exchange("I work at the mill", "All right.")
    fact, summary = store.remember(
        [
            Record("Ottilie has a flowerpot", "text", "derived", level="fact", sources=(said.id,)),
            Record(
                "Of Ottilie, and of the mill", "text", "derived", level="summary", sources=(said.id, other.id)
            ),
        ]
    )
    with pytest.raises(BadInput, match="summary"):
        store.erase(Forget(ids=(summary.id,)))
    erased = store.erase(Forget(ids=(fact.id,)))
    assert {fact.id, summary.id, said.id} <= erased.extent.ids
    assert erased.proof.clean, erased.proof.left
    assert b"ottilie" not in everything(tmp_path)
    assert [record.text for record in store.records()] == ["I work at the mill", "All right."]


def test_a_dry_run_changes_nothing_and_says_the_same(store: MemoryStore) -> None:
    talk = Talk(store, "trip")
    talk.exchange(SECRET, ANSWER)
    talk.exchange("and the weather?", "Fine.")
    before = (store.records(), store.log.read("trip"))
    extent = store.erasable(Forget(query="flowerpot"))
    assert (store.records(), store.log.read("trip")) == before
    assert store.erase(Forget(query="flowerpot")).extent == extent


def test_an_open_session_is_not_changed_under_its_owner(store: MemoryStore) -> None:
    talk = Talk(store, "trip")
    (said, _) = talk.exchange(SECRET, ANSWER)
    path = locks.lock_path(store.path, "trip")
    path.parent.mkdir()
    with FileLock(path, thread_local=False):
        assert locks.open_sessions(store.path) == {"trip"}
        with pytest.raises(BadInput, match="is open"):
            store.erase(Forget(ids=(said.id,)))
        assert store.get(said.id) == said
        assert store.erase(Forget(query="flowerpot", spared=frozenset({"trip"}))).extent.empty
    assert locks.open_sessions(store.path) == set()
    store.erase(Forget(ids=(said.id,)))


@pytest.mark.parametrize(
    "wish",
    [{}, {"person": ""}, {"query": "?!"}, {"blob": "../etc/passwd"}, {"spared": frozenset({"a"})}],
)
def test_a_wish_that_cannot_be_meant_is_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        Forget(**wish)


@pytest.mark.parametrize("wish", [{"ids": ("01NOSUCH",)}, {"session": "nowhere"}])
def test_what_is_not_there_is_named(store: MemoryStore, wish: dict[str, Any]) -> None:
    with pytest.raises(UnknownName, match="no such"):
        store.erase(Forget(**wish))


def test_a_failure_half_way_leaves_all_as_it_was(store: MemoryStore) -> None:
    talk = Talk(store, "trip")
    talk.exchange(SECRET, ANSWER)
    talk.exchange("and the weather?", "Fine.")
    before = (store.records(), store.log.read("trip"))
    with store._database.write() as connection:  # SQLite says no to the last step of it
        connection.execute(
            "CREATE TRIGGER no BEFORE UPDATE OF title ON sessions BEGIN SELECT raise(ABORT, 'no'); END"
        )
    with pytest.raises(Exception, match="no"):
        store.erase(Forget(query="flowerpot"))
    assert (store.records(), store.log.read("trip")) == before
    with store._database.read() as connection:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE name LIKE 'events_%'").fetchall()
    assert ("events_never_change",) in names


def test_the_proof_finds_what_was_left(store: MemoryStore, tmp_path: Path) -> None:
    (said, _) = Talk(store, "trip").exchange(SECRET, ANSWER)
    (store.path / "left.txt").write_text(f"... {SECRET} ...")
    beside = tmp_path / "latencies.json"
    beside.write_text(json.dumps({"seen": said.id}))
    erased = store.erase(Forget(session="trip"), beside=[beside])
    assert sorted(left.split()[0] for left in erased.proof.left) == ["latencies.json", "left.txt"]
    looked = {entry.place: entry for entry in erased.proof.looked}
    assert looked["memory.db"].bytes > 0
    assert looked["memory.db"].found == 0


def test_the_proof_looks_for_tokens(tmp_path: Path, embed: Embed) -> None:
    states = np.random.default_rng(3).integers(-127, 128, (9, 16), dtype=np.int8)

    def tokens(texts: Sequence[str]) -> list[Encoded]:
        spans = np.zeros((9, 2), np.int32)
        return [
            Encoded(vector, np.flip(states) if text == PROBE else states, spans)
            for text, vector in zip(texts, embed(texts), strict=True)
        ]

    with MemoryStore.open(tmp_path / "memory", embed, tokens) as store:
        (record,) = Talk(store, "s").exchange(SECRET, "")[:1]
        store.embed_pending()
        copy = tmp_path / "copy"
        copy.write_bytes(states.tobytes())
        erased = store.erase(Forget(ids=(record.id,)), [copy])
    assert [left.split()[0] for left in erased.proof.left] == ["copy"]


def test_the_proof_finds_terms_that_the_word_index_kept(store: MemoryStore) -> None:
    store.remember([Record(f"filler {n}", "text", "user") for n in range(50)])
    (record,) = store.remember([Record("quokkas abound", "text", "user")])
    with store._database.write() as connection:
        connection.execute("DELETE FROM records WHERE id = ?", (record.id,))
    with store._database.read() as connection:
        assert fts.left_over(connection, fts.terms_of([record.text])) == {"quokka", "abound"}
    store._database.scrub()
    with store._database.read() as connection:
        assert fts.left_over(connection, fts.terms_of([record.text])) == set()


def test_every_term_of_the_word_index_is_read(store: MemoryStore) -> None:
    texts = [f"word{n} zebra{n % 7} übermut x{'y' * (n % 60)}" for n in range(3000)]
    store.remember([Record(text, "text", "user") for text in texts])
    store._database.scrub()
    with store._database.read() as connection:
        assert {term.decode() for term in fts.stored_terms(connection)} == fts.terms_of(texts)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_needles_are_found_wherever_they_lie(data: st.DataObject) -> None:
    text = data.draw(st.binary(min_size=PIECE, max_size=200).filter(lambda b: b.strip(b"\0") == b))
    start = data.draw(st.integers(0, len(text) - PIECE))
    piece = text[start : start + PIECE]
    hay = bytes(data.draw(st.integers(0, 40))) + piece + bytes(data.draw(st.integers(0, 40)))
    needles = Needles.of([text], [])
    if piece[:8].strip(b"\0") and piece[7:].strip(b"\0"):
        assert piece in needles.in_bytes(hay)
    assert needles.in_bytes(b"nothing of the kind stands here, nothing at all") == set()


def test_needles_are_found_across_chunks(tmp_path: Path) -> None:
    path = tmp_path / "big"
    for at in range((1 << 20) - 45, (1 << 20) + 5, 7):
        path.write_bytes(b"." * at + SECRET.encode() + b"." * 3000)
        assert len(Needles.of([], [SECRET.encode()]).in_file(path)) == len(SECRET) - PIECE + 1


HOLDER = """
import sys
from pathlib import Path
from memory.store import MemoryStore

with MemoryStore.open(Path(sys.argv[1])) as store:
    with store._database.write():
        print("writing", flush=True)
        sys.stdin.readline()
"""


def test_the_search_takes_no_locks_from_sqlite(store: MemoryStore) -> None:
    """Another process must not get to write while this one does, also after a search of the files."""
    store.remember([Record(SECRET, "text", "user", "trip", 1)])
    store.erase(Forget(query="flowerpot"))
    with store._database.write() as connection:
        connection.execute("INSERT INTO sessions (name, opened, touched) VALUES ('x', 0, 0)")
        for path in store.path.glob("memory.db*"):
            Needles.of([], [SECRET.encode()]).in_file(path)
        arguments = [sys.executable, "-c", HOLDER, str(store.path)]
        with subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as other:
            assert other.stdout is not None
            assert other.stdin is not None
            waiting, _, _ = select.select([other.stdout], [], [], 3.0)
            got_in = bool(waiting)
            if got_in:
                other.kill()
            else:
                connection.execute("COMMIT")
                connection.execute("BEGIN")
                assert other.stdout.readline() == "writing\n"
                other.communicate("\n")
    assert not got_in, "two processes wrote at once"
