"""Playout: what the loudspeaker plays next, and to the sample what has been heard.

A device pulls blocks with `render`, possibly from a thread of its own; everybody else tells what to play and
how. Nothing here waits or knows a clock.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.speech.words import QUIET, words_within

Samples = NDArray[np.float32]

DUCKED = 10 ** (-12 / 20)
"""The gain while the person may be speaking: -12 dB."""
FADE_SECONDS = 0.01
"""Every change of gain, stops included, is a ramp of this length: a step would click."""

_MARKS = frozenset((*".,;:?!…–—", ""))
"""After a text that ends with one of these, or without any, a voice pauses."""


@dataclass
class _Clause:
    text: str
    start: int
    """Its first sample, counted from the start of the reply."""
    samples: Samples
    words: list[tuple[int, int]]
    """For each word of `text` its first sample and the one after its last, counted from `start`."""

    @property
    def end(self) -> int:
        return self.start + len(self.samples)


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a reply was heard, in words.

    `start` and `end` bound its sound, in samples of the loudspeaker's clock; None when there was none.
    """

    heard: str = ""
    unheard: str = ""
    start: int | None = None
    end: int | None = None
    complete: bool = False
    """Whether all of the reply has arrived and was heard."""


class Playout:
    """A queue of clauses at `rate` hertz, played from front to back.

    `latency` is the time in samples from `render` to the ear: what is still on its way was not heard.
    Only sound of the turn that `begin` named is taken; older sound that arrives late is dropped.
    """

    def __init__(self, rate: int, *, latency: int = 0) -> None:
        self.rate = rate
        self._latency = latency
        self._fade = max(1, round(rate * FADE_SECONDS))
        self._lock = threading.Lock()
        self._clock = 0
        self._tail: Samples = np.zeros(0, np.float32)
        self._turn = -1
        self._reset()

    def begin(self, turn: int) -> None:
        """Take sound of this turn from now on, and forget what was kept of the one before."""
        with self._lock:
            self._turn = turn
            self._reset()

    def add(self, turn: int, text: str, samples: Samples, rate: int) -> bool:
        """Queue a piece of speech that says `text`; a piece without text goes on with the one before.

        Returns False, and plays nothing, when the piece belongs to another turn or to one that was stopped.
        """
        import soxr

        if rate != self.rate:
            samples = np.asarray(soxr.resample(samples, rate, self.rate), np.float32)
        with self._lock:
            if turn != self._turn or self._stopped:
                return False
            if self._clauses and self._clauses[-1].words and not text.strip():
                last = self._clauses.pop()
                text, samples, start = last.text, np.concatenate([last.samples, samples]), last.start
            else:
                start = self._clauses[-1].end if self._clauses else 0
                samples = self._without_lead(samples)
            self._clauses.append(_Clause(text, start, samples, words_within(text, samples, self.rate)))
            return True

    def remark(self, turn: int, samples: Samples) -> bool:
        """Queue sound at `rate` hertz that belongs to no reply: it is played, and not counted as heard."""
        with self._lock:
            if turn != self._turn or self._stopped:
                return False
            start = self._clauses[-1].end if self._clauses else 0
            self._clauses.append(_Clause("", start, samples, []))
            return True

    def finish(self, turn: int) -> None:
        """Say that no more sound of this turn will come."""
        with self._lock:
            if turn == self._turn:
                self._complete = True

    def duck(self) -> None:
        with self._lock:
            self._target = DUCKED

    def unduck(self) -> None:
        with self._lock:
            self._target = 1.0

    def hold(self) -> None:
        """Fall silent and keep the place."""
        with self._lock:
            self._held = True
            if not self._pending():
                self._gain = 0.0  # there is no sound to fade out

    def resume(self) -> None:
        """Go on at full level, from the start of the word that the hold cut into."""
        with self._lock:
            if self._held and self._gain == 0.0:
                self._rewind()
            self._held = False
            self._target = 1.0

    def stop(self) -> Share:
        """Fade out, drop what was not played, and take no more of this turn. Returns what was heard."""
        with self._lock:
            share = self._share()
            if self._gain > 0.0:
                tail = self._take(self._fade)
                self._tail = tail * np.linspace(self._gain, 0.0, len(tail), dtype=np.float32)
            self._stopped = True
            return share

    def share(self) -> Share:
        """What of this turn was heard up to now."""
        with self._lock:
            return self._share()

    @property
    def sounding(self) -> bool:
        """Whether the next block holds sound."""
        with self._lock:
            return self._pending() and not (self._held and self._gain == 0.0)

    @property
    def finished(self) -> bool:
        """Whether all of the turn has arrived and been heard."""
        with self._lock:
            done = self._complete or self._stopped
            return done and not self._pending() and self._clock >= self._last + self._latency

    def render(self, count: int) -> Samples:
        """The next `count` samples for the loudspeaker."""
        with self._lock:
            block = np.zeros(count, np.float32)
            if (kept := min(len(self._tail), count)) > 0:
                block[:kept], self._tail = self._tail[:kept], self._tail[kept:]
            if self._pending():
                if self._latency:
                    self._passed.append((self._clock, self._at))
                    while self._passed[0][0] < self._clock - 2 * (self._latency + count):
                        self._passed.popleft()
                self._play(block)
            self._clock += count
            return block

    def skip(self, count: int) -> None:
        """Time passed in which the device could not ask for samples: nothing was heard, nothing is lost."""
        with self._lock:
            self._clock += count

    # Everything below runs under the lock.

    def _reset(self) -> None:
        self._clauses: list[_Clause] = []
        self._at = 0  # the next sample to play, counted from the start of the reply
        self._gain = self._target = 1.0
        self._held = self._stopped = self._complete = False
        self._first: int | None = None
        self._last = 0
        self._passed: deque[tuple[int, int]] = deque()  # the clock and `_at`, before each recent block

    def _without_lead(self, samples: Samples) -> Samples:
        """Without the silence that a voice begins with, at the start of a reply and within a sentence: there
        it would be a wait, here a stumble."""
        if self._clauses and self._clauses[-1].text.rstrip()[-1:] in _MARKS:
            return samples
        loud = np.flatnonzero(np.abs(samples) > QUIET)
        return samples[max(0, int(loud[0]) - self._fade) :] if len(loud) else samples

    def _pending(self) -> bool:
        return not self._stopped and bool(self._clauses) and self._at < self._clauses[-1].end

    def _play(self, block: Samples) -> None:
        gains = self._gains(len(block))
        samples = self._take(len(gains))
        if len(samples) == 0:
            return
        if self._first is None and (begun := self._begun(self._at - len(samples))) is not None:
            self._first = self._clock + begun
        self._last = self._clock + len(samples)
        block[: len(samples)] += samples * gains[: len(samples)]

    def _gains(self, count: int) -> Samples:
        """The gain of each sample to play now: `count` of them, or fewer when a hold ends in silence."""
        target = 0.0 if self._held else self._target
        if self._gain == target:
            return np.full(count if target else 0, target, np.float32)
        step = np.arange(1, count + 1, dtype=np.float32) / self._fade
        low, high = sorted((self._gain, target))
        gains = np.clip(self._gain + np.sign(target - self._gain) * step, low, high).astype(np.float32)
        self._gain = float(gains[-1]) if abs(gains[-1] - target) > 1e-6 else target
        return gains[: int(np.count_nonzero(gains))] if target == 0.0 else gains

    def _take(self, count: int) -> Samples:
        """Up to `count` samples from the place we are at, which moves on."""
        pieces: list[Samples] = [np.zeros(0, np.float32)]
        for clause in self._clauses:
            if clause.end > self._at and count > 0:
                piece = clause.samples[self._at - clause.start :][:count]
                pieces.append(piece)
                self._at += len(piece)
                count -= len(piece)
        return np.concatenate(pieces)

    def _begun(self, start: int) -> int | None:
        """How many samples after `start` the reply itself was played first; None where it was not."""
        places = [max(c.start, start) for c in self._clauses if c.words and start < c.end]
        return min(places) - start if places and min(places) < self._at else None

    def _rewind(self) -> None:
        for clause in self._clauses:
            for first, last in clause.words:
                if clause.start + first <= self._at < clause.start + last:
                    self._at = clause.start + first
                    return

    def _reached(self) -> int:
        """The sample of the reply that is at the ear now."""
        if not self._latency:
            return self._at
        heard = self._clock - self._latency
        reached = 0
        for clock, at in self._passed:
            if clock <= heard:
                reached = min(at + heard - clock, self._at)
        return reached

    def _share(self) -> Share:
        reached = self._reached()
        heard: list[str] = []
        unheard: list[str] = []
        for clause in self._clauses:
            for word, (first, last) in zip(clause.text.split(), clause.words, strict=True):
                # Who heard most of a word heard the word.
                (heard if clause.start + (first + last) / 2 <= reached else unheard).append(word)
        end = None if self._first is None else self._last
        return Share(" ".join(heard), " ".join(unheard), self._first, end, self._complete and not unheard)
