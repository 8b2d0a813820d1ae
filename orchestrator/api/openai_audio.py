"""`POST /v1/audio/transcriptions` and `POST /v1/audio/speech`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from orchestrator.api.calls import known_params, media_task, run, text_task
from orchestrator.api.encoders import MEDIA_TYPES, Encoder, encoder
from orchestrator.api.errors import api_error, refused
from orchestrator.api.schemas import SpeechRequest, TranscriptionForm
from orchestrator.api.service import Service, service_of
from orchestrator.api.streams import StreamedAnswer, closing, sse, while_connected
from specialists.base import Task, pcm_rate
from specialists.content import AUDIO, Span, text_part
from specialists.errors import AntiphonError, LimitExceeded, SpecialistFailed
from specialists.media import inspect, safe_name
from specialists.threads import in_thread

router = APIRouter(tags=["OpenAI"])


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a transcript; its times are in seconds."""

    text: str
    span: Span


@router.post("/v1/audio/transcriptions", response_model=None)
async def transcriptions(request: Request, form: Annotated[TranscriptionForm, Form()]) -> Response:
    """The words of a recording."""
    service = service_of(request)
    service.check_model(form.model, "asr")
    words = "word" in form.granularities
    if words and form.response_format != "verbose_json":
        raise refused("Times of words need verbose_json", "timestamp_granularities[]")
    task, seconds = await _asr_task(service, form, words=words)
    if form.stream:
        if form.response_format not in ("json", "text"):
            raise refused("Streamed transcripts have no times; use json or text", "response_format")
        return StreamedAnswer(_transcript_events(service, task), media_type="text/event-stream", events=True)
    segments = await while_connected(request, _transcribe(service, task, seconds))
    if form.response_format == "verbose_json":
        return JSONResponse(_verbose(segments, seconds, form.language, words=words))
    return _transcript(segments, seconds, form.response_format)


async def _asr_task(service: Service, form: TranscriptionForm, *, words: bool) -> tuple[Task, float]:
    limits = service.engine.config.limits
    name = safe_name(form.file.filename or "file")
    try:
        if (form.file.size or 0) > limits.audio_bytes:
            raise LimitExceeded(f"is larger than {limits.audio_bytes:,} bytes", part=name)
        data = await form.file.read()
        found = await in_thread(inspect, data, name, form.file.content_type or "", AUDIO, limits)
    except AntiphonError as error:
        raise api_error(error, "file") from error
    params = known_params(service, "asr", language=form.language, prompt=form.prompt, words=words or None)
    return media_task("asr", data, name, found, params), found.facts.get("seconds", 0.0)


async def _transcribe(service: Service, task: Task, seconds: float) -> list[Segment]:
    segments = []
    async with closing(run(service, task)) as chunks:
        async for chunk in chunks:
            if not chunk.text:
                continue
            span = chunk.anchor.span if chunk.anchor and chunk.anchor.span else Span(0.0, seconds)
            segments.append(Segment(chunk.text, span))
    return segments


async def _transcript_events(service: Service, task: Task) -> AsyncGenerator[bytes, None]:
    texts = []
    async with closing(run(service, task)) as chunks:
        async for chunk in chunks:
            texts.append(chunk.text)
            yield sse({"type": "transcript.text.delta", "delta": chunk.text})
    yield sse({"type": "transcript.text.done", "text": "".join(texts).strip()})
    yield sse("[DONE]")


def _transcript(segments: list[Segment], seconds: float, wanted: str) -> Response:
    if wanted in ("srt", "vtt"):
        return PlainTextResponse(_subtitles(segments, wanted))
    if wanted == "text":
        return PlainTextResponse(_text(segments) + "\n")
    return JSONResponse({"text": _text(segments), "usage": {"type": "duration", "seconds": seconds}})


def _verbose(
    segments: list[Segment], seconds: float, language: str | None, *, words: bool
) -> dict[str, object]:
    """With the times of words, where those were asked for, or else of segments."""
    times: list[dict[str, object]] = [{"start": s.span.start, "end": s.span.end} for s in segments]
    if words:
        timed = [{"word": s.text.strip(), **time} for s, time in zip(segments, times, strict=True)]
    else:
        pairs = enumerate(zip(segments, times, strict=True))
        timed = [{"id": number, "text": s.text, **time} for number, (s, time) in pairs]
    return {
        "task": "transcribe",
        "language": language or "unknown",
        "duration": seconds,
        "text": _text(segments),
        "words" if words else "segments": timed,
        "usage": {"type": "duration", "seconds": seconds},
    }


def _text(segments: list[Segment]) -> str:
    return "".join(segment.text for segment in segments).strip()


def _subtitles(segments: list[Segment], wanted: str) -> str:
    point = "," if wanted == "srt" else "."
    blocks = ["WEBVTT"] if wanted == "vtt" else []
    for number, segment in enumerate(segments, 1):
        times = f"{_clock(segment.span.start, point)} --> {_clock(segment.span.end, point)}"
        lines = [times, segment.text.strip()]
        blocks.append("\n".join([str(number), *lines] if wanted == "srt" else lines))
    return "\n\n".join(blocks) + "\n"


def _clock(seconds: float, point: str) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{milliseconds:03}"


@router.post("/v1/audio/speech", response_model=None)
async def speech(body: SpeechRequest, request: Request) -> Response:
    """Speak a text; the sound is sent while it is being made.

    `voice` reaches a specialist that declares it; otherwise the configured voice speaks.
    """
    service = service_of(request)
    service.check_model(body.model, "tts")
    voice = body.voice if isinstance(body.voice, str) else body.voice.id
    speed = None if body.speed == 1.0 else body.speed
    params = known_params(service, "tts", voice=voice, speed=speed)
    if speed is not None and "speed" not in params:
        raise refused("The voice that is configured has one speed", "speed", code="unsupported_parameter")
    task = text_task("tts", (text_part(body.input),), params)
    return StreamedAnswer(
        _sound(service, task, body.response_format), media_type=MEDIA_TYPES[body.response_format]
    )


async def _sound(service: Service, task: Task, wanted: str) -> AsyncGenerator[bytes, None]:
    made: Encoder | None = None
    async with closing(run(service, task)) as chunks:
        async for chunk in chunks:
            if not chunk.data:
                continue
            made = made or encoder(wanted, pcm_rate(chunk.media_type))
            if data := await in_thread(made.feed, chunk.data):
                yield data
    if made is None:
        raise SpecialistFailed("found nothing to say in this text", part="tts", remedy="Give it some words")
    if data := await in_thread(made.finish):
        yield data
