"""Times and losses read off the sound itself: what was played, and the speech that it was made of.

The speech as synthesised is only the pattern that is looked for in the played file; every time is a place in
that file. Needs numpy and soundfile, and nothing of the project.
"""

from __future__ import annotations

import difflib
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.voice.clip import Samples

STEP = 0.005
"""Seconds of a block in which a level or a gain is taken."""
QUIET = 10 ** (-50 / 20)
"""Below -50 dB of full scale nothing is heard."""
DUCKED = 0.5
"""A gain of -6 dB."""
SHORT = 0.03
"""Seconds of silence in a piece across which a time still counts as exact."""
ALIKE = 0.85
"""Correlation from which a stretch of the played sound is a stretch of the pattern."""


def read(path: Path) -> tuple[Samples, int]:
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32")
    return samples, int(rate)


def audible(samples: Samples, rate: int) -> np.ndarray:
    """The times of the blocks that can be heard, by their beginning."""
    size = round(rate * STEP)
    blocks = samples[: len(samples) // size * size].reshape(-1, size)
    return np.asarray(np.flatnonzero(np.abs(blocks).max(axis=1) > QUIET) * size / rate)


def first_sound(samples: Samples, rate: int, since: float, until: float = float("inf")) -> float | None:
    """When something is first heard from `since` on."""
    times = audible(samples, rate)
    times = times[(times >= since) & (times < until)]
    return float(times[0]) if len(times) else None


def last_sound(samples: Samples, rate: int, since: float, silence: float) -> float | None:
    """When the voice falls silent from `since` on: the end of the last block before so much silence.

    None when nothing is heard within that much of `since`.
    """
    times = audible(samples, rate)
    times = times[times >= since - STEP]
    if not len(times) or times[0] > since + silence:
        return None
    gaps = np.flatnonzero(np.diff(times) > silence)
    return float(times[gaps[0]] if len(gaps) else times[-1]) + STEP


@dataclass(frozen=True, slots=True)
class Block:
    """`STEP` of a piece as it was played: which block of it, the sample it began at, and the gain.

    The gain is that of the piece, NaN where the piece itself is silent.
    """

    index: int
    at: int
    gain: float


@dataclass(frozen=True, slots=True)
class Below:
    """When a voice was last heard to be loud. `sharp` when it became soft right then; else it had paused by
    itself, and was soft or gone when it would have gone on."""

    at: float
    sharp: bool


@dataclass(slots=True)
class Track:
    """How a piece of speech was played, in the order in which it was; a block may have been played again."""

    rate: int
    size: int
    loud: np.ndarray
    """For each block of the piece whether it can be heard."""
    blocks: list[Block] = field(default_factory=list)
    jumps: list[tuple[float, float]] = field(default_factory=list)
    """When, and for how long, the sound stopped inside the piece."""

    @property
    def missing(self) -> float:
        """Seconds of audible speech that were never played."""
        played = np.zeros(len(self.loud), bool)
        played[[block.index for block in self.blocks]] = True
        return float(np.count_nonzero(self.loud & ~played)) * self.size / self.rate

    @property
    def start(self) -> float:
        return self.blocks[0].at / self.rate

    @property
    def end(self) -> float:
        return (self.blocks[-1].at + self.size) / self.rate

    @property
    def sounded(self) -> float:
        """When the last of it that can be heard was over; a piece may end in silence."""
        last = next((block for block in reversed(self.blocks) if self.loud[block.index]), self.blocks[0])
        return (last.at + self.size) / self.rate

    def left(self, since: float) -> float:
        """Seconds of audible speech that were not played before `since`."""
        played = [block.index for block in self.blocks if block.at < since * self.rate]
        return float(np.count_nonzero(np.delete(self.loud, played))) * self.size / self.rate

    def below(self, gain: float, since: float) -> Below | None:
        """When, from `since` on, the voice is first played with no more than `gain`, or not at all.

        None when that never happens.
        """
        expected, loud_until = None, since

        def heard(place: float) -> Below:
            sharp = place - loud_until < SHORT
            return Below(place if sharp else loud_until, sharp)

        for block in self.blocks:
            due = block.at if expected is None else expected
            expected = block.at + self.size
            if due + self.size <= since * self.rate:
                loud_until = since if self.loud[block.index] else loud_until
                continue
            if block.at - due > 0.05 * self.rate:  # more than a block that the machine had no time for
                return heard(due / self.rate)
            if block.gain <= gain:
                return heard(block.at / self.rate)
            if self.loud[block.index]:
                loud_until = (block.at + self.size) / self.rate
        rest = np.flatnonzero(self.loud[self.blocks[-1].index + 1 :])
        if not len(rest):
            return None
        return heard(self.end + float(rest[0]) * self.size / self.rate)


def track(played: Samples, piece: Samples, rate: int, since: float, until: float = 1e6) -> Track | None:
    """Find `piece` in `played[since:until]`: None where nothing of its first second is in it.

    A stop inside the piece is looked beyond; what is repeated after it counts again.
    """
    size = round(rate * STEP)
    count = len(piece) // size
    loud = np.abs(piece[: count * size].reshape(count, size)).max(axis=1) > 2 * QUIET
    found = Track(rate, size, loud)
    end = min(len(played), round(until * rate))
    if not loud.any():
        return None
    begun = _place(played, piece, int(np.flatnonzero(loud)[0]), size, round(since * rate), end)
    if begun is None:
        return None
    n, lag = begun[0], begun[1] - begun[0] * size
    found_at = begun[1]
    while n < count:
        gain = _gain(played, piece, n, size, n * size + lag, end) if loud[n] else float("nan")
        if gain is None and n * size + lag == found_at:
            gain = float("nan")  # the stretch from here on is like the piece, this block of it alone is not
        if gain is not None:
            found.blocks.append(Block(n, n * size + lag, gain))
            n += 1
            continue
        stopped = n * size + lag
        beyond = _place(played, piece, n, size, stopped, end)
        if beyond is None:
            break
        n, place = beyond
        found_at = place
        found.jumps.append((stopped / rate, (place - stopped) / rate))
        lag = place - n * size
    return found


def _gain(played: Samples, piece: Samples, n: int, size: int, at: int, end: int) -> float | None:
    """The gain with which block `n` was played at this place; None when something else was."""
    if at < 0 or at + size > end:
        return None
    own, block = played[at : at + size], piece[n * size : (n + 1) * size]
    if float(np.abs(own).max()) < QUIET / 8:
        return None
    # Judged with its neighbours: 5 ms alone are alike by chance.
    for before, after in ((2, 3), (0, 3), (2, 1)):
        low, high = max(0, n - before) * size, min(len(piece), (n + after) * size)
        shift = at - n * size
        low, high = max(low, -shift), min(high, end - shift)
        if _alike(piece[low:high], played[low + shift : high + shift]) >= ALIKE:
            return float(own @ block) / max(1e-12, float(block @ block))
    return None


def _alike(one: Samples, other: Samples) -> float:
    norm = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / norm if norm > 1e-9 else 0.0


def _search(played: Samples, pattern: Samples, least: float = ALIKE) -> int | None:
    """The first place in `played` that is like `pattern`."""
    if len(played) < len(pattern) or not len(pattern):
        return None
    length = 1 << (len(played) + len(pattern)).bit_length()
    product = np.fft.irfft(np.fft.rfft(played, length) * np.conj(np.fft.rfft(pattern, length)), length)
    product = product[: len(played) - len(pattern) + 1]
    squares = np.concatenate([[0.0], np.cumsum(np.square(played, dtype=np.float64))])
    norms = np.sqrt(np.maximum(squares[len(pattern) :] - squares[: -len(pattern)], 0))
    norms *= float(np.linalg.norm(pattern))
    alike = np.where(norms > 1e-4 * np.linalg.norm(pattern), product / np.maximum(norms, 1e-9), 0)
    good = np.flatnonzero(alike >= least)
    if not len(good):
        return None
    window = good[good < good[0] + 40]  # the best of the places beside the first good one
    return int(window[np.argmax(alike[window])])


def _place(
    played: Samples, piece: Samples, first: int, size: int, since: int, end: int
) -> tuple[int, int] | None:
    """The block of the piece, and the place, where the voice is next heard from block `first` on.

    The block may be an earlier one: a word is repeated from its beginning.
    """
    length = round(0.25 / STEP)
    for begin in range(first, min(first + 4 * length, len(piece) // size), length // 5):
        pattern = piece[begin * size :][: length * size]
        if len(pattern) < 10 * size or float(np.abs(pattern).max()) < 4 * QUIET:
            continue
        place = _search(played[since:end], pattern)
        if place is None:
            continue
        # Back from there for as long as it is alike.
        at, back = since + place, begin
        while (
            back > 0
            and at - size >= since
            and _alike(played[at - size : at], piece[(back - 1) * size : back * size]) > 0.6
        ):
            back, at = back - 1, at - size
        return back, at
    return None


# Words.


def plain(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+(?:'[a-z]+)?", text.lower().replace("’", "'"))


def said_of(text: str, transcript: str) -> int:
    """How many of the first words of `text` the transcript of its beginning holds.

    The prefix is taken that is nearest to the transcript, letter by letter, so that a word which was
    recognised as another one still counts.
    """
    words, heard = plain(text), " ".join(plain(transcript))
    # Row by row of an edit distance between the whole text and what was heard; ends of words are remembered.
    line = " ".join(words)
    ends, at = {0: 0}, 0
    for number, word in enumerate(words, 1):
        at += len(word) + (number > 1)
        ends[at] = number
    previous = list(range(len(heard) + 1))
    best = (previous[-1], 0)
    for row, letter in enumerate(line, 1):
        current = [row]
        for column, other in enumerate(heard, 1):
            current.append(
                min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (letter != other))
            )
        previous = current
        if row in ends and previous[-1] <= best[0]:
            best = (previous[-1], ends[row])
        if row > 2 * len(heard) + 60:
            break
    return best[1]


def lost_words(text: str, transcript: str) -> list[str]:
    """Words of `text` that the transcript does not hold in their place."""
    ours, theirs = plain(text), plain(transcript)
    matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
    return [word for kind, a, b, _, _ in matcher.get_opcodes() if kind == "delete" for word in ours[a:b]]


# Figures.


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie, nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def spread(values: Sequence[float], unit: float = 1000.0, digits: int = 0) -> str:
    """n, minimum, median, p95 and maximum as cells of a table, times `unit`."""
    if not values:
        return f"{0:4}" + "      -" * 4
    cells = (min(values), statistics.median(values), percentile(values, 0.95), max(values))
    return f"{len(values):4}" + "".join(f"{value * unit:7.{digits}f}" for value in cells)


SPREAD = f"{'n':>4}{'min':>7}{'median':>7}{'p95':>7}{'max':>7}"
