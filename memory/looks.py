"""How much two pictures look the same: a sketch that finds likely ones, and a comparison that decides.

The sketch is 256 bits of a picture's coarse form (the signs of its lowest cosine frequencies): of two copies
of one picture most bits agree, whatever their size, brightness and compression. It only finds. What decides
is a comparison of the pixels: one picture is brought onto the other (a shift and a stretch, for a cropped
copy), its brightness is adapted, and then the *worst* place counts, not the average: two receipts of one
shop differ in a few digits, and two scenes in one thing that was moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

Floats = NDArray[np.float32]

Levels = NDArray[np.uint8]

BITS = 256
_SIDE, _LOW = 64, 16

FINEST, COARSE = 1600, 400
"""The longer sides at which pictures are compared, in pixels: a glance, then so fine that a single digit on
a scanned page counts."""
_LEVELS = (24, 48, 96, 160)
"""Sides of the squares on which one picture is brought onto the other, coarse to fine."""
_STEPS = 8

MOST_MORE = 1.1
"""A picture with more pixels a side than this many times another's may show what the other cannot."""
LEAST_LEFT = 0.7
"""A cropped copy still shows this share of the whole."""
_STRETCHED = (0.8, 1.1)
"""How far the two pictures' scales may differ, along each side, and be of one picture."""

_PLACE, _ROUND = 2, 12
"""A place is looked at by itself (so many pixels to each side: a part of a letter on a page) and measured by
the contrast of what is around it."""
_FINER = 4
_LEAST_CONTRAST, _MOST_CONTRAST = 20.0, 64.0
_MOST_LIGHT = 64.0
"""More levels of brightness on average are another light, not another exposure of one picture."""
_STEP = 8
"""Levels of brightness that are adapted together."""
_COLOURS = 32
"""Sides of the grid on which colours are compared."""
_TELLING = 64.0
"""A mean difference of so many levels of brightness in one place, or of colour, and nothing is alike."""


@dataclass(frozen=True, slots=True)
class _Bringing:
    """Where a point of one picture lies in another, both measured from -0.5 to 0.5."""

    scale_x: float = 1.0
    scale_y: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0


def sketch(image: Image) -> bytes:
    """The sketch of an RGB picture: 32 bytes, compared by the number of bits that differ."""
    from PIL.Image import Resampling

    grey = np.asarray(image.convert("L").resize((_SIDE, _SIDE), Resampling.BOX), dtype=np.float32)
    waves = _waves()
    low = (waves @ grey @ waves.T).ravel()
    return np.packbits(low > np.median(low[1:])).tobytes()


@cache
def _waves() -> Floats:
    """The lowest cosine waves over `_SIDE` points: [_LOW, _SIDE]."""
    points = (np.arange(_SIDE) + 0.5) * np.pi / _SIDE
    return np.cos(np.arange(_LOW)[:, None] * points[None, :])


def likeness(old: Image, new: Image) -> float:
    """How far what was found in the RGB picture `old` holds for `new`: 0 to 1, 1 for the same pixels.

    0 where `new` may show what `old` cannot: more of the scene, or the same at a higher resolution.
    """
    if old.size == new.size and old.tobytes() == new.tobytes():
        return 1.0
    if max(new.size) > MOST_MORE * max(old.size):
        return 0.0
    brought = _brought(old, new)
    if brought is None:
        return 0.0
    full, found = min(FINEST, max(old.size), max(new.size)), 0.0
    for side in (COARSE, full) if full > COARSE else (full,):
        scale = side / max(new.size)
        size = (max(1, round(new.width * scale)), max(1, round(new.height * scale)))
        one, other = _onto(old, brought, size), _sized(new, size)
        found = min(_alike(one, other), _coloured(one, other))
        if found <= 0:
            return 0.0
    return float(found * _seen(brought))


def _sized(image: Image, size: tuple[int, int]) -> Image:
    from PIL.Image import Resampling

    return image if image.size == size else image.resize(size, Resampling.BOX)


