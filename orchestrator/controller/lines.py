"""Files of JSON lines: one value a line, and errors that name the line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from specialists.errors import BadInput

T = TypeVar("T")


def packaged(name: str, parse: Callable[[Mapping[str, Any]], T]) -> tuple[T, ...]:
    """The values of a file that comes with Antiphon."""
    text = files("orchestrator.controller").joinpath(name).read_text(encoding="utf-8")
    return tuple(parse(json.loads(line)) for line in text.splitlines())


def read_values(path: Path, parse: Callable[[Mapping[str, Any]], T], what: str, remedy: str) -> tuple[T, ...]:
    """The values of a person's own file, each `what`. Raises BadInput, which names the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {error}", part=str(path)) from error
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(parse(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"not {what}: {type(error).__name__} {error}", part=f"{path} line {number}", remedy=remedy
            ) from error
    return tuple(found)
