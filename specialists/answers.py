"""What of a specialist's answer is passed on: Chunks that keep the contract, and not without end.

A specialist may be anybody's code, and its answer goes into a log, onto a screen and to other specialists.
What none of them can hold is taken out; what is no answer to the Task is the specialist's failure.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

from specialists.base import Card, Chunk
from specialists.content import TEXT, Anchor
from specialists.errors import AntiphonError, Ours, SpecialistFailed, Theirs, TransientFailure

MOST_CHARACTERS = 1_000_000
"""Text of one answer, in characters, labels and facts included; about two hundred full pages of it."""
MOST_BYTES = 256 * 2**20
"""Media of one answer, in bytes."""
MOST_CHUNKS = 50_000
"""Pieces of one answer, empty ones included; the words of a whole day of talk are fewer."""

_REASON_LENGTH = 500
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*( *;[ -~]*)?", re.IGNORECASE)


@dataclass(slots=True)
class Answer:
    """The answer to one Task as it comes, counted."""

    card: Card
    characters: int = 0
    size: int = 0
    chunks: int = 0

    def take(self, given: object) -> Chunk:
        """The Chunk to pass on. Raises SpecialistFailed for what is none, or for one too many."""
        chunk = self._checked(given)
        self.characters += len(chunk.text) + len(chunk.label) + sum(map(_length, chunk.facts.items()))
        self.size += len(chunk.data)
        self.chunks += 1
        for counted, most, what in (
            (self.characters, MOST_CHARACTERS, "characters"),
            (self.size, MOST_BYTES, "bytes"),
            (self.chunks, MOST_CHUNKS, "pieces"),
        ):
            if counted > most:
                raise self._failed(f"does not come to an end: more than {most:,} {what}")
        return chunk

    def _checked(self, chunk: object) -> Chunk:
        if not isinstance(chunk, Chunk):
            raise self._failed(f"answered with {type(chunk).__name__}, not with a Chunk")
        for field, kind in _FIELDS:
            value = getattr(chunk, field)
            if not isinstance(value, kind):
                raise self._failed(f"answered with {type(value).__name__} as {field}")
        if chunk.kind not in self.card.produces:
            raise self._failed(f"answered with {_cut(chunk.kind, 40)}, which its card does not name")
        if chunk.data and chunk.kind == TEXT:
            raise self._failed("answered with text as data: it belongs in `text`")
        if chunk.media_type and not _MEDIA_TYPE.fullmatch(chunk.media_type):
            raise self._failed(f"answered with {_cut(repr(chunk.media_type), 40)} as media type")
        return _storable(chunk)

    def _failed(self, message: str) -> SpecialistFailed:
        return SpecialistFailed(message, part=self.card.name)


def in_our_words(error: BaseException, name: str) -> AntiphonError:
    """What the specialist `name` raised, as an error that can be told: of the tree, and short.

    One that is so already is returned itself.
    """
    if isinstance(error, TimeoutError | ConnectionError):
        what = "timed out" if isinstance(error, TimeoutError) else "lost a connection"
        return TransientFailure(_cut(f"{what}: {_said(error)}"), part=name)
    if not isinstance(error, Theirs | Ours):
        return SpecialistFailed(_cut(f"{type(error).__name__}: {_said(error)}"), part=name)
    given = [getattr(error, field, "") for field in ("message", "part", "remedy")]
    message, part, remedy = map(_cut, given)
    # A class with an __init__ of its own cannot be made anew: the nearest of the tree stands in for it.
    kind = next(b for b in type(error).__mro__ if b.__init__ is AntiphonError.__init__)  # type: ignore[misc]
    whole = vars(error).keys() >= {"message", "part", "remedy"} and given == [message, part, remedy]
    return error if whole else kind(message, part=part, remedy=remedy)


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as second:  # noqa: BLE001 - an exception may fail at telling what it is
        return f"(its text cannot be had: {type(second).__name__})"


def _cut(text: object, length: int = _REASON_LENGTH) -> str:
    written = _writable(text if isinstance(text, str) else repr(text))
    return written if len(written) <= length else f"{written[: length - 1]}…"


_FIELDS: tuple[tuple[str, type | tuple[type, ...]], ...] = (
    ("kind", str),
    ("text", str),
    ("data", bytes),
    ("media_type", str),
    ("label", str),
    ("anchor", (Anchor, type(None))),
    ("score", (float, int, type(None))),
    ("facts", Mapping),
)


def _storable(chunk: Chunk) -> Chunk:
    """The chunk, less what no store and no JSON can hold: lone surrogates, figures that are not finite."""
    if not (chunk.text.isascii() and chunk.label.isascii()):
        chunk = replace(chunk, text=_writable(chunk.text), label=_writable(chunk.label))
    if chunk.score is not None and not math.isfinite(chunk.score):
        chunk = replace(chunk, score=None)
    if chunk.anchor is not None and not _points(chunk.anchor):
        chunk = replace(chunk, anchor=None)
    if chunk.facts:
        chunk = replace(chunk, facts=_plain(chunk.facts))
    return chunk


def _writable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _plain(facts: Mapping[str, float | str]) -> Mapping[str, float | str]:
    return {
        _writable(key): _writable(fact) if isinstance(fact, str) else fact
        for key, fact in facts.items()
        if isinstance(key, str) and (isinstance(fact, str) or _is_figure(fact))
    }


def _is_figure(fact: object) -> bool:
    return isinstance(fact, int | float) and -sys.float_info.max <= fact <= sys.float_info.max


def _length(fact: tuple[str, float | str]) -> int:
    return sum(len(piece) for piece in fact if isinstance(piece, str))


def _points(anchor: Anchor) -> bool:
    """Whether the anchor points somewhere: all its figures are figures, and finite."""
    box, span, chars = anchor.box, anchor.span, anchor.chars
    counts = [anchor.part, *([] if anchor.page is None else [anchor.page])]
    counts += [chars.start, chars.end] if chars else []
    places = [box.x, box.y, box.width, box.height] if box else []
    places += [span.start, span.end] if span else []
    return all(isinstance(count, int) for count in counts) and all(map(math.isfinite, places))
