"""Files that wait to be sent: how a typed, pasted or dragged path becomes one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from specialists.content import Kind
from specialists.errors import BadInput
from specialists.media import kind_of_file


@dataclass(frozen=True, slots=True)
class Attached:
    """A file to send with the next message. `size` is in bytes."""

    path: Path
    kind: Kind
    size: int


def attach(text: str) -> Attached:
    """The file that a path names; `~`, quotes, backslashes and file:// are understood.

    Raises BadInput when there is no such file, or none of a known kind.
    """
    path = _existing(text.strip()) or _path(_unquoted(text.strip()))
    name = path.name or str(path)
    try:
        if path.is_dir():
            raise BadInput("is a folder", part=name, remedy="Attach a file in it; Ctrl+O lets you pick one")
        # It is opened for that: to say now, not in the middle of a turn, that it may not be read.
        return Attached(path.absolute(), kind_of_file(path), path.stat().st_size)
    except FileNotFoundError:
        raise BadInput("there is no such file", part=name, remedy="Check the path") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot be read: {error}", part=name) from error


def paths_in(text: str) -> tuple[Attached, ...]:
    """The files of a text that is nothing but paths of files of known kinds, else none."""
    found = [_all_of(line) for line in text.splitlines() if line.strip()]
    return tuple(file for files in found for file in files) if all(found) else ()


def split(text: str) -> tuple[str, tuple[Attached, ...]]:
    """A message without those of its lines that are paths of files, and these files."""
    kept: list[str] = []
    files: list[Attached] = []
    for line in text.splitlines():
        if line.strip() and (found := _all_of(line)):
            files += found
        else:
            kept.append(line)
    return "\n".join(kept).strip(), tuple(files)


def _all_of(line: str) -> tuple[Attached, ...]:
    """The files of a line: one path, spaces and all, or several in the shell's quoting."""
    if path := _existing(line.strip()):
        return _known(path)
    try:
        words = shlex.split(line)
    except ValueError:
        return ()
    found = [_known(path) if (path := _existing(word)) else () for word in words]
    return tuple(file for files in found for file in files) if found and all(found) else ()


def _known(path: Path) -> tuple[Attached, ...]:
    try:
        return (attach(str(path)),)
    except BadInput:
        return ()


def _existing(text: str) -> Path | None:
    for form in _forms(text):
        path = _path(form)
        try:
            if path.suffix and path.is_file():
                return path
        except (OSError, ValueError):  # too long a name, or a NUL: no path at all
            continue
    return None


def _forms(text: str) -> Iterator[str]:
    yield text
    if text.startswith("file://"):
        yield unquote(urlsplit(text).path)
    yield _unquoted(text)


def _unquoted(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError:
        return text
    return words[0] if len(words) == 1 else text


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # ~ of somebody who is not there
        return Path(text)
