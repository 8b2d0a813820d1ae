"""Retention while an engine runs: what is over the limits is forgotten every hour, beside the answers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading

from memory.retention import Policy
from memory.store import MemoryStore
from specialists.errors import AntiphonError
from specialists.threads import in_thread

log = logging.getLogger("antiphon")

EVERY_SECONDS = 3600.0


class Retaining:
    """Runs `MemoryStore.retain` hourly from `start` to `close`; without a limit it does nothing."""

    def __init__(self, store: MemoryStore, policy: Policy, every: float = EVERY_SECONDS) -> None:
        self._store = store
        self._policy = policy
        self._every = every
        self._stop = threading.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._policy.limits:
            self._task = asyncio.create_task(self._run(), name="retention")

    async def close(self) -> None:
        """End it after the step it is at."""
        self._stop.set()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            # Shielded: a step that has begun is finished before the store is closed.
            work = asyncio.ensure_future(in_thread(self._once))
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError:
                await work
                raise
            await asyncio.sleep(self._every)

    def _once(self) -> None:
        try:
            done = self._store.retain(self._policy, stop=self._stop.is_set)
        except AntiphonError as error:  # a full disk, say: the next hour tries again
            log.warning("what is over the limits of memory stays for now: %s", error)
            return
        if done.records or done.events:
            log.info("forgot %s records and %s events that were over the limits", done.records, done.events)
