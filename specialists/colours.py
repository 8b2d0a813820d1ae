"""The main colours of a picture, in common words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

NAMED = {
    "black": (0, 0, 0),
    "dark grey": (70, 70, 70),
    "grey": (128, 128, 128),
    "light grey": (190, 190, 190),
    "white": (255, 255, 255),
    "red": (215, 30, 35),
    "dark red": (120, 15, 20),
    "orange": (245, 140, 30),
    "yellow": (250, 220, 45),
    "green": (45, 150, 60),
    "dark green": (20, 70, 35),
    "light green": (150, 210, 140),
    "turquoise": (50, 180, 175),
    "blue": (40, 90, 200),
    "dark blue": (20, 35, 95),
    "light blue": (150, 195, 235),
    "purple": (120, 55, 150),
    "pink": (240, 150, 180),
    "brown": (115, 70, 40),
    "dark brown": (65, 40, 25),
    "light brown": (170, 125, 85),
    "beige": (220, 200, 165),
}
"""Colour words with their sRGB values."""

SHARE = 0.12
"""Colours of a smaller share of the picture are not named."""
SIDE = 64
CLUSTERS = 10


def main_colours(image: Image, most: int = 3) -> list[tuple[str, float]]:
    """The names of the colours that fill an RGB picture, with their shares 0..1, the largest first."""
    from PIL.Image import Quantize

    small = image.resize((SIDE, SIDE)).quantize(CLUSTERS, method=Quantize.MEDIANCUT, kmeans=2)
    palette = small.getpalette() or []
    shares: dict[str, float] = {}
    for count, index in small.getcolors(SIDE * SIDE) or []:
        name = nearest(palette[3 * int(index) : 3 * int(index) + 3])  # type: ignore[arg-type]
        shares[name] = shares.get(name, 0.0) + count / SIDE**2
    ranked = sorted(shares.items(), key=lambda pair: -pair[1])
    return [pair for pair in ranked[:most] if pair[1] >= SHARE] or ranked[:1]


def nearest(rgb: Sequence[int]) -> str:
    """The name nearest to an sRGB colour, as the eye sees distance (CIE Lab)."""
    lab = _lab(rgb)
    return min(NAMED, key=lambda name: sum((a - b) ** 2 for a, b in zip(lab, _lab(NAMED[name]), strict=True)))


def _lab(rgb: Sequence[int]) -> tuple[float, float, float]:
    red, green, blue = (_linear(value / 255) for value in rgb)
    x = _root((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505)
    y = _root(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    z = _root((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _root(value: float) -> float:
    return value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116
