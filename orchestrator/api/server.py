"""The application behind a socket, from the first request to a graceful end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from fastapi import FastAPI

from specialists.errors import Unavailable

GRACE_SECONDS = 20
"""How long turns that are under way at the end may go on."""


class Server:
    """A listening server: `url` is where, `stop` lets it end and `wait` until it has."""

    def __init__(self, app: FastAPI, listener: socket.socket) -> None:
        host, port = listener.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._stopping: asyncio.Event = app.state.service.stopping
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",  # the engine is opened and closed around the server
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self._server = _Uvicorn(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="http")

    def stop(self) -> None:
        """End gracefully; a second call ends at once."""
        self._stopping.set()
        self._server.force_exit = self._server.should_exit
        self._server.should_exit = True

    async def wait(self) -> None:
        await self._task


@contextlib.asynccontextmanager
async def listening(app: FastAPI, listener: socket.socket) -> AsyncIterator[Server]:
    """Serve an application of `orchestrator.api.app.build` at a socket of `bind`."""
    server = Server(app, listener)
    try:
        yield server
    finally:
        server.stop()
        await server.wait()


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Uvicorn would raise a signal again when it is done, before the engine is closed.
        yield


def bind(host: str, port: int) -> socket.socket:
    """A socket at `host` and `port`, or at a free port for 0. Raises Unavailable for one that is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # The protocol is named so that asyncio knows it for TCP: only then it sends small pieces at once.
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot(host, port, error) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()  # who connects at once waits for the server instead of being turned away
    except OSError as error:
        listener.close()
        raise _cannot(host, port, error) from error
    return listener


def _cannot(host: str, port: int, error: OSError) -> Unavailable:
    return Unavailable(
        f"cannot listen there: {error.strerror}",
        part=f"{host}:{port}",
        remedy="Choose another with --host and --port",
    )
