"""Driving: a recorded session from its first event to its last, over a store that passes."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from memory.store import MemoryStore
from orchestrator.budget import Budget
from orchestrator.config import Config
from orchestrator.context import Services, later
from orchestrator.conversation import EngineSession
from orchestrator.door import Door
from orchestrator.events import Event, from_dict, to_dict
from orchestrator.graph import TurnGraph
from orchestrator.rerun import tape
from orchestrator.rerun.compare import Difference, difference
from orchestrator.rerun.player import Player
from orchestrator.rerun.playing import Blobs, Live, LiveCall, OverBlobs, Playing
from orchestrator.rerun.tape import Entry, Tape
from orchestrator.session import Speak
from specialists.cancellation import being_cancelled
from specialists.errors import AntiphonError, BadInput, Ours

PASSED_OVER = 3.0
"""Seconds without any event after which a call that nobody makes any more is passed over."""

STALLED = 60.0
"""Seconds without any event after which a rerun has come to its end, wherever that is."""


class Drive:
    """One run over one tape. Without `live` it stops at the first event that is not what it was."""

    def __init__(self, recorded: Tape, name: str, blobs: Blobs, folder: Path, live: Live | None) -> None:
        self.events: list[Mapping[str, Any]] = []
        """What happened now, as plain values."""
        self.difference: Difference | None = None
        self._tape = recorded
        self._name = name
        self._live = live
        self._store = MemoryStore.open(folder)
        self._door = Door()
        self._blobs = OverBlobs(self._store.blobs, blobs)
        self._player = Player(recorded, self._act)
        self.playing = Playing(self._player, self._door, live)
        self._graph = TurnGraph()
        self._session: EngineSession | None = None
        self._person: asyncio.Queue[Entry] = asyncio.Queue()
        self._stopped = False
        self._finished = 0

    @property
    def calls(self) -> tuple[LiveCall, ...]:
        return tuple(self.playing.made)

    async def run(self) -> None:
        """Play to the end. Raises BadInput for a tape that cannot be played."""
        person = asyncio.create_task(self._send_all(), name="person")
        try:
            while not self._stopped and (self._player.deviating or self._following() is not None):
                if not self._player.deviating and self._type() == "session.opened":
                    await self._open()
                    continue
                await self._wait(person)
            if not self._stopped:
                await self._settle()
        finally:
            self._stopped = True
            self._player.silence()  # first: what is cancelled must not wait for a tape that stands still
            person.cancel()
            await asyncio.gather(person, return_exceptions=True)
            await self._leave()
            self._store.close()
            self._door.close()

    def _following(self) -> Mapping[str, Any] | None:
        place = self._player.place
        return self._tape.events[place] if place < len(self._tape.events) else None

    def _type(self) -> str:
        return str((self._following() or {}).get("type", ""))

    async def _wait(self, person: asyncio.Task[None]) -> None:
        """Until something happens, or nothing does for too long."""
        self._player.changed.clear()
        quiet = time.monotonic()
        while not self._player.changed.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PASSED_OVER):
                    await self._player.changed.wait()
                return
            if person.done() and (bug := person.exception()) is not None:
                raise bug
            if self.playing.running or self._player.skip():
                quiet = time.monotonic() if self.playing.running else quiet
            elif time.monotonic() - quiet > STALLED or self._idle():
                self._stop_at("nothing more happens")
                return

    def _idle(self) -> bool:
        """Whether no turn runs and none is to begin."""
        return self._session is not None and not self._session.running and self._person.empty()

    async def _open(self) -> None:
        await self._leave()
        self._player.reopened()
        setup = self._player.next_setup() or self._player.setup
        services = self._services(_config(setup))
        inputs = self.playing.services
        self._session = EngineSession(
            self._name, services, self._graph, keep=True, inputs=inputs, watches=False
        )
        before = self._player.position
        await self._session.open()
        if self._player.position == before:
            raise Ours("an opening session says nothing", part=f"session {self._name}")

    async def _leave(self) -> None:
        """Put the session away as its process left it."""
        session, self._session = self._session, None
        if session is not None:
            self._player.silence()
            with contextlib.suppress(AntiphonError):
                await session.abandon()

    async def _settle(self) -> None:
        """After the last event: what it leads to may only be silence."""
        if self._session is not None and not self._session.running:
            await self._person.join()

    def _services(self, config: Config) -> Services:
        def nothing(*_: object) -> Any:
            raise Ours("the outside world is not there in a rerun", part="rerun")

        return Services(
            config=config,
            call=nothing,
            cards=nothing,
            costs=nothing,
            latencies=nothing,
            controller=nothing,  # type: ignore[arg-type]
            memory=self._store,
            blobs=self._blobs,  # type: ignore[arg-type]
            door=self._door,
            clock=time.perf_counter,
            observe=self._saw,
            timer=later,
        )

    # The person's side.

    def _act(self, entry: Entry) -> bool:
        session = self._session
        if session is None:
            return False
        match entry.kind:
            case tape.NOTE:
                session.place(from_dict(self._tape.events[entry.at]))
            case tape.STOP:
                return session.cut(None if entry.value is None else str(entry.value))
            case tape.LATE:
                return session.run_out_of_time()
            case tape.SEND | tape.HEARD:
                self._person.put_nowait(entry)
            case _:
                raise BadInput(f"an input of unknown kind {entry.kind!r:.40}", part=f"session {self._name}")
        return True

    async def _send_all(self) -> None:
        while True:
            entry = await self._person.get()
            session = self._session
            if session is not None:
                await (self._send(session, entry) if entry.kind == tape.SEND else self._heard(session, entry))
            self._person.task_done()

    async def _send(self, session: EngineSession, entry: Entry) -> None:
        try:
            text, voice, speak, (seconds, price) = entry.value
        except (TypeError, ValueError) as error:
            raise BadInput(f"what was sent cannot be read: {error}", part=f"session {self._name}") from error
        budget = Budget(seconds, price)
        wanted: Speak = "never" if speak == "never" else bool(speak)
        try:
            async for _ in session.send(str(text), voice=bool(voice), speak=wanted, budget=budget):
                pass
        except asyncio.CancelledError:  # of the turn, when its session is put away
            if being_cancelled():
                raise
        except Exception:  # noqa: BLE001 - what the reader of a turn was told stands in the log
            pass

    async def _heard(self, session: EngineSession, entry: Entry) -> None:
        (heard,) = entry.value
        history = session.history
        await session.interrupt(heard=history.reply(history.turns) if heard is None else str(heard))

    # What comes out.

    def _saw(self, event: Event) -> None:
        if self._stopped or self._player.silent:
            return
        now = to_dict(event)
        self.events.append(now)
        if self._live is None:
            recorded = self._following()
            found = (
                Difference(event.seq, event.turn, now=now) if recorded is None else difference(recorded, now)
            )
            if found is not None:
                self.difference = found
                self._stopped = True
                self._player.silence()
                self._player.changed.set()
                return
        self._player.saw()
        if now["type"] == "turn.finished" and self._player.deviating:
            self._player.rejoin(self._end_of(event.turn))

    def _end_of(self, turn: int) -> int:
        """The place on the tape behind the end of a turn."""
        for place, event in enumerate(self._tape.events, 1):
            if event["type"] == "turn.finished" and event["turn"] == turn:
                return place
        return len(self._tape.events)

    def _stop_at(self, reason: str) -> None:
        recorded = self._following() or {}
        seq, turn = int(recorded.get("seq", 0)), int(recorded.get("turn", 0))
        expected = f"{reason}, where {recorded.get('type', 'the end')} came"
        self.difference = Difference(seq, turn, recorded=recorded, reason=expected)
        self._stopped = True


@contextlib.asynccontextmanager
async def driven(recorded: Tape, name: str, blobs: Blobs, live: Live | None = None) -> AsyncIterator[Drive]:
    """Run a tape in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="antiphon-rerun-") as folder:
        drive = Drive(recorded, name, blobs, Path(folder), live)
        await drive.run()
        yield drive


def _config(setup: Mapping[str, Any]) -> Config:
    return Config.model_validate_json(setup["settings"]) if setup else Config()
