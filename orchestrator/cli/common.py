"""What several commands share: options, the configuration, the store, plain output."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.transcript import clean

if TYPE_CHECKING:
    from memory.store import MemoryStore
    from orchestrator.budget import Budget
    from orchestrator.config import Config

ConfigPath = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Configuration file (TOML).")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Within = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Answer within this: what is nice to have is left out for it."),
]
MaxPrice = Annotated[
    float | None,
    typer.Option(metavar="X", help="Plan nothing that costs more, in the unit of the specialists' prices."),
]


def budget(within: float | None, max_price: float | None) -> Budget:
    """The limits of a request. Raises BadInput for seconds or a price that cannot be."""
    from orchestrator.budget import Budget

    return Budget(within, max_price)


def open_store(config: Config) -> MemoryStore:
    """The memory of a configuration, with dense recall where the encoder's model is installed."""
    from memory.store import MemoryStore
    from specialists.embed import encoder
    from specialists.models import ModelStore

    found = encoder(ModelStore(config.engine.models), config.specialists.get("embed"))
    folder = config.engine.data / "memory"
    if not found.installed():
        return MemoryStore.open(folder, None)
    return MemoryStore.open(folder, found.encode, found.encode_tokens)


def print_json(value: Any) -> None:
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2, default=str)
    sys.stdout.write("\n")


def check_writable(path: Path) -> None:
    """Raise BadInput where `path` cannot be written: ask before the work whose result is to go there."""
    from specialists.errors import BadInput

    folder = path.parent
    if not folder.is_dir():
        raise BadInput("no such folder", part=str(folder), remedy=f"Make it, or name another than {path}")
    if path.is_dir():
        raise BadInput("this is a folder", part=str(path), remedy="Name a file")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise BadInput("cannot be written", part=str(path), remedy="Name a place that may be written")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """While `path` is written: what the system refuses becomes BadInput."""
    from specialists.errors import BadInput

    try:
        yield
    except OSError as error:
        raise BadInput(f"cannot be written: {error.strerror or error}", part=str(path)) from error


def say(text: str) -> None:
    """A line for the person, on stderr: stdout carries the answer alone."""
    sys.stderr.write(clean(text) + "\n")
    sys.stderr.flush()
