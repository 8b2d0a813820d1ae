from __future__ import annotations

import math
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.records import Query, Record
from memory.setting import Setting, Stretch, beside_event
from memory.store import MemoryStore
from memory.when import Beside
from specialists.errors import BadInput

NOW = datetime(2025, 10, 14, 15, 20).timestamp()  # a Tuesday


def at(day: str, text: str, role: str = "user") -> Record:
    return Record(text, "text", role, session="home", time=datetime.fromisoformat(day).timestamp())


def first(store: MemoryStore, question: str, **more: object) -> str:
    return store.recall(Query(question, now=NOW, **more))[0].record.text  # type: ignore[arg-type]


@pytest.fixture
def boiler(store: MemoryStore) -> MemoryStore:
    store.remember(
        [
            at("2025-09-02T10:00", "the boiler leaks"),
            at("2025-10-07T09:00", "the boiler knocks when it heats"),
            at("2025-10-07T09:01", "have the boiler pressure checked", "assistant"),
            at("2025-10-13T20:00", "the boiler is fine again"),
            at("2025-10-07T11:00", "we had soup for lunch"),
        ]
    )
    return store


def test_of_what_fits_that_comes_first_which_is_of_the_time(boiler: MemoryStore) -> None:
    asked = "what did I tell you {} about the boiler"
    assert first(boiler, asked.format("last Tuesday")) == "the boiler knocks when it heats"
    assert first(boiler, asked.format("yesterday evening")) == "the boiler is fine again"
    assert first(boiler, asked.format("in early September")) == "the boiler leaks"
    assert "when" in boiler.recall(Query(asked.format("last Tuesday"), now=NOW))[0].ranks


def test_a_time_favours_and_restricts_nothing(boiler: MemoryStore) -> None:
    hits = boiler.recall(Query("what about the boiler on 3 January", now=NOW))
    assert {hit.record.text for hit in hits} >= {"the boiler leaks", "the boiler is fine again"}


def test_until_restricts(boiler: MemoryStore) -> None:
    limit = datetime(2025, 10, 7, 9, 0).timestamp()
    assert [hit.record.text for hit in boiler.recall(Query("boiler", until=limit))] == ["the boiler leaks"]


def test_a_question_of_nothing_but_a_time_lists_it(boiler: MemoryStore) -> None:
    hits = boiler.recall(Query("last Tuesday?", k=3, now=NOW))
    assert {datetime.fromtimestamp(hit.record.time).day for hit in hits} == {7}


def test_the_words_of_who_is_asked_come_first(store: MemoryStore) -> None:
    store.remember([at("2025-10-07", "the fence is green", role) for role in ("user", "assistant", "user")])
    asked = {"I tell you": "user", "you tell me": "assistant"}
    for who, role in asked.items():
        hits = store.recall(f"what did {who} about the fence")
        assert [hit.record.role == role for hit in hits] == sorted(
            (hit.record.role == role for hit in hits), reverse=True
        )


def test_a_name_before_the_words_counts(store: MemoryStore) -> None:
    store.remember([at("2025-10-07", "Anna: the fence of Ben"), at("2025-10-07", "Ben: the fence of Anna")])
    assert first(store, "what did Anna say about the fence of Ben") == "Anna: the fence of Ben"
    assert first(store, "what did Ben say about the fence of Anna") == "Ben: the fence of Anna"


def test_an_event_gives_the_time(store: MemoryStore) -> None:
    store.remember(
        [
            at("2025-03-01", "we chose the green paint"),
            at("2025-04-02", "today we moved house to Leipzig"),
            at("2025-04-10", "we chose the white paint"),
        ]
    )
    paints = [hit.record.text for hit in store.recall("which paint did we choose before we moved house")]
    assert paints.index("we chose the green paint") < paints.index("we chose the white paint")
    paints = [hit.record.text for hit in store.recall("which paint did we choose after we moved house")]
    assert paints.index("we chose the white paint") < paints.index("we chose the green paint")


def test_what_a_record_says_of_time_counts(store: MemoryStore) -> None:
    store.remember(
        [at("2025-10-01", "the exam is on 14 November"), at("2025-10-01", "the exam is on 2 December")]
    )
    setting = Setting.of("which exam is on 14 November 2025", NOW)
    with store._database.read() as connection:
        more = setting.told(connection, [1, 2])
    assert more[1] > 0.1 > more[2]


def test_an_event_that_is_told_ahead_is_where_it_is(store: MemoryStore) -> None:
    told = datetime(2025, 10, 1, 12).timestamp()
    place = beside_event(Beside("before", "the meeting", ""), told, "the meeting will be on 9 October")
    assert datetime.fromtimestamp(place.end) == datetime(2025, 10, 9)


@pytest.mark.parametrize("now", [math.nan, math.inf, 1e30])
def test_a_now_that_is_no_time_is_refused(store: MemoryStore, now: float) -> None:
    with pytest.raises(BadInput, match="is no time"):
        store.recall(Query("cat", now=now))


def test_the_fast_path_is_not_enough_where_it_is_of_another_time(boiler: MemoryStore) -> None:
    boiler.consolidate()
    found = boiler.recollect(Query("what did I tell you last Tuesday about the boiler", now=NOW))
    assert found.hits[0].record.text.startswith("the boiler knocks")


@given(st.floats(-1e10, 1e10), st.floats(0, 1e10), st.floats(-1e12, 1e12))
def test_the_farther_away_the_less_it_fits(start: float, length: float, moment: float) -> None:
    stretch = Stretch(start, start + length, 0.9)
    assert 0 <= stretch.fit(moment) <= 0.9
    assert stretch.fit(start) == 0.9
    assert stretch.fit(start - 1e6) >= stretch.fit(start - 2e6)
