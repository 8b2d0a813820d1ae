"""Ahead: calls that are made before it is certain that a turn will make them.

Whoever listens prepares a reply as soon as the person may be done, and has it when they are. Nothing of a
preparation is an event, a record or an entry of a log: a turn that comes as expected finds its calls under
way, one that comes otherwise finds nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

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


class Ahead:
    """Stands before the runtime: gives a turn the calls that were made for it, and passes on all others.

    Only specialists that cost nothing and may be asked twice are called ahead.
    """

    def __init__(self, call: Call, cards: Callable[[], tuple[Card, ...]]) -> None:
        self._call = call
        self._cards = cards
        self._begun: list[_Begun] = []
        self._rehearsal: asyncio.Task[None] | None = None
        self._taken = False
        """Whether the turn has come: from then on it makes its calls itself."""

    def start(self, rehearse: Callable[[Call], AsyncIterator[object]]) -> None:
        """Make the calls that `rehearse` makes through the function it is given; those before are dropped."""
        self.drop()
        self._begun, self._taken = [], False
        call = self._ahead(self._begun)
        self._rehearsal = asyncio.create_task(_exhaust(rehearse(call)), name="rehearsal")

    def drop(self) -> None:
        """Stop what was begun; nobody waits for its end."""
        if self._rehearsal is not None:
            self._rehearsal.cancel()
        self._rehearsal, self._begun = None, []

    async def close(self) -> None:
        """The same, and wait for its end."""
        rehearsal = self._rehearsal
        self.drop()
        if rehearsal is not None:
            await asyncio.wait([rehearsal])

    async def call(self, task: Task) -> AsyncIterator[Chunk]:
        """The answer to a task of a turn. Raises what the runtime raises."""
        begun = next((begun for begun in self._begun if _same(begun.task, task)), None)
        if begun is None:
            async with aclosing(self._call(task)) as chunks:  # type: ignore[type-var]
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

    def _ahead(self, begun: list[_Begun]) -> Call:
        async def call(task: Task) -> AsyncIterator[Chunk]:
            card = next((card for card in self._cards() if card.name == task.specialist), None)
            if card is None or not card.idempotent or card.cost.price > 0 or self._taken:
                await asyncio.Event().wait()  # here the preparation ends, until it is dropped
            made = _Begun(task)
            begun.append(made)
            try:
                async with aclosing(self._call(task)) as chunks:  # type: ignore[type-var]
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
