"""How large a request may be, enforced while it arrives."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.api.errors import ApiError
from specialists.media import Limits

_ENVELOPE = 1_000_000
"""Bytes for everything in a request that is not media."""


class BodyLimit:
    """Middleware that stops a body larger than any that could be accepted.

    JSON carries media as base64, one third larger, and is held in memory: its limit is the largest picture,
    document or sound. Forms go to disk while they arrive: their limit is the largest film.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        largest = max(limits.image_bytes, limits.document_bytes, limits.audio_bytes, limits.text_bytes)
        self._json = largest * 4 // 3 + _ENVELOPE
        self._form = max(largest, limits.video_bytes) + _ENVELOPE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        form = headers.get("content-type", "").startswith("multipart/form-data")
        limit = self._form if form else self._json
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limit:
            await ApiError(413, _too_large(limit), code="limit_exceeded").response()(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise HTTPException(413, _too_large(limit))  # the one error that body readers let through
            return message

        await self._app(scope, counted, send)


def _too_large(limit: int) -> str:
    return f"The request is larger than {limit:,} bytes"
