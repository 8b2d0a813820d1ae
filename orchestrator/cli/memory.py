"""`antiphon memory`: search, stats, show, forget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import memory_forget, memory_levels
from orchestrator.cli.common import ConfigPath, Json, open_store, print_json, say

if TYPE_CHECKING:
    from memory.records import Record
    from memory.stats import Stats
    from memory.store import MemoryStore

app = typer.Typer(help="What is remembered: search it, look at it, forget it.", no_args_is_help=True)
memory_forget.register(app)
memory_levels.register(app)


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="What to look for; empty for the newest.")],
    *,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="At most so many answers.")] = 10,
    kind: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="Only what is, or rests on, text, image, audio …")
    ] = None,
    session: Annotated[str | None, typer.Option(metavar="NAME", help="Only from this session.")] = None,
    as_json: Json = False,
    config: ConfigPath = None,
) -> None:
    """What memory holds on something, by words and by meaning, the best first."""
    with _store(config) as store:
        hits = store.recall(text, k, kinds=kind, session=session)
        index = store.index_state()
    if as_json:
        print_json([asdict(hit) for hit in hits])
        return
    if index.mode == "words only":
        say(f"By words alone: {index.problem or 'the encoder is not installed (`antiphon models pull`)'}")
    if not hits:
        say("Nothing found")
    for hit in hits:
        ranks = ", ".join(f"{name} {rank}" for name, rank in hit.ranks.items())
        typer.echo(f"{_head(hit.record)}  ({ranks})")
        typer.echo(f"    {_line(hit.record.text, 200)}")


@app.command()
def stats(as_json: Json = False, config: ConfigPath = None) -> None:
    """How much is remembered, and how it can be found."""
    with _store(config) as store:
        figures = store.stats()
    if as_json:
        print_json(asdict(figures))
        return
    for label, value in _figures(figures):
        typer.echo(f"{label:<10} {value}")


@app.command()
def show(
    record_id: Annotated[str, typer.Argument(metavar="ID", help="A record's id, as search shows it.")],
    as_json: Json = False,
    config: ConfigPath = None,
) -> None:
    """One record in full."""
    from orchestrator.cli.transcript import clean

    with _store(config) as store:
        record = store.get(record_id)
    if as_json:
        print_json(asdict(record))
        return
    typer.echo(_head(record))
    rows = {
        "turn": record.turn or "",
        "score": "" if record.score is None else f"{record.score:.3f}",
        "media": ", ".join(record.media),
        "blobs": ", ".join(record.blobs),
        "key": record.key,
        **record.facts,
    }
    for name, value in rows.items():
        if value != "":
            typer.echo(clean(f"  {name:<10} {value}"))
    typer.echo(clean(record.text))


def _store(config: ConfigPath) -> MemoryStore:
    from orchestrator.config import load

    return open_store(load(config))


def _head(record: Record) -> str:
    from orchestrator.cli.transcript import moment

    place = f"session {record.session}" if record.session else ""
    source = f"{record.role} {record.source}".strip()
    return _line("  ".join(filter(None, (record.id, moment(record.time), source, record.kind, place))), 200)


def _line(text: str, width: int) -> str:
    from orchestrator.cli.transcript import one_line

    return one_line(text, width)


def _figures(stats: Stats) -> list[tuple[str, str]]:
    def counted(counts: Mapping[str, int]) -> str:
        return ", ".join(f"{count} {name}" for name, count in counts.items())

    index = stats.index
    rows = [
        ("records", f"{stats.records} ({counted(stats.by_role)})" if stats.records else "0"),
        ("kinds", counted(stats.by_kind)),
        ("sessions", f"{stats.sessions} with {stats.events} events"),
        ("blobs", f"{stats.blobs}, {stats.blob_bytes / 1e6:.1f} MB"),
        ("database", f"{stats.database_bytes / 1e6:.1f} MB"),
        ("recall by", f"{index.mode}; {index.embedded} records embedded, {index.pending} waiting"),
        ("problem", index.problem),
    ]
    return [(label, value) for label, value in rows if value]
