"""How a picture is known again when it comes as another shot, cropped, turned a little or out of a film.

Two things are kept of it. Sketches of the whole and of windows in it (the signs of their lowest cosine
frequencies) find, among all pictures, the few that may show the same: a crop looks like one of the windows.
Local features (SIFT: Lowe, Distinctive Image Features from Scale-Invariant Keypoints, IJCV 2004), a signature
of 128 bits each, then tell which of these do: as many as fit one shift, turn and scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from memory.looks import sketch

if TYPE_CHECKING:
    from PIL.Image import Image

Floats = NDArray[np.float32]

KEPT, ASKED = 200, 1200
"""Features kept of a picture, and looked at in the one that is asked by: more, because the strongest of the
one need not be among the strongest of the other."""
SIDE = 512
"""The longer side at which features are looked for, in pixels."""

_SHARES = ((1.0, 1), (0.9, 2), (0.8, 3), (0.7, 4))
"""Windows: the share of each side, and how many lie beside each other along it."""
WINDOWS = sum(count * count for _, count in _SHARES)
_SQUARE, _POINTS, _LOW = 192, 32, 8

_SIGNATURE = 16
_POSITION = 4
FEATURE_BYTES = _POSITION + _SIGNATURE
_FINER = 64
"""Positions are kept in this part of a pixel."""
_MEAN = 0.07
"""About the mean of a SIFT descriptor's square roots."""

_NEAR_BITS = 34
"""Two signatures that differ in more of their 128 bits are of different things."""
_PIXELS = 5.0
"""So far from where the others say it should lie may a feature lie."""
_SCALES = (0.4, 2.5)
_FEWEST = 4
_HALF_SURE = 10
"""So many features that fit are even odds: another page set in the same type comes to as many."""
_FARTHEST = 64
"""Wholes that differ in so many bits tell nothing: pages of one layout differ in as few."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is kept of a picture: `windows` uint64 [WINDOWS], the whole first; `whole` the sketch of
    `memory.looks` (32 bytes); `features` FEATURE_BYTES for each."""

    windows: bytes
    whole: bytes
    features: bytes


def sight(image: Image, most: int = KEPT) -> Sight:
    """What is kept of an RGB picture, with at most so many features."""
    return Sight(windows(image), sketch(image), features(image, most))


def windows(image: Image) -> bytes:
    """The sketches of the whole and of all windows: uint64 [WINDOWS]."""
    from PIL.Image import Resampling

    grey = image.convert("L").resize((_SQUARE, _SQUARE), Resampling.BOX)
    parts = [
        np.asarray(grey.resize((_POINTS, _POINTS), Resampling.BOX, box=box), dtype=np.float32)
        for box in _boxes()
    ]
    return np.concatenate([_low(part) for part in parts]).tobytes()


def outer(image: Image) -> np.uint64:
    """The sketch of the whole alone."""
    from PIL.Image import Resampling

    grey = image.convert("L").resize((_POINTS, _POINTS), Resampling.BOX)
    return np.uint64(_low(np.asarray(grey, dtype=np.float32)).view(np.uint64)[0])


def features(image: Image, most: int) -> bytes:
    """The strongest local features: their place in pixels of the picture at SIDE, and their signatures."""
    import cv2
    from PIL.Image import Resampling

    scale = SIDE / max(image.size)
    size = (max(8, round(image.width * scale)), max(8, round(image.height * scale)))
    grey = image.convert("L").resize(size, Resampling.BOX if scale < 1 else Resampling.BICUBIC)
    points, descriptors = cv2.SIFT.create(contrastThreshold=0.02).detectAndCompute(np.asarray(grey), None)
    if descriptors is None:
        return b""
    order = np.argsort([-point.response for point in points], kind="stable")
    places = np.array([points[i].pt for i in order], dtype=np.float32)
    # A place has a feature for each direction that it may be seen in; the strongest is enough.
    _, first = np.unique(places, axis=0, return_index=True)
    chosen = np.sort(first)[:most]
    at = np.clip(np.rint(places[chosen] * _FINER), 0, 65535).astype("<u2")
    signatures = _signatures(np.asarray(descriptors[order[chosen]], dtype=np.float32))
    rows = np.concatenate([at.view(np.uint8), signatures], axis=1)
    return np.ascontiguousarray(rows).tobytes()


