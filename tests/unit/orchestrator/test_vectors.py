"""Vectors kept on disk: embedded once, and again when the file is no good."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from orchestrator.vectors import FEW, cached

TEXTS = [f"request {number}" for number in range(FEW + 1)]


class Counting:
    """An encoder of two dimensions that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.calls += 1
        return np.array([[len(text), index] for index, text in enumerate(texts)], dtype=np.float32)


def test_a_large_batch_is_embedded_once(tmp_path: Path) -> None:
    encoder = Counting()
    first = cached(encoder, tmp_path, "m")(TEXTS)
    again = cached(encoder, tmp_path, "m")(TEXTS)
    assert encoder.calls == 1
    assert np.array_equal(first, again)
    cached(encoder, tmp_path, "another")(TEXTS)
    cached(encoder, tmp_path, "m")(TEXTS[:FEW])
    assert encoder.calls == 3


@pytest.mark.parametrize("keep", [0, 5, 40, 100, 150], ids=lambda keep: f"{keep} bytes")
def test_a_truncated_file_is_made_again(tmp_path: Path, keep: int) -> None:
    encoder = Counting()
    right = cached(encoder, tmp_path, "m")(TEXTS)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:keep])
    assert np.array_equal(cached(encoder, tmp_path, "m")(TEXTS), right)
    assert np.array_equal(cached(encoder, tmp_path, "m")(TEXTS), right)
    assert encoder.calls == 2


@pytest.mark.parametrize("wrong", [b"not a file of numpy", b"PK\x03\x04 no archive", b"\x80\x04N."])
def test_a_file_of_something_else_is_made_again(tmp_path: Path, wrong: bytes) -> None:
    encoder = Counting()
    right = cached(encoder, tmp_path, "m")(TEXTS)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(wrong)
    assert np.array_equal(cached(encoder, tmp_path, "m")(TEXTS), right)


def test_vectors_of_another_shape_are_made_again(tmp_path: Path) -> None:
    right = cached(Counting(), tmp_path, "m")(TEXTS)
    (kept,) = tmp_path.iterdir()
    for other in (right[:-1], right[:, 0], np.float32(3)):
        np.save(kept, other)
        assert np.array_equal(cached(Counting(), tmp_path, "m")(TEXTS), right)


def test_many_that_write_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    all_here = Barrier(8)

    def encode(texts: Sequence[str]) -> np.ndarray:
        all_here.wait(5)  # all have found nothing and go on to write
        return np.ones((len(texts), 20_000), dtype=np.float32)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: cached(encode, tmp_path, "m")(TEXTS), range(8)))
    (kept,) = tmp_path.iterdir()
    assert np.array_equal(np.load(kept), made[0])
