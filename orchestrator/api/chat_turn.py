"""One chat request on its way through the engine."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from orchestrator.api.errors import STATUS, ApiError, refused
from orchestrator.api.parts import PartReader
from orchestrator.api.schemas import ChatRequest
from orchestrator.api.service import Service
from orchestrator.events import (
    Event,
    Failed,
    PartRejected,
    SpeechDelta,
    StepFailed,
    TextDelta,
    TurnFinished,
)
from orchestrator.session import Attachment, Session
from specialists.errors import Ours, TransientFailure


def check(body: ChatRequest, service: Service) -> None:
    """Refuse what would silently get another answer than the one asked for. Raises ApiError, Unavailable."""
    service.check_model(body.model)
    refusals = {
        "n": body.n not in (None, 1),
        "tools": bool(body.tools),
        "functions": bool(body.functions),
        "logprobs": bool(body.logprobs),
        "logit_bias": bool(body.logit_bias),
        "stop": bool(body.stop),
        "web_search_options": body.web_search_options is not None,
        "response_format": body.response_format is not None and body.response_format.type != "text",
    }
    for name, present in refusals.items():
        if present:
            raise refused(f"{name!r} is not supported; leave it out", name, code="unsupported_parameter")
    last = len(body.messages) - 1
    if body.messages[last].role != "user":
        raise refused("The last message must be the user's", f"messages[{last}].role")
    if _wants_audio(body):
        if body.audio is None:
            raise refused("The modality audio needs audio: {voice, format}", "audio")
        if body.stream and body.audio.format != "pcm16":
            raise refused("Streamed audio comes as pcm16", "audio.format")
        service.card("tts")


async def read_turn(body: ChatRequest, service: Service, scope: str) -> ChatTurn:
    """The turn that a request asks for. Raises ApiError for a part that cannot be used."""
    name = body.session or (body.metadata.session if body.metadata else None)
    reader = PartReader(service.engine.config, service.engine.blobs, service.transcripts, scope)
    last = len(body.messages) - 1
    text, attachments = await reader.request(body.messages[last], last)
    if not text.strip() and not attachments:
        raise refused("The last message is empty", f"messages[{last}].content")
    if name:
        session = service.session(name, scope)
    else:
        session = service.passing(await reader.history(body.messages[:last]))
    return ChatTurn(
        service=service,
        scope=scope,
        session=session,
        text=text,
        attachments=attachments,
        speak=_wants_audio(body),
        audio_format=body.audio.format if body.audio else "pcm16" if body.stream else "wav",
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
    )


def _wants_audio(body: ChatRequest) -> bool:
    return "audio" in (body.modalities or ())


@dataclass
class ChatTurn:
    """What was asked, and what has come of it so far."""

    service: Service
    scope: str
    session: Session
    text: str
    attachments: tuple[Attachment, ...]
    speak: bool
    audio_format: str
    include_usage: bool
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    audio_id: str = field(default_factory=lambda: f"audio_{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))
    texts: list[str] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)
    finished: TurnFinished | None = None

    def events(self) -> AsyncIterator[Event]:
        """Start the turn."""
        return self.session.send(self.text, files=self.attachments, speak=True if self.speak else "never")

    def note(self, event: Event) -> None:
        """Keep what the end of the answer needs."""
        if isinstance(event, TextDelta):
            self.texts.append(event.text)
        elif isinstance(event, SpeechDelta):
            self.spoken.append(event.text)
        elif isinstance(event, StepFailed):
            self._problem(event.code, event.specialist, event.reason, event.remedy)
        elif isinstance(event, Failed):
            self._problem(event.code, event.part, event.reason, event.remedy)
        elif isinstance(event, PartRejected):
            self._problem(event.code, event.part, event.reason)
        elif isinstance(event, TurnFinished):
            self.finished = event

    @property
    def words(self) -> str:
        """The reply's text; of a reply that was only spoken, what was said."""
        return "".join(self.texts) or "".join(self.spoken)

    def check(self) -> None:
        """Raise ApiError when the turn came to nothing."""
        if self.finished is not None and self.finished.outcome != "failed":
            return
        last = (
            self.problems[-1]
            if self.problems
            else {"code": Ours.code, "part": "", "reason": "The turn failed"}
        )
        retry = last["code"] == TransientFailure.code
        raise ApiError(
            STATUS.get(last["code"], 500),
            self.words or last["reason"],
            code=last["code"],
            param=last["part"] or None,
            retry=retry,
        )

    def extra(self) -> dict[str, object]:
        """The field `antiphon` of an answer."""
        assert self.finished is not None
        return {
            "session": self.session.name.removeprefix(self.scope),
            "turn": self.finished.turn,
            "outcome": self.finished.outcome,
            "calls": list(self.finished.calls),
            "reused": list(self.finished.reused),
            "timings": dict(self.finished.timings),
            "problems": self.problems,
        }

    def keep_transcript(self) -> int:
        """Keep the words of a spoken answer for later messages. Returns the second at which they expire."""
        return self.service.transcripts.put(self.audio_id, self.scope, self.words)

    def _problem(self, code: str, part: str, reason: str, remedy: str = "") -> None:
        self.problems.append({"code": code, "part": part, "reason": reason, "remedy": remedy})
