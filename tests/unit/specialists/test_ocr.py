"""Reading with the real models: a page, a receipt, a PDF, and pictures without words."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from specialists.base import Chunk, Task
from specialists.content import AUDIO, DOCUMENT, IMAGE, BlobRef, Kind, MemoryBlobs, Part
from specialists.errors import BadConfig, BadInput
from specialists.models import ModelStore
from specialists.ocr import NO_TEXT, Ocr, create
from specialists.registry import Setup
from specialists.runtime import LocalRuntime

PAGE = """\
Harbour Lane Library
27 Harbour Lane, Westport
14 March 2025
Dear readers,
The reading room will be closed from Monday,
7 April, until Friday, 18 April 2025, while
the old windows are replaced. Please return
all 340 borrowed books to the front desk by
5 April. Nobody will be charged for books
that come back late in those two weeks.
Questions? Call Anna Berg at 555-0142.
Yours sincerely,
Thomas Hale, Librarian
"""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Ocr:
    return Ocr(Setup("ocr", ModelStore(tmp_path_factory.mktemp("models")), LocalRuntime()))


def task(*files: tuple[Kind, bytes]) -> Task:
    blobs = MemoryBlobs()
    parts = tuple(Part(kind, blob=blobs.put(data, ""), name="file") for kind, data in files)
    return Task("t", "ocr", parts=parts, blobs=blobs)


async def read(reader: Ocr, *files: tuple[Kind, bytes]) -> list[Chunk]:
    return [chunk async for chunk in reader.run(task(*files))]


def joined(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def as_pdf(image: Image.Image) -> bytes:
    """A scan: a PDF of one picture, without a text layer."""
    out = io.BytesIO()
    image.save(out, "PDF", resolution=150)
    return out.getvalue()


async def test_a_page_is_read_word_for_word_in_order(reader: Ocr, media: Path) -> None:
    chunks = await read(reader, (IMAGE, (media / "page.png").read_bytes()))
    assert joined(chunks) == PAGE
    assert all(chunk.score and chunk.score > 0.9 and chunk.label == "line" for chunk in chunks)
    tops = [chunk.anchor.box.y for chunk in chunks if chunk.anchor and chunk.anchor.box]
    assert tops == sorted(tops)
    first = chunks[0].anchor.box if chunks[0].anchor else None
    assert first is not None
    assert (first.x, first.y) == (pytest.approx(101, abs=15), pytest.approx(94, abs=15))


async def test_a_receipt_keeps_prices_beside_their_names(reader: Ocr, media: Path) -> None:
    lines = joined(await read(reader, (IMAGE, (media / "receipt.png").read_bytes()))).splitlines()
    assert "Rye bread 3.20" in lines
    assert "TOTAL 23.24" in lines


async def test_a_photograph_without_words_says_so_and_nothing_else(reader: Ocr, media: Path) -> None:
    chunks = await read(reader, (IMAGE, (media / "cat.jpg").read_bytes()))
    assert [(chunk.text, chunk.label) for chunk in chunks] == [("", NO_TEXT)]


async def test_a_scanned_document_is_drawn_and_read(reader: Ocr, media: Path) -> None:
    image = Image.open(media / "page.png").convert("RGB")
    chunks = await read(reader, (DOCUMENT, as_pdf(image)))
    assert "Dear readers,\n" in joined(chunks)
    anchor = chunks[0].anchor
    assert anchor is not None
    assert anchor.page == 1
    assert anchor.box is not None
    assert anchor.box.x == pytest.approx(101 * 72 / 150, abs=8)  # points of the page


async def test_a_text_layer_is_taken_as_it_is(reader: Ocr) -> None:
    from tests.unit.specialists.test_media import pdf

    chunks = await read(reader, (DOCUMENT, pdf(2)))
    assert joined(chunks) == "Hello page 1\nHello page 2\n"
    assert [chunk.anchor.page for chunk in chunks if chunk.anchor] == [1, 2]


@pytest.mark.parametrize(
    ("pages", "numbers"), [("2", [2]), ("2-3", [2, 3]), ("3-", [3, 4]), ("-2", [3, 4]), ("1, 3-9 ,4", None)]
)
async def test_only_the_pages_that_are_wanted_are_read(
    reader: Ocr, pages: str, numbers: list[int] | None
) -> None:
    from tests.unit.specialists.test_media import pdf

    call = replace(task((DOCUMENT, pdf(4))), params={"pages": pages})
    if numbers is None:
        with pytest.raises(BadInput, match="file: has 4 pages: 3-9 is not among them"):
            await anext(aiter(reader.run(call)))
        return
    chunks = [chunk async for chunk in reader.run(call)]
    assert [chunk.anchor.page for chunk in chunks if chunk.anchor] == numbers
    assert joined(chunks) == "".join(f"Hello page {n}\n" for n in numbers)


@pytest.mark.parametrize("pages", ["two", "2--3", 3, "0x1", "-"])
async def test_what_are_no_pages_is_refused(reader: Ocr, pages: object) -> None:
    from tests.unit.specialists.test_media import pdf

    with pytest.raises(BadInput, match="pages: must be ranges"):
        await anext(aiter(reader.run(replace(task((DOCUMENT, pdf(1))), params={"pages": pages}))))


async def test_several_parts_are_told_apart_by_their_anchors(reader: Ocr, media: Path) -> None:
    page = (IMAGE, (media / "page.png").read_bytes())
    chunks = await read(reader, (IMAGE, (media / "cat.jpg").read_bytes()), page)
    assert {chunk.anchor.part for chunk in chunks if chunk.anchor} == {1}


async def test_what_it_cannot_read_is_refused(reader: Ocr) -> None:
    with pytest.raises(BadInput, match="no picture or document"):
        await read(reader, (AUDIO, b"x"))
    with pytest.raises(BadInput, match="does not hold a picture"):
        await read(reader, (IMAGE, b"no picture"))


def test_unknown_options_are_refused(model_store: ModelStore) -> None:
    with pytest.raises(BadConfig, match="unknown option"):
        create(Setup("ocr", model_store, LocalRuntime(), options={"modle": "x"}))


class Announcing(MemoryBlobs):
    """Blobs that tell when they are read: from then on the work of a call is under way."""

    def __init__(self) -> None:
        super().__init__()
        self.was_read = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def read(self, ref: BlobRef) -> bytes:
        self._loop.call_soon_threadsafe(self.was_read.set)
        return super().read(ref)


async def test_a_cancelled_call_stops_inside_a_step_and_harms_no_other(reader: Ocr) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (2000, 2000, 3), dtype=np.uint8))
    out = io.BytesIO()
    noise.save(out, "BMP")
    blobs = Announcing()
    call = Task("t", "ocr", parts=(Part(IMAGE, blob=blobs.put(out.getvalue(), "")),), blobs=blobs)

    async def consume() -> list[Chunk]:
        return [chunk async for chunk in LocalRuntime([reader]).run(call)]

    started = time.perf_counter()
    await consume()
    whole = time.perf_counter() - started
    blobs.was_read.clear()
    running = asyncio.create_task(consume())
    await blobs.was_read.wait()
    started = time.perf_counter()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    # Finding the text is one step of the model, and takes most of the time on this picture.
    assert time.perf_counter() - started < whole / 4
    clear = io.BytesIO()
    Image.new("RGB", (100, 100), "white").save(clear, "PNG")
    assert [chunk.label for chunk in await read(reader, (IMAGE, clear.getvalue()))] == [NO_TEXT]


def test_it_says_nothing_on_the_terminal_and_the_card_loads_no_model() -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from specialists.models import ModelStore\n"
        "from specialists.ocr import create\n"
        "from specialists.registry import Setup\n"
        "from specialists.runtime import LocalRuntime\n"
        "ocr = create(Setup('ocr', ModelStore(Path('.')), LocalRuntime()))\n"
        "assert not {'onnxruntime', 'rapidocr', 'cv2', 'PIL', 'numpy'} & set(sys.modules)\n"
        "import asyncio; asyncio.run(ocr.load())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
