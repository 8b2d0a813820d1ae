"""Retention: the oldest first; what is derived stays as long as its sources; open sessions are spared."""

from __future__ import annotations

import secrets
import time

import pytest
from filelock import FileLock

from memory import locks
from memory.records import Record
from memory.retention import DAY, Policy
from memory.store import MemoryStore
from specialists.errors import BadInput


def remembered(store: MemoryStore, days_ago: float, text: str = "", **more: object) -> Record:
    record = Record(
        text or secrets.token_hex(200), "text", "user", "s", time=time.time() - days_ago * DAY, **more
    )
    return store.remember([record])[0]


def test_nothing_goes_without_a_limit(store: MemoryStore) -> None:
    remembered(store, 4000)
    assert store.retain(Policy()).before is None
    assert len(store.records()) == 1


def test_what_is_too_old_goes(store: MemoryStore) -> None:
    old, new = remembered(store, 31), remembered(store, 29)
    told = store.retain(Policy(keep_days=30), dry_run=True)
    assert told.records == 1
    assert store.records() == [old, new]
    assert store.retain(Policy(keep_days=30)).records == 1
    assert store.records() == [new]
    assert store.retain(Policy(keep_days=30)).before is None


def test_the_oldest_goes_until_there_is_room(store: MemoryStore) -> None:
    for days in range(400, 0, -1):
        remembered(store, days)
    before = store.live_bytes()
    limit = before - before // 4
    done = store.retain(Policy(max_bytes=limit))
    assert done.bytes_before == before
    assert done.bytes_after == store.live_bytes() < before
    left = store.records()
    assert 200 < len(left) < 380
    assert left == sorted(left, key=lambda record: record.time)
    assert left[-1].time > time.time() - 1.5 * DAY, "the newest stay"


def test_blobs_count_and_go_with_their_last_user(store: MemoryStore) -> None:
    for days in range(10, 0, -1):
        blob = store.blobs.put(secrets.token_bytes(500_000), "image/png")
        remembered(store, days, blobs=(blob.digest,))
    done = store.retain(Policy(max_bytes=3_200_000))
    assert done.bytes_after <= 3_200_000
    assert store.blobs.usage().count == len(store.records())
    assert 4 <= len(store.records()) <= 6


def test_a_fact_stays_as_long_as_its_source(store: MemoryStore) -> None:
    source = remembered(store, 1, "I moved to Leipzig")
    old = Record(
        "lives in Leipzig", "text", "derived", level="fact", sources=(source.id,), time=time.time() - 90 * DAY
    )
    store.remember([old])
    store.retain(Policy(keep_days=30))
    assert [fact.text for fact in store.facts()] == ["lives in Leipzig"]
    store.forget([source.id])
    assert store.facts() == []


def test_an_open_session_is_left_alone(store: MemoryStore) -> None:
    remembered(store, 90)
    (store.path / "locks").mkdir()
    with FileLock(locks.lock_path(store.path, "s"), thread_local=False):
        assert store.retain(Policy(keep_days=30)).records == 0
        assert len(store.records()) == 1
    assert store.retain(Policy(keep_days=30)).records == 1


@pytest.mark.parametrize("limits", [{"keep_days": -1.0}, {"max_bytes": -1}, {"keep_days": float("nan")}])
def test_a_limit_that_cannot_be_meant_is_refused(limits: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        Policy(**limits)  # type: ignore[arg-type]


def test_it_stops_when_told_and_goes_on_later(store: MemoryStore) -> None:
    remembered(store, 90)
    assert store.retain(Policy(keep_days=30), stop=lambda: True).records == 0
    assert len(store.records()) == 1
    assert store.retain(Policy(keep_days=30)).records == 1
