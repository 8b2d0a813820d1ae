"""Several readers of one stream, each from its beginning."""

from __future__ import annotations

import asyncio

from orchestrator.stream import Stream


async def read(stream: Stream[int]) -> list[int]:
    return [item async for item in stream]


async def test_readers_begin_at_the_beginning_whenever_they_come() -> None:
    stream: Stream[int] = Stream()
    early = asyncio.create_task(read(stream))
    stream.put(1)
    await asyncio.sleep(0)
    stream.put(2)
    late = asyncio.create_task(read(stream))
    stream.put(3)
    stream.close()
    assert await early == await late == await read(stream) == [1, 2, 3]


async def test_closing_wakes_whoever_waits() -> None:
    stream: Stream[int] = Stream()
    waiting = asyncio.create_task(stream.wait_closed())
    await asyncio.sleep(0)
    assert not waiting.done()
    stream.close()
    await waiting


async def test_a_reader_that_leaves_disturbs_no_other() -> None:
    stream: Stream[int] = Stream()
    stream.put(1)
    async for _ in stream:
        break
    stream.put(2)
    stream.close()
    assert await read(stream) == [1, 2]
