"""Pictures, pages and recordings made of words, for benchmarks that need many of them."""

from __future__ import annotations

import ctypes
import io
import textwrap
import unicodedata
import wave

from PIL import Image, ImageDraw, ImageFont

from specialists.models import DEFAULTS, ModelStore
from specialists.pool import ModelPool
from specialists.tts import Voice

COLUMNS = 38
"""Characters of a drawn line at most."""

MARGIN = 48
"""Pixels around drawn words, points around printed ones."""


def drawable(words: str) -> str:
    """The words in the letters that Pillow's own font has, accents left off; "" where it lacks some."""
    letters = (c for c in unicodedata.normalize("NFD", words) if unicodedata.category(c) not in ("Mn", "Cf"))
    plain = "".join(letters)
    return plain if plain.isascii() else ""


def picture(words: str, size: int = 32, ink: str = "black", ground: str = "white") -> bytes:
    """The words drawn with letters of `size` pixels: PNG."""
    return _encoded(_drawn(words, size, ink, ground), "PNG")


def scan(words: str, size: int = 28) -> bytes:
    """The words drawn on a page that has no text layer: PDF."""
    return _encoded(_drawn(words, size, "black", "white"), "PDF")


def page(words: str, size: int = 14) -> bytes:
    """The words printed in Helvetica on a page with a text layer: PDF."""
    import pypdfium2
    from pypdfium2 import raw

    document = pypdfium2.PdfDocument.new()
    sheet = document.new_page(420, 595)
    for number, line in enumerate(_lines(words)):
        printed = raw.FPDFPageObj_NewTextObj(document, b"Helvetica", size)
        text = ctypes.create_string_buffer((line + "\0").encode("utf-16-le"))
        raw.FPDFText_SetText(printed, ctypes.cast(text, raw.FPDF_WIDESTRING))
        raw.FPDFPageObj_Transform(printed, 1, 0, 0, 1, MARGIN, 595 - 2 * MARGIN - number * 1.5 * size)
        raw.FPDFPage_InsertObject(sheet, printed)
    sheet.gen_content()
    out = io.BytesIO()
    document.save(out)
    document.close()
    return out.getvalue()


class Speaker:
    """The default voice. Saying the same twice gives other samples each time."""

    def __init__(self, models: ModelStore) -> None:
        self._voice = Voice(models, DEFAULTS["tts"][0], ModelPool())

    def say(self, words: str) -> bytes:
        """The words spoken: WAV, 16 bit, mono."""
        out = io.BytesIO()
        with wave.open(out, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(self._voice.rate)
            sound.writeframes(b"".join(self._voice.say(words, 1.0)))
        return out.getvalue()


def _drawn(words: str, size: int, ink: str, ground: str) -> Image.Image:
    font = ImageFont.load_default(size)
    text = "\n".join(_lines(words))
    left, top, right, bottom = ImageDraw.Draw(Image.new("RGB", (1, 1))).multiline_textbbox((0, 0), text, font)
    image = Image.new("RGB", (int(right - left) + 2 * MARGIN, int(bottom - top) + 2 * MARGIN), ground)
    ImageDraw.Draw(image).multiline_text((MARGIN - left, MARGIN - top), text, ink, font)
    return image


def _lines(words: str) -> list[str]:
    return [line for written in words.splitlines() for line in textwrap.wrap(written, COLUMNS)]


def _encoded(image: Image.Image, form: str) -> bytes:
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()
