"""Sound in events: base64 text under the name `pcm` moves to the blob store and back."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from memory.blobs import BlobStore, digest_of
from specialists.errors import BadInput

MEDIA_TYPE = "audio/pcm"

INLINE = 1024
"""Up to so many characters sound stays in the event: a blob of its own costs more than it saves."""

_REFERENCE = ({"blob", "size"}, {"blob", "size", "alphabet"})


def moved(event: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
    """The event with its sound replaced by `{"blob": digest, "size": bytes}`, and the sound to store.

    Other values are untouched. Raises BadInput when the event holds such a reference already.
    """
    sounds: list[bytes] = []

    def move(value: object) -> object:
        if _is_reference(value):
            # Reading it back would put a stranger's blob in its place.
            raise BadInput("the field 'pcm' must be base64 text", part=f"event {event.get('seq')}")
        if not isinstance(value, str) or len(value) <= INLINE:
            return value
        for alphabet in _ALPHABETS:
            if (data := _decoded(value, alphabet)) is not None:
                sounds.append(data)
                reference = {"blob": digest_of(data), "size": len(data)}
                return reference if alphabet == "url" else {**reference, "alphabet": alphabet}
        return value

    return _each_pcm(event, move), sounds


def restored(event: dict[str, Any], blobs: BlobStore) -> dict[str, Any]:
    """What `moved` was given."""

    def restore(value: object) -> object:
        if not isinstance(value, dict) or not _is_reference(value):
            return value
        encode, _ = _ALPHABETS[value.get("alphabet", "url")]
        return encode(blobs.read(value["blob"])).decode()

    return _each_pcm(event, restore)


# URL-safe first: it is how events are written as JSON.
_ALPHABETS: dict[str, tuple[Callable[[bytes], bytes], bytes | None]] = {
    "url": (base64.urlsafe_b64encode, b"-_"),
    "standard": (base64.b64encode, None),
}


def _decoded(text: str, alphabet: str) -> bytes | None:
    """The bytes, or None when encoding them again would not give this very text."""
    encode, extra = _ALPHABETS[alphabet]
    try:
        data = base64.b64decode(text, altchars=extra, validate=True)
    except (ValueError, binascii.Error):
        return None
    return data if encode(data).decode() == text else None


def _is_reference(value: object) -> bool:
    return isinstance(value, dict) and set(value) in _REFERENCE


def _each_pcm(event: Mapping[str, Any], change: Callable[[object], object]) -> dict[str, Any]:
    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: change(inner) if name == "pcm" else walk(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [walk(inner) for inner in value]
        return value

    return {name: change(inner) if name == "pcm" else walk(inner) for name, inner in event.items()}
