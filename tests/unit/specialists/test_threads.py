"""The door to threads: bounded, ordered, and closed behind whoever leaves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import aclosing

import pytest

from specialists.threads import in_thread, stream


class Counting:
    """A blocking generator that records how far it went and where it ran."""

    def __init__(self, count: int, fail_at: int | None = None) -> None:
        self.count = count
        self.fail_at = fail_at
        self.made = 0
        self.closed = threading.Event()
        self.thread: threading.Thread | None = None

    def __call__(self) -> Generator[int, None, None]:
        self.thread = threading.current_thread()
        try:
            for number in range(self.count):
                if number == self.fail_at:
                    raise ValueError("at three")
                self.made += 1
                yield number
        finally:
            self.closed.set()


async def test_items_come_in_order_from_another_thread() -> None:
    source = Counting(100)
    assert [item async for item in stream(source)] == list(range(100))
    assert source.thread is not threading.main_thread()
    assert source.closed.is_set()


async def test_the_generator_stays_at_most_so_far_ahead() -> None:
    source = Counting(100)
    async with aclosing(stream(source, ahead=3)) as items:
        assert await anext(items) == 0
        # Once it waits for room the thread cannot have made more than the reader took, and three, and one.
        assert source.made <= 5
        assert [item async for item in items] == list(range(1, 100))


async def test_closing_ends_the_thread_and_runs_its_finally() -> None:
    source = Counting(10_000)
    async with aclosing(stream(source)) as items:
        await anext(items)
    assert source.closed.is_set()
    assert source.made < 20
    assert source.thread is not None
    source.thread.join(2)
    assert not source.thread.is_alive()


async def test_cancelling_the_reader_waits_for_the_thread() -> None:
    entered, leave, left = threading.Event(), threading.Event(), threading.Event()

    def slow() -> Generator[int, None, None]:
        entered.set()
        leave.wait(5)
        left.set()
        yield 1

    async def read() -> None:
        async for _ in stream(slow):
            pass

    reader = asyncio.ensure_future(read())
    await in_thread(entered.wait, 5)
    reader.cancel()
    await asyncio.sleep(0)
    assert not reader.done()
    leave.set()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(reader, 5)
    assert left.is_set()


async def test_an_error_reaches_the_reader_after_the_items_before_it() -> None:
    source, seen = Counting(9, fail_at=3), []
    with pytest.raises(ValueError, match="at three"):
        async for item in stream(source):
            seen.append(item)
    assert seen == [0, 1, 2]


async def test_an_empty_generator_ends_at_once() -> None:
    assert [item async for item in stream(Counting(0))] == []


async def test_the_loop_goes_on_while_a_call_blocks() -> None:
    entered, leave = threading.Event(), threading.Event()

    def block() -> str:
        entered.set()
        assert leave.wait(5)
        return "done"

    call = asyncio.ensure_future(in_thread(block))
    assert await in_thread(entered.wait, 5)
    leave.set()
    assert await call == "done"


async def test_leaving_breaks_off_a_long_step() -> None:
    entered, stop = threading.Event(), threading.Event()

    def slow() -> Generator[int, None, None]:
        entered.set()
        assert stop.wait(5)
        yield 1

    reader = asyncio.ensure_future(anext(stream(slow, on_stop=stop.set)))
    await in_thread(entered.wait, 5)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(reader, 2)
    assert stop.is_set()
