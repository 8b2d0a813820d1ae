"""Where in a piece of speech each of its words lies, as far as lengths of words can tell."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

QUIET = 10 ** (-50 / 20)
"""Below -50 dB of full scale a sample counts as silence."""

_PAUSES = {",": 3.0, ";": 4.0, ":": 4.0, ".": 5.0, "?": 5.0, "!": 5.0}
"""What a mark at the end of a word weighs, in letters: the pause it stands for."""


def words_within(text: str, samples: NDArray[np.float32], rate: int) -> list[tuple[int, int]]:
    """For each word of `text`, its first sample and the one after its last.

    `samples` is the sound that says `text`, mono at `rate` hertz. Time is shared out by the letters of the
    words, between the first and the last sample that is not silence.
    """
    words = text.split()
    if not words:
        return []
    loud = np.flatnonzero(np.abs(samples) > QUIET)
    start, end = (int(loud[0]), int(loud[-1]) + 1) if len(loud) else (0, len(samples))
    spoken = np.array([_weight(word) for word in words])
    # A pause after a word is not part of it; the one after the last word was trimmed with the silence.
    pauses = np.array([_PAUSES.get(word[-1], 0.0) for word in words[:-1]] + [0.0])
    unit = (end - start) / float(spoken.sum() + pauses.sum())
    ends = start + np.cumsum(spoken + pauses) * unit - pauses * unit
    starts = ends - spoken * unit
    return [(round(first), round(last)) for first, last in zip(starts, ends, strict=True)]


def _weight(word: str) -> float:
    """How long a word is, in letters. Digits are read out, so each counts as a short word."""
    letters = len(re.findall(r"[^\W\d_]", word))
    return 1.0 + letters + 4.0 * len(re.findall(r"\d", word))
