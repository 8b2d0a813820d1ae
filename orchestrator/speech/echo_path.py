"""Whether the microphone hears the loudspeaker at all: with headphones, or a file, it does not."""

from __future__ import annotations

import statistics
from collections import deque

import numpy as np
from numpy.typing import NDArray

from orchestrator.speech.ears import RATE

Samples = NDArray[np.float32]

WINDOW = RATE
"""Samples that are compared at a time."""
STEP = RATE // 4
LATEST = round(0.3 * RATE)
"""An echo is later than its cause by no more than this, in samples."""
PEAK = 9.0
"""A correlation so many times as high as usual at one delay is an echo. Speech without one stays below 6 in
the median and 17 at most; an echo at -20 dB in noise of -40 dB full scale is at 13."""
STEPS = 4
"""The median of so many comparisons decides: a second."""
QUIET = 1e-6
"""Played sound with less power than this has no echo to speak of."""


class EchoPath:
    """Compares both signals while something is played, by their phases alone (GCC-PHAT: Knapp and Carter,
    "The generalized correlation method for estimation of time delay", 1976)."""

    def __init__(self) -> None:
        self._heard: Samples = np.zeros(0, np.float32)
        self._played: Samples = np.zeros(0, np.float32)
        self._new = 0
        self._peaks: deque[float] = deque(maxlen=STEPS)

    @property
    def open(self) -> bool:
        """Whether there is an echo; True as long as nothing is known."""
        return not self._peaks or statistics.median(self._peaks) > PEAK

    def feed(self, heard: Samples, played: Samples) -> None:
        """Take the same number of samples of both, at 16 kHz."""
        self._heard = np.concatenate([self._heard, heard])[-WINDOW:]
        self._played = np.concatenate([self._played, played])[-WINDOW:]
        self._new += len(heard)
        if self._new >= STEP and np.mean(np.square(self._played)) > QUIET:
            self._new = 0
            self._peaks.append(_peak(self._heard, self._played))


def _peak(heard: Samples, played: Samples) -> float:
    """The highest correlation at a delay that an echo may have, relative to that at longer ones."""
    size = 1 << (2 * WINDOW - 1).bit_length()
    crossed = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(played, size))
    correlation = np.fft.irfft(crossed / (np.abs(crossed) + 1e-12), size)
    usual = float(np.sqrt(np.mean(np.square(correlation[LATEST : size // 2]))))
    return float(np.abs(correlation[:LATEST]).max()) / usual if usual > 1e-9 else 0.0
