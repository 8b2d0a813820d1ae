"""Words in pictures and documents, in reading order."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from specialists.base import Card, Chunk, Cost, Resources, Specialist, Task
from specialists.content import DOCUMENT, IMAGE, TEXT, Anchor, Box, Part
from specialists.document import Page, read_document
from specialists.errors import AntiphonError, BadInput, SpecialistFailed
from specialists.layout import Corners, bounding_box, reading_order
from specialists.limits import safe_name
from specialists.picture import open_image
from specialists.piece import PAGES_PARAMETER, pages
from specialists.registry import Setup
from specialists.threads import in_thread, stream

if TYPE_CHECKING:
    from PIL.Image import Image

THREADS = 1
"""A second thread gains a tenth on an idle machine and, as it spins, costs a third on a busy one."""
SURE = 0.6
SHORT, SURE_SHORT = 2, 0.9
"""Texture in photographs is taken for single letters; words that short must be beyond doubt."""

NO_TEXT = "no text"
"""The label of the empty Chunk that says: looked, and found none."""

EXAMPLES = (
    "what does this say?",
    "read the text in this picture",
    "read this receipt",
    "what is written on the sign?",
    "transcribe this page",
    "give me the words in this scan",
    "extract the text from this PDF",
    "copy the text out of the screenshot",
    "what's the total on this bill?",
    "what phone number is on the poster?",
    "can you make out the label on this bottle?",
    "type up this letter for me",
    "what does the error message in the screenshot say?",
    "read me the first page of this document",
    "which date is printed on the ticket?",
    "what's the address on this envelope?",
    "turn this photo of a page into text",
    "what is the licence plate number?",
    "what does the menu offer?",
    "I can't read the small print here, what is it?",
    "get the text from the slide",
    "who signed this letter?",
    "what is the wifi password on this card?",
    "digitise these notes",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text: its words, the rectangle around it in pixels, how sure the reading is (0 to 1)."""

    text: str
    box: Box
    score: float


class _Interrupted(Exception):
    """The reader has gone; nothing of this call is wanted any more."""


