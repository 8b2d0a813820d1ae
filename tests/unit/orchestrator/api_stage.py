"""The API over a real socket, in front of a real engine with scripted specialists."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
from PIL import Image

from orchestrator.api.app import build
from orchestrator.api.server import bind, listening
from orchestrator.config import Config
from orchestrator.engine import Orchestrator
from specialists.base import Specialist
from specialists.fakes import Scripted, card, words
from specialists.registry import Setup
from specialists.runtime import LocalRuntime
from tests.unit.orchestrator.conftest import cast

KEY = "a-key-for-tests"


@dataclass(frozen=True)
class Served:
    """A server that listens. `http` speaks to it as a plain program, `openai` as the official client."""

    url: str
    engine: Orchestrator
    http: httpx.AsyncClient
    openai: openai.AsyncOpenAI


Serve = Callable[..., AbstractAsyncContextManager[Served]]


def serve_in(folder: Path) -> Serve:
    """Serves an engine whose specialists are `cast()` with the given ones in place of their namesakes."""

    @asynccontextmanager
    async def served(
        *replaced: Specialist, key: str = KEY, **tables: Mapping[str, object]
    ) -> AsyncIterator[Served]:
        specialists = cast() | {s.card.name: s for s in replaced}
        engine = {"data": folder / "data", "models": folder}
        config = Config.model_validate({"engine": engine, **tables})
        runtime = LocalRuntime(specialists.values())
        async with (
            Orchestrator.open(config, runtime=runtime) as orchestrator,
            listening(build(orchestrator), bind("127.0.0.1", 0)) as server,
            httpx.AsyncClient(
                base_url=server.url, headers={"authorization": f"Bearer {key}"}, timeout=60
            ) as http,
            openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as client,
        ):
            yield Served(server.url, orchestrator, http, client)

    return served


def png(color: str = "orange", size: tuple[int, int] = (32, 24)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    return out.getvalue()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{b64(data)}"


def asking(*parts: object) -> list[dict[str, object]]:
    """One message of the user, of texts and content parts."""
    content = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return [{"role": "user", "content": content}]


def image(data: bytes) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": data_url(data)}}


def create_chat(setup: Setup) -> Specialist:
    """A chat specialist for a configuration file."""
    return Scripted(card(setup.name), words("Hello ", "there."))
