"""Looking inside the word index: the terms that its pages hold, whether or not a search would find them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator

_FIRST_SEGMENT = 1 << 37
"""Ids of pages in `words_data` begin here; below are the averages and the structure record."""

_HEIGHT_AND_KIND = 0x3F << 31
"""Bits of a page's id that are zero for the leaves that hold terms."""

_MAIN = ord("0")
"""Every term of the main index begins with this byte."""

TOKENIZER = "porter unicode61 remove_diacritics 2"


def terms_of(texts: Iterable[str]) -> set[str]:
    """The terms that the word index makes of these texts."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(f"CREATE VIRTUAL TABLE t USING fts5 (text, tokenize = '{TOKENIZER}')")
        connection.executemany("INSERT INTO t VALUES (?)", ((text,) for text in texts))
        connection.execute("CREATE VIRTUAL TABLE v USING fts5vocab (t, row)")
        return {term for (term,) in connection.execute("SELECT term FROM v")}
    finally:
        connection.close()


def left_over(connection: sqlite3.Connection, terms: Collection[str]) -> set[str]:
    """Those of the terms that lie in the index though no record has them, within the caller's transaction."""
    connection.execute("CREATE VIRTUAL TABLE temp.live USING fts5vocab (main, words, instance)")
    try:
        unused, dangling = set(), set()
        for term in terms:
            documents = [row for (row,) in connection.execute("SELECT doc FROM live WHERE term = ?", (term,))]
            if not documents:
                unused.add(term.encode())
            elif any(
                connection.execute("SELECT 1 FROM records WHERE row = ?", (row,)).fetchone() is None
                for row in set(documents)
            ):
                dangling.add(term)
    finally:
        connection.execute("DROP TABLE temp.live")
    return dangling | {term.decode() for term in unused.intersection(stored_terms(connection))}


def stored_terms(connection: sqlite3.Connection) -> Iterator[bytes]:
    """Every term on every leaf page of the index, also those whose entries are marked as deleted."""
    for page, block in connection.execute(
        "SELECT id, block FROM words_data WHERE id >= ? ORDER BY id", (_FIRST_SEGMENT,)
    ):
        if not page & _HEIGHT_AND_KIND:
            yield from _terms_on(block)


def _terms_on(block: bytes) -> Iterator[bytes]:
    """A leaf is: the offset of its first rowid and of its footer (16 bits each), entries, and the footer,
    which holds the distances between its terms. All terms but the first share a prefix with the last."""
    footer = int.from_bytes(block[2:4], "big")
    position, at, term = footer, 0, b""
    while position < len(block):
        step, position = _varint(block, position)
        shared, start = (0, at + step) if not at else _varint(block, at + step)
        size, start = _varint(block, start)
        term = term[:shared] + block[start : start + size]
        at += step
        if term[:1] == bytes([_MAIN]):
            yield term[1:]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number in SQLite's variable length form, and where the next one begins."""
    value = 0
    for index in range(8):
        byte = data[at + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    return value << 8 | data[at + 8], at + 9
