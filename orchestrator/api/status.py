"""`GET /` and `GET /health`: the two answers that need no key."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from orchestrator.api.service import service_of

router = APIRouter(tags=["Antiphon"])


@router.get("/", response_model=None)
async def about() -> Response:
    """What runs here."""
    return JSONResponse(
        {
            "name": "Antiphon",
            "version": version("antiphon"),
            "description": "One assistant out of many models: it sees, hears, reads, remembers and speaks.",
            "openai_base_path": "/v1",
            "documentation": "/docs",
            "health": "/health",
        }
    )


@router.get("/health", response_model=None)
async def health(request: Request) -> Response:
    """Whether turns can be answered (200) or not (503), and the state of each specialist.

    A specialist whose last call failed is still asked again, so only a missing one counts against us.
    """
    found = await service_of(request).engine.health()
    states = {name: health.state for name, health in found.items()}
    ready = states.get("chat", "unavailable") != "unavailable"
    return JSONResponse({"ready": ready, "specialists": states}, 200 if ready else 503)
