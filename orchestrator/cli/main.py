"""The command line: one Typer app whose commands import what they need only when they run."""

from __future__ import annotations

import sys
from importlib.metadata import version
from io import TextIOWrapper

import typer

from orchestrator.cli import (
    ask,
    corrections,
    doctor,
    memory,
    models,
    plan,
    router,
    sessions,
    specialists,
    talk,
)
from orchestrator.cli.common import say
from specialists.errors import AntiphonError, Ours

HELP = "One assistant out of many models: it sees, hears, reads, remembers and speaks."


def build() -> typer.Typer:
    """The app with every command that needs neither a screen nor Ray."""
    app = typer.Typer(
        help=HELP,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    app.command("ask")(ask.ask)
    app.command("talk")(talk.talk)
    app.command("plan")(plan.plan)
    app.add_typer(sessions.app, name="sessions")
    app.add_typer(memory.app, name="memory")
    app.add_typer(corrections.app, name="corrections")
    app.add_typer(specialists.app, name="specialists")
    app.add_typer(models.app, name="models")
    app.add_typer(router.app, name="router")
    app.command("doctor")(doctor.doctor)
    return app


def run(app: typer.Typer) -> None:
    """Run the app. Errors go to stderr and end with exit code 1; a wrong call ends with 2.

    Typer itself ends with 130 after Ctrl-C, and quietly with 1 when the reader of a pipe is gone.
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character shows a question mark in its place.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except AntiphonError as error:
        say(f"antiphon: {error}")
        if isinstance(error, Ours):
            sys.stderr.write("This is a defect of Antiphon; please report it with the command you ran.\n")
        sys.exit(1)


def _options(
    show_version: bool = typer.Option(False, "--version", help="Print the version and exit.", is_eager=True),
) -> None:
    if show_version:
        typer.echo(f"antiphon {version('antiphon')}")
        raise typer.Exit
