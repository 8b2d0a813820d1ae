"""Stores in temporary folders, and a small encoder that needs no model."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from memory.store import MemoryStore
from memory.vectors import Embed, Floats


def hashed(texts: Sequence[str]) -> Floats:
    """Counts of hashed words as unit rows [n, 64]: texts that share words are near."""
    rows = np.full((len(texts), 64), 1e-3, dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in text.casefold().split():
            row[zlib.crc32(word.encode()) % 64] += 1
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def embed() -> Embed:
    return hashed


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MemoryStore]:
    with MemoryStore.open(tmp_path / "memory", hashed) as opened:
        yield opened


@pytest.fixture
def reopen(tmp_path: Path) -> Iterator[Callable[..., MemoryStore]]:
    """Opens the folder of `store` once more, as another process would."""
    opened: list[MemoryStore] = []

    def open_again(embed: Embed | None = hashed) -> MemoryStore:
        opened.append(MemoryStore.open(tmp_path / "memory", embed))
        return opened[-1]

    yield open_again
    for other in opened:
        other.close()
