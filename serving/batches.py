"""Small Chunks travel in batches: an item of a Ray stream costs the same whether it holds one or fifty."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

from specialists.base import Chunk

PAUSE = 0.004
"""The least time between two batches of one stream, in seconds. Slower streams are never held back."""


async def batches(chunks: AsyncIterator[Chunk], *, pause: float = PAUSE) -> AsyncGenerator[list[Chunk], None]:
    """Whatever is ready, as soon as it is: the first Chunk at once, later ones together if they come fast.

    An error of `chunks` is raised after the batches before it. Closing this closes `chunks`.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Chunk | None] = asyncio.Queue()
    pump = asyncio.create_task(_pump(chunks, queue))
    sent = loop.time() - pause
    try:
        while (chunk := await queue.get()) is not None:
            batch = [chunk]
            if (early := sent + pause - loop.time()) > 0:
                await asyncio.sleep(early)
            ended = _take_ready(queue, batch)
            yield batch
            if ended:
                break
            sent = loop.time()
        await pump
    finally:
        pump.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):  # raised above, where it is wanted
            await pump


def _take_ready(queue: asyncio.Queue[Chunk | None], batch: list[Chunk]) -> bool:
    """Move what waits in the queue to the batch; True when that was the last."""
    while not queue.empty():
        chunk = queue.get_nowait()
        if chunk is None:
            return True
        batch.append(chunk)
    return False


async def _pump(chunks: AsyncIterator[Chunk], queue: asyncio.Queue[Chunk | None]) -> None:
    try:
        async for chunk in chunks:
            queue.put_nowait(chunk)
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
        queue.put_nowait(None)
