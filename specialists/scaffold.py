"""A new specialist as a small package of its own, with its test."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from specialists.errors import BadInput
from specialists.registry import BUILT_IN

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 40
_TAKEN = frozenset({"antiphon", "memory", "test"})

_LAYOUT = {
    "pyproject.toml.tmpl": "pyproject.toml",
    "README.md.tmpl": "README.md",
    "module.py.tmpl": "{module}.py",
    "test.py.tmpl": "tests/test_{module}.py",
}
"""Template to the path it is written to."""


def new(name: str, folder: Path) -> list[Path]:
    """Write the package of the specialist `name` into `folder`, which is made; returns the files.

    Raises BadInput for a name that cannot be one, and when `folder` has something in it already.
    """
    _check_name(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput("is there already, and not empty", part=str(folder), remedy="Name another --folder")
    words = {"name": name, "module": f"antiphon_{name.replace('-', '_')}", "class": _class_name(name)}
    written = []
    for template, target in _LAYOUT.items():
        text = (files("specialists") / "templates" / template).read_text(encoding="utf-8")
        path = folder / _fill(target, words)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_fill(text, {f"${key}": word for key, word in words.items()}), encoding="utf-8")
        written.append(path)
    return written


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise BadInput(
            "cannot be the name of a specialist",
            part=repr(name),
            remedy=f"Use small letters, digits and single hyphens, a letter first, at most {_LONGEST}",
        )
    if name in _TAKEN or name in BUILT_IN:
        raise BadInput("this name is taken", part=name, remedy="Choose another one")


def _class_name(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def _fill(text: str, words: dict[str, str]) -> str:
    for key, word in words.items():
        text = text.replace("{" + key + "}", word)
    return text
