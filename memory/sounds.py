"""How a sound is known again: louder, encoded anew, with noise, or a piece of it, and where in it.

Pairs of peaks in its spectrogram are its marks (Wang, An Industrial-Strength Audio Search Algorithm, ISMIR
2003): two frequencies and the time between them. Noise and codecs move few of the loudest peaks, and a
recording of the same sound shares many marks with it, all of them equally far apart in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Marks = NDArray[np.uint32]
"""[n, 2]: what was heard, and at which frame."""

RATE = 8_000
"""Hertz: what matters in speech and most of music."""
HOP = 256
FRAME = HOP / RATE
"""Seconds from one frame to the next."""
_WINDOW = 1024
_LOWEST, _HIGHEST = 20, 480
"""Bins of the spectrum, 7.8 Hz each, in which peaks are looked for."""
_BINS, _FRAMES = 14, 4
"""So far around it, to each side, is a peak the loudest."""
_QUIETEST = 1e-3
"""Magnitudes below this are no sound (a full sine has 256)."""
_PAIRS = 5
"""A peak is paired with so many of those after it."""
_LONGEST, _WIDEST = 63, 127
"""Frames and bins that may lie between the two of a pair."""
_PHASES = 4
"""A piece may begin anywhere between two frames: it is listened to at so many places."""
_AT_ONCE = 4096
"""Frames of the spectrogram that stand in memory at a time."""
_COMMON = 400
"""A mark that is heard so often tells nothing."""
_PLACES = 1000
"""So many of the likeliest places are looked at."""
FEWEST = 8
"""Fewer marks that are equally far apart are chance: two sentences of one voice come to three or four."""
_HALF_SURE = 8


def marks(samples: Samples) -> Marks:
    """The marks of a sound of RATE hertz, in order of time. Empty for silence."""
    frames, bins = _peaks(samples)
    found = []
    for step in range(1, min(len(frames), 4 * _PAIRS)):
        apart = frames[step:] - frames[:-step]
        higher = bins[step:] - bins[:-step]
        near = (apart >= 1) & (apart <= _LONGEST) & (np.abs(higher) <= _WIDEST)
        first = np.flatnonzero(near)
        what = (bins[first] << 14) | ((higher[first] + _WIDEST + 1) << 6) | apart[first]
        found.append(np.stack([what, frames[first], np.full(len(first), step)], axis=1))
    if not found:
        return np.zeros((0, 2), dtype=np.uint32)
    pairs = np.concatenate(found)
    pairs = pairs[np.lexsort((pairs[:, 2], pairs[:, 1]))]
    # Of each peak the nearest few.
    _, first = np.unique(pairs[:, 1], return_index=True)
    rank = np.arange(len(pairs)) - np.repeat(first, np.diff([*first, len(pairs)]))
    return np.asarray(pairs[rank < _PAIRS, :2], dtype=np.uint32)


def asked_marks(samples: Samples) -> Marks:
    """The marks of a sound that is asked by, wherever between two frames it may begin."""
    shifts = [round(HOP * phase / _PHASES) for phase in range(_PHASES)]
    return np.unique(np.concatenate([marks(samples[shift:]) for shift in shifts]), axis=0)


def _peaks(samples: Samples) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Frames and bins of the peaks, in order of time."""
    count = 1 + max(0, len(samples) - _WINDOW) // HOP if len(samples) >= _WINDOW else 0
    frames, bins = [], []
    for start in range(0, count, _AT_ONCE):
        # With the frames around, so that a peak is one wherever the work is divided.
        begin, end = max(0, start - _FRAMES), min(count, start + _AT_ONCE + _FRAMES)
        loud = _spectrum(samples, begin, end)
        peak = (loud == _most(_most(loud, _FRAMES, 0), _BINS, 1)) & (loud > _QUIETEST)
        at, which = np.nonzero(peak)
        inside = (at + begin >= start) & (at + begin < start + _AT_ONCE)
        frames.append(at[inside] + begin)
        bins.append(which[inside] + _LOWEST)
    nothing = np.zeros(0, dtype=np.int64)
    return np.concatenate([nothing, *frames]), np.concatenate([nothing, *bins])


