"""`POST /v1/embeddings`."""

from __future__ import annotations

import base64
import struct

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from orchestrator.api.calls import run, text_task
from orchestrator.api.errors import refused
from orchestrator.api.schemas import EmbeddingRequest
from orchestrator.api.service import Service, service_of
from orchestrator.api.streams import closing, while_connected
from specialists.base import Task
from specialists.content import text_part

router = APIRouter(tags=["OpenAI"])


@router.post("/v1/embeddings", response_model=None)
async def embeddings(body: EmbeddingRequest, request: Request) -> Response:
    """Texts as unit vectors. `usage` is null, as tokens are not counted."""
    service = service_of(request)
    service.check_model(body.model, "embed")
    texts = [body.input] if isinstance(body.input, str) else body.input
    for index, text in enumerate(texts):
        if not text:
            raise refused("An empty text has no embedding", f"input[{index}]")
    if not texts:
        raise refused("There is no text", "input")
    task = text_task("embed", tuple(text_part(text) for text in texts), {})
    vectors = await while_connected(request, _vectors(service, task))
    if body.dimensions is not None and any(len(data) != 4 * body.dimensions for data in vectors):
        raise refused(f"The vectors have {len(vectors[0]) // 4} dimensions and are not cut", "dimensions")
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(vector, body.encoding_format)}
        for index, vector in enumerate(vectors)
    ]
    return JSONResponse({"object": "list", "data": data, "model": body.model, "usage": None})


async def _vectors(service: Service, task: Task) -> list[bytes]:
    """One vector a text: its float32 values, little endian."""
    async with closing(run(service, task)) as chunks:
        return [chunk.data async for chunk in chunks]


def _encoded(vector: bytes, encoding: str) -> str | list[float]:
    if encoding == "base64":
        return base64.b64encode(vector).decode()
    return list(struct.unpack(f"<{len(vector) // 4}f", vector))
