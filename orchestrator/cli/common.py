"""What several commands share: options, the configuration, the store, plain output."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.transcript import clean

if TYPE_CHECKING:
    from memory.store import MemoryStore
    from orchestrator.config import Config

ConfigPath = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Configuration file (TOML).")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def open_store(config: Config) -> MemoryStore:
    """The memory of a configuration, with dense recall where the encoder's model is installed."""
    from memory.store import MemoryStore
    from specialists.embed import TextEncoder
    from specialists.models import DEFAULTS, ModelStore

    models = ModelStore(config.engine.models)
    here = all(models.has(uri) for uri in DEFAULTS["embed"])
    encoder = TextEncoder(models, DEFAULTS["embed"]).encode if here else None
    return MemoryStore.open(config.engine.data / "memory", encoder)


def print_json(value: Any) -> None:
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2, default=str)
    sys.stdout.write("\n")


def say(text: str) -> None:
    """A line for the person, on stderr: stdout carries the answer alone."""
    sys.stderr.write(clean(text) + "\n")
    sys.stderr.flush()
