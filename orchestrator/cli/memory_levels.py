"""`antiphon memory consolidate`, `facts` and `timeline`: what memory makes of what was said and found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.common import ConfigPath, Json, open_store, print_json, say

if TYPE_CHECKING:
    from memory.episodes import Episode
    from memory.records import Record
    from memory.store import MemoryStore

STEPS = 16
"""Steps between two looks at how much is left."""


def register(app: typer.Typer) -> None:
    """Add the commands to `antiphon memory`."""
    app.command()(consolidate)
    app.command()(facts)
    app.command()(timeline)


def consolidate(as_json: Json = False, config: ConfigPath = None) -> None:
    """Work what is new into facts, summaries, themes and the episodes of clips. Ctrl-C stops it; what is left
    is done the next time."""
    from rich.console import Console
    from rich.progress import Progress

    with _store(config) as store:
        total, steps = sum(store.unconsolidated().values()), 0
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("consolidating", total=total)
            while done := store.consolidate(STEPS):
                steps += done
                left = sum(store.unconsolidated().values())
                progress.update(bar, completed=max(0, total - left))
        store.embed_pending()
        counts = {level: len(store.derived(level)) for level in ("episode", "fact", "summary", "theme")}
    if as_json:
        print_json({"steps": steps, **counts})
        return
    say(f"{steps} steps; there are now " + ", ".join(f"{n} of {name}" for name, n in counts.items()))


def facts(
    ended: Annotated[bool, typer.Option("--all", help="Also what held before.")] = False,
    as_json: Json = False,
    config: ConfigPath = None,
) -> None:
    """What people stated of themselves and their world, since when it holds, and the records that say so."""
    with _store(config) as store:
        found = store.facts(ended=ended)
        waiting = store.unconsolidated().get("fact", 0)
    if as_json:
        print_json([asdict(fact) for fact in found])
        return
    if waiting:
        say(f"{waiting} records wait for `antiphon memory consolidate`")
    if not found:
        say("No facts yet")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from orchestrator.cli.transcript import moment, one_line

    table = Table("since", "until", "fact", box=None, pad_edge=False)
    table.add_column("from", no_wrap=True, overflow="ignore")  # ids are there to be passed on
    for fact in found:
        until = "" if fact.valid_to is None else moment(fact.valid_to)
        said, sources = one_line(fact.text, 90), "\n".join(fact.sources)
        table.add_row(*map(Text, (moment(fact.valid_from or fact.time), until, said, sources)))
    Console().print(table)


def timeline(
    session: Annotated[str | None, typer.Argument(help="Only of this session.")] = None,
    *,
    n: Annotated[int, typer.Option("-n", min=1, max=10_000, help="At most so many episodes.")] = 50,
    as_json: Json = False,
    config: ConfigPath = None,
) -> None:
    """The newest episodes in the order of time, with what was asked, seen, heard, read and answered."""
    with _store(config) as store:
        found = [(episode, store.episode(episode.id)) for episode in store.episodes(session, n)]
    if as_json:
        print_json([{**asdict(episode), "records": [asdict(r) for r in inside]} for episode, inside in found])
        return
    if not found:
        say("Nothing remembered" + (f" of session {session}" if session else ""))
    for episode, inside in found:
        for line in _lines(episode, inside):
            typer.echo(line)


def _lines(episode: Episode, inside: Sequence[Record]) -> Iterator[str]:
    from orchestrator.cli.transcript import moment, one_line
    from specialists.timeline import clock

    where = f"{clock(episode.span.start)}-{clock(episode.span.end)} of a clip" if episode.span else ""
    head = (moment(episode.start), episode.session, f"turn {episode.turn}" if episode.turn else "", where)
    yield one_line("  ".join(filter(None, head)), 200)
    for record in inside:
        who = record.source or record.role
        yield f"    {one_line(f'{who} ({record.kind}): {record.text}', 200)}"


def _store(config: ConfigPath) -> MemoryStore:
    from orchestrator.config import load

    return open_store(load(config))
