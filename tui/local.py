"""The engine in this process, as the screen's backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from memory.log import SessionInfo
from orchestrator.config import Config
from orchestrator.session import Session
from specialists.base import Card
from specialists.content import BlobRef
from specialists.runtime import Health
from specialists.threads import in_thread
from tui.backend import Backend

if TYPE_CHECKING:
    from orchestrator.engine import Orchestrator


@asynccontextmanager
async def open_local(config: Config) -> AsyncIterator[Backend]:
    """An engine of this configuration, closed at the end."""
    from orchestrator.engine import Orchestrator

    async with Orchestrator.open(config) as engine:
        yield LocalBackend(engine)


class LocalBackend:
    def __init__(self, engine: Orchestrator) -> None:
        self._engine = engine

    def session(self, name: str) -> Session:
        return self._engine.session(name)

    async def sessions(self) -> Sequence[SessionInfo]:
        return await self._engine.sessions()

    async def cards(self) -> Sequence[Card]:
        return self._engine.cards()

    async def health(self) -> Mapping[str, Health]:
        return await self._engine.health()

    async def load(self, name: str) -> None:
        await self._engine.warm(name)  # and the controller, the first time

    async def read(self, ref: BlobRef) -> bytes:
        return await in_thread(self._engine.blobs.read, ref)
