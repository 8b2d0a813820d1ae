"""The engine: opens what a configuration names, hands out sessions, and closes everything again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from weakref import WeakSet, WeakValueDictionary

from memory.archive import export, restore
from memory.copies import fork
from memory.log import SessionInfo, session_name
from memory.retention import Policy
from memory.store import MemoryStore
from orchestrator.arguments import with_arguments
from orchestrator.budget import Budget
from orchestrator.config import Config, load, router_table
from orchestrator.context import Services
from orchestrator.controller.build import by_example, controller
from orchestrator.controller.corrected import CorrectedController
from orchestrator.controller.features import Embed
from orchestrator.controller.request import Request, request
from orchestrator.controller.route import Controller, Route, decision_of
from orchestrator.conversation import EngineSession, with_history
from orchestrator.corrections import Corrections
from orchestrator.door import Door
from orchestrator.graph import TurnGraph
from orchestrator.history import without_findings
from orchestrator.latency import Latencies
from orchestrator.lengths import factor
from orchestrator.plan import Plan
from orchestrator.planner import plan as make_plan
from orchestrator.recall import Memory
from orchestrator.rerun.playing import Live
from orchestrator.rerun.session import Rerun, Swap, check_logged, rerun, swap
from orchestrator.retaining import Retaining
from orchestrator.telemetry import Telemetry, telemetry
from orchestrator.tradeoffs import first_choices, fit_to_budget
from orchestrator.vectors import cached
from specialists.base import Card, Chunk, Specialist, Task
from specialists.content import TEXT, Kind, Message, Part
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

    def __init__(
        self,
        config: Config,
        runtime: Runtime | None = None,
        embed: Embed | None = None,
        controller: Controller | None = None,
    ) -> None:
        sleep_while_waiting()
        self.config = config
        self.models = ModelStore(config.engine.models)
        pool = ModelPool()
        self.runtime: Runtime = runtime or build(self.models, config.specialists, config.limits, pool)
        self._encoder = encoder(self.models, config.specialists.get("embed"), pool)
        self._embed = embed
        self._controller = controller
        self._door = Door()
        self._sessions: WeakValueDictionary[str, EngineSession] = WeakValueDictionary()
        # A server runs for weeks: a session that nobody holds is let go, and opens again from its log.
        self._passing: WeakSet[EngineSession] = WeakSet()
        self._recent: deque[EngineSession] = deque(maxlen=RECENT_SESSIONS)
        self._warming: asyncio.Task[None] | None = None
        self.latencies = Latencies(config.engine.data / Latencies.FILE)
        self._saving: asyncio.Task[None] | None = None
        self.telemetry: Telemetry | None = None

    @classmethod
    def open(
        cls,
        config: Config | None = None,
        *,
        runtime: Runtime | None = None,
        embed: Embed | None = None,
        controller: Controller | None = None,
    ) -> Self:
        """An engine for `async with`. Without a configuration, the user's own or the defaults.

        `runtime` replaces the specialists of the configuration, `embed` its text encoder, `controller` what
        routes. Without the encoder's model routing goes by words alone and recall is lexical: commands fetch
        it beforehand.
        """
        return cls(config or load(), runtime, embed, controller)

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as opened:  # what is open when the rest fails is closed again
            await self._open(opened)
            opened.pop_all()
        return self

    async def _open(self, opened: contextlib.AsyncExitStack) -> None:
        folder = self.config.engine.data
        opened.callback(self._door.close)
        self.telemetry = await in_thread(telemetry, self.config.telemetry)
        if self.telemetry is not None:
            opened.push_async_callback(self.telemetry.close)
        await self._door(self.latencies.load)
        embed = self._embed or (self._encoder.encode if self._encoder.installed() else None)
        tokens = self._encoder.encode_tokens if embed == self._encoder.encode else None
        self.store = await self._door(MemoryStore.open, folder / "memory", embed, tokens)
        opened.push_async_callback(self._door, self.store.close)
        limits = self.config.memory
        self._retaining = Retaining(self.store, Policy(limits.keep_days, limits.max_bytes))
        self._retaining.start()
        opened.push_async_callback(self._retaining.close)
        self.blobs = self.store.blobs
        self.corrections = Corrections(self.store.corrections, self._door)
        self._internal = LocalRuntime([Memory(self.store, self._door)])
        self._exemplars = by_example(
            self.config.controller,
            cached(embed, self.config.engine.models / "derived", self._encoder.model) if embed else None,
        )
        self._services = Services(
            config=self.config,
            call=self._call,
            cards=self.cards,
            costs=self._costs,
            latencies=lambda: self.latencies.expected(self.cards()),
            # What routing asks of the chat model is short: it would say nothing of how long an answer takes.
            controller=CorrectedController(
                self._controller or controller(self.config.controller, self._exemplars, self._run),
                self.corrections.of,
                embed,
            ),
            memory=self.store,
            blobs=self.blobs,
            door=self._door,
            clock=asyncio.get_running_loop().time,
            observe=self.telemetry.take if self.telemetry is not None else lambda event: None,
        )
        self._graph = TurnGraph()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with contextlib.AsyncExitStack() as closing:  # in reverse order, each whatever the others do
            closing.callback(self._door.close)
            closing.push_async_callback(self._door, self.store.close)
            closing.push_async_callback(self._retaining.close)
            closing.push_async_callback(self._save_latencies)
            if self.telemetry is not None:
                closing.push_async_callback(self.telemetry.close)
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
        """Get the controller, the encoder, memory and the named specialists ready ahead of the first turn."""
        await in_thread(self.store.load)
        await in_thread(self._exemplars.decide, Request("hello"), first_choices(self.cards()))
        for name in names:
            card = next((card for card in self.runtime.cards() if card.name == name), None)
            if card is not None and card.available:
                await self.runtime.load(name)
                self.latencies.warmed(card)

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
        session = EngineSession(
            new_name(), self._services, self._graph, keep=False, reads=False, history=begun
        )
        self._passing.add(session)
        return session

    async def sessions(self) -> list[SessionInfo]:
        """The sessions there are."""
        return list(await self._door(self.store.log.sessions))

    async def rerun(self, name: str) -> Rerun:
        """Execute every turn of a recorded session again, with what was recorded in place of models, memory
        and clocks; the session stays as it is.

        Raises UnknownName for a session that is not there, BadInput for one whose log does not hold what a
        rerun needs.
        """
        return await rerun(self.store, name)

    async def swap(self, name: str, specialist: str, part: Specialist | Mapping[str, object]) -> Swap:
        """Rerun a session with one part replaced by a live one, and tell what comes out otherwise.

        `part` is the specialist in its place, or its table in a configuration: `{"model": URI}`, `{"use":
        "package.module:factory"}`. The specialist `controller` takes `{"kind": ...}`. What others are asked
        otherwise because of it is asked of those of this engine. Raises what `rerun` does, and BadConfig.
        """
        live = await in_thread(self._live, specialist, part)
        try:
            return await swap(self.store, name, live)
        finally:
            if live.runtime is not self.runtime and not isinstance(part, Specialist):
                await live.runtime.close()

    async def fork(self, name: str, at: int, to: str | None = None) -> str:
        """Begin a session as a copy of another one through its turn `at`; its name.

        Raises UnknownName for a session or turn that is not there, BadInput for a name that is taken.
        """
        to = session_name(to) if to else new_name()
        await in_thread(fork, self.store, name, at, to)
        return to

    async def export(self, name: str, path: Path) -> int:
        """Write a session to a file with all that belongs to it; its size in bytes. Raises UnknownName, and
        Unavailable where the file cannot be written."""
        return await in_thread(export, self.store, name, path)

    async def restore(self, path: Path, name: str | None = None) -> str:
        """Take an exported session into the store, under its own name or another; the name.

        Raises BadInput for a file that is damaged or no export, and for a name that is taken.
        """
        return await in_thread(restore, self.store, path, name, check_logged)

    def _live(self, name: str, part: Specialist | Mapping[str, object]) -> Live:
        router = self._services.controller
        if isinstance(part, Specialist):
            if not isinstance(self.runtime, LocalRuntime):
                raise BadInput(
                    "its specialists run elsewhere", part="engine", remedy="Swap in a local engine"
                )
            others = (card.name for card in self.runtime.cards() if card.name != name)
            runtime = LocalRuntime([*map(self.runtime.specialist, others), part])
        elif name == "controller":
            table = router_table({**self.config.controller.model_dump(), **part})
            return Live(self.runtime, controller=controller(table, self._exemplars, self._run), router=router)
        else:
            tables = {**self.config.specialists, name: {**self.config.specialists.get(name, {}), **part}}
            runtime = build(self.models, tables, self.config.limits)
        runtime.specialist(name)
        runtime.add(Memory(self.store, self._door))
        return Live(runtime, frozenset({name}), router=router)

    async def route(
        self, text: str, kinds: Sequence[Kind] = (), history: Sequence[Message] = (), scope: str = ""
    ) -> Route:
        """What the controller would decide for the person whose sessions have this scope."""
        asked = request(text, kinds, without_findings(history), scope)
        return await self._services.controller.route(asked, first_choices(self.cards()))

    async def plan(
        self,
        text: str,
        kinds: Sequence[Kind] = (),
        history: Sequence[Message] = (),
        budget: Budget | None = None,
        scope: str = "",
    ) -> tuple[Plan, Route]:
        """What would be done for the person of this scope, without doing it. `kinds` are those of the
        attachments."""
        chosen = await self.route(text, kinds, history, scope)
        earlier = [part.kind for said in history for part in said.media if part.kind not in kinds]
        decision = decision_of(chosen.controls)
        parts = [TEXT, *kinds, *dict.fromkeys(earlier)]
        cards = first_choices(self.cards())
        planned = make_plan(decision, parts, cards, new=len(kinds), costs=self._costs(), hints=chosen.hints)
        allowed = (budget or Budget()).tighter(self.config.allowed)
        fitted = fit_to_budget(planned, self.cards(), self._services.latencies(), allowed)
        return with_arguments(fitted, text, [Part(kind) for kind in parts], self.cards()), chosen

    async def health(self) -> Mapping[str, Health]:
        """How each specialist does."""
        return {**await self.runtime.health(), **await self._internal.health()}

    def _costs(self) -> Mapping[str, float]:
        return {name: latency.p50 for name, latency in self.latencies.expected(self.cards()).items()}

    async def _run(self, task: Task) -> AsyncIterator[Chunk]:
        inside = any(card.name == task.specialist for card in self._internal.cards())
        answer = (self._internal if inside else self.runtime).run(task)
        async with contextlib.aclosing(answer) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk

    async def _call(self, task: Task) -> AsyncIterator[Chunk]:
        """A call of a turn: how long it takes counts, if it finishes."""
        card = next((card for card in self.cards() if card.name == task.specialist), None)
        began, first = time.perf_counter(), None
        async with contextlib.aclosing(self._run(task)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                first = first or time.perf_counter() - began
                yield chunk
        if card is not None:
            times = factor(card, task.parts)  # as it would be on short media
            took = time.perf_counter() - began
            self.latencies.note(card, took / times, first and first / times)
        if self.latencies.due and (self._saving is None or self._saving.done()):
            self._saving = asyncio.create_task(self._door(self.latencies.save), name="latencies")

    async def _save_latencies(self) -> None:
        if self._saving is not None:
            await self._saving
        await self._door(self.latencies.save)

    async def _warm_quietly(self, names: Sequence[str]) -> None:
        try:
            await self.warm(*names)
        except AntiphonError as error:
            log.warning("warming up failed: %s", error)


def new_name() -> str:
    """A session name nobody chose: when it began, and a few letters against collisions."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
