"""`antiphon sessions`: list, show, fork, export, import, delete; `again` has replay, rerun and swap."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import again
from orchestrator.cli.again import Name
from orchestrator.cli.common import ConfigPath, Json, check_writable, open_store, print_json, say

if TYPE_CHECKING:
    from memory.store import MemoryStore

app = typer.Typer(
    help="What was said and done: look at sessions, run them again, copy, move and delete them.",
    no_args_is_help=True,
)


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


app.command("replay")(again.replay)
app.command("rerun")(again.rerun)
app.command("swap")(again.swap)


@app.command()
def fork(
    name: Name,
    at: Annotated[int, typer.Option("--at", metavar="TURN", help="The last turn that it keeps.", min=1)],
    to: Annotated[str | None, typer.Option("--to", metavar="NEW", help="The new session's name.")] = None,
    config: ConfigPath = None,
) -> None:
    """Begin a new session where another one stood after a turn; it goes on from there by itself."""
    from memory.copies import fork as copy
    from orchestrator.engine import new_name

    new = to or new_name()
    with _store(config) as store:
        count = copy(store, name, at, new)
    say(f"{new} begins with {count} events of {name}")
    typer.echo(new)


@app.command()
def export(
    name: Name,
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    config: ConfigPath = None,
) -> None:
    """Write a session to one file, with its log, its records and everything that was attached or spoken."""
    from memory.archive import export as write

    check_writable(file)
    with _store(config) as store:
        size = write(store, name, file)
    say(f"{name}: {size:,} bytes in {file}")


@app.command("import")
def import_session(
    file: Annotated[Path, typer.Argument(help="A file that `antiphon sessions export` wrote.")],
    name: Annotated[
        str | None, typer.Option("--as", metavar="NEW", help="Its name here, if not its own.")
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Take an exported session in: all of it, or nothing when one bit of the file is not what it was."""
    from memory.archive import restore
    from orchestrator.rerun.session import check_logged

    with _store(config) as store:
        taken = restore(store, file, name, check_logged)
        info = store.log.session(taken)
    say(f"{taken}: {info.turns} turns, {info.events} events")
    typer.echo(taken)


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
