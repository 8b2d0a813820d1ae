"""`antiphon memory`: search, stats, show, forget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import memory_forget, memory_levels
from orchestrator.cli.common import ConfigPath, Json, open_store, print_json, say

if TYPE_CHECKING:
    from memory.records import Hit, Record
    from memory.stats import Stats
    from memory.store import MemoryStore

app = typer.Typer(help="What is remembered: search it, look at it, forget it.", no_args_is_help=True)
memory_forget.register(app)
memory_levels.register(app)


SHOWN = 5
"""So many records are shown beside a hit that was found by a picture or a sound."""


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="What to look for; empty for the newest.")] = "",
    *,
    image: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="What rests on pictures or films like this one.")
    ] = None,
    audio: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="What rests on sounds like this one.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="At most so many answers.")] = 10,
    kind: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="Only what is, or rests on, text, image, audio …")
    ] = None,
    session: Annotated[str | None, typer.Option(metavar="NAME", help="Only from this session.")] = None,
    as_json: Json = False,
    config: ConfigPath = None,
) -> None:
    """What memory holds on something, by words and by meaning, or by what is like a picture or a sound, the
    best first; and what was said, seen and heard beside that."""
    from memory.answerable import DOUBTFUL
    from memory.records import Query

    like = tuple(map(_bytes, (*(image or ()), *(audio or ()))))
    query = Query(text, k, None if kind is None else tuple(kind), session=session, like=like)
    with _store(config) as store:
        hits = store.recall(query)
        beside = {hit.record.id: store.complete(hit) for hit in hits if hit.likeness is not None}
        index = store.index_state()
        doubted = bool(text and hits and not like) and store.answerable(query) < DOUBTFUL
    if as_json:
        others = {name: [asdict(other) for other in around] for name, around in beside.items()}
        print_json([{**asdict(hit), "complete": others.get(hit.record.id, [])} for hit in hits])
        return
    if text and index.mode == "words only":
        say(f"By words alone: {index.problem or 'the encoder is not installed (`antiphon models pull`)'}")
    if not hits:
        say("Nothing found")
    if doubted:
        say("Nothing stored seems to answer this; the nearest to it:")
    for hit in hits:
        typer.echo(f"{_head(hit.record)}  ({_why(hit)})")
        typer.echo(f"    {_line(hit.record.text, 200)}")
        for other in beside.get(hit.record.id, ())[:SHOWN]:
            typer.echo(f"      + {_line(f'{other.source or other.role} ({other.kind}): {other.text}', 200)}")


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


def _bytes(path: Path) -> bytes:
    """What a person's file holds. Raises BadInput."""
    from specialists.errors import BadInput

    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror or error}", part=str(path)) from error


def _why(hit: Hit) -> str:
    """The ranks of a hit, how like it is and where in a clip."""
    from specialists.timeline import clock

    told = [f"{name} {rank}" for name, rank in hit.ranks.items()]
    if hit.likeness is not None:
        told.append(f"{round(100 * hit.likeness)} % like it")
    if hit.where is not None and hit.where.span is not None:
        told.append(f"at {clock(hit.where.span.start)}-{clock(hit.where.span.end)}")
    return ", ".join(told)


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
