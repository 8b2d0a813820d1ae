"""One call to a specialist on behalf of a turn: timed, ended with its reader, never cancelled by accident."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from orchestrator.context import TurnContext
from specialists.base import Chunk, Task
from specialists.cancellation import being_cancelled
from specialists.errors import DeadlineExceeded, Ours, SpecialistFailed


class Stopped(SpecialistFailed):
    """Somebody else cancelled the call: nobody wants it tried again."""


@asynccontextmanager
async def answer(context: TurnContext, task: Task) -> AsyncIterator[AsyncIterator[Chunk]]:
    """The answer to `task`; leaving the block ends the call.

    Raises DeadlineExceeded for a Task whose time is over, and Stopped for a call that was cancelled while
    its reader was not: a cancellation would pass for the turn's own.
    """
    if task.deadline is not None and task.deadline <= 0:
        raise DeadlineExceeded("no time was left for it", part=task.specialist)
    try:
        with context.busy:
            async with aclosing(_chunks(context, task)) as chunks:
                yield chunks
    except asyncio.CancelledError as error:
        if being_cancelled():
            raise
        raise Stopped("was stopped", part=task.specialist) from error


async def _chunks(context: TurnContext, task: Task) -> AsyncGenerator[Chunk, None]:
    try:
        async with aclosing(context.services.call(task)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk
    except Ours as error:  # a bug inside a specialist costs its step, not the turn
        raise SpecialistFailed(error.message, part=task.specialist, remedy=error.remedy) from error
