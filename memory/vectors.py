"""Vectors of records: made by the injected encoder, kept in SQLite as the truth that indexes derive from."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory.database import Database
from memory.late import States
from specialists.embed import Encoded
from specialists.errors import SpecialistFailed

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

Embed = Callable[[Sequence[str]], Floats]
"""Texts to float32 unit rows [n, d]."""

EncodeTokens = Callable[[Sequence[str]], Sequence[Encoded]]
"""The same vectors, and those of the texts' tokens."""

PROBE = "The quick brown fox jumps over the lazy dog."
SAME_SPACE = 0.99
"""Cosine of two vectors of PROBE, and of its tokens on average, above which two encoders count as one:
rounding differs between machines."""

_ASKED_AT_ONCE = 500
"""Rows named in one statement; SQLite takes no more than some thousand."""

AT_ONCE, HURRIED = 8192, 64
"""So many records at most are embedded before a search; some 200 take a second."""

BATCH = 32
"""Records embedded in one call of the encoder."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How many records have their vector, and how many still wait for it."""

    embedded: int
    pending: int


@dataclass(frozen=True, slots=True)
class _Probe:
    """What the encoder makes of PROBE: a unit vector [d], and int8 directions of its tokens [n, w]."""

    vector: Floats
    tokens: States

    def like(self, vector: bytes, tokens: bytes) -> bool:
        """Whether these are what the same encoder made of it."""
        other = np.frombuffer(vector, "<f4")
        if len(other) != len(self.vector) or float(other @ self.vector) <= SAME_SPACE:
            return False
        if not len(self.tokens):
            return True
        mine, theirs = self.tokens.astype(np.float32), np.frombuffer(tokens, np.int8).astype(np.float32)
        if len(theirs) != mine.size:
            return False
        theirs = theirs.reshape(mine.shape)
        lengths = np.linalg.norm(mine, axis=1) * np.linalg.norm(theirs, axis=1)
        cosines = (mine * theirs).sum(axis=1) / np.maximum(lengths, 1e-6)
        return float(cosines.mean()) > SAME_SPACE


class Vectors:
    """The encoder, and what it made. Without an encoder (`embed` None) there is nothing to search by; without
    the vectors of `tokens` too, whole texts are compared alone."""

    def __init__(self, database: Database, embed: Embed | None, tokens: EncodeTokens | None = None) -> None:
        self._database = database
        self._embed = embed
        self._tokens = tokens
        self._space: int | None = None
        self.problem = ""
        """Why the encoder failed the last time it was asked; empty when it did not."""

    @property
    def configured(self) -> bool:
        return self._embed is not None

    def of(self, texts: Sequence[str]) -> Floats:
        """Unit vectors of the texts, [n, d]. Raises SpecialistFailed when the encoder does not give them."""
        return self._encode(texts, None)[0]

    def read(self, texts: Sequence[str]) -> tuple[Floats, Sequence[Encoded]]:
        """The same, and the texts token by token; nothing of that where the encoder does not tell."""
        return self._encode(texts, self._tokens)

    def _encode(self, texts: Sequence[str], tokens: EncodeTokens | None) -> tuple[Floats, Sequence[Encoded]]:
        try:
            if self._embed is None:
                raise ValueError("no encoder is configured")
            encoded = tokens(list(texts)) if tokens else ()
            found = np.stack([text.vector for text in encoded]) if encoded else self._embed(list(texts))
            vectors = np.ascontiguousarray(found, dtype="<f4")
            if vectors.ndim != 2 or len(vectors) != len(texts):
                raise ValueError(f"expected {len(texts)} rows, got an array of shape {vectors.shape}")
            if not np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-2):
                raise ValueError("its vectors are not of length 1")
        except Exception as error:
            self.problem = f"{type(error).__name__}: {error}"
            raise SpecialistFailed(self.problem, part="encoder of the memory") from error
        self.problem = ""
        return vectors, encoded

    def space(self) -> int:
        """The space that the encoder spans, known again by its vectors of PROBE. Raises SpecialistFailed.

        A new space begins with every record waiting for its vector.
        """
        if self._space is None:
            (vector,), encoded = self.read([PROBE])
            probe = _Probe(vector, encoded[0].states if encoded else np.zeros((0, 0), np.int8))
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
                vectors, encoded = self.read([text for _, text in waiting])
            except SpecialistFailed:
                self._postpone([row for row, _ in waiting])
                raise
            self._keep([row for row, _ in waiting], vectors, [text.states for text in encoded])
            done += len(waiting)
        return done

    def catch_up(self, hurried: bool) -> None:
        """Before a search: embed the records that wait where they are no more than `AT_ONCE`, or `HURRIED`;
        else the newest few, and the rest is found by words alone. Raises SpecialistFailed."""
        space, most = self.space(), HURRIED if hurried else AT_ONCE
        count = "SELECT count(*) FROM (SELECT 1 FROM pending WHERE space = ? LIMIT ?)"
        with self._database.read() as connection:
            waiting = connection.execute(count, (space, most + 1)).fetchone()[0]
        self.embed_pending(waiting if waiting <= most else BATCH)

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

    def _keep(self, rows: Sequence[int], vectors: Floats, tokens: Sequence[States]) -> None:
        space = self.space()
        states = dict(zip(rows, tokens, strict=True)) if tokens else {}
        with self._database.write() as connection:
            for row, vector in zip(rows, vectors, strict=True):
                # Another process may have been faster, or the record is forgotten by now.
                taken = connection.execute("DELETE FROM pending WHERE space = ? AND record = ?", (space, row))
                if taken.rowcount:
                    connection.execute(
                        "INSERT INTO vectors (space, record, vector) VALUES (?, ?, ?)",
                        (space, row, vector.tobytes()),
                    )
                    if row in states:
                        connection.execute(
                            "INSERT INTO tokens (record, space, width, states) VALUES (?, ?, ?, ?)",
                            (row, space, states[row].shape[1], states[row].tobytes()),
                        )

    def _postpone(self, rows: Sequence[int]) -> None:
        space = self.space()
        with self._database.write() as connection:
            connection.executemany(
                "UPDATE pending SET failures = failures + 1 WHERE space = ? AND record = ?",
                [(space, row) for row in rows],
            )


