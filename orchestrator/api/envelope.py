"""What goes around every answer: a name for it, and an end for failures that nobody expected."""

from __future__ import annotations

import uuid

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.api.errors import api_error


class Envelope:
    """Middleware that names each answer in `x-request-id` and turns any exception into an error answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = f"req_{uuid.uuid4().hex}"
        started = False

        async def named(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)["x-request-id"] = name
            await send(message)

        try:
            await self._app(scope, receive, named)
        except Exception as error:
            if started:
                raise  # the server breaks the connection: the answer is not whole
            await api_error(error).response()(scope, receive, named)
