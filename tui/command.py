"""`antiphon chat`: the terminal. Textual and the engine are imported only once it runs."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from tui.backend import Backend, Opener


def chat(
    session: Annotated[
        str | None, typer.Option(metavar="NAME", help="Go on with a session, or begin one of this name.")
    ] = None,
    url: Annotated[str | None, typer.Option(metavar="URL", help="Use a server, not an engine here.")] = None,
    api_key: Annotated[str, typer.Option(envvar="ANTIPHON_API_KEY", help="The server's key.")] = "",
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Configuration file (TOML).")] = None,
) -> None:
    """Chat in the terminal, with pictures, sound, video and documents."""
    from specialists.errors import BadInput

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput("needs a terminal", part="chat", remedy="Use antiphon ask where there is none")
    opener = _remote(url, api_key) if url else _local(config)

    from tui.app import AntiphonApp

    app = AntiphonApp(opener, session or f"chat-{time.strftime('%Y%m%d-%H%M%S')}")
    try:
        app.run()
    finally:
        app.bridge.stop()
        app.bridge.join()  # the terminal is back already; what was being written gets written
    raise typer.Exit(app.return_code or 0)


def _local(path: Path | None) -> Opener:
    """An engine in this process. Missing models are fetched first, with their progress on the terminal."""
    from orchestrator.cli.models import ensure
    from orchestrator.config import load
    from tui.local import open_local

    config = load(path)
    ensure(config)
    return lambda: open_local(config)


def _remote(url: str, api_key: str) -> Opener:
    def opened() -> AbstractAsyncContextManager[Backend]:
        from tui.remote import open_remote

        return open_remote(url, api_key)

    return opened