def vectors_after(
    connection: sqlite3.Connection, space: int, high: int, limit: int
) -> tuple[int, Rows, Floats] | None:
    """(highest id, rows [n], vectors [n, d]) of the next vectors above id `high`, None after the last."""
    found = connection.execute(
        "SELECT id, record, vector FROM vectors WHERE space = ? AND id > ? ORDER BY id LIMIT ?",
        (space, high, limit),
    ).fetchall()
    if not found:
        return None
    return found[-1][0], np.array([row for _, row, _ in found], np.int64), _matrix(found)


def vectors_of(connection: sqlite3.Connection, space: int, rows: Rows) -> tuple[Rows, Floats]:
    """(rows [n], vectors [n, d]) of those of the rows that have one."""
    found: list[tuple[int, int, bytes]] = []
    for start in range(0, len(rows), _ASKED_AT_ONCE):
        some = rows[start : start + _ASKED_AT_ONCE].tolist()
        marks = ", ".join("?" * len(some))
        found += connection.execute(
            f"SELECT id, record, vector FROM vectors WHERE space = ? AND record IN ({marks})", (space, *some)
        ).fetchall()
    return np.array([row for _, row, _ in found], np.int64), _matrix(found)


def tokens_of(connection: sqlite3.Connection, space: int, rows: Sequence[int]) -> dict[int, States]:
    """The tokens of those of the rows that have them: int8 [n, w]."""
    select = (
        "SELECT record, width, states FROM json_each(?) AS asked"
        " CROSS JOIN tokens ON record = asked.value AND space = ?"
    )
    found = connection.execute(select, (json.dumps(list(rows)), space))
    return {row: np.frombuffer(states, np.int8).reshape(-1, width) for row, width, states in found}


def _matrix(found: Sequence[tuple[int, int, bytes]]) -> Floats:
    return np.frombuffer(b"".join(vector for _, _, vector in found), "<f4").reshape(max(1, len(found)), -1)[
        : len(found)
    ]


def _find_space(connection: sqlite3.Connection, probe: _Probe) -> int | None:
    for space, vector, tokens in connection.execute("SELECT id, probe, tokens FROM spaces"):
        if probe.like(vector, tokens):
            return int(space)
    return None


def _new_space(connection: sqlite3.Connection, probe: _Probe) -> int:
    space = connection.execute(
        "INSERT INTO spaces (probe, tokens) VALUES (?, ?)", (probe.vector.tobytes(), probe.tokens.tobytes())
    ).lastrowid
    connection.execute(
        "INSERT INTO pending (space, record) SELECT ?, row FROM records WHERE text != ''", (space,)
    )
    return int(space or 0)
