"""Search by words: which records share words with a question, the best by BM25 first."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from sqlite3 import Connection

WORDS = 32
"""So many different words of a question are looked up; a pasted page has no need for more."""

BUDGET = 5000
"""Records that are ranked for one question. One takes 2 us or so; rare words go first."""

LARGE = 20_000
"""As many records as it takes for a word in more than `BUDGET` of them to tell little."""

FREQUENT_SHARE = 0.1
FEW = 50
"""A word in more than this share of the records says little, unless it is in few of them."""


def by_words(
    connection: Connection, text: str, depth: int, where: str = "true", values: Sequence[object] = ()
) -> list[int]:
    """Rows of the records that share words with the text, the best first, at most `depth`.

    `where` is a condition on the table `records`, with the `values` of its parameters.
    """
    return [row for row, _ in scored_by_words(connection, text, depth, where, values)]


def scored_by_words(
    connection: Connection, text: str, depth: int, where: str = "true", values: Sequence[object] = ()
) -> list[tuple[int, float]]:
    """As `by_words`, with the BM25 score of each, higher for better.

    Frequent words are left out as long as there are others. When all are, only records that have every one
    of them count; in a large store those come the newest first, all with the score 0.
    """
    expression, ranked = _expression(connection, text)
    if not expression:
        return []
    score, order = ("-rank", "rank, rowid DESC") if ranked else ("0.0", "rowid DESC")
    # Ranked once and read piece by piece, as far as it takes for enough that meet the condition.
    matching = connection.execute(
        f"SELECT rowid, {score} FROM words WHERE words MATCH ? ORDER BY {order}", (expression,)
    )
    kept: list[tuple[int, float]] = []
    piece = depth + depth // 2
    while len(kept) < depth and (found := matching.fetchmany(piece)):
        fitting = _fitting(connection, [row for row, _ in found], where, values)
        kept += [(row, value) for row, value in found if row in fitting]
        piece *= 2
    matching.close()
    return kept[:depth]


def rarity(connection: Connection, words: Sequence[str]) -> dict[str, float]:
    """How much each word tells: the logarithm of how few of the records have it, above 0.

    Counting stops at `BUDGET`; a store counts as no larger than `LARGE`, so that words beyond it tell little.
    """
    total = min(_total(connection), LARGE)
    return {word: math.log(1 + total / (1 + _count(connection, f'"{word}"'))) for word in words}


def _total(connection: Connection) -> int:
    """About how many records there are: what was deleted in between counts as well."""
    # Each end by itself: asked for both at once, SQLite reads the whole table.
    first, last = (
        connection.execute(f"SELECT {end}(row) FROM records").fetchone()[0] for end in ("min", "max")
    )
    return 0 if last is None else int(last - first + 1)


def _fitting(connection: Connection, rows: Sequence[int], where: str, values: Sequence[object]) -> set[int]:
    # CROSS JOIN keeps SQLite from reading all records that meet the condition instead.
    found = connection.execute(
        f"SELECT row FROM json_each(?) AS asked CROSS JOIN records ON row = asked.value WHERE {where}",
        (json.dumps(rows), *values),
    )
    return {row for (row,) in found}


def _expression(connection: Connection, text: str) -> tuple[str, bool]:
    """The text as an FTS5 expression of quoted words, so that nothing in it is syntax, and whether the
    records that match are few enough to be ranked. Empty without words."""
    words = list(dict.fromkeys(re.findall(r"\w+", text.casefold())))[:WORDS]
    quoted = [f'"{word}"' for word in words]
    if not quoted:
        return "", False
    limit = min(BUDGET, max(FEW, int(_total(connection) * FREQUENT_SHARE)))
    counts = {word: _count(connection, word) for word in quoted}
    chosen: list[str] = []
    room = BUDGET
    for word in sorted(quoted, key=lambda word: counts[word]):
        room -= counts[word]
        if counts[word] > limit or room < 0:
            break
        chosen.append(word)
    if chosen:
        return " OR ".join(chosen), True
    return " AND ".join(quoted), min(counts.values()) <= BUDGET


def _count(connection: Connection, word: str) -> int:
    """How many records have the word; counting stops where it would be too many to rank."""
    counted = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)", (word, BUDGET + 1)
    )
    return int(counted.fetchone()[0])
