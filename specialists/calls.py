"""How one specialist calls another: a Task within the time of its own, and a stream that always ends."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping

from specialists.base import Chunk, Task
from specialists.content import BlobReader, Part
from specialists.runtime import Runtime

KEPT_BACK = 0.1
"""This share of the time that is left stays with the caller, so that it can name a call that was too slow."""


def subtask(
    task: Task,
    specialist: str,
    part: Part,
    *,
    started: float,
    number: int = 0,
    blobs: BlobReader | None = None,
    params: Mapping[str, object] | None = None,
) -> Task:
    """A call to another specialist about one Part, on behalf of `task`, which began at `started`.

    `started` is a value of `time.monotonic()`. `blobs` is where the Part's bytes are, by default with the
    bytes of `task`. The person's words are not passed on: what the caller finds must not depend on words
    that its Card does not declare, or memory would reuse it for other words.
    """
    deadline = None
    if task.deadline is not None:
        left = task.deadline - (time.monotonic() - started)
        deadline = max(0.1, left * (1 - KEPT_BACK))
    return Task(
        id=f"{task.id}/{specialist}.{number}",
        specialist=specialist,
        parts=(part,),
        params=params or {},
        turn=task.turn,
        deadline=deadline,
        blobs=blobs or task.blobs,
    )


async def ask(runtime: Runtime, task: Task) -> AsyncIterator[Chunk]:
    """Stream the answer; the call has ended when this ends, however it ends."""
    answer = runtime.run(task)
    try:
        async for chunk in answer:
            yield chunk
    finally:
        if (close := getattr(answer, "aclose", None)) is not None:
            await close()
