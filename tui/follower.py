"""One session on the engine's side: its Events passed on, and what is sent to it run turn by turn."""

from __future__ import annotations

import asyncio
import contextlib
import traceback

from orchestrator.events import Event
from orchestrator.session import Session
from specialists.errors import AntiphonError, Ours
from tui.messages import Broken, Happened, Outgoing, Post, TurnOver

_FRAME = 0.03  # seconds: events that arrive within one are shown together
_PATIENCE = 5.0  # seconds that an interrupted turn has to end by itself


def ours(error: Exception) -> Ours:
    """An error that no part of the program meant to raise, as one that the screen can show."""
    where = traceback.extract_tb(error.__traceback__)[-1:]
    at = f" at {where[0].filename}:{where[0].lineno}" if where else ""
    remedy = "This is a bug: please report it"
    return Ours(f"{type(error).__name__}: {error}{at}", part="engine", remedy=remedy)


class Follower:
    """Lives on the engine's loop. What is sent before `follow` is called waits for it."""

    def __init__(self, name: str, post: Post) -> None:
        self.name = name
        self.idle = asyncio.Event()
        self.idle.set()
        self._post = post
        self._session: Session | None = None
        self._outgoing: asyncio.Queue[Outgoing] = asyncio.Queue()
        self._arrived: list[Event] = []
        self._wake = asyncio.Event()
        self._told = asyncio.Condition()
        self._seen = 0
        self._closed = False
        self._reader: asyncio.Task[None] | None = None
        self._turn: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._loops: list[asyncio.Task[None]] = []

    def follow(self, session: Session) -> None:
        """Begin to tell the session's Events, and to run what was and will be sent."""
        self._session = session
        self._read(session)
        self._loops = [
            asyncio.create_task(self._tell(), name="tell"),
            asyncio.create_task(self._turns(session), name="turns"),
        ]

    def send(self, outgoing: Outgoing) -> None:
        """Send a message; while a turn runs, this interrupts it."""
        self._outgoing.put_nowait(outgoing)
        if self._turn is not None and self._stopping is None:
            self.interrupt()

    def interrupt(self) -> None:
        """Stop the running turn, or take back what waits; asked again, stop waiting for the turn's end."""
        if self._turn is None or self._session is None:
            while not self._outgoing.empty():
                self._outgoing.get_nowait()
                self._post(TurnOver())
        elif self._stopping is None:
            self._stopping = asyncio.create_task(self._interrupt(self._session, self._turn))
        else:
            self._stopping.cancel()
            self._turn.cancel()

    async def close(self) -> None:
        self._closed = True
        tasks = [t for t in (self._turn, self._stopping, self._reader, *self._loops) if t is not None]
        for task in tasks:
            task.cancel()
        async with self._told:
            self._told.notify_all()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _interrupt(self, session: Session, turn: asyncio.Task[None]) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await session.interrupt()
                await asyncio.wait({turn})
        except (AntiphonError, TimeoutError):
            turn.cancel()

    def _read(self, session: Session) -> None:
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._events(session), name="events")

    async def _events(self, session: Session) -> None:
        source = session.events(self._seen + len(self._arrived))
        try:
            async for event in source:
                self._arrived.append(event)
                self._wake.set()
        except AntiphonError as error:
            self._post(Broken(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the screen must say so
            self._post(Broken(ours(error)))
        finally:
            self._wake.set()
            if (close := getattr(source, "aclose", None)) is not None:
                await close()

    async def _tell(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._arrived = self._arrived, []
            if batch:
                self._post(Happened(batch))
            async with self._told:
                self._seen = batch[-1].seq if batch else self._seen
                self._told.notify_all()
            await asyncio.sleep(_FRAME)

    async def _turns(self, session: Session) -> None:
        while True:
            outgoing = await self._outgoing.get()
            self.idle.clear()
            self._turn = asyncio.create_task(self._run(session, outgoing), name="turn")
            await asyncio.wait({self._turn})
            if self._stopping is not None:
                await asyncio.wait({self._stopping})
            self._turn = self._stopping = None
            if self._outgoing.empty():
                self.idle.set()

    async def _run(self, session: Session, outgoing: Outgoing) -> None:
        self._read(session)
        last = 0
        error: AntiphonError | None = None
        answer = session.send(outgoing.text, files=[file.path for file in outgoing.files])
        try:
            async for event in answer:
                last = event.seq
        except AntiphonError as problem:
            error = problem
        except Exception as problem:  # noqa: BLE001 - whatever it is, the screen must say so
            error = ours(problem)
        finally:
            with contextlib.suppress(AntiphonError):
                if (close := getattr(answer, "aclose", None)) is not None:
                    await close()
            try:
                if error is None:
                    await self._until_told(last)
            finally:
                self._post(TurnOver(error))

    async def _until_told(self, last: int) -> None:
        async with self._told:
            await self._told.wait_for(lambda: self._seen >= last or self._closed or self._reading_ended())

    def _reading_ended(self) -> bool:
        return self._reader is None or (self._reader.done() and not self._arrived)
