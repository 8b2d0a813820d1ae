"""`antiphon doctor`: what is there, what is missing, what to do."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from orchestrator.cli.common import ConfigPath, Json, print_json

if TYPE_CHECKING:
    from orchestrator.config import Config


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `state` is ok, optional (missing, and only that part is off) or missing."""

    what: str
    state: str
    detail: str
    remedy: str = ""


def doctor(as_json: Json = False, config: ConfigPath = None) -> None:
    """Look at this machine and the configuration. Exit code 1 when something needed is missing."""
    findings = list(examine(config))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _show(findings)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


def examine(path: Path | None) -> Iterator[Finding]:
    """Everything that can be looked at without loading a model."""
    from orchestrator.config import default_path, load
    from specialists.errors import BadConfig

    yield _python()
    try:
        settings = load(path)
    except BadConfig as error:
        yield Finding("configuration", "missing", str(error), error.remedy or "Correct the file")
        return
    source = path or (default_path() if default_path().is_file() else None)
    yield Finding("configuration", "ok", str(source) if source else "defaults")
    yield _machine()
    yield _folder("data folder", settings.engine.data)
    yield _folder("model folder", settings.engine.models)
    yield from _usable("models", _models, settings)
    yield from _usable("specialists", _specialists, settings)
    yield from _extras()


def _usable(what: str, look: Callable[[Config], Iterator[Finding]], settings: Config) -> Iterator[Finding]:
    """What `look` finds. A configuration that it cannot use is a finding too, and hides no other."""
    from specialists.errors import AntiphonError

    try:
        yield from look(settings)
    except AntiphonError as error:
        named = f"{error.part}: {error.message}" if error.part else error.message
        yield Finding(what, "missing", named, error.remedy or "Correct the configuration")
    except Exception as error:  # noqa: BLE001 - the factory of a specialist may raise anything
        yield Finding(what, "missing", f"{type(error).__name__}: {error}", "Look at the specialists it names")


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", "ok", found)


def _machine() -> Finding:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    gpu = "an NVIDIA GPU" if shutil.which("nvidia-smi") else "no NVIDIA GPU"
    return Finding("machine", "ok", f"{os.cpu_count()} cores, {memory:.0f} GiB of memory, {gpu}")


def _folder(what: str, folder: Path) -> Finding:
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free / 2**30
    if not os.access(there, os.W_OK):
        return Finding(what, "missing", f"{folder} cannot be written", f"Make {there} writable")
    if free < 1:
        return Finding(what, "missing", f"{folder}: {free:.1f} GiB free", "Free at least 1 GiB")
    return Finding(what, "ok", f"{folder} ({free:.0f} GiB free)")


def _models(settings: Config) -> Iterator[Finding]:
    from orchestrator.cli.models import needed
    from specialists.models import ModelStore

    store = ModelStore(settings.engine.models)
    for uri, names in needed(settings).items():
        short = uri.partition("#")[0]
        who = ", ".join(names)
        if store.has(uri):
            yield Finding(f"model of {who}", "ok", short)
        else:
            yield Finding(f"model of {who}", "optional", f"{short} is not here yet", "antiphon models pull")


def _specialists(settings: Config) -> Iterator[Finding]:
    from specialists.models import ModelStore
    from specialists.registry import build

    for card in build(ModelStore(settings.engine.models), settings.specialists, settings.limits).cards():
        state = "ok" if card.available else "optional"
        kinds = f"{', '.join(card.consumes)} → {', '.join(card.produces)}"
        yield Finding(f"specialist {card.name}", state, kinds, card.remedy)


def _extras() -> Iterator[Finding]:
    for module, extra, use in (
        ("ray", "ray", "antiphon serve --ray"),
        ("sounddevice", "sound", "antiphon talk with a microphone"),
        ("diffusers", "diffusers", "making pictures"),
    ):
        if find_spec(module):
            yield Finding(f"package {module}", "ok", use)
        else:
            yield Finding(f"package {module}", "optional", use, f"pip install 'antiphon[{extra}]'")


def _show(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    marks = {"ok": ("✓", "green"), "optional": ("○", "yellow"), "missing": ("✗", "red")}
    table = Table(box=None, show_header=False, padding=(0, 1))
    for finding in findings:
        mark, colour = marks[finding.state]
        detail = Text(finding.detail)
        if finding.remedy:
            detail.append(f"\n→ {finding.remedy}", style="bold")
        table.add_row(Text(mark, style=colour), Text(finding.what), detail)
    Console().print(table)
