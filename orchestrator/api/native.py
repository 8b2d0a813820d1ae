"""The API of our own: sessions with all their events, plans, specialists, blobs.

A turn is answered by its Events as server-sent events: `id` is the sequence number, `data` the event as
`orchestrator.events.to_dict` writes it. An `error` event ends a stream that broke. An attachment that cannot
be used is a `part.rejected` event, and the turn goes on without it.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.responses import JSONResponse, Response

from orchestrator.api.errors import invalid
from orchestrator.api.fetch import decode_base64
from orchestrator.api.schemas import InterruptRequest, PlanRequest, TurnRequest
from orchestrator.api.service import Service, scope_of, service_of
from orchestrator.api.streams import StreamedAnswer, closing, sse, while_connected
from orchestrator.budget import Budget
from orchestrator.controller.request import Request as RouteRequest
from orchestrator.events import Event, to_dict
from orchestrator.session import Attachment, Session
from orchestrator.trace import to_dict as to_json
from orchestrator.trace import trace
from specialists.content import AUDIO, IMAGE, VIDEO, BlobRef, Message, Part, text_part
from specialists.threads import in_thread

router = APIRouter(tags=["Antiphon"])

_FIELDS = {"images": IMAGE, "audio": AUDIO, "video": VIDEO, "files": None}
_WORDS = ("text", "voice", "speak", "within", "max_price")
_MOST_FILES = 100


def _turn_schema() -> dict[str, Any]:
    schema = TurnRequest.model_json_schema()
    # Inside an OpenAPI document a reference to the schema's own definitions would lead nowhere.
    schema["properties"]["attachments"]["items"] = schema.pop("$defs")["TurnAttachment"]
    return schema


_TURN_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _turn_schema()},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "text": {"type": "string"},
                        "voice": {"type": "boolean"},
                        "speak": {"enum": [True, False, "never"]},
                        "within": {"type": "number"},
                        "max_price": {"type": "number"},
                        **{
                            name: {"type": "array", "items": {"type": "string", "format": "binary"}}
                            for name in _FIELDS
                        },
                    },
                }
            },
        },
    }
}


@router.post("/sessions/{name}/turns", response_model=None, openapi_extra=_TURN_BODY)
async def start_turn(name: str, request: Request) -> Response:
    """Send a message, as JSON or as a form with files. The turn ends when this request does."""
    scope = scope_of(request)
    files = ExitStack()
    try:
        asked, attachments = await _asked(request, service_of(request), files)
        session = service_of(request).session(name, scope)
    except BaseException:
        files.close()
        raise
    return StreamedAnswer(
        _turn(session, asked, attachments, files, scope), media_type="text/event-stream", events=True
    )


@router.post("/sessions/{name}/interrupt", response_model=None)
async def interrupt(name: str, request: Request, body: InterruptRequest | None = None) -> Response:
    """Stop the running turn; without one, nothing happens."""
    session = service_of(request).session(name, scope_of(request))
    await session.interrupt(heard=body.heard if body else None)
    return Response(status_code=204)


@router.get("/sessions/{name}/events", response_model=None)
async def session_events(
    name: str,
    request: Request,
    since: Annotated[int, Query(ge=0)] = 0,
    last_event_id: Annotated[int | None, Header(ge=0)] = None,
) -> Response:
    """Every event after `since`, or after Last-Event-ID: those of the log, then live ones."""
    scope = scope_of(request)
    session = service_of(request).session(name, scope)
    events = _events(session, since if last_event_id is None else last_event_id, scope)
    stopping = service_of(request).stopping
    return StreamedAnswer(events, media_type="text/event-stream", events=True, until=stopping)


@router.get("/sessions", response_model=None)
async def list_sessions(request: Request) -> Response:
    """The caller's sessions, the one last used first."""
    scope = scope_of(request)
    found = await service_of(request).sessions(scope)
    return JSONResponse(
        {"sessions": [asdict(replace(info, name=info.name.removeprefix(scope))) for info in found]}
    )


@router.get("/specialists", response_model=None)
async def list_specialists(request: Request) -> Response:
    """The Card and the health of every specialist."""
    engine = service_of(request).engine
    health = await engine.health()
    return JSONResponse(
        {
            "specialists": [
                {
                    **asdict(card),
                    "health": asdict(health[card.name]) if card.name in health else None,
                    "latency": asdict(found) if (found := engine.latencies.of(card)) else None,
                }
                for card in engine.cards()
            ]
        }
    )


