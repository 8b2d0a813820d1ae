"""What a spoken conversation asks of a session beyond what everybody does."""

from __future__ import annotations

from typing import Protocol

from orchestrator.events import Event
from orchestrator.session import Session


class SpokenSession(Session, Protocol):
    """A session that also takes Events that happen outside its turns, and prepares turns."""

    @property
    def seq(self) -> int:
        """The number of the newest Event."""
        ...

    def prepare(self, text: str) -> bool:
        """Begin what a spoken turn with these words would do, without a trace of it; a `send` of the same
        words finds it under way. False where that cannot be now."""
        ...

    async def ends(self, text: str) -> float | None:
        """How likely it is, 0 to 1, that who said these words is done; None where nobody can tell."""
        ...

    def read(self) -> None:
        """Have what was said until now read for the next reply, while nobody waits for it."""
        ...

    async def note(self, event: Event) -> Event:
        """Give the Event its place in the session, record it, and return it as recorded."""
        ...
