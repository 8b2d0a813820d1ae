"""`antiphon sessions`: list, show, replay, delete."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.common import ConfigPath, Json, open_store, print_json, say

if TYPE_CHECKING:
    from memory.store import MemoryStore

app = typer.Typer(
    help="What was said and done: list, show, replay and delete sessions.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="The session's name, as `antiphon sessions list` shows it.")]


@app.command("list")
def list_sessions(as_json: Json = False, config: ConfigPath = None) -> None:
    """All sessions, the latest first."""
    with _store(config) as store:
        found = store.log.sessions()
    if as_json:
        print_json([asdict(info) for info in found])
        return
    if not found:
        say("No sessions yet; `antiphon ask` or `antiphon chat` begins one")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from orchestrator.cli.transcript import moment, one_line

    table = Table("session", "last", "turns", "events", "began with", box=None, pad_edge=False)
    for info in found:
        cells = (info.name, moment(info.last), str(info.turns), str(info.events), one_line(info.title, 60))
        table.add_row(*map(Text, cells))
    Console().print(table)


@app.command()
def show(name: Name, as_json: Json = False, config: ConfigPath = None) -> None:
    """A readable transcript: what was asked, what was done for it, the answer. --json prints the events."""
    from orchestrator.cli.transcript import lines, moment, turns

    with _store(config) as store:
        info = store.log.session(name)
        events = store.log.read(name, audio=as_json)
    if as_json:
        print_json(events)
        return
    typer.echo(f"{info.name}: {info.turns} turns, {moment(info.first)} to {moment(info.last)}")
    for view in turns(events):
        typer.echo("")
        for text in lines(view):
            typer.echo(text)


@app.command()
def replay(
    name: Name,
    speed: Annotated[
        float, typer.Option(metavar="X", help="So many times as fast as it was.", show_default=True)
    ] = 1.0,
    instant: Annotated[bool, typer.Option("--instant", help="Without waiting at all.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the events, one JSON object a line.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Everything that happened, again, in its own time."""
    from memory.replay import replay as timed
    from orchestrator.cli.transcript import line

    with _store(config) as store:
        store.log.session(name)
        events = store.log.read(name, audio=as_json)
    for wait, event in timed(events, speed=None if instant else speed):
        if wait:
            time.sleep(wait)
        if as_json:
            text = json.dumps(event, ensure_ascii=False)
        else:
            text = f"{event['time']:9.3f} s  turn {event['turn']:<3} {line(event)}"
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


@app.command()
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigPath = None,
) -> None:
    """Delete a session: its events, what memory keeps of it, and the files only it used."""
    with _store(config) as store:
        store.log.session(name)
        if not yes:
            typer.confirm(f"Delete {name!r} for good?", abort=True, err=True)
        store.log.delete(name)
    say(f"Deleted {name}")


def _store(config: ConfigPath) -> MemoryStore:
    from orchestrator.config import load

    return open_store(load(config))
