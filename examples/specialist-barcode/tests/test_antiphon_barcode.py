"""The specialist barcode on pictures with real codes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import zxingcpp
from antiphon_barcode import NOTHING, create
from PIL import Image

from specialists.base import Chunk, Specialist, Task
from specialists.conformance import check
from specialists.content import IMAGE
from specialists.errors import BadInput
from specialists.models import ModelStore
from specialists.registry import Setup
from specialists.runtime import LocalRuntime
from specialists.samples import Sample, SampleBlobs, picture

LINK, PRODUCT = "https://example.com/menu?table=7", "4006381333931"


def shelf() -> Sample:
    """A grey picture with a QR code and, turned, a product's barcode."""
    image = Image.new("RGB", (700, 500), (200, 205, 210))
    link = zxingcpp.create_barcode(LINK, zxingcpp.BarcodeFormat.QRCode).to_image(scale=6)
    product = zxingcpp.create_barcode(PRODUCT, zxingcpp.BarcodeFormat.EAN13).to_image(scale=3)
    image.paste(Image.fromarray(link).convert("RGB"), (40, 60))
    image.paste(Image.fromarray(product).convert("RGB").rotate(90, expand=True), (450, 40))
    out = io.BytesIO()
    image.save(out, "PNG")
    return Sample(IMAGE, out.getvalue(), "image/png", "shelf.png")


@pytest.fixture
def specialist(tmp_path: Path) -> Specialist:
    return create(Setup("barcode", ModelStore(tmp_path), LocalRuntime()))


async def read(specialist: Specialist, sample: Sample, **params: object) -> list[Chunk]:
    task = Task("1", "barcode", parts=(sample.part,), params=params, blobs=SampleBlobs([sample]))
    return [chunk async for chunk in specialist.run(task)]


async def test_it_keeps_the_contract(specialist: Specialist) -> None:
    assert [finding for finding in await check(specialist) if not finding.passed] == []


async def test_it_reads_every_code_and_says_where_it_is(specialist: Specialist) -> None:
    chunks = await read(specialist, shelf())
    assert sorted("".join(chunk.text for chunk in chunks).split("\n")) == [PRODUCT, LINK]
    link = next(chunk for chunk in chunks if LINK in chunk.text)
    assert link.label == "QR Code"
    assert link.anchor is not None
    assert link.anchor.box is not None
    assert 40 <= link.anchor.box.x < 100
    assert 60 <= link.anchor.box.y < 120


async def test_formats_narrow_what_is_read(specialist: Specialist) -> None:
    assert [chunk.text for chunk in await read(specialist, shelf(), formats="EAN13")] == [PRODUCT]
    with pytest.raises(BadInput, match="formats"):
        await read(specialist, shelf(), formats="runes")
    with pytest.raises(BadInput, match="formats"):
        await read(specialist, shelf(), formats=13)


async def test_a_picture_without_a_code_is_said_to_be_one(specialist: Specialist) -> None:
    assert [chunk.text for chunk in await read(specialist, picture("Nothing here"))] == [NOTHING]