def fitting(kept: bytes, asked: bytes) -> int:
    """How many features of two pictures fit one shift, turn and scale."""
    import cv2

    places, signatures = _unpacked(kept)
    their_places, their_signatures = _unpacked(asked)
    if min(len(places), len(their_places)) < _FEWEST:
        return 0
    matches = cv2.BFMatcher(cv2.NORM_HAMMING).match(signatures, their_signatures)
    near = [match for match in matches if match.distance <= _NEAR_BITS]
    if len(near) < _FEWEST:
        return 0
    here, there = places[[m.queryIdx for m in near]], their_places[[m.trainIdx for m in near]]
    found, inside = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=_PIXELS, maxIters=1000)
    if found is None or not _SCALES[0] < float(np.hypot(found[0, 0], found[1, 0])) < _SCALES[1]:
        return 0
    return len({match.trainIdx for match, fits in zip(near, inside.ravel(), strict=True) if fits})


def likeness(fits: int, differing: int) -> float:
    """How sure it is that two pictures show the same, 0 to 1, by the features that fit and by the bits in
    which the sketches of their wholes differ."""
    local = fits / (fits + _HALF_SURE)
    coarse = max(0.0, 1 - differing / _FARTHEST)
    return 1 - (1 - local) * (1 - coarse)


@cache
def _boxes() -> tuple[tuple[float, float, float, float], ...]:
    found = []
    for share, count in _SHARES:
        steps = [(1 - share) * n / max(1, count - 1) for n in range(count)]
        found += [(x, y, x + share, y + share) for y in steps for x in steps]
    return tuple(tuple(_SQUARE * value for value in box) for box in found)  # type: ignore[misc]


def _low(grey: Floats) -> NDArray[np.uint8]:
    """64 bits of a square: the signs of its lowest frequencies, the mean left out for one more."""
    waves = _waves()
    low = waves @ grey @ waves.T
    signs = low[:_LOW, :_LOW].ravel()
    signs[0] = low[0, _LOW]
    return np.packbits(signs > 0)


@cache
def _waves() -> Floats:
    points = (np.arange(_POINTS) + 0.5) * np.pi / _POINTS
    return np.cos(np.arange(_LOW + 1)[:, None] * points[None, :]).astype(np.float32)


@cache
def _turn() -> Floats:
    """A rotation of 128 dimensions, after which every bit tells as much: a Hadamard matrix with signs."""
    matrix = np.ones((1, 1), dtype=np.float32)
    while len(matrix) < 8 * _SIGNATURE:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    signs = np.array([(n * 2654435761 >> 31) & 1 for n in range(len(matrix))]) * 2.0 - 1.0
    return np.asarray(matrix * signs[:, None], dtype=np.float32)


def _signatures(descriptors: Floats) -> NDArray[np.uint8]:
    """The signs of the descriptors' square roots (Arandjelovic and Zisserman 2012), turned: [n, 16]."""
    roots = np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-9))
    return np.packbits((roots - _MEAN) @ _turn() > 0, axis=1)


def _unpacked(data: bytes) -> tuple[Floats, NDArray[np.uint8]]:
    rows = np.frombuffer(data, dtype=np.uint8).reshape(-1, FEATURE_BYTES)
    at = np.ascontiguousarray(rows[:, :_POSITION]).view("<u2")
    places = np.asarray(at / _FINER, dtype=np.float32)
    return places, np.ascontiguousarray(rows[:, _POSITION:])
