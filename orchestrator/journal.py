"""The journal of one session: numbers its events, writes them to the log, hands them to listeners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

from memory.log import INPUTS, SessionLog
from orchestrator.door import Door
from orchestrator.events import Event, from_dict, to_dict

BARE = ("session.opened", "floor.changed")
"""Types of events that hold nothing of what was said, and stay when what was said is forgotten."""


class Journal:
    """Append-only. Listeners see an event at once; `flush` returns when all of them are on disk.

    Without a log (a session that is not kept) everything but the writing is the same. With each event goes to
    the log what was taken in before it: see `orchestrator.rerun`.
    """

    def __init__(self, session: str, clock: Callable[[], float], log: SessionLog | None, door: Door) -> None:
        self._session = session
        self._clock = clock
        self._log = log
        self._door = door
        self._seq = 0
        self._listeners: list[asyncio.Queue[Event | None]] = []
        self._closed = False
        self._pending: list[tuple[Event, list[Any]]] = []
        self._inputs: list[Any] = []
        self.turn = 0
        """The turn that inputs now belong to."""
        self._dropped = False
        self._writing = asyncio.Lock()

    @property
    def seq(self) -> int:
        """The number of the newest event."""
        return self._seq

    async def resume(self) -> list[Event]:
        """Read what is in the log, all but its sound, and go on after it."""
        if self._log is None:
            return []
        recorded = await self._door(self._log.read, self._session, audio=False)
        self._seq = recorded[-1]["seq"] if recorded else 0
        return [from_dict(values) for values in recorded if "pcm" not in values]

    def record(self, event: Event) -> Event:
        """Number an event and make it known. The numbered event is returned."""
        self._seq += 1
        numbered: Any = replace(event, session=self._session, seq=self._seq, time=self._clock())
        for listener in self._listeners:
            listener.put_nowait(numbered)
        if self._log is not None and not self._dropped:
            # What is forgotten takes a turn's events with it, but not those that only say who had the floor.
            due = event.turn == self.turn and event.type not in BARE
            inputs, self._inputs = (self._inputs, []) if due else ([], self._inputs)
            self._pending.append((numbered, inputs))
        return numbered

    def take(self, kind: str, key: str = "", value: Any = None) -> None:
        """Write down an input, at this place of the log. It reaches the disk with a later event."""
        last = self._inputs[-1] if self._inputs else None
        if kind == "read" and last is not None and last[:3] == [self._seq, kind, key]:
            last[3] += value
            return
        if self._log is None:
            return
        self._inputs.append([self._seq, kind, key] if value is None else [self._seq, kind, key, value])

    def begin(self, turn: int) -> None:
        """From here on inputs are those of this turn."""
        self.turn = turn

    def drop(self) -> None:
        """Write nothing of what happens from here on, as if the process had died."""
        self._dropped = True

    async def flush(self) -> None:
        """Write what is pending, in order; what could not be written stays pending.

        Raises what the log raises: BadInput when another process writes to the same session.
        """
        if self._log is not None:
            # Shielded: a cancelled turn must not lose the events that led to its end.
            await asyncio.shield(asyncio.ensure_future(self._write(self._log)))

    async def _write(self, log: SessionLog) -> None:
        async with self._writing:
            if batch := list(self._pending):
                await self._door(_append, log, self._session, batch)
                del self._pending[: len(batch)]

    def close(self) -> None:
        """End every listener."""
        self._closed = True
        for listener in self._listeners:
            listener.put_nowait(None)

    async def events(self, since: int) -> AsyncIterator[Event]:
        """Events above `since`: those of the log, then live ones, without gap or repetition."""
        live: asyncio.Queue[Event | None] = asyncio.Queue()
        self._listeners.append(live)  # before the log is read: what happens meanwhile waits in the queue
        try:
            await self.flush()
            if self._log is not None:
                for values in await self._door(self._log.read, self._session, since):
                    event = from_dict(values)
                    since = event.seq
                    yield event
            if self._closed:
                return
            while (following := await live.get()) is not None:
                if following.seq > since:
                    since = following.seq
                    yield following
        finally:
            self._listeners.remove(live)


def _append(log: SessionLog, session: str, batch: list[tuple[Event, list[Any]]]) -> None:
    log.append(
        session, [{**to_dict(event), **({INPUTS: inputs} if inputs else {})} for event, inputs in batch]
    )
