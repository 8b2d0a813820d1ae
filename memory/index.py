"""The vector index: derived from the vectors in SQLite, and rebuilt from them whenever it is in doubt."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection

import numpy as np
from numpy.typing import NDArray

from memory import build
from memory.cells import Cells
from memory.database import Database
from memory.index_file import IndexFile, Mark, Stored, tips_of
from memory.vectors import Floats, Rows, vectors_after, vectors_of

FLAT_BELOW = 50_000
"""So many vectors are searched one by one in 10 ms; beyond that an approximate index is built."""

FEW = 512
"""Among so few rows the store's own vectors are compared, without the index."""

UNSAVED = 0.01
"""The share of its vectors that an index may hold beyond its file: they are read again in a moment."""

_READ_AT_ONCE = 4096
_BUCKET = 4096
_TIPS = 8


class VectorIndex:
    """Inner products over unit vectors, found by record row. One object serves several threads.

    Exact while small, approximate beyond `flat_below` vectors: built in the background while searches go on
    with what there is, and taken over only when it finds what an exact search finds. Before each search it
    takes in what any process has written or deleted since.
    """

    def __init__(self, database: Database, path: Path, flat_below: int = FLAT_BELOW) -> None:
        self._database = database
        self._file = IndexFile(path)
        self._flat_below = flat_below
        self._lock = threading.Lock()
        self._cells: Cells | None = None
        self._mark = Mark(space=0)
        self._unsaved = 0
        """Vectors in the index that its file lacks; all of them while there is no file."""
        self._builder: threading.Thread | None = None
        self._stop = threading.Event()
        self._build_from = flat_below
        self.problem = ""
        """Why the last build failed; empty when it did not."""

    def load(self) -> None:
        """Bring in the libraries of the first search: while one is imported, no thread goes on for 50 ms."""
        import numpy.ma  # noqa: F401 - numpy brings it in with the first `unique`

        Cells.exact(1)

    def search(
        self, space: int, vector: Floats, k: int, allowed: Rows | None = None
    ) -> list[tuple[int, float]]:
        """The k nearest records as (row, cosine), nearest first; ties go to the newer record.

        `allowed` restricts the search to these rows. The cosines are those of the stored vectors.
        """
        if allowed is not None and len(allowed) <= FEW:
            return self.exactly(space, vector, k, allowed)
        return self.exactly(space, vector, k, self.candidates(space, vector, k, allowed))

    def candidates(self, space: int, vector: Floats, k: int, allowed: Rows | None = None) -> Rows:
        """Rows among which the k nearest are, as far as the index knows; about the nearest first."""
        with self._lock:
            cells = self._catch_up(space, len(vector))
            self._grow(cells)
            wide = k if cells.is_exact else build.widened(k)
            _, rows = cells.search(np.ascontiguousarray(vector[None, :], np.float32), wide, allowed)
        return rows[0][rows[0] >= 0]

    def exactly(self, space: int, vector: Floats, k: int, rows: Rows) -> list[tuple[int, float]]:
        """The k nearest of these rows by the vectors in the store, as `search` gives them."""
        with self._database.read() as connection:
            found, vectors = vectors_of(connection, space, rows)
        hits = zip(found.tolist(), (vectors @ vector).tolist(), strict=True) if len(found) else ()
        return sorted(hits, key=lambda hit: (-hit[1], -hit[0]))[:k]

    def state(self) -> str:
        """How it searches now, in words."""
        with self._lock:
            cells, builder = self._cells, self._builder
        how = "not loaded" if cells is None else "exact"
        if cells is not None and not cells.is_exact:
            how = f"approximate ({len(cells.form.centres):,} cells, recall@10 {cells.form.recall:.3f})"
        if builder is not None and builder.is_alive():
            how += "; an approximate index is being built"
        return f"{how}; the last build failed: {self.problem}" if self.problem else how

    def settle(self) -> None:
        """Wait for the build that is going on, if any."""
        with self._lock:
            builder = self._builder
        if builder is not None:
            builder.join()

    def save(self) -> None:
        """Write the index beside the store if it holds much more than its file. Raises Unavailable."""
        with self._lock:
            cells = self._cells
            if cells is None or self._unsaved <= UNSAVED * len(cells):
                return
            if self._write(cells, self._mark):
                self._unsaved = 0

    def close(self) -> None:
        """Stop a build that is going on, and save."""
        self._stop.set()
        self.settle()
        self.save()

    def erase(self) -> None:
        """After a deletion: what it deleted does not stay in the file. Raises Unavailable.

        Costs little when nothing has been deleted since the file was written.
        """

        def gone(mark: Mark, stored: Callable[[], Rows]) -> tuple[Mark, Rows]:
            with self._database.read() as connection:
                now = Mark(mark.space, mark.high, _deletions(connection, mark.space))
                if now == mark:
                    return mark, np.zeros(0, np.int64)
                rows = stored()
                held = np.zeros(int(rows.max(initial=0)) + 1, dtype=np.bool_)
                held[rows] = True
                return now, _gone(connection, mark, held)

        self._file.erase(gone)

    def _catch_up(self, space: int, dimension: int) -> Cells:
        with self._database.read() as connection:
            if self._cells is None or self._mark.space != space:
                kept = self._file.read(lambda stored: _fits(connection, stored, space, dimension))
                self._cells, self._mark = kept or (Cells.exact(dimension), Mark(space))
                self._unsaved = 0 if kept else 1
            self._mark, added = _caught_up(connection, self._cells, self._mark)
            self._unsaved += added
        return self._cells

    def _grow(self, cells: Cells) -> None:
        """Begin a better index when this one has outgrown its form."""
        count = len(cells)
        if count < max(self._build_from, 2 * cells.form.trained) or self._stop.is_set():
            return
        if self._builder is None or not self._builder.is_alive():
            self._build_from = 2 * count  # also when it fails: not at once again
            self._builder = threading.Thread(
                target=self._build, args=(self._mark.space, count), name="antiphon index", daemon=True
            )
            self._builder.start()

    def _build(self, space: int, count: int) -> None:
        if sys.platform == "linux":  # elsewhere it would mean the whole process
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        try:
            found = self._built_elsewhere(space, count)
            cells, mark = found or build.build(self._database, space, count, self._check)
            if cells.form.recall < build.RECALL:
                self.problem = f"recall@10 of {cells.form.recall:.3f} is too low"
                return
            self._take_over(cells, mark, saved=found is not None)
            self.problem = ""
        except _Stopped:
            return
        except Exception as error:  # noqa: BLE001  # nobody waits for this thread: `state` says it
            self.problem = f"{type(error).__name__}: {error}"

    def _built_elsewhere(self, space: int, count: int) -> tuple[Cells, Mark] | None:
        """What another process has built and saved meanwhile."""
        with self._database.read() as connection:
            return self._file.read(
                lambda stored: (
                    2 * stored.trained > count and _fits(connection, stored, space, stored.dimension)
                )
            )

    def _take_over(self, cells: Cells, mark: Mark, saved: bool) -> None:
        """Save it while no search changes it, then let it answer."""
        with self._database.read() as connection:
            mark, added = _caught_up(connection, cells, mark)
        self._check()
        if not saved:
            added = 0 if self._write(cells, mark) else len(cells)
        with self._lock:
            if self._mark.space == mark.space:
                self._cells, self._mark, self._unsaved = cells, mark, added
                self._build_from = self._flat_below

    def _write(self, cells: Cells, mark: Mark) -> bool:
        """Whether the file now holds this; not when something has been deleted since."""
        with self._database.read() as connection:
            tips = _tips(connection, mark)

        @contextmanager
        def nothing_deleted() -> Iterator[bool]:
            with self._database.write() as connection:
                yield _deletions(connection, mark.space) == mark.deletions

        return self._file.write(cells, mark, tips, nothing_deleted)

    def _check(self) -> None:
        if self._stop.is_set():
            raise _Stopped


