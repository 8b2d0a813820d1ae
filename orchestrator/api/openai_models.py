"""`GET /v1/models`: the router, and each specialist that can be called."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from orchestrator.api.errors import ApiError
from orchestrator.api.service import MODEL, service_of

router = APIRouter(tags=["OpenAI"])

_STARTED = int(time.time())


@router.get("/v1/models", response_model=None)
async def list_models(request: Request) -> Response:
    """What can be named as a model."""
    return JSONResponse({"object": "list", "data": [_model(name) for name in _names(request)]})


@router.get("/v1/models/{model:path}", response_model=None)
async def get_model(model: str, request: Request) -> Response:
    if model not in _names(request):
        raise ApiError(404, f"The model {model!r} does not exist here", code="model_not_found", param="model")
    return JSONResponse(_model(model))


def _names(request: Request) -> list[str]:
    cards = service_of(request).engine.runtime.cards()
    return [MODEL, *(f"{MODEL}/{card.name}" for card in cards if card.available)]


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": _STARTED, "owned_by": MODEL}
