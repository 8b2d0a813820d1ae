"""Building an approximate index: cells chosen from a sample, filled from the store, and measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from memory.cells import Cells, Form, nearest_centre, ranges
from memory.database import Database
from memory.index_file import Mark
from memory.vectors import Floats, Rows, vectors_after, vectors_of

SAMPLE = 40
"""Vectors for each cell that its centre is chosen from."""

ROUNDS = 8
FEWEST = 8
"""A centre is the mean of at least so many vectors: it must not be one that may have to be forgotten."""

ASKED = 200
NEAREST = 10
AIM = 0.995
RECALL = 0.97
"""The share of the true nearest that is to be found for stored vectors, and the least that will do."""

LOOKED = 250_000
"""So many vectors are looked through for each question in any case, or half of them: it takes 5 ms. What is
enough for stored vectors is not for questions: these are short, and what lies near one is scattered over more
cells. Among a million vectors (`benchmarks/scale.py`), cells with 150,000 of them held 0.999 of the nearest
to stored ones and 0.95 to 0.97 of those to questions, with 300,000 it was 0.98 to 0.99."""

CHUNK = 4096
"""Vectors handled between two looks at whether to stop, and read in one transaction: a long one would keep
the journal from being emptied."""

Check = Callable[[], None]
"""Raises when the build is to stop."""


def build(database: Database, space: int, count: int, check: Check) -> tuple[Cells, Mark]:
    """An approximate index of the space's vectors, about `count`, and what it holds.

    Its form says which recall it was seen to have, at the least number of cells that reaches AIM; where none
    does, at the highest that was tried. Raises what `check` raises.
    """
    with database.read() as connection:
        highest, deletions = connection.execute(
            "SELECT (SELECT max(id) FROM vectors WHERE space = s.id), deletions FROM spaces s WHERE id = ?",
            (space,),
        ).fetchone()
    cells_wanted = 2 ** round(math.log2(2 * math.sqrt(count)))
    rows, sample = _sample(database, space, highest, SAMPLE * cells_wanted, check)
    centres = _means(sample, cells_wanted, check)
    cells = Cells(Form(centres, ranges(centres, sample), trained=count))
    asked = np.random.default_rng(1).permutation(len(rows))[:ASKED]
    truth = _Truth(rows[asked], sample[asked])
    high = 0
    while high < highest:
        check()
        with database.read() as connection:
            found = vectors_after(connection, space, high, CHUNK)
        if found is None:
            break
        high, new, vectors = found
        cells.add(new, vectors)
        truth.see(new, vectors)
    _measure(database, space, cells, truth, check)
    return cells, Mark(space, high, deletions)


def _sample(database: Database, space: int, highest: int, size: int, check: Check) -> tuple[Rows, Floats]:
    """Vectors from all over the space, (rows [n], vectors [n, d]) with n about `size` and no row twice."""
    starts = np.unique(np.random.default_rng(0).integers(0, highest, size)).tolist()
    parts: dict[int, tuple[Rows, Floats]] = {}
    for begin in range(0, len(starts), CHUNK):
        check()
        with database.read() as connection:
            for start in starts[begin : begin + CHUNK]:
                found = vectors_after(connection, space, start, 1)
                if found is not None:
                    parts[found[0]] = found[1:]
    rows, vectors = zip(*parts.values(), strict=True)
    return np.concatenate(rows), np.concatenate(vectors)


def _means(points: Floats, count: int, check: Check) -> Floats:
    """Unit vectors [count, d] around which the points [n, d] lie: k-means by angle."""
    chance = np.random.default_rng(0)
    centres = points[chance.choice(len(points), count, replace=len(points) < count)].copy()
    for _ in range(ROUNDS):
        nearest = np.zeros(len(points), np.int64)
        for start in range(0, len(points), CHUNK):
            check()
            nearest[start : start + CHUNK] = nearest_centre(points[start : start + CHUNK], centres)
        centres = _moved(points, nearest, count, chance)
    return centres


def _moved(points: Floats, nearest: NDArray[np.int64], count: int, chance: np.random.Generator) -> Floats:
    """The means of the groups; in place of a small group's, one beside a big group's, to share its points."""
    sizes = np.bincount(nearest, minlength=count)
    order = np.argsort(nearest, kind="stable")
    used = np.flatnonzero(sizes)
    starts = np.concatenate([[0], np.cumsum(sizes[used])[:-1]])
    centres = np.zeros((count, points.shape[1]), np.float32)
    centres[used] = np.add.reduceat(points[order], starts, axis=0)
    small = np.flatnonzero(sizes < FEWEST)
    big = np.argsort(-sizes, kind="stable")[: max(1, count - len(small))]
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-9)
    aside = chance.standard_normal((len(small), points.shape[1])).astype(np.float32)
    centres[small] = centres[np.resize(big, len(small))] + 0.1 * aside / math.sqrt(points.shape[1])
    return centres / np.linalg.norm(centres, axis=1, keepdims=True)


class _Truth:
    """The true nearest of some stored vectors, gathered while the vectors pass by."""

    def __init__(self, rows: Rows, vectors: Floats) -> None:
        self.rows = rows
        self.vectors = vectors
        self._best = np.full((len(rows), NEAREST), -2.0, np.float32)

    def see(self, rows: Rows, vectors: Floats) -> None:
        cosines = self.vectors @ vectors.T
        cosines[self.rows[:, None] == rows[None, :]] = -2.0
        together = np.concatenate([self._best, cosines], axis=1)
        self._best = np.partition(together, -NEAREST, axis=1)[:, -NEAREST:]

    @property
    def bar(self) -> Floats:
        """The cosine of the last of each one's nearest; what is as near, is found. It lies not to itself."""
        return self._best.min(axis=1) - np.float32(1e-6)


def _measure(database: Database, space: int, cells: Cells, truth: _Truth, check: Check) -> None:
    """Have searches look into as many cells as it takes for AIM, at most half of them."""
    half = len(cells.form.centres) // 2
    probe = min(half, len(cells.form.centres) * LOOKED // len(cells))
    while True:
        cells.form = replace(cells.form, probe=probe)
        found = 0
        for row, vector, bar in zip(truth.rows, truth.vectors, truth.bar, strict=True):
            check()
            _, near = cells.search(vector[None, :], widened(NEAREST + 1))
            with database.read() as connection:
                rows, vectors = vectors_of(connection, space, near[0][near[0] >= 0])
            cosines = np.sort((vectors @ vector)[rows != row])[-NEAREST:]
            found += int((cosines >= bar).sum())
        cells.form = replace(cells.form, recall=found / (NEAREST * len(truth.rows)))
        if cells.form.recall >= AIM or probe == half:
            return
        probe = min(half, probe * 3 // 2)


def widened(k: int) -> int:
    """How many to ask an approximate index for, so that the k best by their true vectors are among them."""
    return k + k // 2 + 16
