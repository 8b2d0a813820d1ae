"""Playing: the services of a session that runs again, with what was recorded in place of the outside world.

Where one part of the assistant is another one now (`Live`), that part is called, and so is whatever is then
asked for something that it was not asked for before; the turn deviates from there on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from memory.blobs import BlobStore
from memory.ids import new_id
from memory.records import Alike, Record
from orchestrator.context import Services
from orchestrator.controller.request import Request
from orchestrator.controller.route import Controller, Route
from orchestrator.door import Door
from orchestrator.journal import Journal
from orchestrator.latency import Latency
from orchestrator.rerun import tape
from orchestrator.rerun.codec import decode, decode_error
from orchestrator.rerun.player import Player
from orchestrator.rerun.recording import Counter, call_key, door_digest, request_digest, task_digest
from specialists.base import Card, Chunk, Task
from specialists.content import TEXT, BlobRef, Part
from specialists.errors import BadInput, SpecialistFailed, Unavailable, UnknownName
from specialists.runtime import Runtime
from specialists.threads import in_thread

JOURNAL = ("_append", "read")
"""Calls of the log itself: those are made, not played."""

SWAPPED = "swapped"
REQUIRES = "calls the swapped part"
OTHERWISE = "is asked for something else"
UNRECORDED = "was not called before"
REMEMBERED = "is remembered by what it found in this run"
CUT_OFF = "was cut off before"


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A call that was made, or served by one that was, instead of played: its turn, whose it is, and why."""

    turn: int
    specialist: str
    why: str


@dataclass(frozen=True, slots=True)
class Live:
    """What is called live: the specialists in `swapped` always, the others where they are asked for
    something new. With a `controller`, that one decides every route."""

    runtime: Runtime
    swapped: frozenset[str] = frozenset()
    controller: Controller | None = None
    router: Controller | None = None
    """Who routes what the recorded controller was never asked."""

    def why(self, card: Card | None, name: str) -> str:
        """Why a specialist is called whatever it is asked; empty where it is not."""
        if name in self.swapped:
            return SWAPPED
        return REQUIRES if card is not None and self.swapped & set(card.requires) else ""


class Blobs(Protocol):
    """What of a blob store is read."""

    def read(self, ref: BlobRef | str) -> bytes: ...


class OverBlobs:
    """The blobs of the recorded session, which are only read, and those that are made now."""

    def __init__(self, made: BlobStore, recorded: Blobs) -> None:
        self._made = made
        self._recorded = recorded

    def put(self, data: bytes, media_type: str) -> BlobRef:
        return self._made.put(data, media_type)

    def read(self, ref: BlobRef | str) -> bytes:
        try:
            return self._made.read(ref)
        except UnknownName:
            return self._recorded.read(ref)


@dataclass
class Playing:
    """The services of one opening of a session. `kept` is the evidence found so far, by key."""

    player: Player
    door: Door
    live: Live | None = None
    kept: dict[str, Record] = field(default_factory=dict)
    made: list[LiveCall] = field(default_factory=list)
    running: int = 0
    """Live calls under way."""

    def services(self, inner: Services, journal: Journal) -> Services:
        """For `EngineSession(inputs=...)`."""
        return _Played(self, inner, journal).services()

    def deviate(self, turn: int, name: str, why: str) -> None:
        self.made.append(LiveCall(turn, name, why))
        self.player.deviate()


