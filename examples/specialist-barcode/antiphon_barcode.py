"""The specialist barcode: reads barcodes and QR codes in pictures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from contextlib import aclosing
from typing import TYPE_CHECKING

from specialists.base import Card, Chunk, Cost, Parameter, Resources, Specialist, Task
from specialists.content import IMAGE, TEXT, Anchor, Box
from specialists.errors import BadInput
from specialists.media import open_image
from specialists.registry import Setup
from specialists.threads import stream

if TYPE_CHECKING:
    from zxingcpp import Barcode, BarcodeFormats

NOTHING = "No barcode or QR code can be read in this picture."


class BarcodeReader(Specialist):
    """One Chunk is one code: its content, the format as its label, and the box it stands in."""

    def __init__(self, setup: Setup) -> None:
        setup.check_options()
        self._limits = setup.limits
        self.card = Card(
            name=setup.name,
            description="Reads the content of barcodes and QR codes in a picture.",
            consumes=(IMAGE,),
            produces=(TEXT,),
            parameters=(
                Parameter("formats", "string", "Only these, such as QRCode,EAN13; all when it is empty", ""),
            ),
            examples=(
                "what does the QR code say?",
                "scan this code",
                "read the barcode on the box",
                "which link is behind this QR code?",
                "what is the EAN of this product?",
                "give me the number under the bars",
                "decode this for me",
                "where does this square code lead to?",
                "scan the ticket",
                "what's the ISBN on the back of the book?",
                "is there a wifi code on this sign?",
                "get the tracking number from the parcel label",
                "open the code on the menu and tell me the address",
                "does the coupon contain a code?",
            ),
            cost=Cost(seconds=0.05),
            resources=Resources(cpus=1, memory_mb=100),
            model="zxing-cpp",
        )

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        if not task.parts:
            raise BadInput("there is no picture to read", part=self.card.name, remedy="Attach one")
        for part in task.parts:
            if part.kind != IMAGE or part.blob is None:
                raise BadInput(f"cannot read codes in {part.kind}", part=part.name or part.kind)
        formats = _formats(task.params.get("formats", ""))
        async with aclosing(stream(lambda: self._read(task, formats))) as chunks:
            async for chunk in chunks:
                yield chunk

    def _read(self, task: Task, formats: BarcodeFormats) -> Generator[Chunk, None, None]:
        from zxingcpp import read_barcodes

        found = 0
        for index, part in enumerate(task.parts):
            assert part.blob is not None
            image = open_image(task.blobs.read(part.blob), self._limits)
            for code in read_barcodes(image, formats):
                yield _chunk(code, index, first=not found)
                found += 1
        if not found:
            yield Chunk(TEXT, NOTHING)


def _chunk(code: Barcode, part: int, *, first: bool) -> Chunk:
    place = code.position
    corners = (place.top_left, place.top_right, place.bottom_left, place.bottom_right)
    left, top = min(corner.x for corner in corners), min(corner.y for corner in corners)
    right, bottom = max(corner.x for corner in corners), max(corner.y for corner in corners)
    return Chunk(
        TEXT,
        # The answer is all texts joined, so each code but the first begins a line.
        text=code.text if first else f"\n{code.text}",
        anchor=Anchor(part=part, box=Box(left, top, right - left, bottom - top)),
        label=str(code.format),
    )


def _formats(names: object) -> BarcodeFormats:
    from zxingcpp import barcode_formats_from_str

    if not isinstance(names, str):
        raise BadInput(f"must be names with commas between them, not {names!r}", part="formats")
    try:
        return barcode_formats_from_str(names)
    except ValueError as error:
        raise BadInput(str(error), part="formats", remedy="Write them as QRCode,EAN13,Code128") from error


def create(setup: Setup) -> Specialist:
    return BarcodeReader(setup)
