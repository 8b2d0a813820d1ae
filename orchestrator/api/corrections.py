"""What the caller corrected: each key has its own, as it has its own sessions."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from orchestrator.api.service import scope_of, service_of

router = APIRouter(tags=["Antiphon"])


@router.get("/corrections", response_model=None)
async def list_corrections(request: Request) -> Response:
    """The caller's corrections, the newest first: each request with the controls that serve it since."""
    scope = scope_of(request)
    found = await service_of(request).engine.corrections.of(scope)
    values = []
    for correction in found:
        shown = asdict(correction) | {"session": correction.session.removeprefix(scope)}
        del shown["person"]  # drawn from the key: the caller has no use for it
        values.append(shown)
    return JSONResponse({"corrections": values})


@router.delete("/corrections/{correction_id}", response_model=None)
async def remove_correction(correction_id: str, request: Request) -> Response:
    """Remove one for good."""
    await service_of(request).engine.corrections.remove(correction_id, scope_of(request))
    return Response(status_code=204)


@router.delete("/corrections", response_model=None)
async def clear_corrections(request: Request) -> Response:
    """Remove all of the caller's for good."""
    removed = await service_of(request).engine.corrections.clear(scope_of(request))
    return JSONResponse({"removed": removed})
