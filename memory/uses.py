"""Who uses which blob, recorded with every record and event: a blob goes when its last user goes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator

from memory.blobs import BlobStore, is_digest
from memory.database import Database


def digests_in(value: object) -> Iterator[str]:
    """The digests that plain values carry under the names `digest` (of a BlobRef) and `blob`."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("digest", "blob") and isinstance(inner, str) and is_digest(inner):
                yield inner
            else:
                yield from digests_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from digests_in(inner)


def by_record(connection: sqlite3.Connection, row: int, digests: Iterable[str]) -> None:
    """Record that the record in this row uses these blobs."""
    for digest in _touched(connection, digests):
        connection.execute("INSERT INTO record_blobs (digest, record) VALUES (?, ?)", (digest, row))


def by_event(connection: sqlite3.Connection, session: str, seq: int, digests: Iterable[str]) -> None:
    """Record that this event uses these blobs."""
    for digest in _touched(connection, digests):
        connection.execute("INSERT INTO event_blobs VALUES (?, ?, ?)", (digest, session, seq))


def _touched(connection: sqlite3.Connection, digests: Iterable[str]) -> list[str]:
    distinct = list(dict.fromkeys(digests))
    connection.executemany(
        "INSERT INTO blobs (digest, used) VALUES (?, ?) ON CONFLICT DO UPDATE SET used = excluded.used",
        [(digest, time.time()) for digest in distinct],
    )
    return distinct


def collect(database: Database, blobs: BlobStore) -> None:
    """Delete the blobs whose last user is gone.

    A process that dies before the end leaves them marked as unused, and the next call deletes them. A blob
    that was put again since its last recorded use stays: somebody is about to use it.
    """
    unused = (
        "SELECT digest, used FROM blobs b"
        " WHERE NOT EXISTS (SELECT 1 FROM record_blobs WHERE digest = b.digest)"
        " AND NOT EXISTS (SELECT 1 FROM event_blobs WHERE digest = b.digest)"
    )
    with database.read() as connection:
        if connection.execute(f"{unused} LIMIT 1").fetchone() is None:
            return
    with database.write() as connection:
        for digest, used in connection.execute(unused).fetchall():
            blobs.delete(digest, unless_put_after=used)
            connection.execute("DELETE FROM blobs WHERE digest = ?", (digest,))