class _Stoppable:
    """An onnxruntime session that each thread runs with its own options, so that a call can be broken off."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.local = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, outputs: Any, inputs: Any) -> Any:
        options = getattr(self.local, "options", None)
        if options is not None and options.terminate:
            raise _Interrupted
        return self._session.run(outputs, inputs, options)


class Reader:
    """RapidOCR with the models that its wheel brings: finds boxes of text, then reads them in order."""

    def __init__(self) -> None:
        from rapidocr import RapidOCR

        self._engine = RapidOCR(
            params={
                "Global.log_level": "critical",
                "EngineConfig.onnxruntime.intra_op_num_threads": THREADS,
            }
        )
        # It loads its three models on first use; loading here keeps that out of the first request.
        models = (
            self._engine._load_det_model(),
            self._engine._load_cls_model(),
            self._engine._load_rec_model(),
        )
        self._sessions = []
        for model in models:
            model.session.session = _Stoppable(model.session.session)
            self._sessions.append(model.session.session)

    def lines(self, image: Image, options: Any) -> Iterator[Line]:
        """The lines of a picture, in reading order. Setting `options.terminate` ends it with an exception."""
        import numpy as np

        for session in self._sessions:
            session.local.options = options
        pixels = np.ascontiguousarray(np.asarray(image)[:, :, ::-1])
        prepared, record = self._engine.preprocess_img(pixels)
        crops, boxes = self._find(prepared, record, pixels.shape)
        for line in reading_order(boxes):
            words = [(self._read(crops[index]), boxes[index]) for index in line]
            if (made := _line(words)) is not None:
                yield made

    def _read(self, crop: Any) -> tuple[str, float]:
        """The words of one box. Boxes are read singly: padded to the widest of a batch, they lose spaces."""
        upright, _ = self._engine.cls_and_rotate([crop])
        result: Any = self._engine.recognize_txt(upright)
        return result.txts[0], float(result.scores[0])

    def _find(
        self, pixels: Any, record: dict[str, Any], shape: Sequence[int]
    ) -> tuple[list[Any], list[Corners]]:
        from rapidocr.main import RapidOCRError
        from rapidocr.utils.process_img import map_boxes_to_original

        try:
            crops, found = self._engine.detect_and_crop(pixels, record)
            boxes: Any = found.boxes
        except RapidOCRError:  # it has no other way to say that there is no text
            return [], []
        return crops, map_boxes_to_original(boxes, record, shape[0], shape[1]).tolist()


def _line(words: list[tuple[tuple[str, float], Corners]]) -> Line | None:
    kept = [(text.strip(), score, box) for (text, score), box in words if _credible(text.strip(), score)]
    if not kept:
        return None
    letters = sum(len(text) for text, _, _ in kept)
    score = sum(score * len(text) for text, score, _ in kept) / letters
    return Line(" ".join(text for text, _, _ in kept), bounding_box([box for _, _, box in kept]), score)


def _credible(text: str, score: float) -> bool:
    return bool(text) and score >= (SURE_SHORT if len(text) <= SHORT else SURE)


class Ocr(Specialist):
    """Reads pictures and PDFs. One Chunk is one line, its newline with it; of a PDF's text layer, one page.

    Boxes are in pixels of a picture, and in points from the upper left corner of a PDF's page. Pages count
    from 1. A call that finds no text at all yields one empty Chunk labelled "no text".
    """

    def __init__(self, setup: Setup) -> None:
        setup.check_options()
        self._setup = setup
        self.card = Card(
            name=setup.name,
            description="Reads the words in a picture, a scan or a PDF, line by line.",
            consumes=(IMAGE, DOCUMENT),
            produces=(TEXT,),
            version="1",
            parameters=(PAGES_PARAMETER,),
            examples=EXAMPLES,
            purpose="ocr",
            cost=Cost(seconds=2.0),
            resources=Resources(cpus=1.0, memory_mb=600),
            model="PP-OCRv6-small",
        )

    async def load(self) -> None:
        await in_thread(self._reader)

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        from onnxruntime import RunOptions

        parts = [(i, part) for i, part in enumerate(task.parts) if part.kind in (IMAGE, DOCUMENT)]
        if not parts:
            raise BadInput("got no picture or document to read", part=self.card.name)
        pages(task)  # refused before any work is done
        options = RunOptions()

        def stop() -> None:
            options.terminate = True

        chunks = stream(lambda: self._read(task, parts, options), on_stop=stop)
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    def _reader(self) -> Reader:
        return self._setup.pool.lend(("rapidocr", "PP-OCRv6-small"), Reader)

    def _read(self, task: Task, parts: list[tuple[int, Part]], options: Any) -> Generator[Chunk, None, None]:
        found = False
        for index, part in parts:
            try:
                for chunk in self._read_part(task, index, part, options):
                    found = True
                    yield chunk
            except AntiphonError:
                raise
            except Exception as error:
                if options.terminate:
                    return
                raise SpecialistFailed(f"{type(error).__name__}: {error}", part=self.card.name) from error
        if not found:
            yield Chunk(TEXT, "", anchor=Anchor(part=parts[0][0]), label=NO_TEXT)

    def _read_part(self, task: Task, index: int, part: Part, options: Any) -> Iterator[Chunk]:
        if part.blob is None:
            raise BadInput("has no content", part=safe_name(part.name))
        data, limits, name = task.blobs.read(part.blob), self._setup.limits, safe_name(part.name)
        if part.kind == IMAGE:
            for line in self._reader().lines(open_image(data, limits, part=name), options):
                yield _chunk(line, Anchor(part=index, box=line.box))
        else:
            yield from self._read_pages(task, data, name, index, options)

    def _read_pages(self, task: Task, data: bytes, name: str, index: int, options: Any) -> Iterator[Chunk]:
        for page in read_document(data, self._setup.limits, part=name, pages=pages(task)):
            if options.terminate:
                return
            if page.text:
                yield Chunk(TEXT, page.text + "\n", anchor=Anchor(part=index, page=page.number), label="page")
                continue
            image = page.image()
            for line in self._reader().lines(image, options):
                box = _in_points(line.box, page, image.width)
                yield _chunk(line, Anchor(part=index, box=box, page=page.number))


def _chunk(line: Line, anchor: Anchor) -> Chunk:
    return Chunk(TEXT, line.text + "\n", anchor=anchor, score=round(line.score, 4), label="line")


def _in_points(box: Box, page: Page, pixels: int) -> Box:
    scale = page.width / pixels
    return Box(box.x * scale, box.y * scale, box.width * scale, box.height * scale)


def create(setup: Setup) -> Specialist:
    """The `ocr` specialist: PP-OCR through RapidOCR. It has no options."""
    return Ocr(setup)
