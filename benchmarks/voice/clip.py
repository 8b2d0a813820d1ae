"""A sound that somebody makes, and when exactly it is voiced. Needs nothing of the project."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
"""Of every clip, in hertz."""
BLOCK = 160
"""Samples in which it is judged whether there is a voice: 10 ms."""
WITHIN = 30.0
"""dB below the loudest block at which a block still is voiced."""

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Clip:
    """A sound. `first` is its first voiced sample, `last` the one after its last; `pauses` lie between those.

    `text` is empty for a sound without words; `voice` names who speaks, or what sounds.
    """

    id: str
    kind: str
    text: str
    voice: str
    samples: Samples
    first: int
    last: int
    pauses: tuple[tuple[int, int], ...] = ()

    @property
    def seconds(self) -> float:
        """From the first voiced sample to the last."""
        return (self.last - self.first) / RATE


def voiced(samples: Samples) -> tuple[int, int]:
    """The first voiced sample and the one after the last."""
    loud = np.flatnonzero(voiced_blocks(samples))
    return int(loud[0]) * BLOCK, (int(loud[-1]) + 1) * BLOCK


def voiced_blocks(samples: Samples) -> NDArray[np.bool_]:
    """For each whole block, whether it is voiced."""
    blocks = samples[: len(samples) // BLOCK * BLOCK].reshape(-1, BLOCK)
    power = np.mean(np.square(blocks, dtype=np.float64), axis=1)
    return np.asarray(power >= power.max() * 10 ** (-WITHIN / 10))
