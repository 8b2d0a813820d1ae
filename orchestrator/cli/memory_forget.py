"""`antiphon memory forget`, `retain` and `audit`: what goes, what stays, and whether it fits together."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.common import ConfigPath, Json, open_store, print_json, say

if TYPE_CHECKING:
    from memory.audit import Finding
    from memory.forgetting import Extent
    from memory.proof import Erased
    from memory.store import MemoryStore

SHOWN = 20
"""So many records are listed before they go; --json lists all."""

_DAYS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")


def register(app: typer.Typer) -> None:
    """Add the commands to `antiphon memory`."""
    app.command()(forget)
    app.command()(retain)
    app.command()(audit)


def forget(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="Records by their ids, as search shows them."),
    ] = None,
    *,
    session: Annotated[str | None, typer.Option(metavar="NAME", help="Only in this session.")] = None,
    person: Annotated[
        str | None, typer.Option(metavar="PREFIX", help="Only in sessions whose names begin so.")
    ] = None,
    after: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Only from then on: a day, or 2026-03-01T14:00.")
    ] = None,
    before: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Only up to then; 30d stands for 30 days ago.")
    ] = None,
    query: Annotated[str, typer.Option(metavar="WORDS", help="Only what has all of these words.")] = "",
    blob: Annotated[str, typer.Option(metavar="DIGEST", help="Only what rests on this file.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Forget for good what meets all that is given: records, the turns they stand in, what was made of them,
    and files that nothing else uses. Afterwards every file of the memory is searched for what is left."""
    from memory.forgetting import Forget
    from orchestrator.config import load
    from orchestrator.latency import Latencies

    settings = load(config)
    wish = Forget(
        tuple(ids or ()), session, person, _moment(after, "after"), _moment(before, "before"), query, blob
    )
    with open_store(settings) as store:
        extent = store.erasable(wish)
        if dry_run or not yes:
            _list(store, extent, as_json=as_json and dry_run)
        if dry_run or extent.empty:
            return
        if not yes:
            typer.confirm("Forget this for good?", abort=True, err=True)
        erased = store.erase(wish, beside=[settings.engine.data / Latencies.FILE])
    _tell(erased, as_json=as_json)
    if not erased.proof.clean:
        raise typer.Exit(1)


