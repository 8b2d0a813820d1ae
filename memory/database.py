"""The SQLite file that is the truth: connections, transactions, and what its errors mean.

One writer at a time, over threads and processes alike; readers see the last commit and wait for nobody.
Every commit reaches the disk before it is acknowledged (WAL, synchronous=FULL), so a killed process and a
power cut lose only what was not acknowledged, as far as the disk keeps what it says it wrote.
"""

from __future__ import annotations

import os
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from memory import handles, schema, slack
from specialists.errors import BadInput, Ours, Unavailable

_OUR_FAULT = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError)

BUSY_SECONDS = 30.0
"""How long a writer waits for another process's transaction."""
ALONE_SECONDS = 300.0
"""How long who deletes or cleans waits for who cleans: a large file on a slow disk takes minutes."""
READERS_SECONDS = 0.5
"""How long emptying the journal waits for readers: nobody writes meanwhile."""

WIPE_BYTES = 64 << 20
"""Of the file that are wiped while nobody else may write: about a tenth of a second."""
WIPE_TRIES = 20
WIPE_PAUSE = 0.15
"""Seconds between two such stretches: a writer of another process looks ten times a second."""


class Database:
    """One SQLite file, for any number of threads."""

    def __init__(self, path: Path) -> None:
        self.path = path = path.resolve()
        self._unclean = path.with_name("unclean")
        """There while something is deleted that has not left indexes, free pages and the journal yet."""
        self._lock = path.with_suffix(".lock")
        """Held by who deletes or cleans."""
        self._write_lock = threading.Lock()
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._closed = False
        with self._explained():
            self._writer = self._connect()
            try:
                # SQLite does not wait while another process switches the journal to WAL.
                with _alone(path.with_suffix(".opening"), BUSY_SECONDS):
                    schema.prepare(self._writer, path)
            except BaseException:
                self._disconnect(self._writer)
                raise

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Close all connections; a transaction that still runs finishes first. Closing twice is harmless."""
        with self._write_lock:
            if self._closed:
                return
            self._closed = True
            self._disconnect(self._writer)
        with suppress(queue.Empty):
            while True:
                self._disconnect(self._idle.get_nowait())

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: committed to disk when the block ends, undone when it raises."""
        with self._write_lock, self._explained():
            self._check_open()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            finally:
                # Also when COMMIT itself failed: the next transaction must find none open.
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A read transaction: one consistent view for the whole block."""
        with self._explained():
            self._check_open()
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                connection = self._connect()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if self._closed:
                    self._disconnect(connection)
                else:
                    self._idle.put(connection)

    @contextmanager
    def deleting(self) -> Iterator[sqlite3.Connection]:
        """A write transaction that deletes. What is left of it elsewhere is noted to be cleaned, before it
        goes: a process that is killed leaves the note to the next one."""
        with _alone(self._lock, ALONE_SECONDS):
            noted = self._unclean.exists()
            self._note()
            try:
                with self.write() as connection:
                    yield connection
            except BaseException:
                if not noted:
                    self._unclean.unlink(missing_ok=True)
                raise

    @contextmanager
    def cleaning(self, patience: float = ALONE_SECONDS) -> Iterator[bool]:
        """While what was deleted is cleaned away: nobody deletes more. Yields whether there is anything.

        Nothing of it is left when the block has ended, unless another process was reading just then: the next
        cleaning sees to that. Raises Unavailable when another one is still at it after so many seconds.
        """
        with _alone(self._lock, patience):
            unclean = self.unclean
            yield unclean
            if unclean and self.scrub():
                self._unclean.unlink(missing_ok=True)

    @property
    def unclean(self) -> bool:
        """Whether something was deleted, by any process, and is not cleaned away."""
        return self._unclean.exists()

    def empty_journal(self) -> bool:
        """Write the journal into the file, so that no deleted text stays in it; whether that was possible.

        Another process that is reading just then keeps the journal; a later call empties it.
        """
        with self._write_lock, self._explained():
            self._check_open()
            self._writer.execute(f"PRAGMA busy_timeout = {round(READERS_SECONDS * 1000)}")
            try:
                busy, _, _ = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._writer.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")
        return not busy

    def scrub(self) -> bool:
        """Rewrite the word index, where deleted words stay until then, and zero what the pages do not use,
        and the journal; whether all of that was possible. Takes seconds for a million records."""
        with self.write() as connection:
            connection.execute("INSERT INTO words(words) VALUES ('optimize')")
        at = 0
        while True:
            stopped = self._wipe(at)
            if stopped is None:
                return False
            if not stopped:
                return self.empty_journal()
            at = stopped
            time.sleep(WIPE_PAUSE)

    def _wipe(self, start: int) -> int | None:
        """Zero what some pages do not use; the place where to go on, 0 at the end, None where others read
        or write all the time."""
        journal = Path(f"{self.path}-wal")
        for _ in range(WIPE_TRIES):
            if not self.empty_journal():
                return None
            with self._write_lock, self._explained():
                self._check_open()
                connection = self._connect()
                try:
                    connection.execute("BEGIN IMMEDIATE")
                    if journal.exists() and journal.stat().st_size:
                        continue  # somebody wrote just now
                    try:
                        with handles.opened(self.path) as file:
                            stopped = slack.wipe(file, start, WIPE_BYTES)
                    except OSError as error:
                        raise _unusable(f"its pages cannot be wiped: {error}", self.path) from error
                    # A commit makes all connections forget the pages that they read before. This one has read
                    # none but those of the schema.
                    connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
                    connection.execute("COMMIT")
                    return stopped
                finally:
                    self._disconnect(connection)
        return None

    def _note(self) -> None:
        try:
            self._unclean.touch()
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise _unusable(f"a deletion cannot be noted: {error}", self.path) from error

    def size(self) -> int:
        """Bytes on disk, the journal included."""
        names = (self.path, Path(f"{self.path}-wal"))
        return sum(name.stat().st_size for name in names if name.exists())

    def live_bytes(self) -> int:
        """Bytes of the pages in use: what was deleted leaves free pages, which are used again."""
        with self.read() as connection:
            pages, free, size = (
                int(connection.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("page_count", "freelist_count", "page_size")
            )
        return (pages - free) * size

    def _connect(self) -> sqlite3.Connection:
        # Transactions are ours to begin and end (isolation_level None); the lock and the pool hand a
        # connection to one thread at a time, so the check for the creating thread is off.
        handles.connecting(self.path)
        connection = None
        try:
            connection = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            for pragma in ("synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            if connection is not None:
                connection.close()
            handles.disconnected(self.path)
            raise
        return connection

    def _disconnect(self, connection: sqlite3.Connection) -> None:
        connection.close()
        handles.disconnected(self.path)

    def _check_open(self) -> None:
        if self._closed:
            raise Ours("the memory store is closed", part=str(self.path))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite raises into the error tree."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise _unusable(f"the memory cannot be used now: {error}", self.path) from error
        except (*_OUR_FAULT, OverflowError) as error:
            raise Ours(f"an invariant of the store would break: {error}", part=str(self.path)) from error
        except UnicodeEncodeError as error:
            raise BadInput("a text contains half a character (a lone surrogate)", part="memory") from error
        except sqlite3.DatabaseError as error:
            raise BadInput(
                f"this is not a memory store, or it is damaged: {error}",
                part=str(self.path),
                remedy="Restore the folder from a backup, or move it away to begin with an empty memory",
            ) from error


@contextmanager
def _alone(path: Path, patience: float) -> Iterator[None]:
    """While no other thread or process holds this file. Raises Unavailable after so many seconds."""
    lock = FileLock(path, timeout=patience)
    try:
        lock.acquire()
    except (OSError, Timeout) as error:
        raise _unusable(f"the memory cannot be locked: {error}", path) from error
    try:
        yield
    finally:
        lock.release()


def _unusable(why: str, path: Path) -> Unavailable:
    return Unavailable(
        why,
        part=str(path),
        remedy="Check that the disk is writable and not full and that no other process holds it",
    )
