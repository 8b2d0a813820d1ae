"""A stream that several readers follow, each from its beginning."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Stream(Generic[T]):
    """Items in order, for any number of readers at their own pace. Closing it ends every reader."""

    def __init__(self) -> None:
        self._items: list[T] = []
        self._changed = asyncio.Event()
        self._closed = False

    def put(self, item: T) -> None:
        self._items.append(item)
        self._wake()

    def clear(self) -> None:
        """Forget the items, before anybody read them."""
        self._items.clear()

    def close(self) -> None:
        self._closed = True
        self._wake()

    @property
    def items(self) -> tuple[T, ...]:
        return tuple(self._items)

    async def wait_closed(self) -> None:
        while not self._closed:
            await self._changed.wait()

    async def __aiter__(self) -> AsyncIterator[T]:
        index = 0
        while True:
            while index < len(self._items):
                yield self._items[index]
                index += 1
            if self._closed:
                return
            await self._changed.wait()

    def _wake(self) -> None:
        # Readers hold the old event; a fresh one waits for the next change.
        self._changed.set()
        self._changed = asyncio.Event()
