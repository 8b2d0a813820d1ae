"""The engine: opens what a configuration names, hands out sessions, and closes everything again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Self
from weakref import WeakSet, WeakValueDictionary

from memory.log import SessionInfo, session_name
from memory.store import MemoryStore
from orchestrator.config import Config, load
from orchestrator.context import Services
from orchestrator.controller.build import by_example, controller
from orchestrator.controller.features import Embed
from orchestrator.controller.request import Request, request
from orchestrator.controller.route import Route, decision_of
from orchestrator.conversation import EngineSession, with_history
from orchestrator.door import Door
from orchestrator.graph import TurnGraph
from orchestrator.plan import Plan
from orchestrator.planner import plan as make_plan
from orchestrator.recall import Memory
from orchestrator.vectors import cached
from specialists.base import Card, Chunk, Task
from specialists.content import TEXT, Kind, Message
from specialists.embed import encoder
from specialists.errors import AntiphonError, BadInput
from specialists.models import ModelStore
from specialists.pool import ModelPool
from specialists.registry import build
from specialists.runtime import Health, LocalRuntime, Runtime
from specialists.threads import in_thread, sleep_while_waiting

log = logging.getLogger("antiphon")


RECENT_SESSIONS = 64
"""How many of the last asked-for sessions stay open though nobody holds them."""


class Orchestrator:
    """One assistant: `async with Orchestrator.open(config) as o: session = o.session("trip")`."""

    def __init__(self, config: Config, runtime: Runtime | None = None, embed: Embed | None = None) -> None:
        sleep_while_waiting()
        self.config = config
        self.models = ModelStore(config.engine.models)
        pool = ModelPool()
        self.runtime: Runtime = runtime or build(self.models, config.specialists, config.limits, pool)
        self._encoder = encoder(self.models, config.specialists.get("embed"), pool)
        self._embed = embed
        self._door = Door()
        self._sessions: WeakValueDictionary[str, EngineSession] = WeakValueDictionary()
        # A server runs for weeks: a session that nobody holds is let go, and opens again from its log.
        self._passing: WeakSet[EngineSession] = WeakSet()
        self._recent: deque[EngineSession] = deque(maxlen=RECENT_SESSIONS)
        self._warming: asyncio.Task[None] | None = None
        self._seconds: dict[str, float] = {}
        """Moving averages of what calls took, in seconds."""

    @classmethod
    def open(
        cls, config: Config | None = None, *, runtime: Runtime | None = None, embed: Embed | None = None
    ) -> Self:
        """An engine for `async with`. Without a configuration, the user's own or the defaults.

        `runtime` replaces the specialists of the configuration, `embed` its text encoder. Without the
        encoder's model routing goes by words alone and recall is lexical: commands fetch it beforehand.
        """
        return cls(config or load(), runtime, embed)

    async def __aenter__(self) -> Self:
        folder = self.config.engine.data
        embed = self._embed or (self._encoder.encode if self._encoder.installed() else None)
        self.store = await self._door(MemoryStore.open, folder / "memory", embed)
        self.blobs = self.store.blobs
        self._internal = LocalRuntime([Memory(self.store, self._door)])
        self._exemplars = by_example(
            self.config.controller,
            cached(embed, self.config.engine.models / "derived", self._encoder.model) if embed else None,
        )
        self._services = Services(
            config=self.config,
            call=self._call,
            cards=self.cards,
            costs=lambda: self._seconds,
            controller=controller(self.config.controller, self._exemplars, self._call),
            memory=self.store,
            blobs=self.blobs,
            door=self._door,
            clock=time.perf_counter,
        )
        self._graph = TurnGraph()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with contextlib.AsyncExitStack() as closing:  # in reverse order, each whatever the others do
            closing.callback(self._door.close)
            closing.push_async_callback(self._door, self.store.close)
            closing.push_async_callback(self.runtime.close)
            for session in [*self._sessions.values(), *self._passing]:
                closing.push_async_callback(session.close)
            if self._warming is not None:
                self._warming.cancel()
                await asyncio.gather(self._warming, return_exceptions=True)

    def cards(self) -> tuple[Card, ...]:
        """The Cards of all specialists, `memory` included."""
        return (*self.runtime.cards(), *self._internal.cards())

    async def warm(self, *names: str) -> None:
        """Get the controller, the encoder and the named specialists ready ahead of the first turn."""
        await in_thread(self._exemplars.decide, Request("hello"), self.cards())
        for name in names:
            card = next((card for card in self.runtime.cards() if card.name == name), None)
            if card is not None and card.available:
                await self.runtime.load(name)

    def warm_behind(self, *names: str) -> None:
        """The same, in the background; what fails is said in the log and again when it is called."""
        if self._warming is None:
            self._warming = asyncio.create_task(self._warm_quietly(names), name="warm")

    def session(self, name: str | None = None, scope: str = "") -> EngineSession:
        """A session by name; a new one without. One that exists goes on where its log ends.

        `scope` is a prefix of session names: a session with one sees only what those sessions remember.
        Raises BadInput for a name that cannot be one, or that is open under another scope.
        """
        name = session_name(name) if name else new_name()
        session = self._sessions.get(name)
        if session is None:
            session = EngineSession(name, self._services, self._graph, keep=True, scope=scope)
            self._sessions[name] = session
        if session.scope != scope:
            raise BadInput("belongs to somebody else", part=name, remedy="Choose another session name")
        if session not in self._recent:
            self._recent.append(session)
        return session

    def passing(self, history: Sequence[Message] = ()) -> EngineSession:
        """A session that leaves nothing behind and reads nothing of others; it may begin with a history."""
        begun = with_history(history)
        session = EngineSession(new_name(), self._services, self._graph, keep=False, history=begun)
        self._passing.add(session)
        return session

    async def sessions(self) -> list[SessionInfo]:
        """The sessions there are."""
        return list(await self._door(self.store.log.sessions))

    async def route(self, text: str, kinds: Sequence[Kind] = (), history: Sequence[Message] = ()) -> Route:
        """What the controller would decide."""
        return await self._services.controller.route(request(text, kinds, history), self.cards())

    async def plan(
        self, text: str, kinds: Sequence[Kind] = (), history: Sequence[Message] = ()
    ) -> tuple[Plan, Route]:
        """What would be done, without doing it. `kinds` are those of the attachments."""
        chosen = await self.route(text, kinds, history)
        earlier = [part.kind for said in history for part in said.media if part.kind not in kinds]
        decision = decision_of(chosen.controls)
        parts = [TEXT, *kinds, *dict.fromkeys(earlier)]
        return make_plan(decision, parts, self.cards(), costs=self._seconds), chosen

    async def health(self) -> Mapping[str, Health]:
        """How each specialist does."""
        return {**await self.runtime.health(), **await self._internal.health()}

    async def _call(self, task: Task) -> AsyncIterator[Chunk]:
        inside = any(card.name == task.specialist for card in self._internal.cards())
        answer = (self._internal if inside else self.runtime).run(task)
        began = time.perf_counter()
        async with contextlib.aclosing(answer) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk
        seconds = time.perf_counter() - began
        self._seconds[task.specialist] = 0.8 * self._seconds.get(task.specialist, seconds) + 0.2 * seconds

    async def _warm_quietly(self, names: Sequence[str]) -> None:
        try:
            await self.warm(*names)
        except AntiphonError as error:
            log.warning("warming up failed: %s", error)


def new_name() -> str:
    """A session name nobody chose: when it began, and a few letters against collisions."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
