"""Time of the reference over time of the NumPy path. Run with `python -m kernels.frames.bench`."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from kernels.frames import cpu, reference

SHAPES = ((64, 48, 64), (64, 240, 320), (16, 3, 480, 640))


def seconds(call: Callable[[], object], runs: int = 7) -> float:
    """The median time of one call, in seconds."""
    call()
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return sorted(taken)[runs // 2]


def main() -> None:
    import torch

    random = np.random.default_rng(0)
    for shape in SHAPES:
        frames = random.integers(0, 256, shape, dtype=np.uint8)
        tensor = torch.from_numpy(frames)
        truth = seconds(lambda tensor=tensor: reference.frame_change(tensor))  # type: ignore[misc]
        ours = seconds(lambda frames=frames: cpu.frame_change(frames))  # type: ignore[misc]
        print(
            f"{'x'.join(map(str, shape)):>14} uint8: reference {truth * 1e3:7.2f} ms, "
            f"numpy {ours * 1e3:7.2f} ms, ratio {truth / ours:5.1f}"
        )


if __name__ == "__main__":
    main()
