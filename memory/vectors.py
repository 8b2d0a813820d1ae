"""Vectors of records: made by the injected encoder, kept in SQLite as the truth that indexes derive from."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory.database import Database
from specialists.errors import SpecialistFailed

Floats = NDArray[np.float32]

Embed = Callable[[Sequence[str]], Floats]
"""Texts to float32 unit rows [n, d]."""

PROBE = "The quick brown fox jumps over the lazy dog."
SAME_SPACE = 0.99
"""Cosine of two vectors of PROBE above which two encoders count as one: rounding differs between machines."""

BATCH = 32
"""Records embedded in one call of the encoder."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How many records have their vector, and how many still wait for it."""

    embedded: int
    pending: int


class Vectors:
    """The encoder, and what it made. Without an encoder (`embed` None) there is nothing to search by."""

    def __init__(self, database: Database, embed: Embed | None) -> None:
        self._database = database
        self._embed = embed
        self._space: int | None = None
        self.problem = ""
        """Why the encoder failed the last time it was asked; empty when it did not."""

    @property
    def configured(self) -> bool:
        return self._embed is not None

    def of(self, texts: Sequence[str]) -> Floats:
        """Unit vectors of the texts, [n, d]. Raises SpecialistFailed when the encoder does not give them."""
        try:
            if self._embed is None:
                raise ValueError("no encoder is configured")
            vectors = np.ascontiguousarray(self._embed(list(texts)), dtype="<f4")
            if vectors.ndim != 2 or len(vectors) != len(texts):
                raise ValueError(f"expected {len(texts)} rows, got an array of shape {vectors.shape}")
            if not np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-2):
                raise ValueError("its vectors are not of length 1")
        except Exception as error:
            self.problem = f"{type(error).__name__}: {error}"
            raise SpecialistFailed(self.problem, part="encoder of the memory") from error
        self.problem = ""
        return vectors

    def space(self) -> int:
        """The space that the encoder spans, known again by its vector of PROBE. Raises SpecialistFailed.

        A new space begins with every record waiting for its vector.
        """
        if self._space is None:
            probe = self.of([PROBE])[0]
            with self._database.write() as connection:
                space = _find_space(connection, probe)
                if space is None:
                    space = _new_space(connection, probe)
            # Only now: another thread must not look for it before it is committed.
            self._space = space
        return self._space

    def embed_pending(self, limit: int | None = None) -> int:
        """Embed records that wait for it, the newest first, at most `limit`; how many got their vector.

        Raises SpecialistFailed when the encoder fails. What it failed on waits behind the rest and is then
        tried alone, so that one text which it cannot take does not keep back the others.
        """
        if self._embed is None:
            return 0
        done = 0
        while limit is None or done < limit:
            waiting = self._waiting(BATCH if limit is None else min(BATCH, limit - done))
            if not waiting:
                break
            try:
                vectors = self.of([text for _, text in waiting])
            except SpecialistFailed:
                self._postpone([row for row, _ in waiting])
                raise
            self._keep([row for row, _ in waiting], vectors)
            done += len(waiting)
        return done

    def progress(self) -> Progress:
        """Of the encoder's space once it is known, of the newest before."""
        with self._database.read() as connection:
            space = self._space
            if space is None:
                space = connection.execute("SELECT max(id) FROM spaces").fetchone()[0]
            if space is None:
                texts = connection.execute("SELECT count(*) FROM records WHERE text != ''").fetchone()[0]
                return Progress(0, texts)
            counts = [
                connection.execute(f"SELECT count(*) FROM {table} WHERE space = ?", (space,)).fetchone()[0]
                for table in ("vectors", "pending")
            ]
        return Progress(*counts)

    def _waiting(self, limit: int) -> list[tuple[int, str]]:
        """(row, text) of the next records to embed together."""
        space = self.space()
        select = "SELECT row, text FROM pending JOIN records ON row = record WHERE space = ?"
        with self._database.read() as connection:
            fresh = connection.execute(
                f"{select} AND failures = 0 ORDER BY record DESC LIMIT ?", (space, limit)
            ).fetchall()
            return (
                fresh
                or connection.execute(f"{select} ORDER BY failures, record DESC LIMIT 1", (space,)).fetchall()
            )

    def _keep(self, rows: Sequence[int], vectors: Floats) -> None:
        space = self.space()
        with self._database.write() as connection:
            for row, vector in zip(rows, vectors, strict=True):
                # Another process may have been faster, or the record is forgotten by now.
                taken = connection.execute("DELETE FROM pending WHERE space = ? AND record = ?", (space, row))
                if taken.rowcount:
                    connection.execute(
                        "INSERT INTO vectors (space, record, vector) VALUES (?, ?, ?)",
                        (space, row, vector.tobytes()),
                    )

    def _postpone(self, rows: Sequence[int]) -> None:
        space = self.space()
        with self._database.write() as connection:
            connection.executemany(
                "UPDATE pending SET failures = failures + 1 WHERE space = ? AND record = ?",
                [(space, row) for row in rows],
            )


def _find_space(connection: sqlite3.Connection, probe: Floats) -> int | None:
    for space, stored in connection.execute("SELECT id, probe FROM spaces"):
        other = np.frombuffer(stored, dtype="<f4")
        if len(other) == len(probe) and float(other @ probe) > SAME_SPACE:
            return int(space)
    return None


def _new_space(connection: sqlite3.Connection, probe: Floats) -> int:
    space = connection.execute("INSERT INTO spaces (probe) VALUES (?)", (probe.tobytes(),)).lastrowid
    connection.execute(
        "INSERT INTO pending (space, record) SELECT ?, row FROM records WHERE text != ''", (space,)
    )
    return int(space or 0)
