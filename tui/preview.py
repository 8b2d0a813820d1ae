"""A picture as rows of half blocks: two pixels a cell, one above the other."""

from __future__ import annotations

import io
from pathlib import Path

from specialists.media import Limits

Pixel = tuple[int, int, int]
Row = tuple[tuple[Pixel, Pixel], ...]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


def half_blocks(source: Path | bytes, columns: int, rows: int) -> tuple[Row, ...]:
    """The picture, in at most so many cells: for each cell the upper and the lower pixel.

    Nothing when it cannot be shown: a preview is a courtesy, and whether the picture can be used is for
    the engine to say. Blocks; call it in a thread.
    """
    from PIL import Image, ImageOps

    limits = Limits()
    try:
        data = source if isinstance(source, bytes) else _read(source, limits.image_bytes)
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            if not data or opened.width * opened.height > limits.image_pixels:
                return ()
            opened.draft("RGB", (columns * 2, rows * 4))  # a JPEG decodes at a fraction of its size
            upright = ImageOps.exif_transpose(opened).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ()
    upright.thumbnail((columns, rows * 2))
    flat = Image.new("RGB", (upright.width, upright.height + upright.height % 2))
    flat.paste(upright, mask=upright.getchannel("A"))
    return _cells(flat.tobytes(), flat.width, flat.height)


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(limit + 1)
    return data if len(data) <= limit else b""


def _cells(data: bytes, width: int, height: int) -> tuple[Row, ...]:
    def pixel(x: int, y: int) -> Pixel:
        start = (y * width + x) * 3
        return (data[start], data[start + 1], data[start + 2])

    return tuple(tuple((pixel(x, y), pixel(x, y + 1)) for x in range(width)) for y in range(0, height, 2))
