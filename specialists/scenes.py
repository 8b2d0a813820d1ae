"""Scenes of a film: where its picture changes, as spans of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from statistics import median

from specialists.content import Span
from specialists.film import Frame

STEP = 0.1
"""Seconds between the frames that are compared; a quick fade is one change at this distance."""
BLOCK = 64
CUT = 0.12
"""A change score (kernels.frames) from which a change may be a cut. A pan stays below 0.05."""
ABOVE = 3.0
"""A cut also stands out this many times from the film's usual change, so that a shaky film has no cuts."""
SHORTEST = 1.0
LONGEST = 30.0
"""Scenes in seconds: cuts closer together are one, and longer scenes are looked at more than once."""


def changes(frames: Iterable[Frame]) -> Iterator[list[tuple[float, float]]]:
    """Pairs of time in seconds and change score in 0..1, block by block."""
    import numpy as np

    from kernels.frames.cpu import frame_change

    times: list[float] = []
    thumbs: list[np.ndarray] = []
    for frame in frames:
        if times and frame.time < times[-1] + STEP:
            continue
        times.append(frame.time)
        thumbs.append(frame.thumb())
        if len(times) > BLOCK:
            yield _scored(times, frame_change(np.stack(thumbs)).tolist())
            times, thumbs = times[-1:], thumbs[-1:]
    if len(times) > 1:
        yield _scored(times, frame_change(np.stack(thumbs)).tolist())


def _scored(times: list[float], scores: list[float]) -> list[tuple[float, float]]:
    """The first frame of a block only serves as the one before the second."""
    return list(zip(times, scores, strict=True))[1:]


def scenes(changes: Sequence[tuple[float, float]], seconds: float, most: int) -> list[Span]:
    """At most `most` spans that cover the film from 0 to `seconds`, cut where the picture changes most.

    `changes` holds times in seconds, rising, with their change scores.
    """
    usual = median(score for _, score in changes) if changes else 0.0
    strong = sorted(
        (pair for pair in changes if pair[1] >= max(CUT, ABOVE * usual)), key=lambda pair: -pair[1]
    )
    cuts: list[float] = []
    for time, _ in strong:
        if len(cuts) < most - 1 and all(abs(time - other) >= SHORTEST for other in (*cuts, 0.0, seconds)):
            cuts.append(time)
    edges = [0.0, *sorted(cuts), max(seconds, 0.0)]
    return _divided([Span(a, b) for a, b in pairwise(edges)], most)


def _divided(spans: list[Span], most: int) -> list[Span]:
    """Halve the longest scene until all are short enough or there are `most`."""
    while len(spans) < most:
        index = max(range(len(spans)), key=lambda i: spans[i].end - spans[i].start)
        longest = spans[index]
        if longest.end - longest.start <= LONGEST:
            break
        middle = (longest.start + longest.end) / 2
        spans[index : index + 1] = [Span(longest.start, middle), Span(middle, longest.end)]
    return spans
