"""Consolidation: what comes of what was said, and that it never outlives or invents it."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from memory import schema
from memory.facts import stated, timeline
from memory.records import Query, Record
from memory.sentences import words
from memory.store import MemoryStore
from memory.vectors import Floats
from specialists.errors import BadInput, SpecialistFailed

DAY = 86_400.0


def said(text: str, turn: int = 1, role: str = "user", session: str = "trip", **more: object) -> Record:
    return Record(text, "text", role, session, turn, time=1e9 + turn, **more)  # type: ignore[arg-type]


def finish(store: MemoryStore) -> None:
    while store.consolidate():
        pass
    assert store.unconsolidated() == {}


def told(store: MemoryStore) -> list[tuple[str, bool]]:
    return [(fact.text, fact.valid_to is None) for fact in store.facts(ended=True)]


def test_a_newer_statement_ends_the_older_and_both_stay(store: MemoryStore) -> None:
    first, second, third = store.remember(
        [said("I live in Berlin.", 1), said("We moved to Leipzig.", 2), said("I live in Leipzig", 3)]
    )
    finish(store)
    old, new = store.facts(ended=True)
    assert (old.text, old.sources, old.valid_from, old.valid_to) == (
        *("I live in Berlin.", (first.id,), first.time, second.time),
    )
    assert old.superseded_by == new.id
    assert (new.text, new.sources, new.valid_to) == ("We moved to Leipzig.", (second.id, third.id), None)
    assert store.facts() == [new]


def test_what_is_learned_late_takes_its_place_in_time(store: MemoryStore) -> None:
    store.remember([said("I live in Rome", 9)])
    finish(store)
    store.remember([said("I live in Oslo", 4)])
    finish(store)
    assert told(store) == [("I live in Oslo", False), ("I live in Rome", True)]


def test_without_its_source_a_fact_is_gone_and_the_one_before_holds_again(store: MemoryStore) -> None:
    _, leipzig, again = store.remember(
        [said("I live in Berlin", 1), said("We moved to Leipzig", 2), said("I live in Leipzig", 3)]
    )
    finish(store)
    store.forget([leipzig.id])
    assert told(store) == [("I live in Berlin", True)], "in the very transaction"
    finish(store)
    assert told(store) == [("I live in Berlin", False), ("I live in Leipzig", True)]
    store.forget([again.id])
    assert told(store) == [("I live in Berlin", True)]


def test_persons_do_not_end_each_others_facts(store: MemoryStore) -> None:
    store.remember(
        [
            said("I live in Berlin", 1, session="a.x", person="a."),
            said("I live in Rome", 2, session="b.x", person="b."),
        ]
    )
    finish(store)
    assert told(store) == [("I live in Berlin", True), ("I live in Rome", True)]
    assert [fact.text for fact in store.facts("a.")] == ["I live in Berlin"]
    (hit,) = store.recall(Query("where do I live", levels=("fact",), scope="b."))
    assert (hit.record.text, hit.record.person) == ("I live in Rome", "b.")


def test_words_of_the_assistant_and_of_pictures_are_never_facts(store: MemoryStore) -> None:
    store.remember(
        [
            said("I live in Rome. My name is Hal.", 1, "assistant"),
            said("My name is Ada. I live in a shop window.", 1, "evidence"),
            said("Do I live in Berlin?", 1),
        ]
    )
    finish(store)
    assert store.facts(ended=True) == []


def test_all_words_of_what_is_derived_stand_in_its_sources(store: MemoryStore) -> None:
    towns = ["Berlin", "Rome", "Oslo", "Ghent"]
    for n in range(40):
        store.remember(
            [
                said(f"My sister visited {towns[n % 4]} by night train number {n}. Was it late?", n + 1),
                said(f"Night train {n} has a dining car.", n + 1, "evidence"),
                said("Trains are nice.", n + 1, "assistant"),
            ]
        )
    finish(store)
    made = [record for level in ("fact", "summary", "theme") for record in store.derived(level)]
    assert {record.level for record in made} == {"fact", "summary", "theme"}
    for record in made:
        sources = " ".join(store.get(source).text for source in record.sources)
        assert set(words(record.text)) <= set(words(sources))
        assert "nice" not in words(record.text)
        assert record.role == "derived"


def test_themes_join_summaries_that_are_about_the_same(store: MemoryStore) -> None:
    for day in range(3):
        for about in ("The boiler lost pressure and the plumber fixed the boiler valve.", "Choir sang Bach."):
            session = f"{about[:9].strip('. ')} {day}"
            store.remember([Record(f"Our news. {about}", "text", "user", session, 1, time=1e9 + day * DAY)])
    finish(store)
    found = {theme.text for theme in store.derived("theme")}
    assert any("boiler" in name for name in found)
    assert any("bach" in name for name in found)
    assert all(len(theme.sources) == 3 for theme in store.derived("theme"))
    store.forget([store.records()[0].id])
    assert len(store.derived("theme")) == 1, "a theme goes with a summary it rests on"
    finish(store)
    assert sorted(len(theme.sources) for theme in store.derived("theme")) == [2, 3]


def test_a_summary_follows_its_session(store: MemoryStore) -> None:
    store.remember([said("We rented a boat in Split.", 1)])
    finish(store)
    (first,) = store.derived("summary")
    store.remember([said("The boat had a leak.", 2), said("Ours was a red boat.", 30)])
    finish(store)
    texts = [summary.text for summary in store.derived("summary")]
    assert texts == ["We rented a boat in Split. The boat had a leak.", "Ours was a red boat."]
    assert first.id not in [summary.id for summary in store.derived("summary")]
    store.log.delete("trip")
    assert [store.derived(level) for level in ("summary", "theme", "fact")] == [[], [], []]


def test_consolidating_again_changes_nothing(store: MemoryStore) -> None:
    store.remember([said("I live in Berlin", 1), said("We moved to Rome", 2)])
    finish(store)
    before = [store.derived(level) for level in ("fact", "summary", "theme")]
    with store._database.write() as connection:  # as if every step was taken twice
        connection.execute("INSERT INTO consolidation SELECT 'fact', row FROM records WHERE level = ''")
        connection.execute("INSERT INTO consolidation SELECT 'summary', row FROM records WHERE level = ''")
    finish(store)
    assert [store.derived(level) for level in ("fact", "summary", "theme")] == before


def test_it_stops_when_told_and_goes_on_later(store: MemoryStore) -> None:
    store.remember([said(f"I visited town {n}", n + 1) for n in range(20)])
    asked: list[None] = []

    def stop() -> bool:
        asked.append(None)
        return len(asked) > 5

    assert store.consolidate(stop=stop) == 4  # asked once more, for clips
    assert store.unconsolidated()["fact"] == 16
    assert store.consolidate(3) == 3
    assert store.consolidate(stop=lambda: True) == 0
    finish(store)
    assert len(store.facts()) == 20


def test_one_thread_consolidates_and_others_do_not_wait(store: MemoryStore) -> None:
    store.remember([said("I live in Berlin")])
    inside, go = threading.Event(), threading.Event()

    def hold() -> bool:
        inside.set()
        go.wait(10)
        return False

    working = threading.Thread(target=store.consolidate, kwargs={"stop": hold})
    working.start()
    assert inside.wait(10)
    assert store.consolidate() == 0
    go.set()
    working.join()
    finish(store)
    assert len(store.facts()) == 1


def test_a_model_may_word_but_adds_nothing(store: MemoryStore) -> None:
    asked: list[str] = []

    def write(prompt: str) -> str:
        asked.append(prompt)
        return "The person lives in Leipzig" if "Leipzig" in prompt else "The person has a rich uncle"

    store.remember([said("I live in Leipzig", 1), said("My dog is old", 2)])
    assert store.consolidate(write=write)
    assert [fact.text for fact in store.facts()] == ["The person lives in Leipzig", "My dog is old"]
    (summary,) = store.derived("summary")
    assert summary.text == "I live in Leipzig. My dog is old.", "it said lives, which no source does"
    assert len(asked) == 3


def test_a_model_that_fails_leaves_what_was_said(store: MemoryStore) -> None:
    def write(prompt: str) -> str:
        raise SpecialistFailed("out of memory", part="chat")

    store.remember([said("I live in Leipzig")])
    store.consolidate(write=write)
    assert told(store) == [("I live in Leipzig", True)]


def test_an_encoder_that_fails_leaves_words(reopen: Callable[..., MemoryStore]) -> None:
    def broken(texts: Sequence[str]) -> Floats:
        raise RuntimeError("no such device")

    store = reopen(broken)
    store.remember([said("The boat had a leak", day, session=f"s{day}") for day in range(1, 4)])
    finish(store)
    assert len(store.derived("summary")) == 3
    assert [theme.text for theme in store.derived("theme")] == ["boat, leak"]


def test_what_is_derived_needs_sources_and_nothing_else_has_them(store: MemoryStore) -> None:
    (source,) = store.remember([said("I live in Rome")])
    for bad in (
        said("x", role="derived", level="fact"),
        said("x", sources=(source.id,)),
        said("x", role="derived", level="fact", sources=("01NOSUCH",)),
        said("x", role="derived", level="rumour", sources=(source.id,)),
    ):
        try:
            store.remember([bad])
        except BadInput:
            continue
        raise AssertionError(bad)
    assert store.records() == [source]


WORKER = """
import sys
from pathlib import Path
from memory.store import MemoryStore

