"""Batches: nothing is held back, what comes fast travels together, errors and ends are kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.batches import batches
from specialists.base import Chunk, Task
from specialists.errors import BadInput
from specialists.fakes import Failing, Gated, Scripted, card, words

TASK = Task("t", "chat")
NEVER = 3600.0


def lines(count: int) -> tuple[Chunk, ...]:
    return words(*(str(n) for n in range(count)))


async def test_what_is_ready_travels_together() -> None:
    sent = [batch async for batch in batches(Scripted(card("chat"), lines(50)).run(TASK))]
    assert [chunk.text for batch in sent for chunk in batch] == [str(n) for n in range(50)]
    assert len(sent) <= 3


async def test_the_first_chunk_does_not_wait_for_the_second() -> None:
    gated = Gated(card("chat"), lines(2))
    stream = batches(gated.run(TASK), pause=NEVER)
    gated.gate.release()
    assert await asyncio.wait_for(anext(stream), 5) == list(lines(1))
    await stream.aclose()


async def test_chunks_that_come_slower_than_the_pause_travel_at_once() -> None:
    gated = Gated(card("chat"), lines(3))
    stream = batches(gated.run(TASK), pause=0.0)
    for chunk in lines(3):
        gated.gate.release()
        assert await anext(stream) == [chunk]


async def test_an_error_comes_after_the_chunks_before_it() -> None:
    async def broken() -> AsyncIterator[Chunk]:
        yield Chunk("text", "before")
        raise BadInput("is torn")

    stream = batches(broken())
    assert await anext(stream) == [Chunk("text", "before")]
    with pytest.raises(BadInput):
        await anext(stream)


async def test_an_error_without_chunks() -> None:
    failing = Failing(card("chat"), [BadInput("is torn")])
    with pytest.raises(BadInput):
        await anext(batches(failing.run(TASK)))


async def test_closing_it_stops_the_specialist() -> None:
    gated = Gated(card("chat"), lines(3))
    stream = batches(gated.run(TASK))
    gated.gate.release()
    await anext(stream)
    await stream.aclose()
    assert gated.cancelled.is_set()


async def test_cancelling_its_reader_stops_the_specialist() -> None:
    gated = Gated(card("chat"), lines(3))

    async def read() -> None:
        async for _ in batches(gated.run(TASK)):
            pass

    reader = asyncio.create_task(read())
    await gated.started.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert gated.cancelled.is_set()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.booleans(), max_size=40))
def test_nothing_is_lost_or_reordered(yields: list[bool]) -> None:
    async def source() -> AsyncIterator[Chunk]:
        for number, pause in enumerate(yields):
            if pause:
                await asyncio.sleep(0)
            yield Chunk("text", str(number))

    async def read() -> list[str]:
        return [chunk.text async for batch in batches(source(), pause=0.0005) for chunk in batch]

    assert asyncio.run(read()) == [str(number) for number in range(len(yields))]
