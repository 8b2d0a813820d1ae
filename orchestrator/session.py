"""A Session as every way in sees it. `engine.py` and `client.py` implement it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from orchestrator.budget import Budget
from orchestrator.events import Event
from specialists.content import Kind

Speak = bool | Literal["never"]
"""Whether a reply is spoken whatever the words ask for; False leaves it to the words."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that a person attaches: a path on this machine, or bytes with a name and a media type."""

    path: Path | None = None
    data: bytes | None = None
    name: str = ""
    media_type: str = ""
    kind: Kind | None = None
    """What the person says it is; None to tell from the media type or the name."""


class Session(Protocol):
    """A conversation. One turn runs at a time: a new `send` while one runs interrupts it."""

    name: str

    def send(
        self,
        text: str = "",
        *,
        images: Sequence[str | Path | Attachment] = (),
        audio: Sequence[str | Path | Attachment] = (),
        video: Sequence[str | Path | Attachment] = (),
        files: Sequence[str | Path | Attachment] = (),
        voice: bool = False,
        speak: Speak = False,
        budget: Budget | None = None,
    ) -> AsyncIterator[Event]:
        """Start a turn and stream its Events; the last is TurnFinished.

        `voice` says that the person spoke; `speak` asks for a spoken reply beside the text whatever the
        words ask for, or for none even where they do, because nobody would hear it. `budget` may ask for
        less than the configuration allows, never for more. Closing the iterator interrupts the turn.
        """
        ...

    async def interrupt(self, *, heard: str | None = None) -> None:
        """Stop the running turn; without one, nothing happens.

        `heard` is the part of the reply that the person heard, None for all that was sent.
        """
        ...

    def events(self, since: int = 0) -> AsyncIterator[Event]:
        """Every Event of the session with `seq` above `since`: those of the log, then live ones."""
        ...
