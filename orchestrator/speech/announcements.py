"""Announcements: what standing requests waited for, made into speech when it comes."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from orchestrator.events import Event, StandingMet
from orchestrator.speech.remarks import Samples, spoken, tones
from specialists.errors import AntiphonError
from specialists.runtime import Runtime

log = logging.getLogger("antiphon")


class Eventful(Protocol):
    """A session, as far as announcements need one."""

    @property
    def seq(self) -> int:
        """The number of its newest event."""
        ...

    def events(self, since: int = 0) -> AsyncIterator[Event]: ...


@dataclass(frozen=True, slots=True)
class Announcement:
    """What to say; `urgent` where it may cut into the person's speech."""

    text: str
    sound: Samples
    urgent: bool


class Announcements:
    """Follows a session, and keeps what has come until somebody says it."""

    def __init__(self, session: Eventful, runtime: Runtime, rate: int) -> None:
        """`rate` is that of the sound, in hertz."""
        self._session = session
        self._runtime = runtime
        self._rate = rate
        self._due: deque[Announcement] = deque()

    @property
    def waiting(self) -> bool:
        return bool(self._due)

    @property
    def urgent(self) -> bool:
        """Whether the next one may cut into the person's speech."""
        return bool(self._due) and self._due[0].urgent

    def take(self) -> Announcement:
        """The next one, which the caller says."""
        return self._due.popleft()

    async def run(self) -> None:
        """Follow the session until cancelled."""
        events = self._session.events(self._session.seq)
        async with aclosing(events) as stream:  # type: ignore[type-var]
            async for event in stream:
                if isinstance(event, StandingMet):
                    sound = await self._sound(event)
                    self._due.append(Announcement(event.text, sound, event.standing.urgent))

    async def _sound(self, met: StandingMet) -> Samples:
        try:
            return await spoken(self._runtime, f"standing-{met.id}-{met.seq}", met.text, self._rate)
        except (AntiphonError, TimeoutError) as error:
            log.warning("%r is told by a tone, not in words: %s", met.text, error)
            return tones(self._rate)