@router.post("/plan", response_model=None)
async def plan(body: PlanRequest, request: Request) -> Response:
    """What would be done, without doing it. Attachments are named by their kinds alone."""
    history = [
        # A kind without content is all that routing looks at.
        Message(
            said.role,
            (text_part(said.text), *(Part(kind, blob=BlobRef("", 0, "")) for kind in said.attachments)),
        )
        for said in body.history
    ]
    budget = Budget(body.within, body.max_price)
    work = service_of(request).engine.plan(body.text, body.attachments, history, budget, scope_of(request))
    made, route = await while_connected(request, work)
    cards = service_of(request).engine.cards()
    asked = RouteRequest(body.text, tuple(body.attachments))
    names = [""] * len(body.attachments)
    traced = trace(asked, names, route, made, cards, service_of(request).engine.latencies.expected(cards))
    return JSONResponse(to_json(traced))


@router.get("/blobs/{digest}", response_model=None)
async def blob(digest: str, request: Request) -> Response:
    """The bytes of a picture or file, by the digest that an event names."""
    data = await in_thread(service_of(request).engine.blobs.read, digest)
    # Whatever it is, a browser must not run it.
    headers = {"content-disposition": "attachment", "x-content-type-options": "nosniff"}
    return Response(data, media_type="application/octet-stream", headers=headers)


async def _asked(
    request: Request, service: Service, files: ExitStack
) -> tuple[TurnRequest, tuple[Attachment, ...]]:
    """The request, and its files: those of a form lie in a folder that `files` removes."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form(max_files=_MOST_FILES) as form:
            asked = _validated({name: form[name] for name in _WORDS if name in form})
            folder = Path(files.enter_context(TemporaryDirectory(prefix="antiphon-")))
            return asked, await _uploads(form, folder)
    asked = _validated(await request.body())
    limits = service.engine.config.limits
    largest = max(limits.image_bytes, limits.audio_bytes, limits.video_bytes, limits.document_bytes)
    return asked, tuple(
        Attachment(
            data=decode_base64(given.data, largest, part=given.name or f"attachments[{index}]"),
            name=given.name,
            media_type=given.media_type,
            kind=given.kind,
        )
        for index, given in enumerate(asked.attachments)
    )


def _validated(given: bytes | dict[str, Any]) -> TurnRequest:
    try:
        if isinstance(given, bytes):
            return TurnRequest.model_validate_json(given)
        return TurnRequest.model_validate(given)
    except ValidationError as error:
        raise invalid(error.errors()) from None


async def _uploads(form: FormData, folder: Path) -> tuple[Attachment, ...]:
    """Files go to disk under a number: no name from a request becomes a path."""
    found: list[Attachment] = []
    for field, upload in form.multi_items():
        if field in _FIELDS and isinstance(upload, UploadFile):
            path = folder / str(len(found))
            await in_thread(_copy, upload, path)
            kind, media_type = _FIELDS[field], upload.content_type or ""
            if media_type == "application/octet-stream":  # a client's way to say that it does not know
                media_type = ""
            found.append(Attachment(path=path, name=upload.filename or "", media_type=media_type, kind=kind))
    return tuple(found)


def _copy(upload: UploadFile, path: Path) -> None:
    with path.open("xb") as file:
        shutil.copyfileobj(upload.file, file)


async def _turn(
    session: Session, asked: TurnRequest, attachments: tuple[Attachment, ...], files: ExitStack, scope: str
) -> AsyncGenerator[bytes, None]:
    sent = session.send(
        asked.text,
        files=attachments,
        voice=asked.voice,
        speak=asked.speak,
        budget=Budget(asked.within, asked.max_price),
    )
    with files:
        async with closing(sent) as events:
            async for event in events:
                yield _event(event, scope)


async def _events(session: Session, since: int, scope: str) -> AsyncGenerator[bytes, None]:
    async with closing(session.events(since)) as events:
        async for event in events:
            yield _event(event, scope)


def _event(event: Event, scope: str) -> bytes:
    values = to_dict(event)
    values["session"] = values["session"].removeprefix(scope)
    return sse(values, seq=event.seq)
