"""Content: Parts of some Kind, the Blobs they point to, and the Anchors that point into them.

All values are frozen and have no identity of their own; identity belongs to storage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from specialists.errors import BadInput, UnknownName

Kind = str
"""A kind of content. The registry is open: see `register_kind`."""

TEXT: Kind = "text"
IMAGE: Kind = "image"
AUDIO: Kind = "audio"
VIDEO: Kind = "video"
DOCUMENT: Kind = "document"


@dataclass(frozen=True, slots=True)
class KindSpec:
    """How a kind is recognised: by media type prefix and by file suffix (lower case, with the dot)."""

    name: Kind
    media_types: tuple[str, ...]
    suffixes: tuple[str, ...]


_KINDS: dict[Kind, KindSpec] = {}


def register_kind(name: Kind, media_types: tuple[str, ...], suffixes: tuple[str, ...]) -> KindSpec:
    """Add a kind, so that files of it are accepted and Cards may name it. A second time replaces it."""
    spec = KindSpec(name, media_types, suffixes)
    _KINDS[name] = spec
    return spec


def kinds() -> tuple[Kind, ...]:
    """The kinds known now, in the order of their registration."""
    return tuple(_KINDS)


_TEXT_SUFFIXES = (
    *(".txt", ".md", ".rst", ".tex", ".srt", ".vtt", ".log", ".html", ".xml"),
    *(".csv", ".tsv", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".ini", ".cfg"),
    *(".py", ".js", ".ts", ".sh", ".c", ".cpp", ".h", ".java", ".rs", ".go", ".sql"),
)
register_kind(TEXT, ("text/",), _TEXT_SUFFIXES)
register_kind(IMAGE, ("image/",), (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"))
register_kind(AUDIO, ("audio/",), (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac"))
register_kind(VIDEO, ("video/",), (".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v"))
register_kind(DOCUMENT, ("application/pdf",), (".pdf",))


def kind_of(name: str, media_type: str = "") -> Kind:
    """The kind of a file, by its media type if it has one, else by its suffix.

    Raises BadInput when neither is known.
    """
    for spec in _KINDS.values():
        if media_type and any(media_type.startswith(prefix) for prefix in spec.media_types):
            return spec.name
    suffix = Path(name).suffix.lower()
    for spec in _KINDS.values():
        if suffix in spec.suffixes:
            return spec.name
    known = ", ".join(s for spec in _KINDS.values() if spec.name != TEXT for s in spec.suffixes)
    raise BadInput(
        f"cannot tell what kind of content this is ({media_type or suffix or 'no suffix'})",
        part=name or "attachment",
        remedy=f"Known are text in UTF-8 and files of these types: {known}",
    )


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in a picture, in pixels from the top left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time from `start` to `end`, in seconds."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Chars:
    """A stretch of a text, in characters, end exclusive."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where in a Part something is. `part` is the index of the Part in the Task that was worked on."""

    part: int = 0
    box: Box | None = None
    span: Span | None = None
    chars: Chars | None = None
    page: int | None = None


@dataclass(frozen=True, slots=True)
class BlobRef:
    """A reference to immutable bytes. `digest` is their SHA-256 in hex, `size` is in bytes."""

    digest: str
    size: int
    media_type: str


class BlobReader(Protocol):
    """What a specialist may do with blobs: read them."""

    def read(self, ref: BlobRef) -> bytes:
        """The bytes. Raises UnknownName when the store does not hold them."""
        ...


class MemoryBlobs:
    """A BlobReader over bytes held in memory: for what a specialist makes on its way, and for tests."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    def put(self, data: bytes, media_type: str) -> BlobRef:
        digest = hashlib.sha256(data).hexdigest()
        self._blobs[digest] = data
        return BlobRef(digest, len(data), media_type)

    def read(self, ref: BlobRef) -> bytes:
        try:
            return self._blobs[ref.digest]
        except KeyError:
            raise UnknownName("no blob of this digest", part=ref.digest) from None


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of content. Text stands in `text`; media point to a blob.

    `facts` holds what decoding found, in plain units: width and height (pixels), seconds, rate (hertz),
    channels, pages.
    """

    kind: Kind
    text: str = ""
    blob: BlobRef | None = None
    name: str = ""
    facts: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What memory calls this content: the blob's digest, or nothing for text."""
        return self.blob.digest if self.blob else ""


@dataclass(frozen=True, slots=True)
class Message:
    """A role (user, assistant, system) and its Parts."""

    role: str
    parts: tuple[Part, ...] = ()

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.parts if part.kind == TEXT and part.text)

    @property
    def media(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.blob is not None)


def text_part(text: str) -> Part:
    return Part(kind=TEXT, text=text)


def message(role: str, text: str = "", *media: Part) -> Message:
    """A Message of an optional text and any number of media Parts."""
    return Message(role, ((text_part(text),) if text else ()) + media)
