"""The trace context of requests: a turn that a traced client asks for becomes part of its trace."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.telemetry import continued


class Traced:
    """Middleware that takes up the `traceparent` header of each request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        with continued(Headers(scope=scope)):
            await self._app(scope, receive, send)
