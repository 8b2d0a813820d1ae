"""Search by meaning among the records that meet a condition, be they few or nearly all."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from memory.build import widened
from memory.database import Database
from memory.index import VectorIndex
from memory.vectors import Floats, Rows

NARROW = 20_000
"""So many rows that meet a condition are listed in some ms, and the search goes among them alone."""

NEARBY = 30
FARTHEST = 128
"""So many times as many records as are wanted are searched, and those kept that meet the condition, before
those that meet it are listed, and after that was found to be too long."""


def by_vector(
    database: Database,
    index: VectorIndex,
    space: int,
    vector: Floats,
    depth: int,
    where: str = "true",
    values: Sequence[object] = (),
    listing: str = "",
) -> list[tuple[int, float]]:
    """The nearest records that meet the condition as (row, cosine), the nearest first, at most `depth`.

    `where` is a condition on the table `records`, with the `values` of its parameters; "true" for all.
    `listing` is the same condition with the same values in a shape that is quicker to list, if there is one.
    """
    listing = listing or where
    if where == "true":
        return index.search(space, vector, depth)
    reach, listed = depth + depth // 2, False
    while True:
        found = index.candidates(space, vector, reach)
        fitting = _fitting(database, found, where, values)
        if len(fitting) >= depth:
            return index.exactly(space, vector, depth, fitting[: widened(depth)])
        if reach == FARTHEST * depth:
            # What is wanted lies far from the question: list all that meet the condition after all.
            return index.search(space, vector, depth, _rows(database, listing, values, -1))
        # Half as many again as would do if they lay as densely farther out.
        needed = 3 * reach * depth // (2 * max(1, len(fitting)))
        if needed > NEARBY * depth and not listed:
            allowed, listed = _rows(database, listing, values, NARROW + 1), True
            if len(allowed) <= NARROW:
                return index.search(space, vector, depth, allowed)
        reach = min(needed, FARTHEST * depth)


def _rows(database: Database, where: str, values: Sequence[object], limit: int) -> Rows:
    with database.read() as connection:
        found = connection.execute(f"SELECT row FROM records WHERE {where} LIMIT ?", (*values, limit))
        return np.array([row for (row,) in found], dtype=np.int64)


def _fitting(database: Database, rows: Rows, where: str, values: Sequence[object]) -> Rows:
    """Those that meet the condition, in the order given."""
    # CROSS JOIN keeps SQLite from reading all records that meet the condition instead.
    select = f"SELECT row FROM json_each(?) AS asked CROSS JOIN records ON row = asked.value WHERE {where}"
    with database.read() as connection:
        found = connection.execute(select, (json.dumps(rows.tolist()), *values))
        fitting = np.array([row for (row,) in found], dtype=np.int64)
    return rows[np.isin(rows, fitting)]
