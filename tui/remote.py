"""A server as the screen's backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from orchestrator.client import Client
from tui.backend import Backend


class RemoteBackend(Client):
    async def load(self, name: str) -> None:
        """Nothing: the server's models are the server's."""


@asynccontextmanager
async def open_remote(url: str, api_key: str) -> AsyncIterator[Backend]:
    """A connection to the server at `url`, closed at the end."""
    async with RemoteBackend(url, api_key) as client:
        yield client
