"""Answers that end when their reader is gone: streams, and plain answers that take long."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from orchestrator.api.errors import api_error

T = TypeVar("T")

HEARTBEAT_SECONDS = 15.0
"""A comment goes out after this long a silence, so that proxies keep the connection and a dead one shows."""


def sse(data: object, *, event: str = "", seq: int | None = None) -> bytes:
    """One server-sent event. `data` is a string as it stands, or anything JSON can say."""
    # All in ASCII: some readers take further characters of Unicode for the end of a line.
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    head = (f"event: {event}\n" if event else "") + (f"id: {seq}\n" if seq is not None else "")
    return f"{head}data: {text}\n\n".encode()


@contextlib.asynccontextmanager
async def closing(items: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close an async iterator on the way out, if it can be closed."""
    try:
        yield items
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()


async def disconnected(receive: Receive) -> None:
    """Return once the client is gone. Only for requests whose body has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client goes. Raises ClientDisconnect then."""
    worker = asyncio.create_task(work)
    watch = asyncio.create_task(disconnected(request.receive))
    try:
        await asyncio.wait({worker, watch}, return_when=asyncio.FIRST_COMPLETED)
        if worker.done():
            return worker.result()
        raise ClientDisconnect
    finally:
        await ended(worker, watch)


class StreamedAnswer(Response):
    """Sends what a generator yields and closes the generator when the client goes.

    The answer begins with the first item: an error before it becomes an ordinary error answer. With
    `events` set the items are server-sent events: silence is filled with comments, and an error after the
    first item becomes an event. When `until` is set the answer ends. One task iterates the generator from
    its start to its close.
    """

    def __init__(
        self,
        items: AsyncGenerator[bytes, None],
        *,
        media_type: str,
        events: bool = False,
        until: asyncio.Event | None = None,
        heartbeat: float = HEARTBEAT_SECONDS,
    ) -> None:
        super().__init__(media_type=media_type)
        del self.headers["content-length"]
        if events:
            self.headers["cache-control"] = "no-store"
            self.headers["x-accel-buffering"] = "no"
        self._items = items
        self._events = events
        self._until = until
        self._heartbeat = heartbeat
        self._started = asyncio.Event()
        self._sent = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        lock = asyncio.Lock()

        async def sender(message: Any) -> None:
            async with lock:
                await send(message)
                self._sent = time.monotonic()

        reader = asyncio.create_task(self._send_all(scope, receive, sender))
        others: list[asyncio.Task[Any]] = [asyncio.create_task(disconnected(receive))]
        if self._events:
            others.append(asyncio.create_task(self._beat(sender)))
        if self._until is not None:
            others.append(asyncio.create_task(self._until.wait()))
        try:
            await asyncio.wait({reader, *others}, return_when=asyncio.FIRST_COMPLETED)
            if reader.done():
                reader.result()
        finally:
            await ended(reader, *others)
        if reader.cancelled() and self._until is not None and self._until.is_set():
            await self._end(send)

    async def _send_all(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with contextlib.aclosing(self._items) as items:
            try:
                async for item in items:
                    if not self._started.is_set():
                        await self._start(send)
                    await send(_body(item))
            except Exception as error:
                if not self._started.is_set():
                    await api_error(error).response()(scope, receive, send)
                    return
                if not self._events:
                    raise  # the connection breaks, so that nobody takes half a file for a whole one
                await send(_body(sse(api_error(error).body(), event="error")))
        await self._end(send)

    async def _end(self, send: Send) -> None:
        if not self._started.is_set():
            await self._start(send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _start(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        self._started.set()

    async def _beat(self, send: Send) -> None:
        await self._started.wait()
        while True:
            silence = time.monotonic() - self._sent
            await asyncio.sleep(self._heartbeat - silence)
            if time.monotonic() - self._sent >= self._heartbeat:
                await send(_body(b": still here\n\n"))


def _body(data: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": data, "more_body": True}
