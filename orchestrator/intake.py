"""Intake: what people attach becomes Parts, checked, with their bytes in the blob store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from memory.blobs import BlobStore
from orchestrator.session import Attachment
from specialists.content import AUDIO, DOCUMENT, IMAGE, TEXT, VIDEO, Kind, Part, kind_of
from specialists.errors import BadInput, LimitExceeded, Theirs
from specialists.media import Limits, inspect, safe_name
from specialists.threads import in_thread

Given = str | Path | Attachment


def attachments(
    images: Sequence[Given] = (),
    audio: Sequence[Given] = (),
    video: Sequence[Given] = (),
    files: Sequence[Given] = (),
) -> tuple[Attachment, ...]:
    """What was passed under each kind, as Attachments. `files` are told apart by their content."""
    told: list[tuple[Given, Kind | None]] = [
        *((given, IMAGE) for given in images),
        *((given, AUDIO) for given in audio),
        *((given, VIDEO) for given in video),
        *((given, None) for given in files),
    ]
    return tuple(
        given
        if isinstance(given, Attachment)
        else Attachment(path=Path(given), name=Path(given).name, kind=kind)
        for given, kind in told
    )


def accept(attachment: Attachment, limits: Limits, blobs: BlobStore) -> Part:
    """Check one attachment and store its bytes. Raises BadInput, which names it, when it cannot be used."""
    name = safe_name(attachment.name or (attachment.path.name if attachment.path else "attachment"))
    data = _read(attachment, name, limits)
    found = inspect(data, name, attachment.media_type, attachment.kind, limits)
    if found.kind == TEXT:
        return Part(TEXT, text=data.decode("utf-8-sig"), name=name)
    return Part(found.kind, blob=blobs.put(data, found.media_type), name=name, facts=found.facts)


def accept_all(
    given: Sequence[Attachment], limits: Limits, blobs: BlobStore
) -> tuple[list[Part], list[Theirs]]:
    """Every attachment that can be used, and an error for each that cannot."""
    parts: list[Part] = []
    refused: list[Theirs] = []
    for attachment in given:
        try:
            parts.append(accept(attachment, limits, blobs))
        except Theirs as error:
            refused.append(error)
    return parts, refused


async def accepting(
    given: Sequence[Attachment], limits: Limits, blobs: BlobStore
) -> tuple[list[Part], list[Theirs]]:
    """`accept_all` in a thread of its own."""
    return await in_thread(accept_all, given, limits, blobs)


def _read(attachment: Attachment, name: str, limits: Limits) -> bytes:
    if attachment.data is not None:
        return attachment.data
    if attachment.path is None:
        raise BadInput("neither a path nor bytes were given", part=name)
    try:
        if attachment.path.is_dir():
            raise BadInput("is a folder, not a file", part=name, remedy="Send the files in it")
        size = attachment.path.stat().st_size
        largest = _largest(attachment, name, limits)
        if size > largest:
            raise LimitExceeded(f"is {size:,} bytes; at most {largest:,} are allowed", part=name)
        if not attachment.path.is_file():
            raise BadInput("is not a file", part=name)
        return attachment.path.read_bytes()
    except FileNotFoundError as error:
        raise BadInput("no such file", part=name, remedy="Check the path") from error
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror or error}", part=name) from error


def _largest(attachment: Attachment, name: str, limits: Limits) -> int:
    by_kind = {
        IMAGE: limits.image_bytes,
        DOCUMENT: limits.document_bytes,
        AUDIO: limits.audio_bytes,
        VIDEO: limits.video_bytes,
        TEXT: limits.text_bytes,
    }
    try:
        kind = attachment.kind or kind_of(name, attachment.media_type)
    except BadInput:  # what it is will be told by its bytes
        return max(by_kind.values())
    return by_kind.get(kind, limits.document_bytes)
