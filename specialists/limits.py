"""What is accepted, what decoding found, and names that are safe to show."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import ParamSpec, TypeVar

from specialists.content import Kind
from specialists.errors import AntiphonError, BadInput, LimitExceeded

P = ParamSpec("P")
R = TypeVar("R")

NAME_LENGTH = 80
RAISE_LIMIT = "Send a smaller one, or raise {key!r} under [limits] in the configuration"


@dataclass(frozen=True, slots=True)
class Limits:
    """What is accepted. Sizes in bytes, lengths in seconds, pictures in pixels."""

    image_bytes: int = 25_000_000
    document_bytes: int = 25_000_000
    audio_bytes: int = 200_000_000
    video_bytes: int = 2_000_000_000
    text_bytes: int = 1_000_000
    image_pixels: int = 100_000_000
    audio_seconds: float = 7200.0
    video_seconds: float = 7200.0
    document_pages: int = 200


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a piece of content truly is: its kind, its media type, and the facts of `Part.facts`.

    Facts, where they apply: width and height (pixels, as shown, so after rotation), seconds, rate (hertz),
    channels, pages, frames_per_second, characters.
    """

    kind: Kind
    media_type: str
    facts: Mapping[str, float] = field(default_factory=dict)


def safe_name(name: str) -> str:
    """A form of a file name that is safe to show: its last path component, without control characters.

    Escapes, bidirectional overrides, line breaks and lone surrogates become "_"; long names lose their
    middle. A name of which nothing is left becomes "attachment".
    """
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    shown = "".join(c if unicodedata.category(c)[0] != "C" and c not in "\u2028\u2029" else "_" for c in last)
    shown = shown.strip()
    if not shown.strip("._ "):
        return "attachment"
    if len(shown) > NAME_LENGTH:
        shown = f"{shown[: NAME_LENGTH - 20]}…{shown[-19:]}"
    return shown


def check_size(data: bytes, most: int, *, part: str, key: str) -> None:
    """Raise BadInput for no data at all and LimitExceeded for more than `most` bytes."""
    if not data:
        raise BadInput("is empty", part=part, remedy="Send a file that has content")
    if len(data) > most:
        raise over(f"has {len(data):,} bytes, more than the {most:,} allowed", part=part, key=key)


def over(message: str, *, part: str, key: str) -> LimitExceeded:
    """The error for something beyond the limit named `key`."""
    return LimitExceeded(message, part=part, remedy=RAISE_LIMIT.format(key=key))


def refuse(what: str, error: Exception, *, part: str) -> BadInput:
    """BadInput for what a decoder said, with its words cut to one short line."""
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return BadInput(f"cannot be read as {what} ({said[:160]})", part=part)


def guarded(what: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Turn whatever a decoder raises into BadInput.

    Decoders meet hostile bytes with every kind of exception; their callers must see one kind. The wrapped
    function takes the keyword `part`.
    """

    def decorate(call: Callable[P, R]) -> Callable[P, R]:
        @wraps(call)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return call(*args, **kwargs)
            except AntiphonError:
                raise
            except Exception as error:
                raise refuse(what, error, part=str(kwargs.get("part", "") or what)) from error

        return wrapper

    return decorate
