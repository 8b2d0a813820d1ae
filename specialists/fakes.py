"""Specialists without a model: for tests and demonstrations of time, faults and order.

They keep the contract of `specialists.base.Specialist` to the letter, so whatever runs with them runs
with real ones.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from specialists.base import Card, Chunk, Specialist, Task
from specialists.content import TEXT, Kind
from specialists.errors import SpecialistFailed
from specialists.threads import stream


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


class Crashing(Specialist):
    """Says its lines and then raises what `error` makes: anything, in every call."""

    def __init__(self, card: Card, error: Callable[[], BaseException], chunks: Sequence[Chunk] = ()) -> None:
        self.card = card
        self._error = error
        self._chunks = chunks

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        for chunk in self._chunks:
            yield chunk
        raise self._error()


class Garbage(Specialist):
    """Yields whatever it was given, Chunks or not."""

    def __init__(self, card: Card, things: Sequence[object]) -> None:
        self.card = card
        self._things = things

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        for thing in self._things:
            yield thing  # type: ignore[misc]


class Slow(Specialist):
    """Says its lines with `pause` seconds before each."""

    def __init__(self, card: Card, chunks: Sequence[Chunk], pause: float) -> None:
        self.card = card
        self._chunks = chunks
        self._pause = pause

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        for chunk in self._chunks:
            await asyncio.sleep(self._pause)
            yield chunk


class Endless(Specialist):
    """Says the same Chunk for ever."""

    def __init__(self, card: Card, chunk: Chunk) -> None:
        self.card = card
        self._chunk = chunk

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        while True:
            yield self._chunk


class Stubborn(Specialist):
    """Never answers, and goes on for `seconds` after it was told to stop."""

    def __init__(self, card: Card, seconds: float) -> None:
        self.card = card
        self._seconds = seconds

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(self._seconds)
        yield Chunk(self.card.produces[0])


class Blocking(Specialist):
    """Says its lines from a thread that blocks `pause` seconds before each, as a native library would."""

    def __init__(self, card: Card, chunks: Sequence[Chunk], pause: float) -> None:
        self.card = card
        self._chunks = chunks
        self._pause = pause

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        async with aclosing(stream(self._work)) as chunks:
            async for chunk in chunks:
                yield chunk

    def _work(self) -> Generator[Chunk, None, None]:
        for chunk in self._chunks:
            time.sleep(self._pause)
            yield chunk


class Moody(Specialist):
    """Is another specialist in every call: `mood` names the one of `moods` that takes the Task.

    `running` holds the ids of the Tasks that are being worked on.
    """

    def __init__(self, card: Card, moods: Mapping[str, Specialist], mood: Callable[[Task], str]) -> None:
        self.card = card
        self.running: set[str] = set()
        self._moods = moods
        self._mood = mood

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        self.running.add(task.id)
        try:
            async with aclosing(self._moods[self._mood(task)].run(task)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    yield chunk
        finally:
            self.running.discard(task.id)
