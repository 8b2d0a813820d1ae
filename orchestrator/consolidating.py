"""What memory makes of a turn while nobody waits: vectors, then facts, summaries and themes."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Collection
from concurrent.futures import CancelledError, Future
from contextlib import aclosing
from itertools import count

from memory.consolidation import Write
from orchestrator.context import Services
from specialists.base import Task
from specialists.errors import AntiphonError
from specialists.threads import in_thread

log = logging.getLogger("antiphon")

WRITER = "chat"
LONGEST = 160
"""Tokens of what it may write."""

CLOSING = 2.0
"""Seconds for which closing a session lets it go on: whoever asks once and leaves is to be remembered too."""


class Consolidating:
    """Goes on in a thread, step by step, until `pause`; what is left waits in the store."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._paused = threading.Event()
        self._ids = count(1)
        self._asked: Future[str] | None = None

    def resume(self) -> None:
        """From now on `run` works."""
        self._paused.clear()

    def pause(self) -> None:
        """End it after the step it is at; what is being written is given up."""
        self._paused.set()
        if self._asked is not None:
            self._asked.cancel()

    async def finish(self, under_way: Collection[asyncio.Task[None]]) -> None:
        """Let what is under way go on for CLOSING seconds at most, then end it as `pause` does."""
        try:
            if under_way:
                await asyncio.wait(under_way, timeout=CLOSING)
        finally:
            self.pause()

    async def run(self) -> None:
        """Work until nothing is left or it is paused. What fails is logged, and tried again next time."""
        memory = self._services.memory
        try:
            await in_thread(memory.embed_pending)
        except AntiphonError as error:
            log.warning("records wait for their vectors: %s", error)
        try:
            write = self._writer(asyncio.get_running_loop()) if self._services.config.memory.wording else None
            await in_thread(memory.consolidate, None, self._paused.is_set, write)
            if not self._paused.is_set():
                await in_thread(memory.embed_pending)
            if not self._paused.is_set():
                await in_thread(memory.sense_pending, self._paused.is_set)
            if not self._paused.is_set():
                await in_thread(memory.clean)
        except AntiphonError as error:
            log.warning("what is new is not consolidated yet: %s", error)

    def _writer(self, loop: asyncio.AbstractEventLoop) -> Write:
        def write(prompt: str) -> str:
            if self._paused.is_set():
                return ""
            self._asked = asyncio.run_coroutine_threadsafe(self._ask(prompt), loop)
            try:
                return self._asked.result()
            except CancelledError:
                return ""
            finally:
                self._asked = None

        return write

    async def _ask(self, prompt: str) -> str:
        task = Task(
            id=f"consolidate-{next(self._ids)}",
            specialist=WRITER,
            instruction=prompt,
            params={"max_tokens": LONGEST, "temperature": 0.0},
            deadline=self._services.config.engine.step_seconds,
        )
        async with aclosing(self._services.call(task)) as chunks:  # type: ignore[type-var]
            return "".join([chunk.text async for chunk in chunks])
