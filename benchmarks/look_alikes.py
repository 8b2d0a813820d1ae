"""Pairs of pictures: one picture altered as messengers, cameras and people alter them, and pictures that are
alike and not the same. Made in the run from `examples/media` and drawn; every run makes the same ones."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from specialists.film import video_frames
from specialists.picture import encode_image, open_image

SAMPLES = Path(__file__).parent.parent / "examples" / "media"
PHOTOS = ("cat.jpg", "coffee.jpg", "rocket.jpg", "astronaut.jpg")
SCANS = ("receipt.png", "page.png")

GOODS = ("Bread", "Milk", "Apples", "Coffee", "Butter", "Soap", "Rice", "Tea", "Eggs", "Cheese", "Honey")
TEXT = (
    "the harbour opens early in spring and closes late while boats wait for wind beside old stone walls "
    "where children count gulls and painters mix grey with green until evening brings the ferry home"
)
WORDS = TEXT.split()
NEAR = (
    ("gold", "orange"),
    ("pink", "plum"),
    ("lightblue", "lightcyan"),
    ("red", "crimson"),
    ("teal", "seagreen"),
)
"""Grounds whose colours have different names and lie near each other."""
SIGNS = (("STOP", "SHOP"), ("EXIT", "EDIT"), ("Gate 22", "Gate 23"), ("PUSH", "PULL"), ("OPEN", "OVEN"))
COLOURS = ("firebrick", "royalblue", "seagreen", "orange", "purple", "teal")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures as the bytes of files. `same`: what is found in the first holds for the second."""

    sort: str
    first: bytes
    second: bytes
    same: bool


def pairs() -> Iterator[Pair]:
    """All pairs: first those that are the same, then those that are not."""
    yield from altered()
    yield from neighbouring_frames()
    for make in (receipts, pages, charts, scenes, pasted, signs, tables, cuttings, others):
        yield from make()


# --- the same ---------------------------------------------------------------------------------------------


def altered() -> Iterator[Pair]:
    chosen = random.Random(1)
    bases = [
        *map(_sample, (*PHOTOS, *SCANS)),
        _receipt(_bill(chosen)),
        _page(_lines(chosen)),
        _chart(_bars(chosen)),
        _table(_figures(chosen), "black"),
    ]
    for image in (*bases, _scene(_things(chosen)), _sign("Gate 22", "gold")):
        for sort, alter in ALTERATIONS.items():
            yield Pair(sort, encode_image(image, "PNG"), alter(image), same=True)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _smaller(image: Image.Image, share: float) -> Image.Image:
    return image.resize((round(image.width * share), round(image.height * share)), Image.Resampling.LANCZOS)


