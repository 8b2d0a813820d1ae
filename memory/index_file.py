"""The file of a vector index: whole or ignored, and rid of single vectors where they lie.

It only saves time at the next start. A page with the header, SHA-256 digests of the body's blocks, then the
body: scale, centres, how many vectors each cell holds, their rows, their codes. All numbers are little
endian. Whoever reads, replaces or changes it holds the lock file beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from memory.cells import Cells, Form
from memory.vectors import Rows
from specialists.errors import Unavailable

PAGE = 8192
BLOCK = 1 << 20
_GONE = -1
_DAMAGED = (ValueError, TypeError, KeyError, OverflowError)


@dataclass(frozen=True, slots=True)
class Mark:
    """What an index holds: the vectors of `space` up to id `high`, after so many deletions."""

    space: int
    high: int = 0
    deletions: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """What a file says of itself. `tips` are digests of some of the store's vectors by their ids: by them an
    index of another store is not taken for ours."""

    mark: Mark
    tips: dict[str, str]
    dimension: int
    cells: int
    scale: int
    width: int
    count: int
    probe: int
    recall: float
    trained: int

    @property
    def _sections(self) -> tuple[int, ...]:
        return (
            4 * self.scale,
            4 * self.cells * self.dimension,
            8 * self.cells,
            8 * self.count,
            self.width * self.count,
        )

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return sum(self._sections)

    @property
    def blocks(self) -> int:
        return -(-self.size // BLOCK)

    @property
    def body(self) -> int:
        """Where the body begins in the file."""
        return PAGE + 32 * self.blocks

    def starts(self) -> list[int]:
        """Where each section begins in the body, and where the last one ends."""
        return [0, *np.cumsum(self._sections).tolist()]


class IndexFile:
    """The file at `path`. Any number of processes may share it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._temporary = path.with_suffix(".tmp")
        self._lock = path.with_suffix(".lock")

    def write(
        self,
        cells: Cells,
        mark: Mark,
        tips: dict[str, str],
        still_true: Callable[[], AbstractContextManager[bool]],
    ) -> bool:
        """Replace the file, when `still_true` holds once all is written; whether it did.

        The rename happens within that context, so that nobody can delete in between. Raises Unavailable.
        """
        form = cells.form
        sizes = np.array([len(rows) for rows, _ in cells.contents()], dtype="<i8")
        head = Stored(
            mark, tips, cells.dimension, len(form.centres), len(form.scale), cells.width, len(cells),
            form.probe, form.recall, form.trained,
        )  # fmt: skip
        with self._held(), self._explained():
            try:
                with self._temporary.open("wb") as file:
                    _write_whole(file, head, _body(cells, sizes))
                with still_true() as true:
                    if true:
                        self._temporary.replace(self.path)
                    return true
            finally:
                self._temporary.unlink(missing_ok=True)

    def read(self, fits: Callable[[Stored], bool]) -> tuple[Cells, Mark] | None:
        """The cells it holds, None when it is missing, damaged or not what `fits` the store."""
        try:
            with self._held():
                return self._read(fits)
        # Any fault means the same: build it anew from the vectors. It is derived data.
        except (OSError, *_DAMAGED, RuntimeError):
            return None

    def erase(self, gone: Callable[[Mark, Callable[[], Rows]], tuple[Mark, Rows]]) -> None:
        """Overwrite vectors that are no longer in the store. Raises Unavailable.

        `gone` gets the file's mark and what reads its rows; it returns the mark that the file is to have and
        the rows to erase. A file that cannot be understood goes as a whole, as does one left empty.
        """
        with self._held(), self._explained():
            try:
                with self.path.open("r+b") as file:
                    left = _erase(file, gone)
            except FileNotFoundError:
                return
            except (OSError, *_DAMAGED):
                left = False
            if not left:
                self.path.unlink(missing_ok=True)

    def _read(self, fits: Callable[[Stored], bool]) -> tuple[Cells, Mark] | None:
        with self.path.open("rb") as file:
            head, digests = _head(file)
        data = np.memmap(self.path, dtype=np.uint8, mode="r", offset=head.body)
        if len(data) != head.size or not fits(head):
            return None
        for number in range(head.blocks):
            block = data[number * BLOCK : (number + 1) * BLOCK]
            if hashlib.sha256(block.data).digest() != digests[32 * number : 32 * (number + 1)]:
                return None
        return _cells(head, data), head.mark

    @contextmanager
    def _held(self) -> Iterator[None]:
        with FileLock(self._lock):
            # Left by a process that was killed: it may hold what has been forgotten since.
            self._temporary.unlink(missing_ok=True)
            yield

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(
                f"the index cannot be saved: {error}",
                part=str(self.path),
                remedy="Check that the disk is not full",
            ) from error


