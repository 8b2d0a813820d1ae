"""The sound of a recorded session on its own timeline: each reply where it was played, until it was cut."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory.replay import replay

Samples = NDArray[np.float32]
Event = Mapping[str, Any]

RATE = 22_050
FADE_SECONDS = 0.01
"""A voice that was cut fades: a step in the wave would click."""


@dataclass(frozen=True, slots=True)
class Voice:
    """The sound of one reply as it was heard: `start` in seconds from the start of the replay, mono samples
    at `RATE`. `cut` says that it was interrupted."""

    turn: int
    start: float
    samples: Samples
    cut: bool = False


def voices(events: Sequence[Event]) -> list[Voice]:
    """Every spoken reply, in order. Needs events that were read with their sound."""
    at: dict[int, float] = {}
    now, offset = 0.0, None
    pieces: dict[int, list[Event]] = {}
    heard: dict[int, tuple[Event, float | None]] = {}
    ended: dict[int, float] = {}
    for wait, event in replay(events, speed=1.0):
        now += wait
        kind, turn = event["type"], int(event["turn"])
        if kind == "session.opened":
            offset = None
        elif kind == "floor.changed" and event["at"]:
            offset = now - float(event["at"])
        elif kind == "reply.speech":
            at.setdefault(turn, now)
            pieces.setdefault(turn, []).append(event)
        elif kind == "speech.heard" and event["end"]:
            heard[turn] = (event, offset)
        elif kind == "turn.finished" and event["outcome"] == "interrupted":
            ended[turn] = now
    return [_voice(turn, pieces[turn], at[turn], heard.get(turn), ended.get(turn)) for turn in pieces]


def mixed(spoken: Iterable[Voice]) -> Samples:
    """All voices on one line, in -1..1."""
    found = list(spoken)
    length = max((round(v.start * RATE) + len(v.samples) for v in found), default=0)
    line = np.zeros(length, np.float32)
    for voice in found:
        first = round(voice.start * RATE)
        line[first : first + len(voice.samples)] += voice.samples
    return np.clip(line, -1.0, 1.0)


class Line:
    """Plays a line of samples on an `AudioDevice`."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._at = 0

    def render(self, count: int) -> Samples:
        block = np.zeros(count, np.float32)
        piece = self._samples[self._at : self._at + count]
        block[: len(piece)] = piece
        self._at += count
        return block

    def skip(self, count: int) -> None:
        self._at += count


def _voice(
    turn: int,
    pieces: Sequence[Event],
    start: float,
    heard: tuple[Event, float | None] | None,
    ended: float | None,
) -> Voice:
    samples = np.concatenate([np.zeros(0, np.float32), *_decoded(pieces)])
    seconds = len(samples) / RATE
    cut = False
    if heard is not None:
        event, offset = heard
        if offset is not None:
            start = max(0.0, float(event["start"]) + offset)
        if not event["complete"]:
            cut, seconds = True, max(0.0, float(event["end"]) - float(event["start"]))
    elif ended is not None and ended - start < seconds:
        cut, seconds = True, max(0.0, ended - start)
    return Voice(turn, start, _faded(samples[: round(seconds * RATE)]) if cut else samples, cut)


def _decoded(pieces: Sequence[Event]) -> Iterator[Samples]:
    import soxr

    for piece in pieces:
        sound = np.frombuffer(base64.urlsafe_b64decode(piece["pcm"]), "<i2").astype(np.float32)
        sound /= np.float32(32768)
        rate = int(piece["rate"])
        yield sound if rate == RATE else np.asarray(soxr.resample(sound, rate, RATE), np.float32)


def _faded(samples: Samples) -> Samples:
    count = min(len(samples), round(FADE_SECONDS * RATE))
    faded = samples.copy()
    if count:
        faded[-count:] *= np.linspace(1.0, 0.0, count, dtype=np.float32)
    return faded
