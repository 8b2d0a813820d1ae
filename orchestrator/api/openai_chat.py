"""`POST /v1/chat/completions`, as the official SDK expects it, and what it cannot express.

Beside the standard fields an answer carries
- `message.images` (streamed: `delta.images`): pictures made for it, `{"type": "image_url", "image_url":
  {"url": "data:…"}}`;
- `antiphon` (streamed: in the chunk with the finish reason): session, turn, outcome, the specialists that
  were called and those that memory spared, timings in seconds, and what could not be done.

`usage` is null: several models with tokenizers of their own make one answer, so there is no honest count.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from orchestrator.api.chat_turn import ChatTurn, check, read_turn
from orchestrator.api.encoders import Encoder, encode, encoder
from orchestrator.api.schemas import ChatRequest
from orchestrator.api.service import MODEL, Service, scope_of, service_of
from orchestrator.api.streams import StreamedAnswer, closing, sse, while_connected
from orchestrator.events import MediaReady, SpeechDelta, TextDelta, TurnStarted
from specialists.content import IMAGE, Part
from specialists.threads import in_thread

router = APIRouter(tags=["OpenAI"])

Delta = dict[str, object]


@router.post("/v1/chat/completions", response_model=None)
async def chat_completions(body: ChatRequest, request: Request) -> Response:
    """Answer a conversation, whole or as a stream of chunks."""
    service = service_of(request)
    check(body, service)
    turn = await read_turn(body, service, scope_of(request))
    if body.stream:
        return StreamedAnswer(_chunks(turn), media_type="text/event-stream", events=True)
    return JSONResponse(await while_connected(request, _completion(turn)))


async def _completion(turn: ChatTurn) -> dict[str, object]:
    pcm, rate = bytearray(), 0
    images: list[Delta] = []
    async with closing(turn.events()) as events:
        async for event in events:
            turn.note(event)
            if isinstance(event, SpeechDelta):
                pcm += event.pcm
                rate = event.rate
            elif isinstance(event, MediaReady):
                images += await _images(turn.service, event.part)
    turn.check()
    message: Delta = {"role": "assistant", "content": turn.words, "refusal": None}
    if pcm:
        data = await in_thread(encode, turn.audio_format, bytes(pcm), rate)
        message["audio"] = {
            "id": turn.audio_id,
            "data": base64.b64encode(data).decode(),
            "transcript": turn.words,
            "expires_at": turn.keep_transcript(),
        }
        if turn.speak:
            message["content"] = None  # where audio was asked for, the words stand in its transcript
    if images:
        message["images"] = images
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return {**_head(turn, "chat.completion"), "choices": [choice], "usage": None, "antiphon": turn.extra()}


async def _chunks(turn: ChatTurn) -> AsyncGenerator[bytes, None]:
    voice: Encoder | None = None
    async with closing(turn.events()) as events:
        async for event in events:
            turn.note(event)
            if isinstance(event, TurnStarted):
                # Only now: what the engine refuses at once is still an ordinary error answer.
                audio = {"audio": {"id": turn.audio_id}} if turn.speak else {}
                yield _chunk(turn, {"role": "assistant", "content": None if turn.speak else "", **audio})
            elif isinstance(event, TextDelta):
                yield _chunk(turn, _words(turn, event.text))
            elif isinstance(event, SpeechDelta):
                voice = voice or encoder(turn.audio_format, event.rate)
                yield _chunk(turn, _sound(turn, voice.feed(event.pcm)))
            elif isinstance(event, MediaReady):
                yield _chunk(turn, {"images": await _images(turn.service, event.part)})
    turn.check()
    if voice is not None:
        yield _chunk(turn, _sound(turn, voice.finish()))
        yield _chunk(turn, {"audio": {"id": turn.audio_id, "expires_at": turn.keep_transcript()}})
    unspoken, unwritten = turn.speak and voice is None, not turn.speak and not turn.texts
    if turn.words and (unspoken or unwritten):  # the words still have to reach who reads only content
        yield _chunk(turn, {"content": turn.words})
    yield _chunk(turn, {}, finish="stop")
    if turn.include_usage:
        yield sse({**_head(turn, "chat.completion.chunk"), "choices": [], "usage": None})
    yield sse("[DONE]")


def _words(turn: ChatTurn, text: str) -> Delta:
    return {"audio": {"id": turn.audio_id, "transcript": text}} if turn.speak else {"content": text}


def _sound(turn: ChatTurn, data: bytes) -> Delta:
    return {"audio": {"id": turn.audio_id, "data": base64.b64encode(data).decode()}}


def _chunk(turn: ChatTurn, delta: Delta, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    chunk = {**_head(turn, "chat.completion.chunk"), "choices": [choice]}
    return sse({**chunk, "antiphon": turn.extra()} if finish else chunk)


def _head(turn: ChatTurn, kind: str) -> dict[str, object]:
    return {"id": turn.id, "object": kind, "created": turn.created, "model": MODEL}


async def _images(service: Service, part: Part) -> list[Delta]:
    if part.kind != IMAGE or part.blob is None:
        return []
    data = await in_thread(service.engine.blobs.read, part.blob)
    url = f"data:{part.blob.media_type};base64,{base64.b64encode(data).decode()}"
    return [{"type": "image_url", "image_url": {"url": url}}]
