"""The HTTP API in front of an opened engine."""

from __future__ import annotations

import uuid
from importlib.metadata import version

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.api import (
    errors,
    native,
    openai_audio,
    openai_chat,
    openai_embeddings,
    openai_models,
    status,
)
from orchestrator.api.auth import Guard, check_exposure
from orchestrator.api.limits import BodyLimit
from orchestrator.api.service import Service
from orchestrator.engine import Orchestrator


def build(orchestrator: Orchestrator) -> FastAPI:
    """The application. Whoever opened the engine closes it, after the application.

    Raises BadConfig when the configuration would open it to other machines without a key.
    """
    keys = check_exposure(orchestrator.config.server)
    app = FastAPI(title="Antiphon", version=version("antiphon"), description=__doc__)
    app.state.service = Service(orchestrator)
    for part in (openai_models, openai_chat, openai_audio, openai_embeddings, native, status):
        app.include_router(part.router)
    errors.install(app)
    app.add_middleware(BodyLimit, limits=orchestrator.config.limits)
    app.add_middleware(Guard, keys=keys)
    app.add_middleware(_RequestId)
    return app


class _RequestId:
    """Middleware that names each answer in `x-request-id`, so that a report can be found in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = f"req_{uuid.uuid4().hex}"
        scope.setdefault("state", {})["request_id"] = name

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = name
            await send(message)

        await self._app(scope, receive, named)