class _Played:
    def __init__(self, playing: Playing, inner: Services, journal: Journal) -> None:
        self._playing = playing
        self._player = playing.player
        self._live = playing.live
        self._inner = inner
        self._journal = journal
        self._counter = Counter()
        self._clock = 0.0
        self._since = time.perf_counter()

    def services(self) -> Services:
        return replace(
            self._inner,
            call=self.call,
            cards=self.cards,
            costs=self.costs,
            latencies=self.latencies,
            controller=self,
            door=self.door,  # type: ignore[arg-type]
            clock=self.clock,
            wall=lambda: float(self._player.reading("wall") or 0.0),
            chance=lambda: float(self._player.reading("chance") or 0.0),
            accept=self.accept,
            pause=self.pause,
            timer=self.timer,
        )

    async def call(self, task: Task) -> AsyncIterator[Chunk]:
        key, player = call_key(task), self._player
        asked = player.asked(key)
        if why := self._why_live(task, asked):
            async with aclosing(self._called(task, why)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    yield chunk
            return
        player.begin(key)
        while (entry := await player.arrival(key)) is not None and entry.kind == tape.CHUNK:
            yield _chunk(entry.value)
        if entry is None:
            self._note(task.turn, task.specialist, CUT_OFF)
        elif entry.kind == tape.ERROR:
            raise decode_error(entry.value)

    def _why_live(self, task: Task, asked: Any) -> str:
        if self._live is None:
            return ""
        cards = self.cards()
        card = next((card for card in cards if card.name == task.specialist), None)
        if why := self._live.why(card, task.specialist):
            return why
        if asked is None:
            return UNRECORDED
        return OTHERWISE if asked != task_digest(task, cards) else ""

    async def _called(self, task: Task, why: str) -> AsyncIterator[Chunk]:
        assert self._live is not None, "only asked for where there is something live"
        self._playing.deviate(task.turn, task.specialist, why)
        self._playing.running += 1
        try:
            async with aclosing(self._live.runtime.run(task)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    yield chunk
        finally:
            self._playing.running -= 1

    def _note(self, turn: int, name: str, why: str) -> None:
        if not self._player.silent:
            self._playing.made.append(LiveCall(turn, name, why))

    def cards(self) -> tuple[Card, ...]:
        recorded: tuple[Card, ...] = self._player.cards()
        if self._live is None or not self._live.swapped:
            return recorded
        now = {card.name: card for card in self._live.runtime.cards() if card.name in self._live.swapped}
        kept = [now.pop(card.name, card) for card in recorded]
        return (*kept, *now.values())

    def costs(self) -> Mapping[str, float]:
        return decode(self._player.reading("costs")) or {}

    def latencies(self) -> Mapping[str, Latency]:
        return decode(self._player.reading("latencies")) or {}

    def clock(self) -> float:
        """The recorded readings, and real time behind the last of them."""
        now = time.perf_counter()
        live = self._player.deviating
        read = None if live else self._player.reading("clock")
        self._clock = self._clock + now - self._since if read is None else float(read)
        self._since = now
        return self._clock

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        """The controller's part."""
        key = self._counter.key(self._journal.turn, "route")
        if self._live is not None:
            asked = self._player.asked(key)
            swapped = self._live.controller
            chosen = swapped or (self._live.router if asked != request_digest(request, cards) else None)
            if chosen is not None:
                self._playing.deviate(
                    self._journal.turn, "controller", SWAPPED if swapped is not None else OTHERWISE
                )
                return await chosen.route(replace(request, person=None), cards)
        self._player.begin(key)
        return decode(await self._result(key, "controller"))

    async def accept(self, given: Sequence[Any], *more: Any) -> tuple[list[Part], list[Any]]:
        key = self._counter.key(self._journal.turn, "accept")
        self._player.begin(key)
        result = await self._result(key, "attachments")
        try:
            parts, errors = result
            return list(decode(parts)), [decode_error(error) for error in errors]
        except (TypeError, ValueError) as error:
            raise BadInput(f"what was attached cannot be read: {error}", part="session log") from error

    async def pause(self, seconds: float) -> None:
        key = self._counter.key(self._journal.turn, "pause")
        self._player.begin(key)
        await self._player.arrival(key)

    def timer(self, seconds: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        """Runs out where it did; where specialists are live it runs as well."""
        return self._inner.timer(seconds if self._live is not None else 10 * 86_400.0, act)

    async def door(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        name = call.__name__
        if name in JOURNAL:
            return await self._playing.door(call, *args, **kwargs)
        key = self._counter.key(self._journal.turn, name)
        changed = self._player.asked(key) != door_digest(args)
        self._player.begin(key)
        if name == "put":
            result = await in_thread(call, *args)
            await self._player.arrival(key)
            return result
        entry = await self._player.arrival(key)
        if entry is not None and entry.kind == tape.ERROR:
            raise decode_error(entry.value)
        if name == "remember":
            return self._remembered(args[0], entry.value if entry is not None else None)
        if name in ("evidence", "begun", "alike") and (changed or self._stale(entry)):
            return self._found_now(str(args[0]))
        if entry is None:
            return self._without(name)
        return decode(entry.value)

    def _found_now(self, key: str) -> Record | None:
        """The evidence of this run, where there is any: the turn then differs by it."""
        found = self._playing.kept.get(key)
        if found is not None:
            self._playing.deviate(self._journal.turn, found.source, REMEMBERED)
        return found

    def _remembered(self, records: Sequence[Record], ids: Any) -> list[Record]:
        """The records as stored: under the ids that they got, new ones where there are others now."""
        known = isinstance(ids, list) and len(ids) == len(records)
        given = ids if known else [[new_id(), time.time()] for _ in records]
        stored = [
            replace(record, id=str(name), time=float(moment))
            for record, (name, moment) in zip(records, given, strict=True)
        ]
        self._playing.kept.update({record.key: record for record in stored if record.key})
        return stored

    def _stale(self, entry: tape.Entry | None) -> bool:
        """Whether the evidence is the swapped part's of that time."""
        if self._live is None or entry is None or entry.value is None:
            return False
        found = decode(entry.value)
        record = found.record if isinstance(found, Alike) else found
        card = next((card for card in self.cards() if card.name == record.source), None)
        return bool(self._live.why(card, record.source))

    def _without(self, name: str) -> Any:
        """What memory gives that is asked for what it was not asked before: nothing."""
        return [] if name == "recall" else None

    async def _result(self, key: str, part: str) -> Any:
        entry = await self._player.arrival(key)
        if entry is None:
            raise Unavailable("the recorded session holds nothing for this", part=part)
        if entry.kind == tape.ERROR:
            raise decode_error(entry.value)
        return entry.value


def _chunk(value: Any) -> Chunk:
    if isinstance(value, str):
        return Chunk(TEXT, text=value)
    chunk = decode(value)
    if not isinstance(chunk, Chunk):
        raise SpecialistFailed("a recorded piece cannot be read", part="session log")
    return chunk