store = MemoryStore.open(Path(sys.argv[1]), None)
print("ready", flush=True)
while store.consolidate(1):
    print("step", flush=True)
"""


def test_a_killed_process_goes_on_where_it_stood(tmp_path: Path) -> None:
    chance = random.Random(5)
    towns = ["Berlin", "Rome", "Oslo"]
    killed = tmp_path / "killed"
    with MemoryStore.open(killed, None) as store, MemoryStore.open(tmp_path / "calm", None) as calm:
        for n in range(36):
            text = f"We moved to {towns[n % 3]}. My number is {n // 7}. I visited aunt {n % 5}."
            for each in (store, calm):
                each.remember([said(text, n + 1, session=f"s{n // 12}")])
        finish(calm)
        expected = [[(r.text, r.valid_to) for r in calm.derived(level)] for level in ("fact", "summary")]
    for _ in range(5):
        child = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(killed)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        for _ in range(chance.randrange(9)):
            child.stdout.readline()
        child.kill()
        child.wait()
        child.stdout.close()
        direct = sqlite3.connect(killed / "memory.db")
        assert direct.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert direct.execute("PRAGMA foreign_key_check").fetchall() == []
        direct.close()
    with MemoryStore.open(killed, None) as store:
        assert store.unconsolidated() != {}, "the last was killed too late to show anything"
        finish(store)
        found = [[(r.text, r.valid_to) for r in store.derived(level)] for level in ("fact", "summary")]
        assert found == expected


TEXTS = st.sampled_from(
    [
        *("I live in Berlin.", "We moved to Rome.", "I live in Rome", "I no longer live in Rome."),
        *("I eat meat", "I don't eat meat any more. I live in Oslo", "My number is 5", "Is it late?"),
    ]
)


class FactsMachine(RuleBasedStateMachine):
    """The facts in the store against those that follow from the records that are left."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = MemoryStore.open(self.folder, None)
        self.said: dict[str, Record] = {}

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    @rule(
        text=TEXTS,
        turn=st.integers(1, 20),
        role=st.sampled_from(["user", "user", "assistant"]),
        session=st.sampled_from(["a.1", "a.2", "b.1"]),
    )
    def say(self, text: str, turn: int, role: str, session: str) -> None:
        (record,) = self.store.remember([said(text, turn, role, session, person=session[:2])])
        self.said[record.id] = record

    @precondition(lambda self: self.said)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from(sorted(self.said)))
        self.store.forget([gone])
        del self.said[gone]

    @rule(steps=st.integers(1, 4))
    def consolidate(self, steps: int) -> None:
        self.store.consolidate(steps)

    @rule()
    def consolidate_all(self) -> None:
        finish(self.store)
        for person in ("a.", "b."):
            statements = [s for r in self.said.values() if r.person == person for s in stated(r)]
            wanted = []
            for about in {s.about for s in statements}:
                facts = timeline([s for s in statements if s.about == about])
                wanted += [(about, f.text, f.sources, f.start, f.end) for f in facts]
            found = [
                (f.key, f.text, f.sources, f.valid_from, f.valid_to)
                for f in self.store.facts(person, ended=True)
            ]
            assert sorted(found) == sorted(wanted)  # type: ignore[type-var]

    @invariant()
    def nothing_derived_outlives_a_source(self) -> None:
        for level in ("fact", "summary", "theme"):
            for record in self.store.derived(level):
                assert record.sources
                for source in record.sources:
                    self.store.get(source)

    @invariant()
    def what_holds_is_not_superseded(self) -> None:
        facts = {fact.id: fact for fact in self.store.facts(ended=True)}
        for fact in facts.values():
            assert (fact.valid_to is None) == (fact.superseded_by == "")
            if fact.superseded_by:
                assert facts[fact.superseded_by].valid_from == fact.valid_to
                assert facts[fact.superseded_by].key == fact.key


TestFacts = FactsMachine.TestCase
TestFacts.settings = settings(max_examples=10, stateful_step_count=20, deadline=None)


def test_a_store_from_before_is_consolidated_as_well(tmp_path: Path) -> None:
    direct = sqlite3.connect(tmp_path / "memory.db", isolation_level=None)
    direct.executescript(schema.V1 + schema.V2)
    direct.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    direct.execute("PRAGMA user_version = 2")
    key = "key-0123456789abcdef."
    for n, session in enumerate(("trip", f"{key}trip")):
        direct.execute(
            "INSERT INTO records (id, text, kind, role, session, turn, source, key, blobs, media, anchors,"
            " facts, time) VALUES"
            " (?, 'I live in Rome', 'text', 'user', ?, 4, '', '', '[]', '[]', '[]', '{}', 5)",
            (f"01OLD{n}", session),
        )
    direct.close()
    with MemoryStore.open(tmp_path, None) as store:
        assert [record.episode for record in store.records()] == ["trip:4", f"{key}trip:4"]
        finish(store)
        assert [fact.person for fact in store.facts()] == ["", key]
