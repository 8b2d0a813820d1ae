"""Decoding of media with limits that hold before anything is decoded.

`inspect` tells what a piece of content truly is, or why it is refused. The decoders stand one file a kind
and are all reached from here.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from specialists.containers import Container, sniff
from specialists.content import AUDIO, DOCUMENT, IMAGE, TEXT, VIDEO, Kind, kind_of
from specialists.document import Page, inspect_document, read_document
from specialists.errors import BadInput
from specialists.film import Frame, has_pictures, inspect_video, video_frames
from specialists.limits import DEFAULT_LIMITS, Inspected, Limits, check_size, safe_name
from specialists.picture import encode_image, inspect_image, open_image
from specialists.sound import encode_wav, inspect_audio, read_audio, to_pcm

__all__ = [
    "Frame",
    "Inspected",
    "Limits",
    "Page",
    "encode_image",
    "encode_wav",
    "inspect",
    "kind_of_file",
    "open_image",
    "read_audio",
    "read_document",
    "read_text",
    "safe_name",
    "to_pcm",
    "video_frames",
]

_INSPECTORS = {
    IMAGE: inspect_image,
    AUDIO: inspect_audio,
    VIDEO: inspect_video,
    DOCUMENT: inspect_document,
}


def inspect(
    data: bytes,
    name: str = "",
    media_type: str = "",
    kind: Kind | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Inspected:
    """What `data` truly is, by the decoder that would read it.

    `kind` is what it is said to be; without it the media type, the name and the bytes tell. Raises BadInput
    for content that is empty, broken, cut short, encrypted, or not what it is said to be, and LimitExceeded
    for what is too large or too long; both name the part in a form that is safe to show.
    """
    part = safe_name(name)
    found = sniff(data)
    said = kind or _said_kind(data, name, media_type, found, limits)
    if said == TEXT:
        text = read_text(data, limits, part=part)
        return Inspected(TEXT, _text_type(name, media_type), {"characters": float(len(text))})
    if said not in _INSPECTORS:  # a kind that a package added: its own specialists decode it
        check_size(data, limits.document_bytes, part=part, key="document_bytes")
        return Inspected(said, media_type or "application/octet-stream")
    if data and found is not None and not _fits(said, found):
        raise BadInput(
            f"is said to be {_a(said)} but holds {found.name}",
            part=part,
            remedy=f"Send it as {_a(found.kind)}",
        )
    if said == VIDEO and kind is None and not has_pictures(data, limits, part=part):
        said = AUDIO  # a voice note in a film's container
    return _INSPECTORS[said](data, limits, part=part)


def kind_of_file(path: Path, limits: Limits = DEFAULT_LIMITS) -> Kind:
    """The kind of a file by its name, or by its first bytes where the name does not tell.

    Raises BadInput when neither does, and OSError when it cannot be read.
    """
    with path.open("rb") as file:
        try:
            return kind_of(path.name)
        except BadInput:
            data = file.read(limits.text_bytes + 1)
    return _said_kind(data, path.name, "", sniff(data), limits)


def read_text(data: bytes, limits: Limits = DEFAULT_LIMITS, *, part: str = "text") -> str:
    """Decode UTF-8 text. Raises BadInput for anything else and LimitExceeded for too much."""
    check_size(data, limits.text_bytes, part=part, key="text_bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"is not valid UTF-8 text (byte {error.start})",
            part=part,
            remedy="Save it as UTF-8 and send it again",
        ) from None
    if "\0" in text:
        raise BadInput("holds binary data, not text", part=part)
    return text


def _said_kind(data: bytes, name: str, media_type: str, found: Container | None, limits: Limits) -> Kind:
    """The kind by media type or name; where neither is known, by what the bytes are."""
    try:
        return kind_of(name, media_type)
    except BadInput as error:
        # Text may begin like a picture ("BM") or a film ("the free"); of the formats, PDF alone may be text.
        if not data.startswith(b"%PDF-") and _reads_as_text(data, limits):
            return TEXT
        if found is not None:
            return found.kind
        raise BadInput(error.message, part=safe_name(name), remedy=error.remedy) from None


def _reads_as_text(data: bytes, limits: Limits) -> bool:
    """Whether the bytes, as many of them as a text may have, are UTF-8 without NUL."""
    head = data[: limits.text_bytes]
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) == len(data))
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def _fits(said: Kind, found: Container) -> bool:
    """Whether the format may hold the kind: sound also comes in the containers of film."""
    return found.kind == said or (said == AUDIO and bool(found.demuxer) and found.demuxer != "avi")


def _text_type(name: str, media_type: str) -> str:
    if media_type.startswith("text/"):
        return media_type
    return "text/markdown" if Path(safe_name(name)).suffix.lower() == ".md" else "text/plain"


def _a(kind: Kind) -> str:
    return {IMAGE: "a picture", AUDIO: "sound", VIDEO: "a film", DOCUMENT: "a document"}.get(kind, kind)
