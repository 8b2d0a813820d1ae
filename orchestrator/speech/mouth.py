"""The mouth: speaks a reply clause by clause while its text is still being written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from orchestrator.calls import answer
from orchestrator.context import TurnContext
from orchestrator.events import SpeechDelta, StepFinished, StepStarted, step_failed
from orchestrator.made import sound_rate
from orchestrator.plan import Step
from orchestrator.retries import with_retries
from specialists.answers import MOST_BYTES
from specialists.base import Chunk, Task
from specialists.clauses import ClauseSplitter
from specialists.content import text_part
from specialists.errors import AntiphonError, SpecialistFailed, Theirs

MOST_SOUND = 16 * 2**20
"""Sound of one clause, in bytes: minutes of it at any rate."""

AHEAD_SECONDS = 3.0
"""Of sound that a spoken conversation is given before it is played, when the next clause comes: more would be
made for nothing whenever the person interrupts."""
PACED_SHARE = 0.5
"""In the first half of a turn's time the mouth waits for what it made to be played; later it makes haste."""

KEPT_TO_TELL = 0.02
"""This share of a turn's time is not the mouth's: in it the reply says that speaking failed."""


class Mouth:
    """Takes the reply's text with `write`; `finish` ends it and returns the error if speaking failed.

    One clause is synthesised at a time, in order, in a task that `close` ends; in a spoken conversation not
    much sooner than it can be played.
    """

    def __init__(self, context: TurnContext, step: Step) -> None:
        self._context = context
        self._step = step
        self._splitter = ClauseSplitter()
        self._clauses: asyncio.Queue[str | None] = asyncio.Queue()
        self._tries = 0
        self._pieces = 0
        self._size = 0
        self._of_clause = 0
        self._seconds = 0.0
        self._letters = 0  # that were synthesised in so many seconds
        self._sound = 0.0  # seconds of it that were made
        self._sounding_since: float | None = None
        # Here and not in the task: so it always stands before the text that is to be spoken.
        context.emit(StepStarted(turn=context.number, step=step.id, specialist=step.specialist))
        self._task = asyncio.create_task(
            self._speak(), name=f"{context.session} turn {context.number} {step.id}"
        )

    def write(self, text: str) -> None:
        for clause in self._splitter.feed(text):
            self._clauses.put_nowait(clause)

    async def finish(self) -> AntiphonError | None:
        for clause in self._splitter.flush():
            self._clauses.put_nowait(clause)
        self._clauses.put_nowait(None)
        return await self._task

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _speak(self) -> AntiphonError | None:
        context, step = self._context, self._step
        try:
            words = False
            async for clause in self._written():
                words = words or any(map(str.isalnum, clause))
                await self._keep_pace(len(clause))
                await self._say(clause)
            if words and not self._pieces:
                raise SpecialistFailed("made no sound", part=step.specialist)
        except Theirs as error:
            self._failed(error, "give up")
            return error
        context.calls.append(step.specialist)
        context.emit(
            StepFinished(
                turn=context.number,
                step=step.id,
                specialist=step.specialist,
                seconds=self._seconds,
            )
        )
        return None

    async def _written(self) -> AsyncIterator[str]:
        while (clause := await self._clauses.get()) is not None:
            yield clause

    async def _keep_pace(self, letters: int) -> None:
        """Wait until what was made is about to be played, as far as time can tell. Synthesis of the next
        clause is taken to be as quick as it was."""
        context, since = self._context, self._sounding_since
        if not context.voice or since is None:
            return
        now = context.services.clock()
        takes = self._seconds / self._letters * letters
        early = self._sound - (now - since) - AHEAD_SECONDS - takes
        left = context.services.config.engine.turn_seconds * PACED_SHARE - (now - context.started)
        if (wait := min(early, left)) > 0:
            await context.services.pause(wait)

    async def _say(self, clause: str) -> None:
        context, card = self._context, self._context.services.card(self._step.specialist)
        clock, pieces = context.services.clock, self._pieces
        seconds = context.allowance(KEPT_TO_TELL)
        until = clock() + seconds

        async def call() -> None:
            self._tries += 1
            self._of_clause = 0
            await self._call(clause, until - clock())

        began = clock()
        await with_retries(
            context.services,
            call,
            card,
            seconds,
            may_repeat=lambda: self._pieces == pieces,
            retrying=lambda error: self._failed(error, "retry"),
        )
        self._seconds += clock() - began
        self._letters += len(clause)

    async def _call(self, clause: str, seconds: float) -> None:
        context, step = self._context, self._step
        task = Task(
            id=f"{context.session}-{context.number}-{step.id}-{self._tries}",
            specialist=step.specialist,
            parts=(text_part(clause),),
            params=step.params,
            turn=context.number,
            deadline=seconds,
        )
        async with answer(context, task) as chunks:
            async for chunk in chunks:
                if chunk.data:
                    self._give(chunk)

    def _give(self, chunk: Chunk) -> None:
        context = self._context
        rate = sound_rate(chunk, self._step.specialist)
        self._of_clause += len(chunk.data)
        self._size += len(chunk.data)
        if self._of_clause > MOST_SOUND or self._size > MOST_BYTES:
            raise SpecialistFailed(
                f"does not come to an end: more than {self._of_clause:,} bytes for a clause",
                part=self._step.specialist,
            )
        context.mark("first_speech")
        if self._sounding_since is None:
            self._sounding_since = context.services.clock()
        self._sound += len(chunk.data) / 2 / rate
        context.emit(
            SpeechDelta(turn=context.number, text=chunk.text, rate=rate, pcm=chunk.data, index=self._pieces)
        )
        self._pieces += 1

    def _failed(self, error: AntiphonError, then: str) -> None:
        context, step = self._context, self._step
        context.emit(step_failed(context.number, step.id, step.specialist, error, then))
