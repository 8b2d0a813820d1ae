"""An engine over fakes: real memory, real graph, real planner, scripted specialists."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from PIL import Image

from orchestrator.config import Config
from orchestrator.controller.route import Controller
from orchestrator.engine import Orchestrator
from specialists.base import Chunk, Specialist
from specialists.fakes import Scripted, card, words
from specialists.runtime import LocalRuntime

PCM = b"\x01\x00" * 2205


def speaking() -> Chunk:
    """A tenth of a second of sound."""
    return Chunk("audio", text="words", data=PCM, media_type="audio/pcm;rate=22050")


def cast() -> dict[str, Specialist]:
    """One scripted specialist under each name that plans use."""
    return {
        "chat": Scripted(card("chat"), words("Paris ", "is the capital.")),
        "vision": Scripted(card("vision", ["image"]), words("It shows a cat.")),
        "ocr": Scripted(card("ocr", ["image", "document"]), words("Dear Anna,\n", "see you on Friday.\n")),
        "asr": Scripted(card("asr", ["audio"]), words("Move the meeting to Friday.")),
        "tts": Scripted(card("tts", ["text"], ["audio"]), (speaking(),)),
        "video": Scripted(card("video", ["video"]), words("0:00 a cat")),
        "imagegen": Scripted(
            card("imagegen", ["text"], ["image"], available=False, remedy="Configure a model"), ()
        ),
    }


Open = Callable[..., AbstractAsyncContextManager[Orchestrator]]


@pytest.fixture
def open_engine(tmp_path: Path) -> Open:
    """Opens an engine whose specialists are `cast()` with the given ones in place of their namesakes."""

    @asynccontextmanager
    async def opened(
        *replaced: Specialist, controller: Controller | None = None, **engine: object
    ) -> AsyncIterator[Orchestrator]:
        specialists = cast() | {s.card.name: s for s in replaced}
        config = Config.model_validate({"engine": {"data": tmp_path / "data", "models": tmp_path, **engine}})
        runtime = LocalRuntime(specialists.values())
        async with Orchestrator.open(config, runtime=runtime, controller=controller) as orchestrator:
            yield orchestrator

    return opened


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    Image.new("RGB", (32, 24), "orange").save(path)
    return path