def _spectrum(samples: Samples, begin: int, end: int) -> Samples:
    """Magnitudes [frames, bins]."""
    view = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[begin * HOP : end * HOP : HOP][
        : end - begin
    ]
    window = np.hanning(_WINDOW).astype(np.float32)
    found = np.abs(np.fft.rfft(view * window, axis=1))[:, _LOWEST:_HIGHEST]
    return np.asarray(found, dtype=np.float32)


def _most(values: Samples, reach: int, axis: int) -> Samples:
    """The greatest within so many places to each side."""
    width = [(0, 0), (0, 0)]
    width[axis] = (reach, reach)
    padded = np.pad(values, width)
    found = padded
    # Windows of twice the width, until they reach: a few steps in place of one for each place.
    done, wanted = 1, 2 * reach + 1
    while done < wanted:
        step = min(done, wanted - done)
        length = found.shape[axis] - step
        early, late = (np.take(found, range(start, start + length), axis) for start in (0, step))
        found = np.maximum(early, late)
        done += step
    return found


@dataclass(frozen=True, slots=True)
class Heard:
    """Where the asked sound was heard: in which recording, from which frame to which (of the recording),
    and by how many marks."""

    sound: int
    first: int
    last: int
    votes: int

    @property
    def seconds(self) -> tuple[float, float]:
        return self.first * FRAME, (self.last + 1) * FRAME + _WINDOW / RATE

    @property
    def likeness(self) -> float:
        """How sure it is that it is the same sound, 0 to 1."""
        return self.votes / (self.votes + _HALF_SURE)


class SoundIndex:
    """The marks of many sounds, in order of what is heard, 12 bytes each."""

    def __init__(self) -> None:
        self._what = np.zeros(0, dtype=np.uint32)
        self._when = np.zeros(0, dtype=np.uint32)
        self._sound = np.zeros(0, dtype=np.int32)

    def __len__(self) -> int:
        return len(self._what)

    def add(self, sounds: Sequence[tuple[int, Marks]]) -> None:
        """Take in sounds by their numbers."""
        what = np.concatenate([self._what, *(found[:, 0] for _, found in sounds)])
        when = np.concatenate([self._when, *(found[:, 1] for _, found in sounds)])
        which = [np.full(len(found), number, dtype=np.int32) for number, found in sounds]
        sound = np.concatenate([self._sound, *which])
        order = np.argsort(what, kind="stable")
        self._what, self._when, self._sound = what[order], when[order], sound[order]

    def find(self, asked: Marks) -> list[Heard]:
        """Where the most of the asked marks are heard equally far apart, of each sound the best place, the
        most marks first."""
        begin = np.searchsorted(self._what, asked[:, 0], "left")
        counts = np.searchsorted(self._what, asked[:, 0], "right") - begin
        telling = (counts > 0) & (counts <= _COMMON)
        begin, counts, then = begin[telling], counts[telling], asked[telling, 1].astype(np.int64)
        if not len(begin):
            return []
        at = np.repeat(begin - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        sound, when = self._sound[at].astype(np.int64), self._when[at].astype(np.int64)
        # One mark of the recording is worth one vote, from however many places it was listened to.
        shift = when - np.repeat(then, counts)
        rows = np.unique(np.stack([sound, shift, when, self._what[at].astype(np.int64)], axis=1), axis=0)
        return _best(rows[:, 0], rows[:, 1], rows[:, 2])


def _best(sound: NDArray[np.int64], shift: NDArray[np.int64], when: NDArray[np.int64]) -> list[Heard]:
    """Of each sound the shift (give or take a frame) with the most marks. The marks are sorted by sound and
    shift."""
    key = (sound << 32) + shift + (1 << 31)
    keys, first, votes = np.unique(key, return_index=True, return_counts=True)
    total = votes.copy()
    for one in (-1, 1):
        beside = np.searchsorted(keys, keys + one)
        there = np.minimum(beside, len(keys) - 1)
        total += np.where(keys[there] == keys + one, votes[there], 0)
    order = np.argsort(-total, kind="stable")
    found: dict[int, Heard] = {}
    for n in order[:_PLACES]:
        number = int(sound[first[n]])
        if number not in found:
            inside = when[first[n] : first[n] + votes[n]]
            found[number] = Heard(number, int(inside.min()), int(inside.max()), int(total[n]))
    return list(found.values())
