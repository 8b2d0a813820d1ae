"""Ahead: calls and decisions that are made before it is certain that a turn will make them.

Whoever listens prepares a reply as soon as the person may be done, and has it when they are. Nothing of a
preparation is an event, a record or an entry of a log: a turn that comes as expected finds its route taken
and its calls under way, one that comes otherwise finds nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from orchestrator.controller.request import Request
from orchestrator.controller.route import Controller, Route
from orchestrator.stream import Stream
from specialists.base import Card, Chunk, Task
from specialists.errors import AntiphonError, DeadlineExceeded, SpecialistFailed

log = logging.getLogger("antiphon")

Call = Callable[[Task], AsyncIterator[Chunk]]


@dataclass(slots=True)
class _Begun:
    """A call that was made ahead, and what came of it so far."""

    task: Task
    chunks: Stream[Chunk] = field(default_factory=Stream)
    error: AntiphonError | None = None


@dataclass(frozen=True, slots=True)
class _Routed:
    """A decision that was made ahead."""

    request: Request
    cards: tuple[Card, ...]
    route: Route


class Ahead:
    """Stands before the runtime and the controller: gives a turn the calls and routes that were made for it,
    and passes on all others.

    Only specialists that cost nothing and may be asked twice are called ahead.
    """

    def __init__(self, call: Call, controller: Controller, cards: Callable[[], tuple[Card, ...]]) -> None:
        self._call = call
        self._controller = controller
        self._cards = cards
        self._begun: list[_Begun] = []
        self._routed: list[_Routed] = []
        self._rehearsal: asyncio.Task[None] | None = None
        self._taken = False
        """Whether the turn has come: from then on it makes its calls itself."""
        self._reader = ""
        self._reading: asyncio.Task[None] | None = None

    def start(self, rehearse: Callable[[Call, Controller], AsyncIterator[object]]) -> None:
        """Make the calls and decisions that `rehearse` makes through what it is given; those before are
        dropped."""
        self.drop()
        self._begun, self._routed, self._taken = [], [], False
        rehearsal = rehearse(self._ahead(self._begun), _Noting(self._controller, self._routed))
        self._rehearsal = asyncio.create_task(_exhaust(rehearsal), name="rehearsal")

    def drop(self) -> None:
        """Stop what was begun; nobody waits for its end."""
        if self._rehearsal is not None:
            self._rehearsal.cancel()
        self._rehearsal, self._begun, self._routed = None, [], []

    def read(self, task: Task) -> None:
        """Have a specialist read this while nobody waits for it.

        Whoever calls it meanwhile waits until it has: such a call begins with the same, and would read that
        itself. One task is read at a time; another that comes meanwhile is not.
        """
        if self._reading is None or self._reading.done():
            self._reader = task.specialist
            self._reading = asyncio.create_task(_exhaust(self._call(task)), name="reading")

    async def has_read(self, seconds: float | None = None) -> bool:
        """Whether all is read, after waiting for it so long at most; None: until it is."""
        if self._reading is not None:
            await asyncio.wait([self._reading], timeout=seconds)
        return self._reading is None or self._reading.done()

    async def close(self) -> None:
        """Stop what was begun and what is being read, and wait for the end of both."""
        under_way = [task for task in (self._rehearsal, self._reading) if task is not None]
        self.drop()
        if under_way:
            for task in under_way:
                task.cancel()
            await asyncio.wait(under_way)

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        """The decision for a turn. Raises what the controller raises."""
        for routed in self._routed:
            if routed.request == request and routed.cards == tuple(cards):
                return routed.route
        return await self._controller.route(request, cards)

    async def call(self, task: Task) -> AsyncIterator[Chunk]:
        """The answer to a task of a turn. Raises what the runtime raises."""
        begun = next((begun for begun in self._begun if _same(begun.task, task)), None)
        if begun is None:
            async with aclosing(self._once_read(task)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        self._begun.remove(begun)
        self._taken = True
        try:
            async with asyncio.timeout(task.deadline) as limit:
                async for chunk in begun.chunks:
                    yield chunk
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlineExceeded(
                f"did not finish within {round(task.deadline or 0, 2):g} s", part=task.specialist
            ) from None
        if begun.error is not None:
            raise begun.error

    async def _once_read(self, task: Task) -> AsyncGenerator[Chunk]:
        if task.specialist == self._reader:
            await self.has_read()
        async with aclosing(self._call(task)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk

    def _ahead(self, begun: list[_Begun]) -> Call:
        async def call(task: Task) -> AsyncIterator[Chunk]:
            card = next((card for card in self._cards() if card.name == task.specialist), None)
            if card is None or not card.idempotent or card.cost.price > 0 or self._taken:
                await asyncio.Event().wait()  # here the preparation ends, until it is dropped
            made = _Begun(task)
            begun.append(made)
            try:
                async with aclosing(self._once_read(task)) as chunks:
                    async for chunk in chunks:
                        made.chunks.put(chunk)
                        yield chunk
            except AntiphonError as error:
                made.error = error
                raise
            except BaseException:
                made.error = SpecialistFailed("was stopped", part=task.specialist)
                raise
            finally:
                made.chunks.close()

        return call


@dataclass(frozen=True, slots=True)
class _Noting:
    """A controller that notes what it decided."""

    inner: Controller
    routed: list[_Routed]

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        route = await self.inner.route(request, cards)
        self.routed.append(_Routed(request, tuple(cards), route))
        return route


def _same(one: Task, other: Task) -> bool:
    """Whether two tasks ask for the same, whatever they are called."""
    return (
        one.specialist == other.specialist
        and one.instruction == other.instruction
        and one.parts == other.parts
        and one.params == other.params
        and one.context == other.context
        and one.turn == other.turn
    )


async def _exhaust(events: AsyncIterator[object]) -> None:
    try:
        async with aclosing(events) as stream:  # type: ignore[type-var]
            async for _ in stream:
                pass
    except Exception as error:  # noqa: BLE001 - the turn itself will meet it, and tell it
        log.debug("a preparation came to nothing: %s", error)
