"""Many vectors in a database without records worth reading: what an index is tried on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from memory.database import Database
from memory.vectors import Floats

_INSERT = (
    "INSERT INTO records"
    " (id, text, kind, role, session, turn, source, key, blobs, media, anchors, facts, time)"
    " VALUES (?, '', 'text', 'user', ?, 0, '', '', '[]', '[]', '[]', '{}', 0)"
)


def clustered(count: int, dimension: int, seed: int, groups: int = 200) -> Floats:
    """Unit rows [count, dimension] around as many centres as there are groups."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(1).standard_normal((groups, dimension))
    rows = centres[chance.integers(0, groups, count)] + 0.9 * chance.standard_normal((count, dimension))
    return np.ascontiguousarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def crowded(folder: Path, vectors: Floats, sessions: Sequence[str] = ()) -> Database:
    """A database in which the vectors stand under the rows from 1, in the space 1."""
    folder.mkdir(parents=True, exist_ok=True)
    database = Database(folder / "memory.db")
    with database.write() as connection:
        connection.execute("INSERT INTO spaces (probe) VALUES (x'00')")
    join(database, vectors, sessions)
    return database


def join(database: Database, vectors: Floats, sessions: Sequence[str] = ()) -> list[int]:
    """Add vectors; their rows."""
    names = sessions or [""] * len(vectors)
    with database.write() as connection:
        first = connection.execute("SELECT coalesce(max(row), 0) + 1 FROM records").fetchone()[0]
        rows = list(range(first, first + len(vectors)))
        connection.executemany(_INSERT, [(f"r{row}", name) for row, name in zip(rows, names, strict=True)])
        connection.execute("DELETE FROM pending")
        connection.executemany(
            "INSERT INTO vectors (space, record, vector) VALUES (1, ?, ?)",
            [(row, vector.tobytes()) for row, vector in zip(rows, vectors, strict=True)],
        )
    return rows


def leave(database: Database, rows: Sequence[int]) -> None:
    with database.write() as connection:
        connection.executemany("DELETE FROM records WHERE row = ?", [(row,) for row in rows])


def nearest(vectors: Floats, query: Floats, k: int, rows: Sequence[int] | None = None) -> list[int]:
    """The rows of the k nearest by comparing all (or those of `rows`), the first vector being in row 1."""
    here = np.arange(1, len(vectors) + 1) if rows is None else np.array(sorted(rows))
    cosines = vectors[here - 1] @ query
    return here[np.lexsort((-here, -cosines))][:k].tolist()  # type: ignore[no-any-return]
