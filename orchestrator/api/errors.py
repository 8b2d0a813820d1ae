"""Errors as OpenAI clients read them: `{"error": {"message", "type", "param", "code"}}`.

| error of the tree | status | tried again by clients |
|---|---|---|
| BadInput | 400 | no |
| UnknownName | 404 | no |
| LimitExceeded | 413 | no |
| SpecialistFailed | 502 | no |
| Unavailable, BadConfig | 503 | no |
| TransientFailure | 503 | yes |
| DeadlineExceeded | 504 | no |
| Ours, anything else | 500, without internals | no |
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from specialists.errors import (
    AntiphonError,
    BadConfig,
    BadInput,
    DeadlineExceeded,
    LimitExceeded,
    Ours,
    SpecialistFailed,
    TransientFailure,
    Unavailable,
    UnknownName,
)

STATUS: Mapping[str, int] = {
    BadInput.code: 400,
    UnknownName.code: 404,
    LimitExceeded.code: 413,
    SpecialistFailed.code: 502,
    BadConfig.code: 503,
    Unavailable.code: 503,
    TransientFailure.code: 503,
    DeadlineExceeded.code: 504,
    Ours.code: 500,
}
"""The HTTP status of each error code; codes that are not here are 500."""

_CODES = {400: BadInput.code, 404: "not_found", 405: "method_not_allowed", 413: LimitExceeded.code}
_CLIENT_CLOSED = 499

log = logging.getLogger("antiphon.api")


class ApiError(Exception):
    """An answer that is an error. `param` names the field of the request, `code` is stable for programs."""

    def __init__(
        self, status: int, message: str, *, code: str, param: str | None = None, retry: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry = retry

    def body(self) -> dict[str, object]:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {
            "error": {"message": self.message, "type": kind, "param": self.param, "code": self.code},
        }

    def response(self) -> JSONResponse:
        # The official clients obey this header; without it they would repeat every 5xx.
        headers = {"x-should-retry": "true" if self.retry else "false"}
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        return JSONResponse(self.body(), self.status, headers)


def refused(message: str, param: str, *, code: str = BadInput.code, status: int = 400) -> ApiError:
    """The request cannot be served as it stands, because of the field `param`."""
    return ApiError(status, message, code=code, param=param)


def api_error(error: BaseException, param: str | None = None) -> ApiError:
    """Any exception as an answer. What is not of the tree, and Ours, says nothing about our inside."""
    if isinstance(error, ApiError):
        return error
    if not isinstance(error, AntiphonError) or isinstance(error, Ours):
        log.error("a request failed", exc_info=error)
        return ApiError(500, "An internal error; the server's log has the details", code=Ours.code)
    status = STATUS.get(error.code, 500)
    retry = isinstance(error, TransientFailure)
    return ApiError(status, str(error), code=error.code, param=param or error.part or None, retry=retry)


def install(app: FastAPI) -> None:
    """Answer every failure that `app` expects in the one shape; `Envelope` answers the others."""

    @app.exception_handler(ApiError)
    @app.exception_handler(AntiphonError)
    async def _failed(_request: Request, error: Exception) -> Response:
        return api_error(error).response()

    @app.exception_handler(ClientDisconnect)
    async def _gone(_request: Request, _error: Exception) -> Response:
        return Response(status_code=_CLIENT_CLOSED)  # nobody reads it; the log shows why it ended

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> Response:
        return invalid(error.errors()).response()

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> Response:
        code = _CODES.get(error.status_code, "http_error")
        answer = ApiError(error.status_code, str(error.detail), code=code).response()
        answer.headers.update(error.headers or {})
        return answer


def invalid(problems: object) -> ApiError:
    """What pydantic found wrong with a request, as one sentence; `param` is the first field concerned."""
    sentences, param = [], None
    for problem in list(problems)[:5]:  # type: ignore[call-overload]
        path = field_path(problem["loc"])
        if problem["type"] == "json_invalid":
            return ApiError(400, f"The body is not valid JSON: {problem['ctx']['error']}", code=BadInput.code)
        param = param or path or None
        sentences.append(f"{path}: {problem['msg']}" if path else str(problem["msg"]))
    return ApiError(400, "; ".join(sentences), code=BadInput.code, param=param)


_PART_TAGS = frozenset(("text", "refusal", "image_url", "input_audio", "file"))


def field_path(location: tuple[object, ...]) -> str:
    """`("body", "messages", 0, "content", 1, "text", "text")` as `messages[0].content[1].text`."""
    path = ""
    before: object = None
    for piece in location:
        # After the number of a part pydantic tells which kind it took it for, which is no field.
        tag = isinstance(before, int) and piece in _PART_TAGS
        if isinstance(piece, int):
            path += f"[{piece}]"
        elif not tag and piece not in ("body", "query", "path", "header"):
            path += f".{piece}" if path else str(piece)
        before = piece
    return path
