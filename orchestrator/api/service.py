"""What every request handler needs: the engine, the scope of the caller, the names it may use."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fastapi import Request

from memory.log import NAME_LENGTH, SessionInfo, session_name
from orchestrator.api.errors import ApiError, refused
from orchestrator.api.transcripts import Transcripts
from orchestrator.conversation import EngineSession
from orchestrator.engine import Orchestrator
from orchestrator.session import Session
from specialists.base import Card
from specialists.content import Message
from specialists.errors import BadInput, Unavailable

MODEL = "antiphon"
"""The model that routes. Each specialist is listed as `antiphon/NAME`."""


@dataclass(frozen=True, slots=True)
class Service:
    """The state of one application. A scope is the prefix of session names that belong to a caller."""

    engine: Orchestrator
    transcripts: Transcripts = field(default_factory=Transcripts)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server is to end; what has no end of its own then ends."""
    speaking: set[str] = field(default_factory=set)
    """Names of the sessions in which somebody talks."""

    def card(self, name: str) -> Card:
        """The Card of an available specialist. Raises Unavailable, with what to do."""
        for card in self.engine.runtime.cards():
            if card.name == name and card.available:
                return card
            if card.name == name:
                raise Unavailable("this specialist is not available", part=name, remedy=card.remedy)
        raise Unavailable(
            "no specialist of this name runs here", part=name, remedy=f"Enable [specialists.{name}]"
        )

    def check_model(self, model: str, specialist: str = "") -> None:
        """Raise ApiError 404 unless `model` is the one to ask here: the router, or the specialist itself."""
        allowed = (MODEL, f"{MODEL}/{specialist}") if specialist else (MODEL,)
        if model not in allowed:
            known = " or ".join(repr(name) for name in allowed)
            message = f"The model {model!r} does not exist here; this endpoint serves {known}"
            raise ApiError(404, message, code="model_not_found", param="model")

    def session(self, name: str, scope: str) -> Session:
        """The caller's session of this name, opened or made. Raises BadInput for a name it cannot have."""
        return self.engine.session(_scoped(name, scope), scope)

    def passing(self, history: Sequence[Message]) -> Session:
        """A session that ends with its only turn."""
        return self.engine.passing(history)

    async def sessions(self, scope: str) -> list[SessionInfo]:
        """The caller's sessions, under their full names, the one last used first."""
        return [info for info in await self.engine.sessions() if info.name.startswith(scope)]


@contextlib.contextmanager
def voice_session(service: Service, name: str, scope: str) -> Iterator[EngineSession]:
    """The caller's session, for one spoken conversation at a time. Raises BadInput where one goes on."""
    session = service.engine.session(_scoped(name, scope), scope)
    if session.name in service.speaking:
        raise BadInput("somebody talks in it already", part=f"session {name}", remedy="Use another name")
    service.speaking.add(session.name)
    try:
        yield session
    finally:
        service.speaking.discard(session.name)


def service_of(request: Request) -> Service:
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


def scope_of(request: Request) -> str:
    return str(request.state.scope)


def _scoped(name: str, scope: str) -> str:
    normal = session_name(name)
    if len(scope + normal) > NAME_LENGTH:
        raise refused(f"A session name has at most {NAME_LENGTH - len(scope)} characters here", "session")
    return scope + normal