class _Stopped(Exception):
    """The store was closed while an index was being built."""


def _caught_up(connection: Connection, cells: Cells, mark: Mark) -> tuple[Mark, int]:
    """Bring the cells to what the store holds; the new mark, and how many vectors were added."""
    deletions = _deletions(connection, mark.space)
    if deletions != mark.deletions:
        cells.remove(_gone(connection, mark, cells.held))
    high, added = mark.high, 0
    while found := vectors_after(connection, mark.space, high, _READ_AT_ONCE):
        high, rows, vectors = found
        cells.add(rows, vectors)
        added += len(rows)
    return Mark(mark.space, high, deletions), added


def _gone(connection: Connection, mark: Mark, held: NDArray[np.bool_]) -> Rows:
    """The rows held under this mark whose vectors are no longer in the store.

    Ids are never given twice, so a span of rows has lost one when fewer are counted there. Without the
    named index SQLite would read the vectors themselves.
    """
    source = (
        "FROM vectors INDEXED BY sqlite_autoindex_vectors_1"
        " WHERE record BETWEEN ? AND ? AND space = ? AND id <= ?"
    )
    lost = [np.zeros(0, np.int64)]
    for start in range(0, len(held), _BUCKET):
        here = start + np.flatnonzero(held[start : start + _BUCKET])
        span = (start, start + _BUCKET - 1, mark.space, mark.high)
        if len(here) and connection.execute(f"SELECT count(*) {source}", span).fetchone()[0] < len(here):
            there = [row for (row,) in connection.execute(f"SELECT record {source}", span)]
            lost.append(np.setdiff1d(here, np.array(there, np.int64)))
    return np.concatenate(lost)


def _deletions(connection: Connection, space: int) -> int:
    """How many vectors of the space have ever been deleted; -1 when there is no such space."""
    row = connection.execute("SELECT deletions FROM spaces WHERE id = ?", (space,)).fetchone()
    return int(row[0]) if row else -1


def _tips(connection: Connection, mark: Mark) -> dict[str, str]:
    """Digests of some of the vectors below the mark, the newest among them."""
    asked = {int(number) for number in np.linspace(1, mark.high, _TIPS)}
    found = (
        connection.execute(
            "SELECT id, vector FROM vectors WHERE space = ? AND id <= ? ORDER BY id DESC LIMIT 1",
            (mark.space, number),
        ).fetchone()
        for number in asked
    )
    return tips_of([row for row in found if row])


def _fits(connection: Connection, stored: Stored, space: int, dimension: int) -> bool:
    """Whether the file is of this store: of its tips some must be there still, and those must agree."""
    highest = connection.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = 'vectors'").fetchone()[0]
    if (stored.mark.space, stored.dimension) != (space, dimension) or stored.mark.high > (highest or 0):
        return False
    marks = ", ".join("?" * len(stored.tips))
    found = connection.execute(
        f"SELECT id, vector FROM vectors WHERE space = ? AND id IN ({marks})",
        (space, *map(int, stored.tips)),
    ).fetchall()
    here = tips_of(found)
    return bool(here) and all(stored.tips[number] == digest for number, digest in here.items())