def _brought(old: Image, new: Image) -> _Bringing | None:
    """Where the points of `new` lie in `old`; None where no shift and stretch brings them together."""
    found = _Bringing()
    for side in _LEVELS:
        found = _refined(_square(old, side), _square(new, side), found)
        low, high = _STRETCHED
        if not all(low <= s <= high for s in (found.scale_x, found.scale_y)):
            return None
        if max(abs(found.shift_x), abs(found.shift_y)) > 1 - low:
            return None
    return found if found.scale_x * found.scale_y >= LEAST_LEFT else None


def _square(image: Image, side: int) -> Floats:
    from PIL.Image import Resampling

    return np.asarray(image.convert("L").resize((side, side), Resampling.BOX), dtype=np.float32)


def _refined(old: Floats, new: Floats, start: _Bringing) -> _Bringing:
    """Least squares in small steps (Lucas and Kanade), with brightness and contrast as free as the place."""
    side = len(new)
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
    x, y = np.meshgrid(axis, axis)
    across, down = np.gradient(old, axis=1) * side, np.gradient(old, axis=0) * side
    place = np.array([start.scale_x, start.scale_y, start.shift_x, start.shift_y])
    for _ in range(_STEPS):
        at_x, at_y = place[0] * x + place[2], place[1] * y + place[3]
        inside = (np.abs(at_x) < 0.5 - 1 / side) & (np.abs(at_y) < 0.5 - 1 / side)
        if inside.sum() < side * side / 4:
            break
        at = _Between((at_y[inside] + 0.5) * side - 0.5, (at_x[inside] + 0.5) * side - 0.5, side)
        there, gx, gy = at(old), at(across), at(down)
        slopes = np.stack([gx * x[inside], gy * y[inside], gx, gy, -new[inside], -np.ones_like(there)])
        solved, *_ = np.linalg.lstsq(slopes @ slopes.T, -slopes @ there, rcond=None)
        step = np.clip(solved[:4], -0.1, 0.1)
        place = place + step
        if np.abs(step).max() < 0.02 / side:
            break
    return _Bringing(*map(float, place))


class _Between:
    """Bilinear samples of squares at rows and columns in pixels; beyond the edge, the edge."""

    def __init__(self, rows: Floats, columns: Floats, side: int) -> None:
        top = np.clip(np.floor(rows), 0, side - 2)
        left = np.clip(np.floor(columns), 0, side - 2)
        self._down, self._right = np.clip(rows - top, 0, 1), np.clip(columns - left, 0, 1)
        self._first = (top * side + left).astype(np.intp)
        self._side = side

    def __call__(self, values: Floats) -> Floats:
        flat, first = values.ravel(), self._first
        upper = flat[first] * (1 - self._right) + flat[first + 1] * self._right
        first = first + self._side
        lower = flat[first] * (1 - self._right) + flat[first + 1] * self._right
        return upper * (1 - self._down) + lower * self._down


def _seen(brought: _Bringing) -> float:
    """The share of the new picture that the old one shows too."""
    share = 1.0
    for scale, shift in ((brought.scale_x, brought.shift_x), (brought.scale_y, brought.shift_y)):
        outside = max(0.0, scale / 2 + shift - 0.5) + max(0.0, scale / 2 - shift - 0.5)
        share *= 1 - outside / scale
    return share


def _onto(old: Image, brought: _Bringing, size: tuple[int, int]) -> Image:
    """`old` as `new` shows it, in pixels of this size."""
    from PIL.Image import Resampling, Transform

    width, height = round(size[0] / brought.scale_x), round(size[1] / brought.scale_y)
    whole = _sized(old, (width, height))
    left = (0.5 + brought.shift_x - brought.scale_x / 2) * width
    top = (0.5 + brought.shift_y - brought.scale_y / 2) * height
    places = (brought.scale_x * width / size[0], 0, left, 0, brought.scale_y * height / size[1], top)
    return whole.transform(size, Transform.AFFINE, places, Resampling.BICUBIC)


