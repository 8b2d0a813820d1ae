"""The engine's Session: one conversation, one turn at a time, each turn one task."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from orchestrator import verbs
from orchestrator.context import BusyMeter, Services, TurnContext
from orchestrator.events import Event, Heard, SessionOpened, TextDelta, TurnFinished
from orchestrator.execution import Execution
from orchestrator.graph import TurnGraph
from orchestrator.history import History
from orchestrator.intake import Given, attachments
from orchestrator.journal import Journal
from orchestrator.session import Attachment
from orchestrator.stream import Stream
from specialists.content import Message
from specialists.errors import DeadlineExceeded, Theirs
from specialists.threads import in_thread

log = logging.getLogger("antiphon")

HISTORY_MESSAGES = 16
"""Earlier messages a turn is given; the chat backends cut further, to their context window."""


@dataclass(slots=True)
class _Turn:
    """The running turn: its task, what it said so far, and what the person heard of it."""

    number: int
    task: asyncio.Task[None] | None = None
    said: str = ""
    heard: str | None = None
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class _Sent:
    text: str
    attachments: tuple[Attachment, ...]
    voice: bool
    speak: bool


class EngineSession:
    """A session of the embedded engine. See `orchestrator.session.Session` for the contract."""

    def __init__(
        self,
        name: str,
        services: Services,
        graph: TurnGraph,
        *,
        keep: bool,
        history: History | None = None,
        scope: str = "",
    ) -> None:
        """`keep` is False for a session that leaves nothing behind; it may begin with a `history`.

        `scope` is the prefix of the sessions whose memories it may see.
        """
        self.name = name
        self._services = services
        self._graph = graph
        self._keep = keep
        self._scope = scope
        log = services.memory.log if keep else None
        self._journal = Journal(name, services.clock, log, services.door)
        self._history = history or History()
        self._opening = asyncio.Lock()
        self._opened = False
        self._turn: _Turn | None = None
        self._embedding: asyncio.Task[None] | None = None
        self._last_reply: tuple[int, str] = (0, "")
        """The last finished turn with the id of the record of its reply."""

    async def send(
        self,
        text: str = "",
        *,
        images: Sequence[Given] = (),
        audio: Sequence[Given] = (),
        video: Sequence[Given] = (),
        files: Sequence[Given] = (),
        voice: bool = False,
        speak: bool = False,
    ) -> AsyncIterator[Event]:
        await self.open()
        await self.interrupt()
        sent = _Sent(text, attachments(images, audio, video, files), voice, speak)
        turn = _Turn(self._history.turns + 1)
        self._turn = turn
        events: Stream[Event] = Stream()
        turn.task = asyncio.create_task(self._run(turn, sent, events), name=f"{self.name} turn {turn.number}")
        try:
            async for event in events:
                yield event
            await turn.task
        finally:
            await self._stop(turn)

    async def open(self) -> None:
        """Read the session's log, once. A turn that a killed process left open is closed as interrupted."""
        async with self._opening:
            if self._opened:
                return
            recorded = await self._journal.resume()
            for event in recorded:
                self._history = self._history.after(event)
            left_open = self._history.open_turn
            self._record(SessionOpened(wall_time=time.time(), resumed=bool(recorded)))
            if left_open:
                self._record(TurnFinished(turn=left_open, outcome="interrupted"))
            await self._journal.flush()
            self._opened = True

    async def interrupt(self, *, heard: str | None = None) -> None:
        if self._turn is not None:
            self._turn.heard = heard
            await self._stop(self._turn)
        elif heard is not None and self._last_reply[0]:
            await self._correct(heard)

    async def events(self, since: int = 0) -> AsyncIterator[Event]:
        await self.open()
        async for event in self._journal.events(since):
            yield event

    async def note(self, event: Event) -> Event:
        """Record an event that happened around the turns: what the ears heard, who has the floor."""
        await self.open()
        return self._record(event)

    async def close(self) -> None:
        await self.interrupt()
        if self._embedding is not None:
            await self._embedding
        await self._journal.flush()
        self._journal.close()

    @property
    def history(self) -> History:
        return self._history

    async def _stop(self, turn: _Turn) -> None:
        task = turn.task
        if task is None or task.done():
            return
        turn.interrupted = True
        task.cancel()
        # Waiting, not awaiting: cancelling the one who stops a turn must not leave the turn half stopped.
        await asyncio.wait([task])

    async def _correct(self, heard: str) -> None:
        """Speech went on after the turn's text was done, and was cut: keep only what was heard."""
        number, record = self._last_reply
        said = self._history.reply(number)
        if said.strip() != heard.strip():
            unheard = said[len(heard) :].strip() if said.startswith(heard) else said
            self._record(Heard(turn=number, heard=heard, unheard=unheard, complete=False))
        if self._keep and record:
            store = self._services.memory
            await self._services.door(store.forget, [record])
            self._last_reply = (number, await self._remember_reply(number, heard))
        await self._journal.flush()

    async def _remember_reply(self, number: int, text: str) -> str:
        """Keep the reply's words alone; the person's are kept already."""
        context = self._context(_Turn(number), _Sent("", (), False, False), lambda event: event)
        return await verbs.remember(context, text)

    def _record(self, event: Event) -> Event:
        numbered = self._journal.record(event)
        self._history = self._history.after(numbered)
        return numbered

    def _context(self, turn: _Turn, sent: _Sent, emit: object) -> TurnContext:
        services = self._services
        return TurnContext(
            services=services,
            session=self.name,
            number=turn.number,
            text=sent.text,
            attachments=sent.attachments,
            history=self._history.messages[-HISTORY_MESSAGES:],
            earlier=self._history.media,
            emit=emit,  # type: ignore[arg-type]
            flush=self._journal.flush,
            started=services.clock(),
            voice=sent.voice,
            speak=sent.speak,
            keep=self._keep,
            scope=self._scope,
            busy=BusyMeter(services.clock),
        )

    async def _run(self, turn: _Turn, sent: _Sent, events: Stream[Event]) -> None:
        def emit(event: Event) -> Event:
            numbered = self._record(event)
            if isinstance(numbered, TextDelta):
                turn.said += numbered.text
            events.put(numbered)
            return numbered

        context = self._context(turn, sent, emit)
        outcome, record = "failed", ""
        try:
            outcome, record = await self._answer(context)
        except asyncio.CancelledError:
            if not turn.interrupted:
                raise
            outcome = "interrupted"
        finally:
            kept = turn.said if outcome != "interrupted" or turn.heard is None else turn.heard
            # The end of a turn is written whatever happened to it; a cancelled task may still await.
            if outcome == "interrupted" and kept.strip():
                record = await verbs.remember(context, kept)
            self._last_reply = (turn.number, record)
            emit(self._finished(context, outcome, kept))
            with contextlib.suppress(asyncio.CancelledError):
                await self._journal.flush()
            self._turn = None if self._turn is turn else self._turn
            events.close()
            self._embed_behind()

    async def _answer(self, context: TurnContext) -> tuple[str, str]:
        """Run the graph within the turn's time. Theirs end the turn with a sentence, never in silence."""
        limit = self._services.config.engine.turn_seconds
        try:
            async with asyncio.timeout(limit), Execution(context) as execution:
                state = await self._graph.run(context, execution)
        except TimeoutError:
            error = DeadlineExceeded(f"the turn did not finish within {limit:.0f} s", part="turn")
            context.emit(verbs.problem(context, error))
            return "failed", ""
        except Theirs as error:
            context.emit(verbs.problem(context, error))
            return "failed", ""
        if "answered" not in state:
            return "waited", ""
        answered = state["answered"]
        if answered.complete:
            return "answered", state["record"]
        return ("partial" if context.calls or context.reused else "failed"), state["record"]

    def _embed_behind(self) -> None:
        """Give new records their vectors while nobody waits, so that the next recall need not."""
        if self._keep and (self._embedding is None or self._embedding.done()):
            self._embedding = asyncio.create_task(self._embed(), name=f"{self.name} embedding")

    async def _embed(self) -> None:
        try:
            await in_thread(self._services.memory.embed_pending)
        except Theirs as error:
            log.warning("records wait for their vectors: %s", error)

    def _finished(self, context: TurnContext, outcome: str, text: str) -> TurnFinished:
        total = self._services.clock() - context.started
        return TurnFinished(
            turn=context.number,
            outcome=outcome,  # type: ignore[arg-type]
            text=text,
            calls=tuple(context.calls),
            reused=tuple(context.reused),
            timings={"total": total, "own": max(0.0, total - context.busy.seconds), **context.marks},
        )


def with_history(history: Sequence[Message]) -> History:
    """The history of a session that begins with earlier messages from somewhere else."""
    media = tuple(part for message in reversed(history) for part in reversed(message.media))
    return History(said=tuple((0, message) for message in history), media=media)
