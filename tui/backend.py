"""What the screen needs of an engine, in this process or behind a URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from memory.log import SessionInfo
from orchestrator.session import Session
from specialists.base import Card
from specialists.content import BlobRef
from specialists.runtime import Health


class Backend(Protocol):
    """An opened engine. Its calls raise AntiphonError and nothing else."""

    def session(self, name: str) -> Session: ...

    async def sessions(self) -> Sequence[SessionInfo]: ...

    async def cards(self) -> Sequence[Card]: ...

    async def health(self) -> Mapping[str, Health]: ...

    async def load(self, name: str) -> None:
        """Get a specialist ready; where that happens elsewhere, nothing."""
        ...

    async def read(self, ref: BlobRef) -> bytes:
        """The bytes of a picture or file of a reply."""
        ...


Opener = Callable[[], AbstractAsyncContextManager[Backend]]
"""Opens an engine; called in the thread and on the loop that the engine then lives on."""
