"""Vectors held in cells, for searches that look into the nearest few: the one place that knows FAISS.

One cell with the vectors as they are is an exact index. Many cells, with eight bits for each component of a
vector's distance from its cell's centre, are an approximate one of a quarter of the size. All components
share one scale: it is a little coarser than one for each, and searched in two thirds of the time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from memory.vectors import Floats, Rows

SCALE = 2
"""Numbers that say what the bytes of an approximate index mean."""

DEEP = 2048
"""A list longer than this reaches into more cells: each holds only so many of the best. Among a million
vectors, the nearest hundred of the tenth that rest on pictures are so found to 99 %."""


@dataclass(frozen=True, slots=True)
class Form:
    """All but the vectors: what makes empty cells.

    `centres` are unit rows [cells, d]; `scale` is where the quantizer's range begins and how wide it is,
    empty in an exact index; `probe` is how many cells a search looks into, `recall` the share of the true ten
    nearest that it was seen to find with that, `trained` how many vectors there were when the centres were
    chosen.
    """

    centres: Floats
    scale: Floats
    probe: int = 1
    recall: float = 1.0
    trained: int = 0


class Cells:
    """Unit vectors by row. Not safe for several threads."""

    def __init__(self, form: Form) -> None:
        import faiss

        if len(form.scale) not in (0, SCALE):
            raise ValueError("a scale of another quantizer")
        self.form = form
        count, dimension = form.centres.shape
        self._centres = faiss.IndexFlatIP(dimension)
        self._centres.add(form.centres)
        self._index: Any
        if len(form.scale):
            self._index = _quantizing(self._centres, count)
            faiss.copy_array_to_vector(form.scale, self._index.sq.trained)
        else:
            self._index = faiss.IndexIVFFlat(self._centres, dimension, count, faiss.METRIC_INNER_PRODUCT)
        self._index.is_trained = True
        self._held = np.zeros(0, dtype=np.bool_)

    @classmethod
    def exact(cls, dimension: int) -> Self:
        return cls(Form(np.zeros((1, dimension), np.float32), np.zeros(0, np.float32)))

    @property
    def is_exact(self) -> bool:
        return len(self.form.centres) == 1

    @property
    def dimension(self) -> int:
        return int(self._index.d)

    @property
    def width(self) -> int:
        """Bytes a vector."""
        return int(self._index.code_size)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def held(self) -> NDArray[np.bool_]:
        """For each row up to the highest whether its vector is here."""
        return self._held

    def add(self, rows: Rows, vectors: Floats) -> None:
        """Take in vectors [n, d] under as many different rows, in place of those held under them."""
        known = rows[rows < len(self._held)]
        self.remove(known[self._held[known]])
        with one_thread():
            self._index.add_with_ids(vectors, rows)
        self._note(rows)

    def remove(self, rows: Rows) -> None:
        """Let these vectors go; their bytes do not stay in what `contents` gives."""
        import faiss

        if len(rows):
            self._index.remove_ids(faiss.IDSelectorBatch(rows))
            self._held[rows] = False

    def search(self, vectors: Floats, k: int, allowed: Rows | None = None) -> tuple[Floats, Rows]:
        """(cosines, rows), each [n, k]: the k nearest to each of the vectors [n, d]; row -1 is none.

        `allowed` restricts the search to these rows. As they may lie anywhere, the fewer there are the more
        cells are looked into.
        """
        import faiss

        if not len(self) or (allowed is not None and not len(allowed)):
            return np.zeros((len(vectors), k), np.float32), np.full((len(vectors), k), -1, np.int64)
        reach = math.ceil(k / DEEP)
        chosen: dict[str, Any] = {}
        if allowed is not None:
            reach = max(reach, math.ceil(len(self) / len(allowed)))
            wanted = np.zeros(max(len(self._held), int(allowed.max()) + 1), dtype=np.bool_)
            wanted[allowed] = True
            # The selector keeps a pointer alone: the array must live as long as the search.
            bits = np.packbits(wanted, bitorder="little")
            chosen["sel"] = cast(Any, faiss.IDSelectorBitmap)(bits)
        probe = min(len(self.form.centres), self.form.probe * reach)
        # faiss fills its classes in at run time; its types do not know this one.
        parameters = cast(Any, faiss.SearchParametersIVF)(nprobe=probe, **chosen)
        with one_thread():
            cosines, rows = self._index.search(vectors, k, params=parameters)
        return cosines, rows

    def contents(self) -> Iterator[tuple[Rows, NDArray[np.uint8]]]:
        """(rows [n], codes [n, width]) of each cell; good until the next change."""
        import faiss

        lists = self._index.invlists
        for cell in range(len(self.form.centres)):
            count = int(lists.list_size(cell))
            if not count:
                yield np.zeros(0, np.int64), np.zeros((0, self.width), np.uint8)
                continue
            codes = faiss.rev_swig_ptr(lists.get_codes(cell), count * self.width)
            yield faiss.rev_swig_ptr(lists.get_ids(cell), count), codes.reshape(count, self.width)

    def put(self, cell: int, rows: Rows, codes: NDArray[np.uint8]) -> None:
        """Fill a cell with what `contents` gave."""
        import faiss

        if len(rows):
            self._index.invlists.add_entries(
                cell, len(rows), cast(Any, faiss.swig_ptr(rows)), cast(Any, faiss.swig_ptr(codes))
            )
            self._index.ntotal += len(rows)
            self._note(rows)

    def _note(self, rows: Rows) -> None:
        highest = int(rows.max())
        if highest >= len(self._held):
            grown = np.zeros(max(highest + 1, len(self._held) * 5 // 4), dtype=np.bool_)
            grown[: len(self._held)] = self._held
            self._held = grown
        self._held[rows] = True


def ranges(centres: Floats, sample: Floats) -> Floats:
    """The quantizer's range, learnt from sample vectors [n, d], for these centres."""
    import faiss

    quantizer = faiss.IndexFlatIP(centres.shape[1])
    quantizer.add(centres)
    index = _quantizing(quantizer, len(centres))
    with one_thread():
        index.train(sample)
    return cast(Floats, faiss.vector_to_array(index.sq.trained).copy())


def _quantizing(centres: Any, count: int) -> Any:
    """Empty cells around these centres, eight bits a component."""
    import faiss

    return faiss.IndexIVFScalarQuantizer(
        centres, centres.d, count, faiss.ScalarQuantizer.QT_8bit_uniform, faiss.METRIC_INNER_PRODUCT
    )


def nearest_centre(vectors: Floats, centres: Floats) -> NDArray[np.int64]:
    """The number of the nearest centre for each of the vectors [n, d]."""
    import faiss

    index = faiss.IndexFlatIP(centres.shape[1])
    index.add(centres)
    with one_thread():
        return index.search(vectors, 1)[1][:, 0]


@contextmanager
def one_thread() -> Iterator[None]:
    """One query gains nothing from OpenMP's team, and on a busy machine it waits for its slowest member."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
