"""Where specialists run. `LocalRuntime` runs them in this process; `serving.runtime` runs them on Ray."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from specialists.answers import Answer, in_our_words
from specialists.base import Card, Chunk, Specialist, Task
from specialists.cancellation import being_cancelled
from specialists.errors import (
    AntiphonError,
    BadConfig,
    BadInput,
    DeadlineExceeded,
    SpecialistFailed,
    Unavailable,
    UnknownName,
)

GRACE = 2.0
"""Seconds a call may take to stop once it is told to. Then its caller goes on without it."""

_NAME = re.compile(r"[A-Za-z0-9_.-]+")

_log = logging.getLogger("antiphon")


@dataclass(frozen=True, slots=True)
class Health:
    """How a specialist does: `state` is ready, idle (not loaded yet), unavailable or failed."""

    state: str
    detail: str = ""
    calls: int = 0
    failures: int = 0
    seconds: float = 0.0
    """Moving average of the time a finished call took, in seconds; 0 before the first."""


class Runtime(Protocol):
    """The one way to call a specialist."""

    def run(self, task: Task) -> AsyncIterator[Chunk]:
        """Stream the answer.

        Raises UnknownName, Unavailable, BadInput, SpecialistFailed, DeadlineExceeded.
        """
        ...

    async def cancel(self, task_id: str) -> None:
        """Stop a running task; its reader then sees CancelledError. Unknown ids are ignored."""
        ...

    def cards(self) -> tuple[Card, ...]: ...

    async def health(self) -> Mapping[str, Health]: ...

    async def load(self, name: str) -> None:
        """Get a specialist ready ahead of its first call."""
        ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class _Call:
    """A call under way: the task that fills the queue, whose None says that nothing more is to be read."""

    pump: asyncio.Task[None]
    queue: asyncio.Queue[Chunk | None]
    cancelled: bool = False

    def cancel(self) -> None:
        if self.pump.cancel():
            self.cancelled = True
            self.queue.put_nowait(None)  # now: the reader does not depend on a call that may not stop


class LocalRuntime:
    """Runs specialists in this process, each within its Task's deadline.

    A call that cannot be stopped (a native library that hangs) is given up `GRACE` seconds after it was told
    to: its caller goes on, and the specialist counts as failed until a later call succeeds.
    """

    def __init__(self, specialists: Iterable[Specialist] = ()) -> None:
        self._specialists: dict[str, Specialist] = {}
        self._running: dict[str, _Call] = {}
        self._health: dict[str, Health] = {}
        for specialist in specialists:
            self.add(specialist)

    def add(self, specialist: Specialist) -> None:
        """Register a specialist under its Card's name; one of the same name is replaced.

        Raises BadConfig for a name that no control token can carry.
        """
        card = specialist.card
        if not _NAME.fullmatch(card.name):
            raise BadConfig(
                "the name of a specialist has letters, digits, `.`, `_` and `-` only",
                part=f"specialist {card.name!r:.60}",
                remedy="Give its Card another name",
            )
        self._specialists[card.name] = specialist
        self._health[card.name] = Health("idle" if card.available else "unavailable", card.remedy)

    def cards(self) -> tuple[Card, ...]:
        return tuple(s.card for s in self._specialists.values())

    async def health(self) -> Mapping[str, Health]:
        return dict(self._health)

    async def load(self, name: str) -> None:
        """Get a specialist ready. Raises UnknownName, Unavailable, SpecialistFailed."""
        specialist = self.specialist(name)
        try:
            with _in_our_words(name):
                await specialist.load()
        except AntiphonError as error:
            self._set(name, "failed", str(error))
            raise
        self._set(name, "ready")

    async def cancel(self, task_id: str) -> None:
        if (call := self._running.get(task_id)) is not None:
            call.cancel()

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        name = task.specialist
        specialist = self.specialist(name)
        if not specialist.card.available:
            raise Unavailable("this specialist is not available", part=name, remedy=specialist.card.remedy)
        started = time.perf_counter()
        # A pump task of its own gives each call one thing to cancel, whoever asks for it. The queue is
        # bounded by `room` and not by its size, so that its end mark always fits.
        queue: asyncio.Queue[Chunk | None] = asyncio.Queue()
        room = asyncio.Semaphore(64)
        pump = asyncio.create_task(self._pump(specialist, task, queue, room), name=f"task {task.id}")

        def ended(pump: asyncio.Task[None]) -> None:
            queue.put_nowait(None)
            if not pump.cancelled():
                pump.exception()  # looked at, or a pump that nobody waits for any more would complain

        # Not at the end of the pump itself: a task cancelled before its first step never gets there.
        pump.add_done_callback(ended)
        call = self._running[task.id] = _Call(pump, queue)
        try:
            with _end_mark_after(task.deadline, queue):
                while (chunk := await queue.get()) is not None:
                    room.release()
                    yield chunk
            if call.cancelled:
                raise asyncio.CancelledError
            if not pump.done():
                raise _too_late(task)
            await pump
            self._note(name, time.perf_counter() - started, failed=False)
        except BadInput:  # says nothing against the specialist
            self._note(name, self._health[name].seconds, failed=False)
            raise
        except AntiphonError as error:
            self._note(name, 0.0, failed=True, detail=str(error))
            raise
        finally:
            self._running.pop(task.id, None)
            await self._stop(pump, name)

    async def close(self) -> None:
        for call in list(self._running.values()):
            call.cancel()
        for specialist in self._specialists.values():
            await specialist.close()

    async def _stop(self, pump: asyncio.Task[None], name: str) -> None:
        """End the pump, or give it up after the grace."""
        if pump.done():
            return
        pump.cancel()
        await asyncio.wait([pump], timeout=GRACE)
        if not pump.done():
            detail = f"a call did not stop within {GRACE:g} s"
            _log.warning("%s: %s; it goes on in the background", name, detail)
            self._set(name, "failed", detail)

    async def _pump(
        self,
        specialist: Specialist,
        task: Task,
        queue: asyncio.Queue[Chunk | None],
        room: asyncio.Semaphore,
    ) -> None:
        with _in_our_words(task.specialist):
            try:
                async with asyncio.timeout(task.deadline) as limit, _closing(specialist.run(task)) as answer:
                    taken = Answer(specialist.card)
                    async for chunk in answer:
                        passed = taken.take(chunk)
                        await room.acquire()
                        queue.put_nowait(passed)
            except TimeoutError as error:
                if limit.expired():
                    raise _too_late(task) from error
                raise  # a time limit of the model's own

    def specialist(self, name: str) -> Specialist:
        """The specialist of that name. Raises UnknownName."""
        try:
            return self._specialists[name]
        except KeyError:
            known = ", ".join(sorted(self._specialists))
            raise UnknownName(
                "no specialist of this name", part=name, remedy=f"Registered: {known}"
            ) from None

    def _set(self, name: str, state: str, detail: str = "") -> None:
        self._health[name] = replace(self._health[name], state=state, detail=detail)

    def _note(self, name: str, seconds: float, *, failed: bool, detail: str = "") -> None:
        old = self._health[name]
        mean = seconds if old.seconds == 0 else 0.8 * old.seconds + 0.2 * seconds
        self._health[name] = Health(
            state="failed" if failed else "ready",
            detail=detail,
            calls=old.calls + 1,
            failures=old.failures + failed,
            seconds=old.seconds if failed else mean,
        )


@contextlib.contextmanager
def _in_our_words(name: str) -> Iterator[None]:
    """Errors of the tree pass, and so does a cancellation that somebody asked for.

    Whatever else a specialist raises, a panic of a native library or SystemExit included, is its failure.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except asyncio.CancelledError as error:
        if being_cancelled():
            raise
        raise SpecialistFailed("was stopped, though nobody cancelled it", part=name) from error
    except BaseException as error:
        told = in_our_words(error, name)
        if told is error:
            raise
        raise told from error


@contextlib.contextmanager
def _end_mark_after(deadline: float | None, queue: asyncio.Queue[Chunk | None]) -> Iterator[None]:
    """Put the end mark into the queue when the pump has not done so a grace after its deadline."""
    if deadline is None:
        yield
        return
    timer = asyncio.get_running_loop().call_later(deadline + GRACE, queue.put_nowait, None)
    try:
        yield
    finally:
        timer.cancel()


def _too_late(task: Task) -> DeadlineExceeded:
    return DeadlineExceeded(f"did not finish within {round(task.deadline or 0, 2):g} s", part=task.specialist)


@contextlib.asynccontextmanager
async def _closing(answer: AsyncIterator[Chunk]) -> AsyncIterator[AsyncIterator[Chunk]]:
    """End the stream whatever happens; an iterator that is no generator may have no way to."""
    try:
        yield answer
    finally:
        close = getattr(answer, "aclose", None)
        if close is not None:
            await close()
