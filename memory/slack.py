"""The unused middle of SQLite's pages, in which what was deleted may stay.

`PRAGMA secure_delete` zeroes a cell where it is deleted. Whenever a b-tree is balanced, SQLite moves cells to
other pages, and their bytes stay behind in the room between the cell pointers and the cells; deleting the
row later does not reach them. Nothing reads that room, so it may be zeroed in the file itself while nobody
writes. The layout is that of <https://www.sqlite.org/fileformat2.html>, sections 1.3 and 1.6.
"""

from __future__ import annotations

import os

_HEADER = 100
"""Bytes of the file's own header, before that of the first page."""
_LEAVES = (10, 13)
_BRANCHES = (2, 5)
_MOST_PAGES = 1 << 25
"""From so many on, the number with which a page of another sort begins may look like the mark of a b-tree."""


def wipe(file: int, start: int, length: int) -> int:
    """Zero the unused room of the pages of an open database from byte `start` on, over about `length` bytes;
    where it stopped, 0 at the end of the file.

    The caller sees to it that the journal is empty, that nobody writes meanwhile, and that afterwards nobody
    writes a page that was read before. Raises OSError.
    """
    header = os.pread(file, _HEADER, 0)
    size = int.from_bytes(header[16:18], "big")
    size = 65536 if size == 1 else size
    compacts_itself = any(header[52:56])  # there are pages of pointers then, which look like any
    if size < 512 or compacts_itself or os.fstat(file).st_size >= _MOST_PAGES * size:
        raise OSError("its pages cannot be told apart")
    start -= start % size
    data = os.pread(file, max(size, length - length % size), start)
    zeros = bytes(size)
    for at in range(0, len(data) - size + 1, size):
        begin, end = unused(data[at : at + size], _HEADER if start + at == 0 else 0)
        if data[at + begin : at + end] != zeros[: end - begin]:
            _zero(file, start + at + begin, end - begin)
    os.fsync(file)
    stopped = start + len(data)
    return stopped if len(data) and stopped < os.fstat(file).st_size else 0


def _zero(file: int, at: int, count: int) -> None:
    if os.pwrite(file, bytes(count), at) != count:
        raise OSError("the disk took only part of what was written")


def unused(page: bytes, at: int = 0) -> tuple[int, int]:
    """From where to where a page, whose header stands at byte `at`, is unused between pointers and cells.

    Nothing of a page that is no part of a b-tree: what is free or overflows, SQLite zeroes itself.
    """
    kind = page[at]
    if kind not in _LEAVES and kind not in _BRANCHES:
        return 0, 0
    cells, content = (int.from_bytes(page[at + n : at + n + 2], "big") for n in (3, 5))
    pointers = at + (8 if kind in _LEAVES else 12) + 2 * cells
    content = content or 65536
    return (pointers, content) if pointers <= content <= len(page) else (0, 0)
