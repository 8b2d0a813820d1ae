"""`antiphon serve`: the HTTP API, in one process or on Ray."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.common import ConfigPath

if TYPE_CHECKING:
    from orchestrator.config import Config

StartRay = Callable[["Config", str, int], None]
"""Serves on Ray at a host and port until it is told to stop."""


def make_serve(start_ray: StartRay) -> Callable[..., None]:
    """The command. What knows Ray stands to the left of this package and is handed in."""

    def serve(
        host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
        port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 for a free one.")] = None,
        ray: Annotated[bool, typer.Option("--ray", help="Deploy the specialists on Ray Serve.")] = False,
        config: ConfigPath = None,
    ) -> None:
        """Serve the HTTP API, which OpenAI clients speak."""
        from orchestrator.api.auth import check_exposure
        from orchestrator.cli.models import ensure
        from orchestrator.config import load

        loaded = load(config)
        given = {"host": host, "port": port}
        changes = {key: value for key, value in given.items() if value is not None}
        server = loaded.server.model_copy(update=changes)
        chosen = loaded.model_copy(update={"server": server})
        check_exposure(server)
        ensure(chosen)
        if ray:
            start_ray(chosen, server.host, server.port)
        else:
            asyncio.run(_serve(chosen))

    return serve


async def _serve(config: Config) -> None:
    from orchestrator.api.app import build
    from orchestrator.api.server import bind, listening
    from orchestrator.engine import Orchestrator

    listener = bind(config.server.host, config.server.port)
    async with Orchestrator.open(config) as orchestrator, listening(build(orchestrator), listener) as server:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(server.stop))
        orchestrator.warm_behind("chat")
        print(_greeting(server.url, config.server.api_key), flush=True)
        await server.wait()


def _greeting(url: str, api_key: str) -> str:
    shown = api_key if api_key.startswith("$") else "KEY"  # never the key itself
    key = f' -H "Authorization: Bearer {shown}"' if api_key else ""
    body = """'{"model": "antiphon", "messages": [{"role": "user", "content": "Hello"}]}'"""
    return (
        f"Antiphon serves on {url}\n\n"
        f"  curl {url}/v1/chat/completions{key} -H 'Content-Type: application/json' -d {body}\n"
        f"  antiphon chat --url {url}\n"
        f"  OpenAI clients: base_url {url}/v1, model antiphon\n\n"
        "Ctrl-C stops it."
    )
