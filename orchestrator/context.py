"""What a turn has at hand: the services of the engine, and the facts of this turn."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from memory.blobs import BlobStore
from memory.records import Hit
from memory.store import MemoryStore
from orchestrator.budget import Budget, Extension
from orchestrator.config import Config
from orchestrator.controller.route import Controller
from orchestrator.door import Door
from orchestrator.events import Event, StandingMade
from orchestrator.history import Exchange
from orchestrator.intake import accepting
from orchestrator.latency import Latency
from orchestrator.session import Attachment
from specialists.base import Card, Chunk, Task
from specialists.content import Message, Part
from specialists.errors import Theirs, Unavailable
from specialists.media import Limits

Accept = Callable[[Sequence[Attachment], Limits, BlobStore], Awaitable[tuple[list[Part], list[Theirs]]]]


def later(seconds: float, act: Callable[[], None]) -> asyncio.TimerHandle:
    """Do something in so many seconds, unless the handle is cancelled before."""
    return asyncio.get_running_loop().call_later(seconds, act)


@dataclass(frozen=True, slots=True)
class Services:
    """The engine's parts, as the verbs of a turn use them."""

    config: Config
    call: Callable[[Task], AsyncIterator[Chunk]]
    cards: Callable[[], tuple[Card, ...]]
    costs: Callable[[], Mapping[str, float]]
    """Seconds that a call usually takes (p50), by specialist; those never called are missing."""
    latencies: Callable[[], Mapping[str, Latency]]
    controller: Controller
    memory: MemoryStore
    blobs: BlobStore
    door: Door
    clock: Callable[[], float]
    observe: Callable[[Event], None] = lambda event: None
    """Sees every Event of every session as it is recorded. Quick, and never raises."""
    accept: Accept = accepting
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    timer: Callable[[float, Callable[[], None]], asyncio.TimerHandle] = later
    wall: Callable[[], float] = time.time
    """Seconds since the epoch."""
    chance: Callable[[], float] = random.random
    """Even between 0 and 1."""

    def card(self, name: str) -> Card:
        """The Card of that name. Raises Unavailable when it is gone since the plan was made."""
        for card in self.cards():
            if card.name == name:
                return card
        raise Unavailable("is not there any more", part=name)


@dataclass(slots=True)
class BusyMeter:
    """Seconds during which at least one specialist ran: what is left of a turn is our own share."""

    clock: Callable[[], float]
    seconds: float = 0.0
    _running: int = 0
    _since: float = 0.0

    def __enter__(self) -> None:
        if self._running == 0:
            self._since = self.clock()
        self._running += 1

    def __exit__(self, *_: object) -> None:
        self._running -= 1
        if self._running == 0:
            self.seconds += self.clock() - self._since


@dataclass(frozen=True, slots=True)
class TurnContext:
    """One turn: what was sent, what was said before, and where its events go.

    `keep` is False for a session that leaves nothing behind; whether it `reads` what is remembered is another
    matter: who rehearses a turn does.
    """

    services: Services
    session: str
    number: int
    text: str
    attachments: tuple[Attachment, ...]
    history: tuple[Message, ...]
    emit: Callable[[Event], Event]
    flush: Callable[[], Awaitable[None]]
    started: float
    voice: bool = False
    speak: bool = False
    unheard: bool = False
    """Nobody would hear a spoken reply, so none is made even where the words ask for it."""
    budget: Budget = field(default_factory=Budget)
    extension: Extension = field(default_factory=Extension)
    last: Exchange | None = None
    """The exchange before, which this turn may correct."""
    cut_off: str = ""
    """What of the last reply was written and not heard, because it was interrupted."""
    standing: tuple[StandingMade, ...] = ()
    """What the session waits for."""
    keep: bool = True
    reads: bool = True
    scope: str = ""
    """The prefix of the sessions whose memories this turn may see; all of them without one."""
    busy: BusyMeter = field(default_factory=lambda: BusyMeter(lambda: 0.0))
    calls: list[str] = field(default_factory=list)
    """Specialists that ran, in the order they finished."""
    reused: list[str] = field(default_factory=list)
    found: list[Hit] = field(default_factory=list)
    """What memory found for the request before it was routed."""
    remembered: list[str] = field(default_factory=list)
    """Ids of the records of what was said in this turn, the reply's last."""
    marks: dict[str, float] = field(default_factory=dict)
    """Seconds since the start of the turn of what happened once: first_text, first_speech, …"""

    def mark(self, name: str) -> None:
        self.marks.setdefault(name, self.services.clock() - self.started)

    @property
    def allowed(self) -> Budget:
        """The budget, with the extension where nobody asks for less time than any turn has."""
        seconds = self.budget.seconds
        if seconds is None or seconds < self.services.config.engine.turn_seconds:
            return self.budget
        return replace(self.budget, seconds=seconds + self.extension.seconds)

    def allowance(self, kept: float, *, spare: bool = False, extra: float = 0.0) -> float:
        """Seconds that a call may take from now: those of a step and the `extra` ones, or fewer, so that the
        share `kept` of the turn's time is left when it ends. Not above 0 when there are none left.

        `spare` is what the answer can do without: it does not go on beyond the turn's budget.
        """
        engine = self.services.config.engine
        gone = self.services.clock() - self.started
        turn_seconds = engine.turn_seconds + self.extension.seconds
        seconds = min(engine.step_seconds + extra, turn_seconds * (1 - kept) - gone)
        if spare and (allowed := self.allowed.seconds) is not None:
            return min(seconds, allowed - gone)
        return seconds