def _alike(one: Image, other: Image) -> float:
    """1 less the difference of brightness in the place that differs most."""
    from PIL import Image as Images
    from PIL import ImageFilter

    soft = ImageFilter.GaussianBlur(0.7)
    first, second = (np.asarray(image.convert("L").filter(soft)) for image in (one, other))
    if abs(float(first.mean()) - float(second.mean())) > _MOST_LIGHT:
        return 0.0
    first = _adapted(first, second)
    contrast = _contrast(second)
    worst = 0.0
    for values, base in ((first, second), (second, first)):
        # What lies between the darkest and the brightest neighbour is a matter of half a pixel.
        low, high = _around(base, np.minimum), _around(base, np.maximum)
        beyond = np.maximum(np.maximum(values, high) - high, low - np.minimum(values, low))
        finer = np.minimum(beyond, 255 // _FINER) * _FINER  # a mean of whole numbers is rounded to one
        places = np.asarray(Images.fromarray(finer).filter(ImageFilter.BoxBlur(_PLACE)), dtype=np.float32)
        worst = max(worst, float((places / contrast)[2:-2, 2:-2].max(initial=0.0)) / _FINER)
    return 1 - worst


def _contrast(values: Levels) -> Floats:
    """How much the brightness varies around each pixel: its standard deviation, within bounds."""
    from PIL import Image as Images
    from PIL import ImageFilter

    around = ImageFilter.BoxBlur(_ROUND)
    mean = np.asarray(Images.fromarray(values).filter(around), dtype=np.float32)
    squares = (np.square(values, dtype=np.uint16) >> 8).astype(np.uint8)
    square = np.asarray(Images.fromarray(squares).filter(around), dtype=np.float32) * 256
    spread = np.sqrt(np.maximum(square - mean * mean, 0))
    return np.clip(spread, _LEAST_CONTRAST, _MOST_CONTRAST)


def _around(values: Levels, most: np.ufunc) -> Levels:
    """The least or the most of each pixel and its eight neighbours."""
    padded = np.pad(values, 1, mode="edge")
    rows = most(most(padded[:-2], padded[1:-1]), padded[2:])
    found: Levels = most(most(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return found


def _adapted(values: Levels, others: Levels) -> Levels:
    """`values` as bright as `others`, which show the same: what was brighter stays so."""
    count = np.bincount(values.ravel() // _STEP, minlength=256 // _STEP)
    total = np.bincount(values.ravel() // _STEP, weights=others.ravel(), minlength=256 // _STEP)
    level = np.bincount(values.ravel() // _STEP, weights=values.ravel(), minlength=256 // _STEP)
    there = count >= max(1, values.size // 5000)
    means = np.maximum.accumulate(total[there] / count[there])
    at = level[there] / count[there]
    table = np.interp(np.arange(256), at, means)
    below, above = np.arange(256) < at[0], np.arange(256) > at[-1]
    table[below] = means[0] + np.arange(256)[below] - at[0]
    table[above] = means[-1] + np.arange(256)[above] - at[-1]
    adapted: Levels = np.clip(np.rint(table), 0, 255).astype(np.uint8)[values]
    return adapted


def _coloured(one: Image, other: Image) -> float:
    """1 less the difference of colour in the place that differs most, brightness and saturation aside."""
    from PIL.Image import Resampling

    first, second = (
        np.asarray(image.resize((_COLOURS, _COLOURS), Resampling.BOX).convert("YCbCr"), dtype=np.float32)
        for image in (one, other)
    )
    first, second = (colours[1:-1, 1:-1, 1:] - 128 for colours in (first, second))
    weight = float((first * first).sum())
    gain = float(np.clip((first * second).sum() / weight, 0.6, 1.6)) if weight > 0 else 1.0
    return 1 - float(np.abs(gain * first - second).max()) / _TELLING
