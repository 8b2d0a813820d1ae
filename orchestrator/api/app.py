"""The HTTP API in front of an opened engine."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI

from orchestrator.api import (
    corrections,
    errors,
    native,
    openai_audio,
    openai_chat,
    openai_embeddings,
    openai_models,
    status,
    voice,
)
from orchestrator.api.auth import Guard, check_exposure
from orchestrator.api.envelope import Envelope
from orchestrator.api.limits import BodyLimit
from orchestrator.api.service import Service
from orchestrator.api.tracing import Traced
from orchestrator.engine import Orchestrator


def build(orchestrator: Orchestrator) -> FastAPI:
    """The application. Whoever opened the engine closes it, after the application.

    Raises BadConfig when the configuration would open it to other machines without a key.
    """
    keys = check_exposure(orchestrator.config.server)
    app = FastAPI(title="Antiphon", version=version("antiphon"), description=__doc__)
    app.state.service = Service(orchestrator)
    for part in (
        openai_models,
        openai_chat,
        openai_audio,
        openai_embeddings,
        native,
        voice,
        corrections,
        status,
    ):
        app.include_router(part.router)
    errors.install(app)
    app.add_middleware(BodyLimit, limits=orchestrator.config.limits)
    app.add_middleware(Guard, keys=keys)
    if orchestrator.telemetry is not None:
        app.add_middleware(Traced)
    app.add_middleware(Envelope)
    return app
