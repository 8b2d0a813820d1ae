"""Retention beside a running engine."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

from memory.records import Record
from memory.retention import DAY, Policy, Retained
from memory.store import MemoryStore
from orchestrator.retaining import Retaining


def old_and_new(store: MemoryStore) -> None:
    now = time.time()
    store.remember([Record(f"{n} days", "text", "user", "s", time=now - n * DAY) for n in (40, 20)])


class Telling(MemoryStore):
    """Says when a run of retention is over."""

    over: threading.Event

    def retain(self, policy: Policy, **more: Any) -> Retained:
        try:
            return super().retain(policy, **more)
        finally:
            self.over.set()


async def test_what_is_over_the_limit_goes_and_the_end_is_clean(tmp_path: Path) -> None:
    with Telling.open(tmp_path) as store:
        store.over = threading.Event()
        old_and_new(store)
        retaining = Retaining(store, Policy(keep_days=30))
        retaining.start()
        assert await asyncio.to_thread(store.over.wait, 10)
        await retaining.close()
        assert [record.text for record in store.records()] == ["20 days"]
        assert [task for task in asyncio.all_tasks() if task.get_name() == "retention"] == []


async def test_without_a_limit_nothing_runs(tmp_path: Path) -> None:
    with MemoryStore.open(tmp_path) as store:
        old_and_new(store)
        retaining = Retaining(store, Policy())
        retaining.start()
        assert [task for task in asyncio.all_tasks() if task.get_name() == "retention"] == []
        await retaining.close()
        assert len(store.records()) == 2


async def test_closing_at_once_leaves_nothing_half_done(tmp_path: Path) -> None:
    with MemoryStore.open(tmp_path) as store:
        old_and_new(store)
        retaining = Retaining(store, Policy(keep_days=30))
        retaining.start()
        await asyncio.sleep(0)
        await retaining.close()
        store.close()
    with MemoryStore.open(tmp_path) as store:
        assert [finding for finding in store.audit() if finding.wrong] == []
