"""The same scores in NumPy, for watching film on a CPU without loading PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.frames.reference import BINS, GRID, WEIGHTS


def frame_change(frames: NDArray[Any]) -> NDArray[np.float32]:
    """Change scores of `frames`: [N, H, W] or [N, C, H, W] -> [N] float32 in 0..1, the first 0.

    Takes and raises what `reference.frame_change` does.
    """
    if frames.ndim not in (3, 4) or (frames.shape[0] and 0 in frames.shape):
        raise ValueError(f"frames must be [N, H, W] or [N, C, H, W], not {frames.shape}")
    scores = np.zeros(frames.shape[0], np.float32)
    if len(frames) > 1:
        luma = _luma(frames)
        moved = np.abs(np.diff(_block_means(luma), axis=0)).mean((1, 2)) / 255
        shifted = np.abs(np.diff(_histograms(luma), axis=0)).sum(1) / 2
        scores[1:] = (moved + shifted) / 2
    return scores


def _luma(frames: NDArray[Any]) -> NDArray[np.uint8]:
    if frames.dtype.kind == "f":
        scaled = np.nan_to_num(frames.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0)
        frames = np.rint(np.clip(scaled, 0, 1) * np.float32(255)).astype(np.uint8)
    elif frames.dtype != np.uint8:
        raise TypeError(f"frames must be uint8 or floating point, not {frames.dtype}")
    if frames.ndim == 3:
        return frames
    if frames.shape[1] == 3:
        red, green, blue = (frames[:, c].astype(np.uint32) * weight for c, weight in enumerate(WEIGHTS))
        return (red + green + blue >> 8).astype(np.uint8)
    return (frames.sum(1, dtype=np.uint32) // frames.shape[1]).astype(np.uint8)


def _block_means(luma: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Means of an 8 x 8 grid of blocks, which overlap where the size is no multiple: [N, 8, 8]."""
    height, width = luma.shape[1:]
    columns = _block_sums(luma, width, 2)
    sums = _block_sums(columns, height, 1)
    counts = np.outer(_edges(height)[1] - _edges(height)[0], _edges(width)[1] - _edges(width)[0])
    return sums / counts


def _block_sums(values: NDArray[Any], size: int, axis: int) -> NDArray[Any]:
    starts, ends = _edges(size)
    if size % GRID == 0:
        return np.add.reduceat(values, starts, axis=axis, dtype=np.int64)
    total = np.insert(np.cumsum(values, axis=axis, dtype=np.int64), 0, 0, axis=axis)
    return total.take(ends, axis) - total.take(starts, axis)


def _edges(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    index = np.arange(GRID)
    return index * size // GRID, -(-(index + 1) * size // GRID)


def _histograms(luma: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The share of pixels in each of 32 bins: [N, 32]."""
    rows = luma.reshape(len(luma), -1)
    counts = np.stack([np.bincount(row, minlength=256) for row in rows])
    return counts.reshape(len(rows), BINS, -1).sum(2) / rows.shape[1]
