"""Specialists without a model: for tests and demonstrations of time, faults and order.

They keep the contract of `specialists.base.Specialist` to the letter, so whatever runs with them runs
with real ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace

from specialists.base import Card, Chunk, Specialist, Task
from specialists.content import TEXT, Kind
from specialists.errors import SpecialistFailed


def card(
    name: str, consumes: Sequence[Kind] = (TEXT,), produces: Sequence[Kind] = (TEXT,), **more: object
) -> Card:
    """A Card of this name and these kinds; `more` sets any further field."""
    plain = Card(name, f"The specialist {name}.", tuple(consumes), tuple(produces))
    return replace(plain, **more)  # type: ignore[arg-type]


def words(*texts: str) -> tuple[Chunk, ...]:
    """One text Chunk for each of `texts`."""
    return tuple(Chunk(TEXT, text) for text in texts)


class Scripted(Specialist):
    """Says its lines: always the same Chunks, or those that stand under the Task's instruction.

    `tasks` holds every Task it was given, in order. Raises SpecialistFailed for an instruction that has no
    line.
    """

    def __init__(self, card: Card, chunks: Sequence[Chunk] | Mapping[str, Sequence[Chunk]]) -> None:
        self.card = card
        self.tasks: list[Task] = []
        self._lines = chunks

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        self.tasks.append(task)
        for chunk in self._line(task.instruction):
            yield chunk

    def _line(self, instruction: str) -> Sequence[Chunk]:
        if not isinstance(self._lines, Mapping):
            return self._lines
        try:
            return self._lines[instruction]
        except KeyError:
            raise SpecialistFailed(f"has no line for {instruction!r}", part=self.card.name) from None


class Gated(Specialist):
    """Holds its stream before every Chunk until the gate lets it through.

    `gate.release()` lets one Chunk through, `open()` all of them from now on. The events `started`,
    `finished` and `cancelled` are set when a call reaches its first gate, its end, or is stopped before it.
    """

    def __init__(self, card: Card, chunks: Sequence[Chunk]) -> None:
        self.card = card
        self.tasks: list[Task] = []
        self.gate = asyncio.Semaphore(0)
        self.started = asyncio.Event()
        self.finished = asyncio.Event()
        self.cancelled = asyncio.Event()
        self._chunks = chunks
        self._is_open = False

    def open(self) -> None:
        self._is_open = True
        self.gate.release()

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        self.tasks.append(task)
        self.started.set()
        try:
            for chunk in self._chunks:
                await self.gate.acquire()
                if self._is_open:  # hand the open gate on to whoever waits beside this call
                    self.gate.release()
                yield chunk
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled.set()
            raise
        self.finished.set()


class Hanging(Gated):
    """Never answers; ends only when it is cancelled."""

    def __init__(self, card: Card) -> None:
        super().__init__(card, words(""))


class Failing(Specialist):
    """Raises `errors`, one a call, and then answers with `then`."""

    def __init__(self, card: Card, errors: Iterable[Exception], then: Sequence[Chunk] = ()) -> None:
        self.card = card
        self.tasks: list[Task] = []
        self._errors = iter(errors)
        self._then = then

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        self.tasks.append(task)
        error = next(self._errors, None)
        if error is not None:
            raise error
        for chunk in self._then:
            yield chunk
