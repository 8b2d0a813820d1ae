"""`antiphon corrections`: list, remove, clear what you corrected."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.common import ConfigPath, Json, print_json, say

if TYPE_CHECKING:
    from memory.store import MemoryStore

app = typer.Typer(
    help="How you corrected requests, which is how they are routed since: list and remove it.",
    no_args_is_help=True,
)

LOCAL = ""
"""The person at this machine; those of a server's keys are reached with their key over HTTP."""


@app.command("list")
def list_corrections(as_json: Json = False, config: ConfigPath = None) -> None:
    """All of your corrections, the newest first."""
    from orchestrator.cli.transcript import moment, one_line

    with _store(config) as store:
        found = store.corrections.of(LOCAL)
    if as_json:
        print_json([asdict(correction) for correction in found])
        return
    if not found:
        say('Nothing corrected yet; after a wrong answer say, for example, "no, read the text"')
    for correction in found:
        kinds = f" [{', '.join(correction.attachments)}]" if correction.attachments else ""
        typer.echo(f"{correction.id}  {moment(correction.time)}  session {correction.session}")
        typer.echo(f"    {one_line(correction.text, 160) or '(no words)'}{kinds}")
        said = one_line(correction.said, 100)
        typer.echo(f"    -> {one_line(' '.join(correction.controls), 160)}  ({said!r})")


@app.command()
def remove(
    ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Ids of corrections, as list shows them.")
    ],
    as_json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Remove corrections for good; such requests are then routed as for anybody."""
    with _store(config) as store:
        for correction_id in dict.fromkeys(ids):
            store.corrections.remove(correction_id, LOCAL)
    _removed(len(set(ids)), as_json)


@app.command()
def clear(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Remove all of your corrections for good."""
    with _store(config) as store:
        count = len(store.corrections.of(LOCAL))
        if count and not yes:
            typer.confirm(f"Remove all {count} corrections for good?", abort=True, err=True)
        removed = store.corrections.clear(LOCAL)
    _removed(removed, as_json)


def _removed(count: int, as_json: bool) -> None:
    if as_json:
        print_json({"removed": count})
    else:
        say(f"Removed {count}")


def _store(config: ConfigPath) -> MemoryStore:
    from memory.store import MemoryStore
    from orchestrator.config import load

    return MemoryStore.open(load(config).engine.data / "memory")
