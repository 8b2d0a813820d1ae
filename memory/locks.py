"""Which sessions are open: whoever opens one holds the lock of its name, in this process or another."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from specialists.errors import BadInput, Unavailable


def lock_path(folder: Path, session: str) -> Path:
    """Where the lock of a session lies; `folder` is the store's."""
    return folder / "locks" / f"{session}.lock"


def open_sessions(folder: Path) -> frozenset[str]:
    """The names of the sessions that somebody has open now."""
    held = set()
    for path in (folder / "locks").glob("*.lock"):
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            held.add(path.name.removesuffix(".lock"))
        else:
            lock.release()
    return frozenset(held)


@contextmanager
def all_closed(folder: Path, sessions: Collection[str]) -> Iterator[None]:
    """Hold the locks of these sessions, so that nobody opens one meanwhile.

    Raises BadInput when somebody has one open: they would go on with what is to be changed.
    """
    with ExitStack() as held:
        for session in sorted(sessions):
            path = lock_path(folder, session)
            lock = FileLock(path, thread_local=False)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                held.enter_context(lock.acquire(blocking=False))
            except Timeout:
                raise BadInput(
                    "is open, and would go on with what is to be forgotten",
                    part=f"session {session}",
                    remedy="Close it first: end the chat, or stop the server",
                ) from None
            except OSError as error:
                raise Unavailable(
                    f"cannot be locked: {error}",
                    part=f"session {session}",
                    remedy="Check that the disk is writable and not full",
                ) from error
        yield


def left(folder: Path, connection: sqlite3.Connection) -> list[str]:
    """Sessions that are gone, or never were, whose lock file nobody holds."""
    known = {name for (name,) in connection.execute("SELECT name FROM sessions")}
    there = {path.name.removesuffix(".lock") for path in (folder / "locks").glob("*.lock")}
    return sorted(there - known - open_sessions(folder)) if there - known else []


def remove(folder: Path, sessions: Collection[str]) -> None:
    """Remove the lock files of sessions that are gone: their names are part of what was said."""
    for session in sessions:
        lock_path(folder, session).unlink(missing_ok=True)