def retain(
    keep_days: Annotated[
        float | None, typer.Option(metavar="DAYS", min=0, help="Forget what is older; 0 for no limit.")
    ] = None,
    max_bytes: Annotated[
        int | None, typer.Option(metavar="BYTES", min=0, help="Forget the oldest beyond; 0 for no limit.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it: without this it is only told.")] = False,
    as_json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Forget what is older, and more, than the configuration allows ([memory] keep_days and max_bytes)."""
    from memory.retention import Policy
    from orchestrator.cli.transcript import moment
    from orchestrator.config import load

    settings = load(config)
    own = settings.memory
    policy = Policy(
        own.keep_days if keep_days is None else keep_days, own.max_bytes if max_bytes is None else max_bytes
    )
    with open_store(settings) as store:
        done = store.retain(policy, dry_run=not yes)
    if as_json:
        print_json({**asdict(done), "dry_run": not yes})
        return
    if done.before is None:
        limits = "Nothing is over the limits" if policy.limits else "No limit is set: everything is kept"
        say(f"{limits}; {done.bytes_before / 1e6:.1f} MB")
        return
    until = "everything" if done.before == float("inf") else f"what is from before {moment(done.before)}"
    say(
        f"{'Forgot' if yes else 'Would forget'} {until}: {done.records} records, {done.events} events,"
        f" from {done.bytes_before / 1e6:.1f} to {done.bytes_after / 1e6:.1f} MB"
    )


def audit(
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Make anew what is derived: indexes, uses of files, waiting lists."),
    ] = False,
    as_json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Whether what is stored fits together: duplicates, orphans, unsourced facts, echoes, indexes. Exits
    with 1 when something is wrong."""
    from orchestrator.config import load

    with open_store(load(config)) as store:
        found = store.audit(repair=repair)
    if as_json:
        print_json([asdict(finding) for finding in found])
    else:
        for finding in found:
            typer.echo(_line(finding))
        if not found:
            say("Nothing is wrong")
    if any(finding.wrong for finding in found):
        raise typer.Exit(1)


def _line(finding: Finding) -> str:
    from orchestrator.cli.transcript import one_line

    how = "repaired" if finding.repaired else "wrong" if finding.wrong else "note"
    more = ", …" if finding.count > len(finding.examples) else ""
    hint = "; --repair makes it good" if finding.repairable and not finding.repaired else ""
    named = f" ({', '.join(finding.examples)}{more})" if finding.examples else ""
    return one_line(f"{how:<9} {finding.check:<14} {finding.count} {finding.what}{named}{hint}", 400)


def _list(store: MemoryStore, extent: Extent, *, as_json: bool) -> None:
    """What would go, on stdout."""
    from orchestrator.cli.transcript import moment, one_line

    records = [store.get(name) for name in sorted(extent.ids)[: None if as_json else SHOWN]]
    if as_json:
        print_json({**_counts(extent), "list": [asdict(record) for record in records]})
        return
    for record in records:
        place = f"{record.session} turn {record.turn}" if record.session else ""
        head = "  ".join(filter(None, (record.id, moment(record.time), record.level or record.role, place)))
        typer.echo(one_line(f"{head}: {record.text}", 160))
    if len(extent.ids) > len(records):
        typer.echo(f"… and {len(extent.ids) - len(records)} more")
    typer.echo(_sum(extent))


def _counts(extent: Extent) -> dict[str, Any]:
    return {
        "records": len(extent.rows),
        "turns": len(extent.turns),
        "repeated": [list(turn) for turn in sorted(extent.repeated)],
        "sessions": sorted(extent.sessions),
        "events": len(extent.events),
        "mentions": len(extent.mentions),
        "corrections": len(extent.corrections),
        "blobs": sorted(extent.blobs),
    }


def _sum(extent: Extent) -> str:
    if extent.empty:
        return "Nothing is to be forgotten"
    counts = _counts(extent)
    figures = ", ".join(
        f"{count} {name}"
        for name, value in counts.items()
        if name != "repeated" and (count := value if isinstance(value, int) else len(value))
    )
    again = f"; {len(extent.repeated)} of the turns because they used or repeat it" if extent.repeated else ""
    return figures + again


def _tell(erased: Erased, *, as_json: bool) -> None:
    proof = erased.proof
    if as_json:
        print_json({**_counts(erased.extent), "proof": {**asdict(proof), "clean": proof.clean}})
        return
    typer.echo(f"Forgot {_sum(erased.extent)}")
    typer.echo(f"Looked for {proof.pieces} pieces of it:")
    for entry in proof.looked:
        size = f", {entry.bytes / 1e6:.2f} MB" if entry.bytes else ""
        typer.echo(f"  {entry.place}{size}: {entry.found or 'none'}")
    if proof.kept:
        typer.echo(f"{proof.kept} pieces stand in what stays too, and were said there independently")
    for sentence in proof.left:
        say(f"Still there: {sentence}")
    if proof.clean:
        typer.echo("Nothing of it is left")


def _moment(text: str | None, option: str) -> float | None:
    """Seconds since the epoch of a day, a minute, or `30d` ago. Raises BadInput."""
    from specialists.errors import BadInput

    if text is None:
        return None
    if text[:-1].isdigit() and text[-1:] == "d" and len(text) < 7:
        return (datetime.now() - timedelta(days=int(text[:-1]))).timestamp()
    for form in _DAYS:
        try:
            return datetime.strptime(text, form).timestamp()
        except (ValueError, OverflowError):
            continue
    raise BadInput(
        f"{text!r:.40} is no time", part=f"--{option}", remedy="Give 2026-03-01, 2026-03-01T14:00 or 30d"
    )
