"""`antiphon serve` as a process: what it prints, how it ends, what it refuses."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from orchestrator.config import Config
from specialists.registry import BUILT_IN
from tests.conftest import MEDIA


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """No models: a scripted chat alone."""
    lines = ["[engine]", f"data = {str(tmp_path / 'data')!r}", f"models = {str(tmp_path / 'models')!r}"]
    for name in BUILT_IN:
        chat = 'use = "tests.unit.orchestrator.api_stage:create_chat"'
        lines += [f"[specialists.{name}]", chat if name == "chat" else "enabled = false"]
    path = tmp_path / "antiphon.toml"
    path.write_text("\n".join(lines))
    return path


@asynccontextmanager
async def command(config: Path, *arguments: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tui", "serve", "--config", str(config), *arguments),
        cwd=MEDIA.parent.parent,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_says_where_it_is_and_ends_when_told(config: Path, number: signal.Signals) -> None:
    async with command(config, "--port", "0") as process:
        assert process.stdout is not None and process.stderr is not None
        line = (await process.stdout.readline()).decode()
        url = line.removeprefix("Antiphon serves on ").strip()
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            assert (await http.get("/health")).json()["ready"] is True
            body = {"model": "antiphon", "messages": [{"role": "user", "content": "Hello"}]}
            answer = await http.post("/v1/chat/completions", json=body)
            assert answer.json()["choices"][0]["message"]["content"] == "Hello there."
            # An event stream has no end of its own and must not hold the process.
            async with http.stream("GET", "/sessions/s/events") as events:
                lines = events.aiter_lines()  # kept: the connection would close with it
                await anext(lines)
                process.send_signal(number)
                _, errors = await asyncio.wait_for(process.communicate(), 15)
        assert process.returncode == 0, errors.decode()
        assert b"Traceback" not in errors, errors.decode()


async def test_a_port_that_is_taken_is_named(config: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        async with command(config, "--port", str(port)) as process:
            _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert f"127.0.0.1:{port}" in errors.decode() and "--port" in errors.decode()


async def test_other_machines_are_served_with_a_key_alone(config: Path) -> None:
    async with command(config, "--host", "0.0.0.0", "--port", "0") as process:
        _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert "api_key" in errors.decode()


def test_the_defaults_listen_on_loopback() -> None:
    assert Config().server.host == "127.0.0.1"
