"""Descriptors of database files beside SQLite's own.

When a process closes any descriptor of a file, the system takes away all locks that it holds on it, SQLite's
among them, and another process could write in between. So such a descriptor stays open for as long as this
process has connections to the database.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class _Open:
    connections: int = 0
    descriptors: dict[tuple[int, int], int] = field(default_factory=dict)
    """By device and inode: a file may have been put in the place of another one."""


_lock = threading.Lock()
_open: dict[Path, _Open] = {}


def connecting(database: Path) -> None:
    """A connection to it is about to be made."""
    with _lock:
        _open.setdefault(database.resolve(), _Open()).connections += 1


def disconnected(database: Path) -> None:
    """It is closed, or was not made."""
    with _lock:
        there = _open[database.resolve()]
        there.connections -= 1
        if not there.connections:
            del _open[database.resolve()]
            for descriptor in there.descriptors.values():
                os.close(descriptor)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor for reading and writing `path`, a database or a file that SQLite keeps beside it.

    It is only lent: do not close it. Raises OSError.
    """
    path = path.resolve()
    database = path.with_name(path.name.removesuffix("-wal").removesuffix("-shm"))
    connecting(database)  # it is not closed under us
    try:
        with _lock:
            there = _open[database.resolve()].descriptors
            status = path.stat()
            key = (status.st_dev, status.st_ino)
            if key not in there:
                there[key] = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        yield there[key]
    finally:
        disconnected(database)