def _cropped(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop(
        (round(width * left), round(height * top), round(width * (1 - right)), round(height * (1 - bottom)))
    )


def _noisy(image: Image.Image) -> Image.Image:
    noise = np.random.default_rng(3).normal(0, 4, (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


ALTERATIONS: dict[str, Callable[[Image.Image], bytes]] = {
    "recompressed": lambda image: _jpeg(image, 75),
    "recompressed hard": lambda image: _jpeg(image, 40),
    "resized": lambda image: _jpeg(_smaller(image, 0.75), 85),
    "resized to half": lambda image: _jpeg(_smaller(image, 0.5), 85),
    "cropped": lambda image: _jpeg(_cropped(image, 0.02, 0.02, 0.02, 0.02), 85),
    "cropped at one side": lambda image: _jpeg(_cropped(image, 0.04, 0.0, 0.0, 0.02), 85),
    "cropped and resized": lambda image: _jpeg(_smaller(_cropped(image, 0.01, 0.03, 0.03, 0.0), 0.8), 80),
    "brighter": lambda image: _jpeg(ImageEnhance.Brightness(image).enhance(1.15), 85),
    "darker": lambda image: _jpeg(ImageEnhance.Brightness(image).enhance(0.8), 85),
    "less contrast": lambda image: _jpeg(ImageEnhance.Contrast(image).enhance(0.85), 85),
    "frame, camera at rest": lambda image: _jpeg(_noisy(image), 85),
}


def neighbouring_frames() -> Iterator[Pair]:
    """Frames of one scene, 0.08 s apart, while the camera pans slowly; across its cuts, other scenes."""
    frames = [frame.image() for frame in video_frames((SAMPLES / "clip.mp4").read_bytes())]
    for start in (5, 20, 35, 50, 85, 100, 115, 130, 170, 190):
        yield Pair("frame, slow pan", *(_jpeg(frames[n], 90) for n in (start, start + 2)), same=True)
    for one, other in (
        (10, 100),
        (40, 130),
        (60, 200),
        (110, 190),
        (0, 199),
        (100, 10),
        (130, 60),
        (190, 40),
    ):
        yield Pair("frame of another scene", *(_jpeg(frames[n], 90) for n in (one, other)), same=False)


# --- alike, and not the same ------------------------------------------------------------------------------


def receipts() -> Iterator[Pair]:
    """The same form with other numbers: one digit of one amount, or all amounts."""
    chosen = random.Random(11)
    for number in range(40):
        bill = _bill(chosen)
        if number % 2:
            other = [(name, chosen.randrange(100, 1000)) for name, _ in bill]
        else:
            place = chosen.randrange(len(bill))
            other = [*bill]
            other[place] = (bill[place][0], bill[place][1] + chosen.choice((1, 10, 100)))
        yield _unlike(
            "form, one number" if number % 2 == 0 else "form, all numbers", _receipt(bill), _receipt(other)
        )


def pages() -> Iterator[Pair]:
    """The same layout with other words: one word, or all."""
    chosen = random.Random(12)
    for number in range(30):
        lines = _lines(chosen)
        other = _lines(chosen)
        if number % 2 == 0:
            other = [[*line] for line in lines]
            line = chosen.choice(other)
            line[chosen.randrange(len(line))] = chosen.choice([word for word in WORDS if word not in line])
        yield _unlike("page, one word" if number % 2 == 0 else "page, all words", _page(lines), _page(other))


def charts() -> Iterator[Pair]:
    """The same chart with one other value, or all others."""
    chosen = random.Random(13)
    for number in range(24):
        bars = _bars(chosen)
        other = _bars(chosen)
        if number % 2 == 0:
            other, place = [*bars], chosen.randrange(len(bars))
            other[place] = 20 + (bars[place] + chosen.randrange(12, 60)) % 80
        yield _unlike(
            "chart, one value" if number % 2 == 0 else "chart, all values", _chart(bars), _chart(other)
        )


def scenes() -> Iterator[Pair]:
    """A scene with one thing moved, gone, or of another colour."""
    chosen = random.Random(14)
    for number in range(30):
        things = _things(chosen)
        x, y, radius, colour = things[-1]
        if number % 3 == 0:
            other = [*things[:-1], ((x + 150) % 560 + 40, y, radius, colour)]
        elif number % 3 == 1:
            other = things[:-1]
        else:
            other = [*things[:-1], (x, y, radius, chosen.choice([c for c in COLOURS if c != colour]))]
        sort = ("scene, a thing moved", "scene, a thing gone", "scene, another colour")[number % 3]
        yield _unlike(sort, _scene(things), _scene(other))


def pasted() -> Iterator[Pair]:
    """A photograph with a thing in it, an eighth or a 25th as wide, that is elsewhere in the second."""
    chosen = random.Random(15)
    for number in range(40):
        image = _sample(PHOTOS[number % 4])
        thing = _cropped(_sample(PHOTOS[(number + 1) % 4]), 0.3, 0.3, 0.3, 0.3)
        side = image.width // (8 if number < 20 else 25)
        thing = thing.resize((side, side))
        two = []
        for _ in range(2):
            two.append(image.copy())
            two[-1].paste(
                thing, (chosen.randrange(image.width - side), chosen.randrange(image.height - side))
            )
        yield _unlike("photo, a thing moved" if number < 20 else "photo, a small thing moved", *two)


def signs() -> Iterator[Pair]:
    for number, colour in enumerate(("gold", "white", "lightblue")):
        for one, other in SIGNS:
            yield _unlike("sign, another word", _sign(one, colour), _sign(other, colour))
        yield _unlike("sign, another colour", _sign("Gate 22", colour), _sign("Gate 22", COLOURS[number]))
    for one, other in NEAR:
        yield _unlike("sign, a near colour", _sign("Gate 22", one), _sign("Gate 22", other))


def tables() -> Iterator[Pair]:
    """A whole page of small figures, one digit of which is another."""
    chosen = random.Random(16)
    for number in range(20):
        figures = _figures(chosen)
        other = [[*row] for row in figures]
        row = chosen.choice(other)
        place, digit = chosen.randrange(8), 10 ** chosen.randrange(4)
        row[place] += -digit if row[place] // digit % 10 == 9 else digit
        ink = ("black", "#777")[number % 2]
        yield _unlike("table, one digit", _table(figures, ink), _table(other, ink))


def cuttings() -> Iterator[Pair]:
    """Another part of the same photograph, the photograph mirrored, a part and then the whole of it."""
    for name in PHOTOS:
        image = _sample(name)
        yield _unlike("mirrored", image, ImageOps.mirror(image))
        yield _unlike("another part", _cropped(image, 0, 0, 0.3, 0.3), _cropped(image, 0.3, 0.3, 0, 0))
        yield _unlike("a part, then the whole", _cropped(image, 0.15, 0.1, 0.1, 0.15), image)


def others() -> Iterator[Pair]:
    for one in PHOTOS:
        for other in PHOTOS:
            if one != other:
                yield _unlike("another photo", _sample(one), _sample(other))


def _unlike(sort: str, first: Image.Image, second: Image.Image) -> Pair:
    return Pair(sort, encode_image(first, "PNG"), _jpeg(second, 85), same=False)


def _sample(name: str) -> Image.Image:
    return open_image((SAMPLES / name).read_bytes())


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _bill(chosen: random.Random) -> list[tuple[str, int]]:
    return [(name, chosen.randrange(100, 1000)) for name in chosen.sample(GOODS, 7)]


def _receipt(bill: Sequence[tuple[str, int]]) -> Image.Image:
    image = Image.new("RGB", (480, 640), "#f6f4ee")
    draw = ImageDraw.Draw(image)
    draw.text((120, 30), "CORNER STORE", "#222", _font(30))
    for row, (name, cents) in enumerate([*bill, ("TOTAL", sum(cents for _, cents in bill))]):
        draw.text((50, 110 + 55 * row), name, "#222", _font(24))
        draw.text((340, 110 + 55 * row), f"{cents / 100:6.2f}", "#222", _font(24))
    return image


def _lines(chosen: random.Random) -> list[list[str]]:
    return [chosen.sample(WORDS, 7) for _ in range(18)]


def _page(lines: Sequence[Sequence[str]]) -> Image.Image:
    image = Image.new("RGB", (800, 1000), "white")
    draw = ImageDraw.Draw(image)
    for row, words in enumerate(lines):
        for column, word in enumerate(words):
            draw.text((60 + 98 * column, 80 + 48 * row), word, "black", _font(20))
    return image


def _figures(chosen: random.Random) -> list[list[int]]:
    return [[chosen.randrange(1000, 10000) for _ in range(8)] for _ in range(40)]


def _table(figures: Sequence[Sequence[int]], ink: str) -> Image.Image:
    """A page as a scanner gives it at 150 dots an inch, its figures 10 points high."""
    image = Image.new("RGB", (1240, 1754), "white")
    draw = ImageDraw.Draw(image)
    for row, cells in enumerate(figures):
        for column, cell in enumerate(cells):
            draw.text((110 + 135 * column, 100 + 40 * row), str(cell), ink, _font(21))
    return image


def _bars(chosen: random.Random) -> list[int]:
    return [chosen.randrange(20, 100) for _ in range(8)]


def _chart(bars: Sequence[int]) -> Image.Image:
    image = Image.new("RGB", (640, 480), "white")
    draw = ImageDraw.Draw(image)
    draw.line((60, 30, 60, 420, 610, 420), "black", 2)
    for place, value in enumerate(bars):
        draw.rectangle((80 + 65 * place, 420 - 3.6 * value, 120 + 65 * place, 419), "steelblue")
        draw.text((85 + 65 * place, 430), "ABCDEFGH"[place], "black", _font(20))
    return image


def _things(chosen: random.Random) -> list[tuple[int, int, int, str]]:
    return [
        (
            chosen.randrange(60, 580),
            chosen.randrange(200, 420),
            chosen.randrange(18, 40),
            chosen.choice(COLOURS),
        )
        for _ in range(5)
    ]


def _scene(things: Sequence[tuple[int, int, int, str]]) -> Image.Image:
    """Things on a table before a wall: plain shapes with light and shade."""
    rows = np.linspace(215, 150, 480)[:, None, None]
    grain = np.random.default_rng(5).normal(0, 5, (480, 640, 1))
    wall = np.arange(480)[:, None, None] <= 190
    table = np.where(wall, np.array([0.95, 0.95, 1.0]), np.array([0.85, 0.7, 0.5]))
    image = Image.fromarray(np.clip(rows * table + grain, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for x, y, radius, colour in things:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour)
        draw.ellipse((x - radius / 2, y - radius / 2, x - radius / 5, y - radius / 5), "white")
    return image


def _sign(words: str, ground: str) -> Image.Image:
    image = Image.new("RGB", (500, 300), ground)
    draw = ImageDraw.Draw(image)
    draw.rectangle((12, 12, 487, 287), outline="black", width=6)
    draw.text((250, 150), words, "black", _font(80), anchor="mm")
    return image
