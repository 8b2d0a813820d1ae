"""The engine's Session: one conversation, one turn at a time, each turn one task."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from memory.locks import lock_path
from orchestrator import verbs
from orchestrator.ahead import Ahead, Call
from orchestrator.budget import Budget
from orchestrator.consolidating import Consolidating
from orchestrator.context import BusyMeter, Services, TurnContext
from orchestrator.controller.route import Controller
from orchestrator.events import Event, Heard, SessionOpened, TextDelta, TurnFinished
from orchestrator.execution import Execution
from orchestrator.foretelling import READING_SECONDS, SECONDS, begun, ends
from orchestrator.graph import TurnGraph
from orchestrator.history import History, Served
from orchestrator.intake import Given, attachments
from orchestrator.journal import Journal
from orchestrator.rerun import tape
from orchestrator.rerun.recording import recorded
from orchestrator.session import Attachment, Speak
from orchestrator.stream import Stream
from orchestrator.unsaid import rest_of
from orchestrator.waiting import Watch
from orchestrator.wording import unfinished
from specialists.base import Task
from specialists.cancellation import being_cancelled
from specialists.content import Message
from specialists.errors import AntiphonError, BadInput, DeadlineExceeded, Ours, Theirs
from specialists.threads import in_thread

log = logging.getLogger("antiphon")


@dataclass(slots=True)
class _Turn:
    """The running turn: its task, what it said so far, and what the person heard of it."""

    number: int
    task: asyncio.Task[None] | None = None
    said: str = ""
    heard: str | None = None
    begun: bool = False
    limit: Callable[[], None] | None = None
    """Ends it as too late."""
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class _Sent:
    text: str
    attachments: tuple[Attachment, ...]
    voice: bool
    speak: Speak
    budget: Budget = field(default_factory=Budget)

    @property
    def recorded(self) -> list[object]:
        """All but the attachments, which become parts."""
        return [self.text, self.voice, self.speak, [self.budget.seconds, self.budget.price]]


class EngineSession:
    """A session of the embedded engine. See `orchestrator.session.Session` for the contract."""

    def __init__(
        self,
        name: str,
        services: Services,
        graph: TurnGraph,
        *,
        keep: bool,
        reads: bool = True,
        history: History | None = None,
        scope: str = "",
        inputs: Callable[[Services, Journal], Services] = recorded,
        watches: bool = True,
    ) -> None:
        """`keep` is False for a session that leaves nothing behind; it may begin with a `history`. It `reads`
        what is remembered unless it is nobody's.

        `scope` is the prefix of the sessions whose memories it may see. What its turns take in passes
        through `inputs`, which writes it down, or gives what was written down before. It `watches` for what
        its standing requests wait for, unless what came of them stands in that already.
        """
        self.name = name
        self._graph = graph
        self._keep = keep
        self._reads = reads
        self.scope = scope
        log = services.memory.log if keep else None
        self._journal = Journal(name, services.clock, log, services.door)
        self._ahead = Ahead(services.call, services.controller, services.cards)
        self._alone = replace(services, observe=lambda event: None)
        services = replace(services, call=self._ahead.call, controller=self._ahead)
        self._services = inputs(services, self._journal) if keep else services
        self._history = history or History()
        self._rehearsed = ""
        self._asked = itertools.count(1)
        self._opening = asyncio.Lock()
        self._starting = asyncio.Lock()
        self._opened = False
        self._lock: FileLock | None = None
        """Held while the session is open: one process at a time writes to it. A killed process lets go."""
        self._turn: _Turn | None = None
        self._chores: set[asyncio.Task[None]] = set()
        """What goes on after a turn or a note, with nobody waiting."""
        self._consolidating = Consolidating(services)
        self._watch = Watch(lambda: self._history.standing, self.place, services.cards, services.wall)
        self._watches = keep and watches
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
        speak: Speak = False,
        budget: Budget | None = None,
    ) -> AsyncIterator[Event]:
        await self.open()
        # A command line may hand on half characters, which no log can hold.
        text = text.encode("utf-8", "replace").decode()
        given = attachments(images, audio, video, files)
        sent = _Sent(text, given, voice, speak, budget or Budget())
        events: Stream[Event] = Stream()
        turn: _Turn | None = None
        try:
            async with self._starting:
                self._consolidating.pause()  # the answer has the processor to itself
                await self.interrupt()
                turn = self._turn = _Turn(self._history.turns + 1)
                self._journal.begin(turn.number)
                self._journal.take(tape.SEND, str(turn.number), sent.recorded)
                name = f"{self.name} turn {turn.number}"
                turn.task = asyncio.create_task(self._run(turn, sent, events), name=name)
            async for event in events:
                yield event
            await turn.task
        finally:  # whoever leaves while the turn begins leaves none behind either
            if turn is not None:
                await self._stop(turn)

    async def open(self) -> None:
        """Read the session's log, once. A turn that a killed process left open is closed as interrupted."""
        async with self._opening:
            if self._opened:
                return
            if self._keep and self._lock is None:
                self._lock = await in_thread(_locked, self._services.memory.path, self.name)
            logged = await self._journal.resume()
            history = self._history
            for event in logged:
                history = history.after(event)
            # No await between these: an opening that is cancelled has happened wholly or not at all.
            self._history, self._opened = history, True
            left_open = history.open_turn
            self._record(SessionOpened(wall_time=time.time(), resumed=bool(logged)))
            if left_open:
                self._record(TurnFinished(turn=left_open, outcome="interrupted"))
            if self._watches:
                self._watch.resume()
            await self._journal.flush()

    async def interrupt(self, *, heard: str | None = None) -> None:
        if self._turn is not None:
            if not self._turn.interrupted:
                self._turn.heard = heard
            await self._stop(self._turn)
        elif heard is not None and self._last_reply[0]:
            await self._correct(heard)

    async def events(self, since: int = 0) -> AsyncIterator[Event]:
        await self.open()
        async for event in self._journal.events(since):
            yield event

    def prepare(self, text: str) -> bool:
        """Begin what a spoken turn with these words would do, without it: no event, nothing remembered.

        A `send` of the same words finds it under way, and what was prepared before is dropped. False, and
        nothing is begun, while a turn runs.
        """
        if not self._opened or self._turn is not None:
            return False
        self._rehearsed = text
        self._ahead.start(partial(self._rehearse, text))
        return True

    async def ends(self, text: str) -> float | None:
        """How likely it is, 0 to 1, that who said these words to the assistant is done, as the chat model
        sees it; None where it does not tell. It has the words read for the reply besides."""
        if self._turn is None and text != self._rehearsed:
            self._ahead.drop()  # it was for other words, and holds up the model
        task = self._begun(text, SECONDS)
        return await ends(self._alone, task) if task and await self._ahead.has_read(0.0) else None

    def read(self) -> None:
        """Have the chat model read what was said until now, as far as it did not yet, while nobody waits."""
        if task := self._begun("", READING_SECONDS):
            self._ahead.read(task)

    def _begun(self, text: str, seconds: float) -> Task | None:
        name = f"{self.name}-ends-{next(self._asked)}"
        return begun(self._alone, name, text, self._history.latest, seconds)

    def _rehearse(self, text: str, call: Call, controller: Controller) -> AsyncIterator[Event]:
        services = replace(self._alone, call=call, controller=controller)
        stage = EngineSession(
            self.name,
            services,
            self._graph,
            keep=False,
            reads=self._reads,
            history=self._history,
            scope=self.scope,
        )
        return stage.send(text, voice=True)

    async def note(self, event: Event) -> Event:
        """Record an event that happened around the turns: what the ears heard, who has the floor."""
        await self.open()
        return self.place(event)

    def place(self, event: Event) -> Event:
        """The same in a session that is open, at once."""
        if event.type != tape.NOTED:
            self._journal.take(tape.NOTE)
        noted = self._record(event)
        self._behind(self._write())  # the ears and the floor do not wait for the disk
        return noted

    async def close(self) -> None:
        await self.interrupt()
        await self._ahead.close()
        await self._consolidating.finish(self._chores)
        await asyncio.gather(*self._chores)
        try:
            await self._journal.flush()
        finally:
            self._journal.close()
            if self._lock is not None:
                self._lock.release()

    @property
    def seq(self) -> int:
        """The number of the newest event."""
        return self._journal.seq

    @property
    def history(self) -> History:
        return self._history

    async def _stop(self, turn: _Turn) -> None:
        task = turn.task
        if task is None or task.done():
            return
        self.cut(turn.heard)
        # Waiting, not awaiting: cancelling the one who stops a turn must not leave the turn half stopped.
        await asyncio.wait([task])

    def cut(self, heard: str | None) -> bool:
        """Stop the running turn, without waiting for its end; False where none runs."""
        turn = self._turn
        if turn is None or turn.task is None or turn.task.done() or turn.interrupted:
            return False
        self._journal.take(tape.STOP, "", heard)
        turn.heard, turn.interrupted = heard, True
        if turn.begun:  # a task cancelled before its first step never gets to say that it is over
            turn.task.cancel()
        return True

    def run_out_of_time(self) -> bool:
        """End the running turn as when its time is over; False where none runs."""
        turn = self._turn
        if turn is None or turn.limit is None:
            return False
        turn.limit()
        return True

    @property
    def running(self) -> bool:
        """Whether a turn runs."""
        return self._turn is not None

    async def abandon(self) -> None:
        """End as if the process died now: nothing more is written."""
        self._journal.drop()
        await self._journal.flush()
        await self.close()

    async def _correct(self, heard: str) -> None:
        """Speech went on after the turn's text was done, and was cut: keep only what was heard."""
        number, record = self._last_reply
        said = self._history.reply(number)
        # Words that no event says are not written down beside one.
        self._journal.take(tape.HEARD, "", [None if said.strip() == heard.strip() else heard])
        if said.strip() != heard.strip():
            unheard = rest_of(said, heard)
            self._record(Heard(turn=number, heard=heard, unheard=unheard, complete=False))
        self._last_reply = (number, await self._replace_reply(number, record, heard))
        await self._journal.flush()

    async def _replace_reply(self, number: int, record: str, text: str) -> str:
        """Remember this in place of what was remembered of a reply; the person's words are kept already."""
        if not self._keep:
            return ""
        if record:
            await self._services.door(self._services.memory.forget, [record])
        context = self._context(_Turn(number), _Sent("", (), False, False), lambda event: event)
        return await verbs.remember(context, text)

    def _record(self, event: Event) -> Event:
        numbered = self._journal.record(event)
        self._history = self._history.after(numbered)
        self._services.observe(numbered)
        if self._watches:
            self._watch.see(numbered)
        return numbered

    def _context(self, turn: _Turn, sent: _Sent, emit: Callable[[Event], Event]) -> TurnContext:
        services = self._services
        return TurnContext(
            services=services,
            session=self.name,
            number=turn.number,
            text=sent.text,
            attachments=sent.attachments,
            history=self._history.latest,
            last=self._history.last,
            cut_off=self._history.cut_off,
            standing=self._history.standing,
            emit=emit,
            flush=self._journal.flush,
            started=services.clock(),
            voice=sent.voice,
            speak=sent.speak is True,
            unheard=sent.speak == "never",
            budget=sent.budget.tighter(services.config.allowed),
            keep=self._keep,
            reads=self._reads,
            scope=self.scope,
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
        outcome = "failed"
        turn.begun = True
        if turn.interrupted and (task := asyncio.current_task()) is not None:
            task.cancel()
        try:
            outcome = await self._answer(context, turn)
        except asyncio.CancelledError as error:
            if not being_cancelled():  # it came from inside: nobody stopped this turn
                raise self._tell_bug(context, turn, error) from error
            if not turn.interrupted:
                raise
            outcome = "interrupted"
        except BaseException as error:
            self._tell_bug(context, turn, error)
            raise
        finally:
            try:
                await self._end(context, turn, outcome, emit)
            finally:
                self._turn = None if self._turn is turn else self._turn
                self._ahead.drop()
                events.close()
                if self._keep:
                    self._consolidating.resume()
                    self._behind(self._consolidating.run())

    async def _end(
        self, context: TurnContext, turn: _Turn, outcome: str, emit: Callable[[Event], Event]
    ) -> None:
        """Remember, say that the turn is over, write it all down. Whoever stops a turn cancels it once and
        waits, so nothing here is cancelled."""
        kept = turn.said if outcome != "interrupted" or turn.heard is None else turn.heard
        try:
            self._last_reply = (turn.number, await self._settle(context, turn, kept))
        except AntiphonError as error:
            log.error("turn %s of %s is not remembered: %s", turn.number, self.name, error)
        finally:
            emit(self._finished(context, outcome, kept, rest_of(turn.said, kept)))
        await self._write()

    async def _settle(self, context: TurnContext, turn: _Turn, kept: str) -> str:
        """See to it that memory holds what was said and heard, however the turn ended; the reply's record."""
        if not context.remembered:
            return await verbs.remember(context, kept)
        record = context.remembered[-1] if turn.said.strip() else ""
        if kept.strip() == turn.said.strip():
            return record
        return await self._replace_reply(turn.number, record, kept)

    async def _answer(self, context: TurnContext, turn: _Turn) -> str:
        """Run the graph within the turn's time; the outcome. What is theirs is told as its problem."""
        seconds = self._services.config.engine.turn_seconds
        try:
            async with asyncio.timeout(None) as limit, Execution(context) as execution:
                turn.limit = lambda: limit.reschedule(0.0)
                timers = [self._services.timer(seconds, turn.limit)]

                def prolong() -> None:
                    timers.pop().cancel()
                    assert turn.limit is not None, "only called while the turn runs"
                    timers.append(self._services.timer(seconds + context.extension.seconds, turn.limit))

                context.extension.changed = prolong
                try:
                    state = await self._graph.run(context, execution)
                finally:
                    timers.pop().cancel()
                    turn.limit = None
        except TimeoutError:
            if not limit.expired():
                raise
            seconds += context.extension.seconds
            error = DeadlineExceeded(f"the turn did not finish within {seconds:g} s", part="turn")
            self._tell(context, turn, error)
            return "failed"
        except Theirs as error:
            self._tell(context, turn, error)
            return "failed"
        if "answered" not in state:
            return "waited"
        if state["answered"].complete:
            return "answered"
        given = state["answered"].given or context.calls or context.reused
        return "partial" if given else "failed"

    def _tell(self, context: TurnContext, turn: _Turn, error: AntiphonError) -> None:
        """Say in the reply itself, behind what stands there, why there is no more of it."""
        apart = "\n\n" if turn.said.strip() else ""
        context.emit(TextDelta(turn=turn.number, text=apart + unfinished(error)))
        context.emit(verbs.problem(context, error))

    def _tell_bug(self, context: TurnContext, turn: _Turn, error: BaseException) -> Ours:
        bug = Ours(f"{type(error).__name__}: {error}", part="turn", remedy="Please report this")
        self._tell(context, turn, bug)
        return bug

    def _behind(self, chore: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(chore, name=f"{self.name} chore")
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def _write(self) -> None:
        try:
            await self._journal.flush()
        except AntiphonError as error:  # it stays pending, and closing the session raises it again
            log.error("session %s is not written: %s", self.name, error)

    def _finished(self, context: TurnContext, outcome: str, text: str, unheard: str) -> TurnFinished:
        total = self._services.clock() - context.started
        return TurnFinished(
            turn=context.number,
            outcome=outcome,  # type: ignore[arg-type]
            text=text,
            unheard=unheard,
            calls=tuple(context.calls),
            reused=tuple(context.reused),
            timings={"total": total, "own": max(0.0, total - context.busy.seconds), **context.marks},
        )


def _locked(folder: Path, name: str) -> FileLock:
    """The lock of a session. Raises BadInput when another process has the session open."""
    path = lock_path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise BadInput(
            "is open in another process", part=f"session {name}", remedy="Close it there or use another name"
        ) from error
    return lock


def with_history(history: Sequence[Message]) -> History:
    """The history of a session that begins with earlier messages from somewhere else."""
    answered = any(message.role == "assistant" for message in history[-1:])
    return History(tuple((0, message) for message in history), served=Served(0) if answered else None)
