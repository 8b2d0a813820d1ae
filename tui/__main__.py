"""The `antiphon` command: the one place that puts all commands together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from orchestrator.config import Config


def app() -> typer.Typer:
    """Every command. Nothing heavy is imported before one of them runs."""
    from orchestrator.cli.main import build
    from orchestrator.cli.serve import make_serve
    from tui.command import chat

    commands = build()
    commands.command("chat")(chat)
    commands.command("serve")(make_serve(_start_ray))
    return commands


def main() -> None:
    from orchestrator.cli.main import run

    run(app())


def _start_ray(config: Config, host: str, port: int) -> None:
    from serving.command import start_ray

    start_ray(config, host, port)


if __name__ == "__main__":
    main()
