"""Pictures: headers checked before decoding, then Pillow images in RGB."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

from specialists.containers import cut_short, sniff
from specialists.content import IMAGE
from specialists.errors import BadInput
from specialists.limits import DEFAULT_LIMITS, Inspected, Limits, check_size, guarded, over

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
"""The EXIF orientations that swap width and height."""


@guarded("a picture")
def inspect_image(data: bytes, limits: Limits = DEFAULT_LIMITS, *, part: str = "picture") -> Inspected:
    """Check a picture to its last byte. Raises BadInput and LimitExceeded."""
    image = _header(data, limits, part)
    width, height = image.size
    with contextlib.suppress(Exception):  # unreadable EXIF: the picture is taken as upright
        if image.getexif().get(_ORIENTATION) in _TURNED:
            width, height = height, width
    # A JPEG decodes to an eighth of its size much faster, and still needs all of its bytes.
    image.draft("RGB", (max(1, image.width // 8), max(1, image.height // 8)))
    container = sniff(data)
    image.load()
    media_type = container.media_type if container else f"image/{str(image.format).lower()}"
    return Inspected(IMAGE, media_type, {"width": width, "height": height})


@guarded("a picture")
def open_image(data: bytes, limits: Limits = DEFAULT_LIMITS, *, part: str = "picture") -> Image:
    """The picture in RGB, upright; transparent parts become white. Of an animation, the first frame.

    Raises BadInput and LimitExceeded.
    """
    from PIL import Image, ImageOps

    image: Image.Image = _header(data, limits, part)
    image.load()
    with contextlib.suppress(Exception):  # unreadable EXIF: the picture is taken as upright
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        image = _deep_to_grey(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def encode_image(image: Image, form: str = "JPEG") -> bytes:
    """The picture as the bytes of a file, JPEG or PNG."""
    out = io.BytesIO()
    image.save(out, form, quality=92)
    return out.getvalue()


def _header(data: bytes, limits: Limits, part: str) -> Image:
    """The picture with only its header read, within the limits."""
    from PIL import Image

    check_size(data, limits.image_bytes, part=part, key="image_bytes")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        most = min(limits.image_pixels, 2 * (Image.MAX_IMAGE_PIXELS or limits.image_pixels))
        raise over(f"has more pixels than the {most:,} allowed", part=part, key="image_pixels") from None
    except Image.UnidentifiedImageError:
        raise BadInput(
            "does not hold a picture", part=part, remedy=f"Pictures may be {', '.join(FORMATS)}"
        ) from None
    width, height = image.size
    if width * height > limits.image_pixels:
        raise over(
            f"has {width} x {height} pixels, more than the {limits.image_pixels:,} allowed",
            part=part,
            key="image_pixels",
        )
    container = sniff(data)
    if container is not None and cut_short(data, container):
        raise BadInput("is cut short", part=part, remedy="Send the whole file")
    return image


def _deep_to_grey(image: Image) -> Image:
    """A picture of more than 8 bits a channel, scaled to its own range. A plain conversion would clip it."""
    import numpy as np
    from PIL import Image

    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    low, high = values.min(), values.max()
    span = max(high - low, 1e-9)
    return Image.fromarray(((values - low) / span * 255).astype(np.uint8))
