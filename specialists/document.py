"""Documents: a PDF's pages, each with its text layer and a picture on demand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from specialists.containers import PDF, cut_short, sniff
from specialists.content import DOCUMENT
from specialists.errors import BadInput
from specialists.limits import DEFAULT_LIMITS, Inspected, Limits, check_size, guarded, over, refuse
from specialists.piece import chosen_pages

if TYPE_CHECKING:
    from PIL.Image import Image

DOTS_PER_INCH = 150
LONGEST_SIDE = 2400
"""Pixels of a rendered page's longer side at most, whatever size the page claims."""

_PDFIUM = threading.Lock()
"""PDFium is not safe to call from two threads at once."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `number` counts from 1; `text` is its text layer, empty for a scan; sizes in points.

    `image()` draws the page, as long as the iterator that yielded it has not gone on.
    """

    number: int
    text: str
    width: float
    height: float
    image: Callable[[], Image] = field(repr=False, compare=False)


@guarded("a PDF")
def inspect_document(data: bytes, limits: Limits = DEFAULT_LIMITS, *, part: str = "document") -> Inspected:
    """Check a PDF and count its pages. Raises BadInput and LimitExceeded."""
    with _PDFIUM:
        document = _open(data, limits, part)
        try:
            pages = len(document)
            document[0].close()  # a broken page tree shows here
        finally:
            document.close()
    return Inspected(DOCUMENT, PDF.media_type, {"pages": float(pages)})


def read_document(
    data: bytes, limits: Limits = DEFAULT_LIMITS, *, part: str = "document", pages: str = ""
) -> Iterator[Page]:
    """The pages of a PDF, read one at a time: those that `pages` names (see `piece.chosen_pages`), or all.

    Raises BadInput and LimitExceeded, also in the middle.
    """
    with _PDFIUM:
        document = _open(data, limits, part)
        count = len(document)
    try:
        for number in chosen_pages(pages, count, part):
            with _PDFIUM:
                page, text, size = _load(document, number - 1, part)
            try:
                yield Page(number, text, *size, lambda page=page: _render(page, part))  # type: ignore[misc]
            finally:
                with _PDFIUM:
                    page.close()
    finally:
        with _PDFIUM:
            document.close()


def _open(data: bytes, limits: Limits, part: str) -> Any:
    import pypdfium2

    check_size(data, limits.document_bytes, part=part, key="document_bytes")
    if sniff(data) is not PDF:
        raise BadInput(
            "does not hold a PDF", part=part, remedy="Documents may be PDF; text may be .txt or .md"
        )
    if cut_short(data, PDF):
        raise BadInput("is cut short", part=part, remedy="Send the whole file")
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "assword" in str(error):
            raise BadInput(
                "is encrypted", part=part, remedy="Remove its password and send it again"
            ) from error
        raise refuse("a PDF", error, part=part) from error
    pages = len(document)
    if pages == 0:
        document.close()
        raise BadInput("has no pages", part=part)
    if pages > limits.document_pages:
        document.close()
        raise over(
            f"has {pages} pages, more than the {limits.document_pages} allowed",
            part=part,
            key="document_pages",
        )
    return document


@guarded("a PDF page")
def _load(document: Any, index: int, part: str) -> tuple[Any, str, tuple[float, float]]:
    page = document[index]
    text = page.get_textpage()
    try:
        words = str(text.get_text_bounded()).replace("\r\n", "\n").replace("\r", "\n")
    finally:
        text.close()
    return page, words.strip(), page.get_size()


@guarded("a PDF page")
def _render(page: Any, part: str) -> Image:
    with _PDFIUM:
        longest = max(*page.get_size(), 1.0)
        bitmap = page.render(scale=min(DOTS_PER_INCH / 72, LONGEST_SIDE / longest))
        try:
            image: Image = bitmap.to_pil().convert("RGB")
        finally:
            bitmap.close()
    return image
