"""The one door to threads: blocking model calls run behind it and stay cancellable."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_END = object()


def sleep_while_waiting() -> None:
    """Let OpenMP's threads sleep while they wait for each other. Call it before torch is first imported.

    By default they spin, each holding a core that another model needs: with two busy processes beside it, a
    picture's classification took 300 ms and more instead of 50 ms. A choice made in the environment stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


async def in_thread(call: Callable[..., T], *args: object) -> T:
    """Run one blocking call in a worker thread."""
    return await asyncio.to_thread(call, *args)


async def stream(
    make: Callable[[], Generator[T, None, None]],
    *,
    ahead: int = 8,
    on_stop: Callable[[], None] = lambda: None,
) -> AsyncGenerator[T, None]:
    """Iterate a blocking generator in a thread of its own, at most `ahead` items in front of the reader.

    When the reader stops or is cancelled the generator is closed before its next item, so whatever
    `finally` it holds runs; this call returns only once its thread has ended. `on_stop` is called first, to
    break off a long step inside the generator.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[object] = asyncio.Queue()
    room = threading.Semaphore(ahead)
    stop = threading.Event()

    def deliver(item: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone: nobody reads any more
            loop.call_soon_threadsafe(queue.put_nowait, item)

    def work() -> None:
        generator = make()
        try:
            for item in generator:
                if stop.is_set():
                    return
                deliver(item)
                room.acquire()
                if stop.is_set():
                    return
        finally:
            generator.close()

    def guarded() -> BaseException | None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - carried over to the reader, who raises it
            return error
        finally:
            deliver(_END)
        return None

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="specialist") as pool:
        worker = pool.submit(guarded)
        try:
            while (item := await queue.get()) is not _END:
                room.release()
                yield item  # type: ignore[misc]
            error = worker.result()
            if error is not None:
                raise error
        finally:
            stop.set()
            on_stop()
            room.release()
            # Wait without blocking the loop: leaving the `with` block then joins at once.
            while not worker.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wrap_future(worker)