def _body(cells: Cells, sizes: NDArray[np.int64]) -> Iterator[memoryview]:
    yield np.ascontiguousarray(cells.form.scale, dtype="<f4").data.cast("B")
    yield np.ascontiguousarray(cells.form.centres, dtype="<f4").data.cast("B")
    yield sizes.data.cast("B")
    for rows, _ in cells.contents():
        yield np.ascontiguousarray(rows, dtype="<i8").data.cast("B")
    for _, codes in cells.contents():
        yield codes.reshape(-1).data


def _write_whole(file: BinaryIO, head: Stored, body: Iterator[memoryview]) -> None:
    file.seek(head.body)
    digests, block, room = b"", hashlib.sha256(), BLOCK
    for piece in body:
        at = 0
        while at < len(piece):
            part = piece[at : at + room]
            at += len(part)
            file.write(part)
            block.update(part)
            room -= len(part)
            if not room:
                digests, block, room = digests + block.digest(), hashlib.sha256(), BLOCK
    if room < BLOCK:
        digests += block.digest()
    _write_head(file, head, digests)


def _write_head(file: BinaryIO, head: Stored, digests: bytes) -> None:
    fields = asdict(head)
    fields["sha256"] = _seal(fields, digests)
    page = json.dumps(fields).encode()
    if len(page) >= PAGE:
        raise ValueError("the header does not fit its page")
    file.seek(0)
    file.write(page.ljust(PAGE - 1) + b"\n" + digests)
    file.flush()
    os.fsync(file.fileno())


def _head(file: BinaryIO) -> tuple[Stored, bytes]:
    """Header and digests. Raises ValueError, TypeError or KeyError when they are not whole."""
    fields: Any = json.loads(file.read(PAGE))
    if not isinstance(fields, dict):
        raise ValueError("not a header")
    seal = fields.pop("sha256")
    head = Stored(**{**fields, "mark": Mark(**fields["mark"])})
    if min(head._sections) < 0 or not head.cells:
        raise ValueError("sizes that cannot be")
    digests = file.read(32 * head.blocks)
    if seal != _seal(fields, digests):
        raise ValueError("the header is damaged")
    return head, digests


def _seal(fields: dict[str, Any], digests: bytes) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode() + digests).hexdigest()


def _cells(head: Stored, data: NDArray[np.uint8]) -> Cells:
    scale, centres, sizes, rows, codes = (
        data[start:end] for start, end in zip(head.starts(), head.starts()[1:], strict=False)
    )
    form = Form(
        np.frombuffer(centres, "<f4").reshape(head.cells, head.dimension).copy(),
        np.frombuffer(scale, "<f4").copy(),
        head.probe,
        head.recall,
        head.trained,
    )
    cells, at = Cells(form), 0
    if cells.width != head.width:
        raise ValueError("codes of another width")
    numbers, vectors = np.frombuffer(rows, "<i8"), codes.reshape(head.count, head.width)
    for cell, size in enumerate(np.frombuffer(sizes, "<i8").tolist()):
        here = numbers[at : at + size]
        kept = here != _GONE
        cells.put(cell, here[kept].copy(), np.ascontiguousarray(vectors[at : at + size][kept]))
        at += size
    return cells


def _erase(file: BinaryIO, gone: Callable[[Mark, Callable[[], Rows]], tuple[Mark, Rows]]) -> bool:
    """Whether a vector is left."""
    head, digests = _head(file)
    _, _, _, rows_at, codes_at, _ = (head.body + start for start in head.starts())

    def stored() -> Rows:
        file.seek(rows_at)
        return np.frombuffer(file.read(8 * head.count), "<i8")

    mark, erased = gone(head.mark, lambda: stored()[stored() != _GONE])
    if mark == head.mark and not len(erased):
        return True
    rows = stored()
    places = np.flatnonzero(np.isin(rows, erased)).tolist()
    touched: set[int] = set()
    for place in places:
        for start, data in (
            (rows_at + 8 * place, np.int64(_GONE).tobytes()),
            (codes_at + head.width * place, bytes(head.width)),
        ):
            file.seek(start)
            file.write(data)
            first, last = start - head.body, start - head.body + len(data) - 1
            touched.update(range(first // BLOCK, last // BLOCK + 1))
    file.flush()
    sums = bytearray(digests)
    for number in touched:
        file.seek(head.body + number * BLOCK)
        sums[32 * number : 32 * (number + 1)] = hashlib.sha256(file.read(BLOCK)).digest()
    changed = Stored(**{**{name: getattr(head, name) for name in head.__slots__}, "mark": mark})
    _write_head(file, changed, bytes(sums))
    return int((rows != _GONE).sum()) > len(places)


def tips_of(vectors: Sequence[tuple[int, bytes]]) -> dict[str, str]:
    """Digests of vectors by their ids."""
    return {str(number): hashlib.sha256(vector).hexdigest() for number, vector in vectors}
