"""The vector index: derived from the vectors in SQLite, and rebuilt from them whenever it is in doubt."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from memory.database import Database
from memory.vectors import Floats
from specialists.errors import Unavailable

if TYPE_CHECKING:
    import faiss

_READ_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class _Mark:
    """What an index holds: the vectors of `space` up to id `high`, after so many deletions.

    `tip` is the SHA-256 of the vector at `high`, so that an index of another store is not taken for ours.
    """

    space: int
    high: int = 0
    deletions: int = 0
    tip: str = ""


class VectorIndex:
    """Inner products over unit vectors, exact, found by record row. One object serves several threads.

    Before each search it takes in what any process has written since. Its file only saves time at the next
    start: it carries a checksum and its mark, and is ignored when either does not fit the store.
    """

    def __init__(self, database: Database, path: Path) -> None:
        self._database = database
        self._path = path
        self._lock = threading.Lock()
        self._index: faiss.IndexIDMap | None = None
        self._mark = _Mark(space=0)
        self._saved: _Mark | None = None

    def search(
        self, space: int, vector: Floats, k: int, allowed: NDArray[np.int64] | None = None
    ) -> list[tuple[int, float]]:
        """The k nearest records as (row, cosine), nearest first; ties go to the newer record.

        `allowed` restricts the search to these rows.
        """
        import faiss

        with self._lock:
            index = self._catch_up(space, len(vector))
            only: Any = None  # faiss fills its classes in at run time; its types do not know this one
            if allowed is not None:
                only = cast(Any, faiss.SearchParameters)(sel=faiss.IDSelectorBatch(allowed))
            with _one_thread():
                cosines, rows = index.search(vector[None, :], k, params=only)
        found = [(int(r), float(c)) for r, c in zip(rows[0], cosines[0], strict=True) if r >= 0]
        return sorted(found, key=lambda hit: (-hit[1], -hit[0]))

    def save(self) -> None:
        """Write the index beside the store if it holds more than its file does. Raises Unavailable."""
        import faiss

        with self._lock:
            if self._index is None or self._mark == self._saved:
                return
            payload = faiss.serialize_index(self._index).tobytes()
            header = {**asdict(self._mark), "sha256": hashlib.sha256(payload).hexdigest()}
            # Within a write transaction nobody can delete: what was forgotten must not come back here.
            with self._database.write() as connection:
                if _deletions(connection, self._mark.space) == self._mark.deletions:
                    _replace(self._path, json.dumps(header).encode() + b"\n" + payload)
                    self._saved = self._mark

    def drop(self) -> None:
        """Forget the index and its file; the next search builds a new one."""
        with self._lock:
            self._index = None
            self._saved = None
            self._path.unlink(missing_ok=True)

    def _catch_up(self, space: int, dimension: int) -> faiss.IndexIDMap:
        with self._database.read() as connection:
            deletions = _deletions(connection, space)
            if self._index is None:
                self._load(connection, space, dimension)
            if self._index is None or (self._mark.space, self._mark.deletions) != (space, deletions):
                self._index = _empty(dimension)
                self._mark = _Mark(space, deletions=deletions)
            self._add_new(connection, self._index)
        return self._index

    def _add_new(self, connection: Connection, index: faiss.IndexIDMap) -> None:
        cursor = connection.execute(
            "SELECT id, record, vector FROM vectors WHERE space = ? AND id > ? ORDER BY id",
            (self._mark.space, self._mark.high),
        )
        while batch := cursor.fetchmany(_READ_AT_ONCE):
            vectors = np.frombuffer(b"".join(row[2] for row in batch), dtype="<f4")
            index.add_with_ids(
                vectors.reshape(len(batch), -1), np.array([row[1] for row in batch], dtype=np.int64)
            )
            high, _, newest = batch[-1]
            self._mark = _Mark(
                self._mark.space, high, self._mark.deletions, hashlib.sha256(newest).hexdigest()
            )

    def _load(self, connection: Connection, space: int, dimension: int) -> None:
        """Take the index from its file if that is whole and fits what the store holds."""
        import faiss

        # Any fault means the same: build it anew from the vectors. It is derived data.
        with suppress(OSError, ValueError, TypeError, KeyError, RuntimeError):
            header, _, payload = self._path.read_bytes().partition(b"\n")
            fields: dict[str, Any] = json.loads(header)
            checksum = fields.pop("sha256")
            mark = _Mark(**fields)
            fits = mark.space == space and mark.tip == _tip(connection, mark)
            if fits and checksum == hashlib.sha256(payload).hexdigest():
                index: Any = faiss.deserialize_index(np.frombuffer(payload, dtype=np.uint8))
                if index.d == dimension:
                    self._index, self._mark, self._saved = index, mark, mark


@contextmanager
def _one_thread() -> Iterator[None]:
    """One query gains nothing from OpenMP's team, and on a busy machine it waits for its slowest member."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _empty(dimension: int) -> faiss.IndexIDMap:
    import faiss

    return faiss.IndexIDMap(faiss.IndexFlatIP(dimension))


def _deletions(connection: Connection, space: int) -> int:
    return int(connection.execute("SELECT deletions FROM spaces WHERE id = ?", (space,)).fetchone()[0])


def _tip(connection: Connection, mark: _Mark) -> str:
    row = connection.execute(
        "SELECT vector FROM vectors WHERE space = ? AND id = ?", (mark.space, mark.high)
    ).fetchone()
    return hashlib.sha256(row[0]).hexdigest() if row else ""


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise Unavailable(
            f"the index cannot be saved: {error}", part=str(path), remedy="Check that the disk is not full"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
