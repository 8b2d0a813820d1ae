"""Where specialists run. `LocalRuntime` runs them in this process; `serving.runtime` runs them on Ray."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from specialists.base import Card, Chunk, Specialist, Task
from specialists.errors import (
    AntiphonError,
    BadInput,
    DeadlineExceeded,
    SpecialistFailed,
    TransientFailure,
    Unavailable,
    UnknownName,
)


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


class LocalRuntime:
    """Runs specialists in this process, each within its Task's deadline."""

    def __init__(self, specialists: Iterable[Specialist] = ()) -> None:
        self._specialists: dict[str, Specialist] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._health: dict[str, Health] = {}
        for specialist in specialists:
            self.add(specialist)

    def add(self, specialist: Specialist) -> None:
        """Register a specialist under its Card's name; one of the same name is replaced."""
        card = specialist.card
        self._specialists[card.name] = specialist
        self._health[card.name] = Health("idle" if card.available else "unavailable", card.remedy)

    def cards(self) -> tuple[Card, ...]:
        return tuple(s.card for s in self._specialists.values())

    async def health(self) -> Mapping[str, Health]:
        return dict(self._health)

    async def load(self, name: str) -> None:
        specialist = self.specialist(name)
        await specialist.load()
        self._health[name] = replace(self._health[name], state="ready")

    async def cancel(self, task_id: str) -> None:
        if (running := self._running.get(task_id)) is not None:
            running.cancel()

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        specialist = self.specialist(task.specialist)
        if not specialist.card.available:
            raise Unavailable(
                "this specialist is not available", part=task.specialist, remedy=specialist.card.remedy
            )
        started = time.perf_counter()
        # A pump task of its own gives each call one thing to cancel, whoever asks for it. The queue is
        # bounded by `room` and not by its size, so that its end mark always fits.
        queue: asyncio.Queue[Chunk | None] = asyncio.Queue()
        room = asyncio.Semaphore(64)
        pump = asyncio.create_task(self._pump(specialist, task, queue, room), name=f"task {task.id}")
        # Not at the end of the pump itself: a task cancelled before its first step never gets there.
        pump.add_done_callback(lambda _: queue.put_nowait(None))
        self._running[task.id] = pump
        try:
            while (chunk := await queue.get()) is not None:
                room.release()
                yield chunk
            await pump
            self._note(task.specialist, time.perf_counter() - started, failed=False)
        except BadInput:  # says nothing against the specialist
            self._note(task.specialist, self._health[task.specialist].seconds, failed=False)
            raise
        except AntiphonError:
            self._note(task.specialist, 0.0, failed=True)
            raise
        finally:
            self._running.pop(task.id, None)
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError, AntiphonError):
                await pump

    async def close(self) -> None:
        for pump in list(self._running.values()):
            pump.cancel()
        for specialist in self._specialists.values():
            await specialist.close()

    async def _pump(
        self,
        specialist: Specialist,
        task: Task,
        queue: asyncio.Queue[Chunk | None],
        room: asyncio.Semaphore,
    ) -> None:
        try:
            async with asyncio.timeout(task.deadline) as limit, _closing(specialist.run(task)) as answer:
                async for chunk in answer:
                    await room.acquire()
                    queue.put_nowait(chunk)
        except TimeoutError as error:
            if not limit.expired():  # a time limit of the model's own
                raise TransientFailure(f"timed out: {error}", part=task.specialist) from error
            raise DeadlineExceeded(
                f"did not finish within {task.deadline:g} s", part=task.specialist
            ) from error
        except AntiphonError:
            raise
        except Exception as error:
            raise SpecialistFailed(f"{type(error).__name__}: {error}", part=task.specialist) from error

    def specialist(self, name: str) -> Specialist:
        """The specialist of that name. Raises UnknownName."""
        try:
            return self._specialists[name]
        except KeyError:
            known = ", ".join(sorted(self._specialists))
            raise UnknownName(
                "no specialist of this name", part=name, remedy=f"Registered: {known}"
            ) from None

    def _note(self, name: str, seconds: float, *, failed: bool) -> None:
        old = self._health[name]
        mean = seconds if old.seconds == 0 else 0.8 * old.seconds + 0.2 * seconds
        self._health[name] = replace(
            old,
            state="failed" if failed else "ready",
            calls=old.calls + 1,
            failures=old.failures + failed,
            seconds=old.seconds if failed else mean,
        )


@contextlib.asynccontextmanager
async def _closing(answer: AsyncIterator[Chunk]) -> AsyncIterator[AsyncIterator[Chunk]]:
    """End the stream whatever happens; an iterator that is no generator may have no way to."""
    try:
        yield answer
    finally:
        close = getattr(answer, "aclose", None)
        if close is not None:
            await close()
