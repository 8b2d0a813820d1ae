"""Scenes of a film: where its picture changes, as spans of time; and which of its pictures are the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from specialists.content import Span
from specialists.film import Frame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STEP = 0.1
"""Seconds between the frames that are compared; a quick fade is one change at this distance."""
BLOCK = 64
CUT = 0.12
"""A change score (kernels.frames) from which a change may be a cut. A pan stays below 0.05."""
ABOVE = 3.0
"""A cut also stands out this many times from the film's usual change, so that a shaky film has no cuts."""
ALIKE = 0.6
"""Structural similarity from which two frames show the same scene: a lamp that goes on is no cut."""
STRUCTURED = 0.25
"""Share of a frame that must show something for that to be told."""
SAME, SAME_EVERYWHERE, SAME_LIGHT = 0.9, 0.4, 4.0
"""Structural similarity, on the whole and in the tile that differs most, and difference of the mean in shades
of 256, of pictures that are kept once."""
SAME_SIDES = (320, 240)
"""Width and height at which that is compared: a word that changes on a slide is to be seen."""
TILE = 8
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
            yield _scored(times, thumbs, frame_change(np.stack(thumbs)).tolist())
            times, thumbs = times[-1:], thumbs[-1:]
    if len(times) > 1:
        yield _scored(times, thumbs, frame_change(np.stack(thumbs)).tolist())


def _scored(
    times: list[float], thumbs: list[NDArray[np.uint8]], scores: list[float]
) -> list[tuple[float, float]]:
    """The first frame of a block only serves as the one before the second."""
    steps = zip(times[1:], scores[1:], pairwise(thumbs), strict=True)
    return [
        (time, 0.0 if score >= CUT and _is_alike(before, after) else score)
        for time, score, (before, after) in steps
    ]


def _is_alike(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> bool:
    """Whether two thumbs [H, W] show the same things, in whatever light; False where there is little seen."""
    similar, structured = similarity(before, after)
    return bool(structured.mean() >= STRUCTURED and similar[structured].mean() >= ALIKE)


def similarity(
    before: NDArray[np.uint8], after: NDArray[np.uint8]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Structural similarity (SSIM, -1 to 1) of two grey pictures [H, W] of one size, tile by tile, and which
    tiles show anything but one shade.

    What does not fill a tile of 8 x 8 pixels at the right and the bottom is left out.
    """
    import numpy as np

    def tiles(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
        rows, columns = picture.shape[0] // TILE, picture.shape[1] // TILE
        whole = picture[: rows * TILE, : columns * TILE].astype(np.float64)
        return whole.reshape(rows, TILE, columns, TILE).swapaxes(1, 2).reshape(rows * columns, TILE * TILE)

    x, y = tiles(before), tiles(after)
    light, contrast = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y, var_x, var_y = x.mean(1), y.mean(1), x.var(1), y.var(1)
    shared = ((x - mean_x[:, None]) * (y - mean_y[:, None])).mean(1)
    brightness = (2 * mean_x * mean_y + light) / (mean_x**2 + mean_y**2 + light)
    structure = (2 * shared + contrast) / (var_x + var_y + contrast)
    return brightness * structure, np.maximum(var_x, var_y) > contrast


def is_same(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> bool:
    """Whether two grey pictures [H, W] of SAME_SIDES show the same everywhere, in the same light."""
    similar, _ = similarity(before, after)
    lighter = abs(float(before.mean()) - float(after.mean()))
    return bool(similar.mean() >= SAME and similar.min() >= SAME_EVERYWHERE and lighter <= SAME_LIGHT)


def scenes(changes: Sequence[tuple[float, float]], seconds: float, most: int) -> list[Span]:
    """At most `most` spans that cover the film from 0 to `seconds`, cut where the picture changes most.

    `changes` holds times in seconds, rising, with their change scores.
    """
    usual = median(score for _, score in changes) if _is_dense(changes) else 0.0
    strong = sorted(
        (pair for pair in changes if pair[1] >= max(CUT, ABOVE * usual)), key=lambda pair: -pair[1]
    )
    cuts: list[float] = []
    for time, _ in strong:
        if len(cuts) < most - 1 and all(abs(time - other) >= SHORTEST for other in (*cuts, 0.0, seconds)):
            cuts.append(time)
    edges = [0.0, *sorted(cuts), max(seconds, 0.0)]
    return _divided([Span(a, b) for a, b in pairwise(edges)], most)


def _is_dense(changes: Sequence[tuple[float, float]]) -> bool:
    """Whether the frames were so close together that most changes between them are no cuts: key frames alone,
    some seconds apart, often are where the cuts are."""
    gaps = [after[0] - before[0] for before, after in pairwise(changes)]
    return bool(gaps) and median(gaps) <= SHORTEST


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
