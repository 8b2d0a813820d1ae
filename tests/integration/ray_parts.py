"""Specialists that the Ray tests deploy: replicas import them by path, so they stand in a module."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

from specialists import threads
from specialists.base import Chunk, Specialist, Task
from specialists.content import IMAGE, TEXT
from specialists.errors import BadInput, Unavailable
from specialists.fakes import Scripted, card
from specialists.registry import Setup


class Ticker(Specialist):
    """Ticks every 10 ms in a thread, as a model does, and writes the machine's clock to a file each time."""

    def __init__(self, setup: Setup) -> None:
        self.card = card(setup.name)
        self._log = Path(str(setup.option("log")))

    def run(self, task: Task) -> AsyncIterator[Chunk]:
        return threads.stream(self._ticks)

    def _ticks(self) -> Iterator[Chunk]:
        for _ in range(500):
            with self._log.open("a") as log:
                log.write(f"{time.monotonic()}\n")
            yield Chunk(TEXT, "tick ")
            time.sleep(0.01)


class Errands(Specialist):
    """Does what its instruction says; without one it describes the blobs of its parts."""

    def __init__(self, setup: Setup) -> None:
        self.card = card(setup.name, (IMAGE,))

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        for part in task.parts:
            assert part.blob is not None
            data = task.blobs.read(part.blob)
            yield Chunk(TEXT, f"{len(data)} {hashlib.sha256(data).hexdigest()}\n")
        match task.instruction:
            case "count":
                for number in range(2000):
                    yield Chunk(TEXT, f"{number} ")
            case "bad input":
                yield Chunk(TEXT, "before ")
                raise BadInput("is torn", part="page.png", remedy="Send it again")
            case "crash":
                raise ZeroDivisionError("division by zero")
            case "die":
                os._exit(1)
            case "hang":
                await asyncio.sleep(3600)


class Composite(Specialist):
    """Passes its Task on to the specialist that the instruction names, one of those in its configuration."""

    def __init__(self, setup: Setup) -> None:
        self._runtime = setup.runtime
        others = tuple(str(setup.option("others")).split())
        self.card = card(setup.name, (TEXT, IMAGE), requires=others)

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        inner = replace(task, id=f"{task.id}/inner", specialist=task.instruction, instruction="")
        answer = self._runtime.run(inner)
        try:
            async for chunk in answer:
                yield replace(chunk, label="passed on")
        finally:
            await answer.aclose()  # type: ignore[attr-defined]


class Missing(Scripted):
    """Needs a model that is not there."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(card(setup.name, available=False, remedy="Configure a model"), ())


class Broken(Scripted):
    """Cannot load its model, though its Card thought so."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(card(setup.name), ())

    async def load(self) -> None:
        raise Unavailable("the weights are torn", part=self.card.name, remedy="Pull them again")

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        await self.load()
        yield Chunk(TEXT)
