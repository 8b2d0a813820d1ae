"""The one thread that memory is called through, so that SQLite and FAISS never block the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Door:
    """Runs calls one after another, in the order they were made.

    Those marked `beside`, which take a while, stand in a row of their own.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="memory")
        self._beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pictures")

    async def __call__(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call behind the door. Cancelling the caller does not undo what was begun."""
        pool = self._beside if getattr(call, "beside", False) else self._pool
        return await asyncio.wrap_future(pool.submit(call, *args, **kwargs))

    def close(self) -> None:
        self._pool.shutdown(wait=True)
        self._beside.shutdown(wait=True)
