"""Reading order: from boxes of words on a page to lines, top to bottom, column by column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from specialists.content import Box

Corners = Sequence[Sequence[float]]
"""Four points (x, y) of a box that may be tilted: top left, top right, bottom right, bottom left."""

PROSE = 5.0
"""A box this many times wider than high holds words of prose; narrower ones may be cells of a table."""
SIDE = 3
"""A column has at least this many boxes."""


@dataclass(frozen=True, slots=True)
class _Spot:
    """A box after the page was turned upright, with its place in the input."""

    index: int
    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


def reading_order(boxes: Sequence[Corners]) -> list[list[int]]:
    """The lines of a page in reading order, each the indices of its boxes from left to right.

    Columns are read one after another where a gap runs between two blocks of prose; a table's cells, such
    as the names and prices of a receipt, stay together in their row.
    """
    tilt = _tilt(boxes)
    spots = sorted((_upright(index, box, tilt) for index, box in enumerate(boxes)), key=lambda s: s.top)
    return [[spot.index for spot in line] for line in _lines(spots)]


def bounding_box(boxes: Sequence[Corners]) -> Box:
    """The upright rectangle around all these boxes."""
    xs = [float(x) for box in boxes for x, _ in box]
    ys = [float(y) for box in boxes for _, y in box]
    return Box(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))


def _tilt(boxes: Sequence[Corners]) -> float:
    """The angle of the page in radians, from the upper edges of its wider boxes."""
    angles = []
    for (x0, y0), (x1, y1), *_ in boxes:
        width = x1 - x0
        if width > 0 and abs(y1 - y0) < width / 2:
            angles.append((math.atan2(y1 - y0, width), width))
    if not angles:
        return 0.0
    widest = sorted(angles, key=lambda a: -a[1])[: max(3, len(angles) // 2)]
    return median(angle for angle, _ in widest)


def _upright(index: int, box: Corners, tilt: float) -> _Spot:
    cos, sin = math.cos(-tilt), math.sin(-tilt)
    xs = [x * cos - y * sin for x, y in box]
    ys = [x * sin + y * cos for x, y in box]
    # The middle of the edges, not the extremes: a tilted box is not taller than its letters.
    top, bottom = (ys[0] + ys[1]) / 2, (ys[2] + ys[3]) / 2
    return _Spot(index, min(xs), min(top, bottom), max(xs), max(top, bottom))


def _lines(spots: list[_Spot]) -> list[list[_Spot]]:
    columns = _columns(spots)
    if columns is None:
        return _rows(spots)
    above, left, right, below = columns
    return _rows(above) + _lines(left) + _lines(right) + _lines(below)


def _columns(spots: list[_Spot]) -> tuple[list[_Spot], ...] | None:
    """What stands above, left, right and below the longest gap between two columns; None without one."""
    if len(spots) < 2 * SIDE:
        return None
    gap = 0.8 * median(spot.height for spot in spots)
    best: tuple[int, int, float] | None = None
    for edge in sorted({spot.right for spot in spots}):
        x = edge + gap / 2
        for start, end in _clear_runs(spots, x, gap / 2):
            longer = best is None or end - start > best[1] - best[0]
            if longer and _two_columns(spots[start:end], x):
                best = (start, end, x)
    if best is None:
        return None
    start, end, x = best
    run = spots[start:end]
    left, right = _sides(run, x)
    return spots[:start], left, right, spots[end:]


def _sides(run: list[_Spot], x: float) -> tuple[list[_Spot], list[_Spot]]:
    """What stands left and right of the vertical at x, which may touch boxes where lines have no height."""
    return [s for s in run if s.left + s.right < 2 * x], [s for s in run if s.left + s.right >= 2 * x]


def _clear_runs(spots: list[_Spot], x: float, margin: float) -> list[tuple[int, int]]:
    """Stretches of the page, as index ranges, in which no box comes within `margin` of the vertical at x."""
    runs, start = [], 0
    for i, spot in enumerate(spots):
        if spot.left < x + margin * 0.99 and spot.right > x - margin * 0.99:
            runs.append((start, i))
            start = i + 1
    runs.append((start, len(spots)))
    return [(a, b) for a, b in runs if b - a >= 2 * SIDE]


def _two_columns(run: list[_Spot], x: float) -> bool:
    sides = _sides(run, x)
    if any(len(side) < SIDE for side in sides):
        return False
    if any(median((s.right - s.left) / max(s.height, 1) for s in side) < PROSE for side in sides):
        return False
    top = max(min(s.top for s in side) for side in sides)
    bottom = min(max(s.bottom for s in side) for side in sides)
    shorter = min(max(s.bottom for s in side) - min(s.top for s in side) for side in sides)
    return bottom - top >= shorter / 2


def _rows(spots: list[_Spot]) -> list[list[_Spot]]:
    """Boxes that share most of their height stand in one row."""
    rows: list[list[_Spot]] = []
    for spot in sorted(spots, key=lambda s: s.middle):
        if rows and _beside(rows[-1][-1], spot):
            rows[-1].append(spot)
        else:
            rows.append([spot])
    return [sorted(row, key=lambda s: s.left) for row in rows]


def _beside(one: _Spot, other: _Spot) -> bool:
    shared = min(one.bottom, other.bottom) - max(one.top, other.top)
    return shared >= 0.5 * min(one.height, other.height)
