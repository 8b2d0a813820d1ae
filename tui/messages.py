"""What the engine's side tells the screen, as Textual messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.message import Message

from orchestrator.events import Event
from specialists.errors import AntiphonError
from tui.attachments import Attached


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a person sends from the screen."""

    text: str
    files: tuple[Attached, ...] = ()


class Loading(Message):
    """The engine is getting something ready: `what`, empty when it is done with all."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what


class Ready(Message):
    """The engine takes messages from now on."""


class Broken(Message):
    """The engine could not be opened, or its events cannot be read any more.

    `ended` is True when nothing that is sent will be answered.
    """

    def __init__(self, error: AntiphonError, *, ended: bool = False) -> None:
        super().__init__()
        self.error = error
        self.ended = ended


class Followed(Message):
    """Another session is followed now; its Events come next, from the first on."""

    def __init__(self, session: str) -> None:
        super().__init__()
        self.session = session


class Refused(Message):
    """Something asked for beside a turn was not done."""

    def __init__(self, error: AntiphonError) -> None:
        super().__init__()
        self.error = error


class Happened(Message):
    """Events of the followed session, in order, without gaps."""

    def __init__(self, events: Sequence[Event]) -> None:
        super().__init__()
        self.events = events


class TurnOver(Message):
    """A message that was sent is dealt with, and all of its Events have been told.

    `error` is what kept it from becoming a turn.
    """

    def __init__(self, error: AntiphonError | None = None) -> None:
        super().__init__()
        self.error = error


Post = Callable[[Message], object]
