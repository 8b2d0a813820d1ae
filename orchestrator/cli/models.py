"""`antiphon models`: which models a configuration needs, which are here, and fetching the rest."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.common import ConfigPath, Json, print_json
from specialists.errors import UnknownName
from specialists.models import DEFAULTS, ModelStore, Progress, parse_uri

if TYPE_CHECKING:
    from orchestrator.config import Config

app = typer.Typer(help="List the models that are needed, and fetch them.", no_args_is_help=True)


@app.command("list")
def list_(
    config: ConfigPath = None,
    as_json: Json = False,
) -> None:
    """Show every model the configuration needs: who uses it, its size, whether it is here."""
    from orchestrator.config import load

    settings = load(config)
    store = ModelStore(settings.engine.models)
    rows = [_row(store, uri, users) for uri, users in needed(settings).items()]
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "used by", "size", "here", title=f"Models in {store.root}", title_justify="left")
    for row in rows:
        size = f"{row.bytes / 1e6:.1f} MB" if row.installed else ""
        table.add_row(row.name, ", ".join(row.used_by), size, "yes" if row.installed else "no")
    Console().print(table)


@app.command()
def pull(
    names: Annotated[
        list[str] | None, typer.Argument(help="Specialists or model URIs; all that are needed by default.")
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Fetch models, verify them and keep them."""
    from orchestrator.config import load

    settings = load(config)
    store = ModelStore(settings.engine.models)
    uris = _chosen(settings, names)
    missing = [uri for uri in uris if not store.has(uri)]
    if not missing:
        print(f"All {len(uris)} models are here, in {store.root}.")
        return
    _fetch(store, missing)


def ensure(config: Config, names: Sequence[str] | None = None) -> None:
    """Fetch what the named specialists (all by default) need and is missing; says so on stderr.

    Silent when everything is here. Raises Unavailable when a model cannot be had, BadConfig for a URI
    that cannot be used.
    """
    store = ModelStore(config.engine.models)
    missing = [uri for uri in needed(config, names) if not store.has(uri)]
    if missing:
        _fetch(store, missing)


def needed(config: Config, names: Sequence[str] | None = None) -> Mapping[str, tuple[str, ...]]:
    """The URIs to fetch for the named specialists (all by default), each with the specialists that use it."""
    found: dict[str, tuple[str, ...]] = {}
    for name in dict.fromkeys([*DEFAULTS, *config.specialists]):
        table = config.specialists.get(name, {})
        if (names is not None and name not in names) or not table.get("enabled", True):
            continue
        configured = table.get("model")
        # A specialist of another make under a default's name brings its own models.
        default = () if "use" in table else DEFAULTS.get(name, ())
        for uri in (str(configured),) if configured else default:
            if parse_uri(uri).fetched:
                found[uri] = (*found.get(uri, ()), name)
    return found


def _chosen(config: Config, names: Sequence[str] | None) -> list[str]:
    """The URIs that names (of specialists) and URIs stand for. Raises UnknownName, BadConfig."""
    if not names:
        return list(needed(config))
    uris: list[str] = []
    for name in names:
        if ":" in name:
            parse_uri(name)
            uris.append(name)
        elif name in DEFAULTS or name in config.specialists:
            uris += needed(config, [name])
        else:
            known = ", ".join(sorted({*DEFAULTS, *config.specialists}))
            raise UnknownName("no specialist of this name", part=name, remedy=f"Known: {known}")
    return list(dict.fromkeys(uris))


@dataclass(frozen=True, slots=True)
class _Row:
    uri: str
    name: str
    used_by: tuple[str, ...]
    installed: bool
    path: str = ""
    bytes: int = 0


def _row(store: ModelStore, uri: str, users: tuple[str, ...]) -> _Row:
    name = _name(uri)
    if not store.has(uri):
        return _Row(uri, name, users, installed=False)
    path = store.resolve(uri)
    return _Row(uri, name, users, installed=True, path=str(path), bytes=_size(path))


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _name(uri: str) -> str:
    """What a person reads of a URI: the package or repository and its version."""
    model = parse_uri(uri)
    return " ".join(filter(None, (model.name, model.version or model.revision)))


def _fetch(store: ModelStore, uris: Sequence[str]) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    console = Console(file=sys.stderr)
    count = "1 model" if len(uris) == 1 else f"{len(uris)} models"
    console.print(f"Fetching {count} into {store.root}; each is kept and needs no fetching again.")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bars(*columns, console=console) as bars:
        for uri in uris:
            bar = bars.add_task(_name(uri), total=None)

            def show(progress: Progress, bar: TaskID = bar) -> None:
                bars.update(bar, completed=progress.done_bytes, total=progress.total_bytes or None)

            store.pull(uri, show)
