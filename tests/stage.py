"""A stage for the terminal: an engine that follows a script, held at gates that a test opens.

It keeps the contracts of `orchestrator.session.Session` and `tui.backend.Backend`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from memory.log import SessionInfo
from orchestrator.events import Event, SessionOpened, TurnFinished, TurnStarted
from orchestrator.session import Attachment
from orchestrator.stream import Stream
from specialists.base import Card
from specialists.content import BlobRef, Message, Part, kind_of, text_part
from specialists.errors import AntiphonError, UnknownName
from specialists.runtime import Health
from tui.backend import Backend


class Paused(Protocol):
    async def pause(self, delay: float | None = None) -> None: ...


async def until(pilot: Paused, holds: Callable[[], object]) -> None:
    """Let the screen work until something holds; the engine's thread has its own pace."""
    while not holds():
        await pilot.pause(0.005)


class Gate:
    """Holds whoever waits on the engine's loop until a test, on another, opens it."""

    def __init__(self) -> None:
        self._passed: Future[None] = Future()

    def open(self) -> None:
        self._passed.set_result(None)

    async def wait(self) -> None:
        await asyncio.shield(asyncio.wrap_future(self._passed))


Line = Event | Gate | AntiphonError
Script = Sequence[Line]


class StagedSession:
    """Plays one script a turn. A deaf session does not hear `interrupt`."""

    def __init__(self, name: str, scripts: Sequence[Script], *, deaf: bool = False) -> None:
        self.name = name
        self.sent: list[tuple[str, tuple[str, ...]]] = []
        self._scripts = list(scripts)
        self._deaf = deaf
        self._log: Stream[Event] = Stream()
        self._turn = 0
        self._interrupted = asyncio.Event()
        self._running = False
        self._put(SessionOpened())

    async def send(
        self,
        text: str = "",
        *,
        images: Sequence[str | Path | Attachment] = (),
        audio: Sequence[str | Path | Attachment] = (),
        video: Sequence[str | Path | Attachment] = (),
        files: Sequence[str | Path | Attachment] = (),
        voice: bool = False,
        speak: bool = False,
    ) -> AsyncIterator[Event]:
        paths = [Path(str(file)) for file in files]
        self.sent.append((text, tuple(path.name for path in paths)))
        self._turn += 1
        self._interrupted.clear()
        parts = [Part(kind_of(p.name), blob=BlobRef("", p.stat().st_size, ""), name=p.name) for p in paths]
        yield self._put(TurnStarted(message=Message("user", (text_part(text), *parts))))
        self._running = True
        try:
            for line in self._scripts.pop(0):
                if isinstance(line, AntiphonError):
                    raise line
                if isinstance(line, Gate):
                    if await self._stopped_at(line):
                        yield self._put(TurnFinished(outcome="interrupted"))
                        return
                else:
                    yield self._put(line)
        finally:
            self._running = False

    async def _stopped_at(self, gate: Gate) -> bool:
        waits = [asyncio.ensure_future(gate.wait()), asyncio.ensure_future(self._interrupted.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return self._interrupted.is_set()

    async def interrupt(self, *, heard: str | None = None) -> None:
        if self._running and not self._deaf:
            self._interrupted.set()

    async def events(self, since: int = 0) -> AsyncIterator[Event]:
        async for event in self._log:
            if event.seq > since:
                yield event

    def _put(self, event: Event) -> Event:
        turn = 0 if isinstance(event, SessionOpened) else self._turn
        numbered = replace(event, session=self.name, turn=turn, seq=len(self._log.items) + 1)
        self._log.put(numbered)
        return numbered


@dataclass
class Stage:
    """What the engine has. `curtain`, if any, holds it while it opens."""

    scripts: Mapping[str, Sequence[Script]] = field(default_factory=dict)
    cards: Sequence[Card] = ()
    health: Mapping[str, Health] = field(default_factory=dict)
    infos: Sequence[SessionInfo] = ()
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    curtain: Gate | None = None
    error: AntiphonError | None = None
    deaf: bool = False
    played: dict[str, StagedSession] = field(default_factory=dict)
    loaded: list[str] = field(default_factory=list)

    @property
    def opener(self) -> Callable[[], AbstractAsyncContextManager[Backend]]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Backend]:
            if self.curtain is not None:
                await self.curtain.wait()
            if self.error is not None:
                raise self.error
            yield _Backend(self)

        return opened


class _Backend:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def session(self, name: str) -> StagedSession:
        if "/" in name:
            raise UnknownName("is no name for a session", part=name, remedy="Use letters, digits and dashes")
        if name not in self._stage.played:
            scripts = self._stage.scripts.get(name, ())
            self._stage.played[name] = StagedSession(name, scripts, deaf=self._stage.deaf)
        return self._stage.played[name]

    async def sessions(self) -> Sequence[SessionInfo]:
        return self._stage.infos

    async def cards(self) -> Sequence[Card]:
        return self._stage.cards

    async def health(self) -> Mapping[str, Health]:
        return self._stage.health

    async def load(self, name: str) -> None:
        self._stage.loaded.append(name)

    async def read(self, ref: BlobRef) -> bytes:
        try:
            return self._stage.blobs[ref.digest]
        except KeyError:
            raise UnknownName("no such blob", part=ref.digest) from None
