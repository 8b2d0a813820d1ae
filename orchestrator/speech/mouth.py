"""The mouth: speaks a reply clause by clause while its text is still being written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from orchestrator.context import TurnContext
from orchestrator.events import SpeechDelta, StepFinished, StepStarted, step_failed
from orchestrator.plan import Step
from specialists.base import Task, pcm_rate
from specialists.clauses import ClauseSplitter
from specialists.content import text_part
from specialists.errors import AntiphonError, SpecialistFailed, Theirs


class Mouth:
    """Takes the reply's text with `write`; `finish` ends it and returns the error if speaking failed.

    One clause is synthesised at a time, in order, in a task that `close` ends.
    """

    def __init__(self, context: TurnContext, step: Step) -> None:
        self._context = context
        self._step = step
        self._splitter = ClauseSplitter()
        self._clauses: asyncio.Queue[str | None] = asyncio.Queue()
        self._pieces = 0
        self._seconds = 0.0
        self._task = asyncio.create_task(self._speak(), name="mouth")

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
        context.emit(StepStarted(turn=context.number, step=step.id, specialist=step.specialist))
        try:
            async for clause in self._written():
                await self._say(clause)
        except Theirs as error:
            context.emit(step_failed(context.number, step.id, step.specialist, error))
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

    async def _say(self, clause: str) -> None:
        context = self._context
        task = Task(
            id=f"{context.session}-{context.number}-{self._step.id}-{self._pieces}",
            specialist=self._step.specialist,
            parts=(text_part(clause),),
            params=self._step.params,
            turn=context.number,
            deadline=min(context.services.config.engine.step_seconds, context.seconds_left),
        )
        began = context.services.clock()
        with context.busy:
            async for chunk in context.services.call(task):
                if not chunk.data:
                    continue
                context.mark("first_speech")
                context.emit(
                    SpeechDelta(
                        turn=context.number,
                        text=chunk.text,
                        rate=self._rate(chunk.media_type),
                        pcm=chunk.data,
                        index=self._pieces,
                    )
                )
                self._pieces += 1
        self._seconds += context.services.clock() - began

    def _rate(self, media_type: str) -> int:
        try:
            return pcm_rate(media_type)
        except ValueError as error:
            raise SpecialistFailed(
                f"made {media_type or 'sound of no type'}, where speech is audio/pcm;rate=HERTZ",
                part=self._step.specialist,
            ) from error
