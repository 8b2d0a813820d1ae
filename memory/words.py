"""Search by words: which records share words with a question, the best by BM25 first."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from functools import cached_property
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


class Frequencies:
    """How many records there are, and how many have a word. Each is counted once: of frequent words this is
    the dearest part of a search by words."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._counts: dict[str, int] = {}

    def of(self, word: str) -> int:
        """Records that have the word; counting stops where they would be too many to rank."""
        if word not in self._counts:
            counted = self.connection.execute(
                "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)",
                (_quoted(word), BUDGET + 1),
            )
            self._counts[word] = int(counted.fetchone()[0])
        return self._counts[word]

    @cached_property
    def total(self) -> int:
        """About how many records there are: what was deleted in between counts as well."""
        # Each end by itself: asked for both at once, SQLite reads the whole table.
        first, last = (
            self.connection.execute(f"SELECT {end}(row) FROM records").fetchone()[0] for end in ("min", "max")
        )
        return 0 if last is None else int(last - first + 1)


def by_words(
    frequencies: Frequencies, text: str, depth: int, where: str = "true", values: Sequence[object] = ()
) -> list[int]:
    """Rows of the records that share words with the text, the best first, at most `depth`.

    `where` is a condition on the table `records`, with the `values` of its parameters.
    """
    return [row for row, _ in scored_by_words(frequencies, text, depth, where, values)]


def scored_by_words(
    frequencies: Frequencies, text: str, depth: int, where: str = "true", values: Sequence[object] = ()
) -> list[tuple[int, float]]:
    """As `by_words`, with the BM25 score of each, higher for better.

    Frequent words are left out as long as there are others. When all are, only records that have every one
    of them count; in a large store those come the newest first, all with the score 0.
    """
    connection = frequencies.connection
    expression, ranked = _expression(frequencies, text)
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


def rarity(frequencies: Frequencies, words: Sequence[str]) -> dict[str, float]:
    """How much each word tells: the logarithm of how few of the records have it, above 0.

    Counting stops at `BUDGET`; a store counts as no larger than `LARGE`, so that words beyond it tell little.
    """
    total = min(frequencies.total, LARGE)
    return {word: math.log(1 + total / (1 + frequencies.of(word))) for word in words}


def _fitting(connection: Connection, rows: Sequence[int], where: str, values: Sequence[object]) -> set[int]:
    # CROSS JOIN keeps SQLite from reading all records that meet the condition instead.
    found = connection.execute(
        f"SELECT row FROM json_each(?) AS asked CROSS JOIN records ON row = asked.value WHERE {where}",
        (json.dumps(rows), *values),
    )
    return {row for (row,) in found}


def _expression(frequencies: Frequencies, text: str) -> tuple[str, bool]:
    """The text as an FTS5 expression of quoted words, so that nothing in it is syntax, and whether the
    records that match are few enough to be ranked. Empty without words."""
    words = list(dict.fromkeys(re.findall(r"\w+", text.casefold())))[:WORDS]
    if not words:
        return "", False
    limit = min(BUDGET, max(FEW, int(frequencies.total * FREQUENT_SHARE)))
    counts = {word: frequencies.of(word) for word in words}
    chosen: list[str] = []
    room = BUDGET
    for word in sorted(words, key=lambda word: counts[word]):
        room -= counts[word]
        if counts[word] > limit or room < 0:
            break
        chosen.append(word)
    if chosen:
        return " OR ".join(map(_quoted, chosen)), True
    return " AND ".join(map(_quoted, words)), min(counts.values()) <= BUDGET


def _quoted(word: str) -> str:
    return f'"{word}"'
