"""Inputs as plain JSON values and back: our own frozen dataclasses, tuples, mappings and bytes."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from importlib import import_module
from typing import Any

from memory.records import Record
from specialists import errors
from specialists.errors import AntiphonError, BadInput, Ours

MODULES = (
    "memory.records",
    "memory.corrections",
    "specialists.content",
    "specialists.base",
    "orchestrator.control",
    "orchestrator.latency",
    "orchestrator.linking",
    "orchestrator.controller.route",
)
"""Only dataclasses of these modules are written, and made again when a log is read."""

MOST_BYTES = 64 * 2**20
"""A packed value never unfolds to more: a log may come from somewhere else."""


def encode(value: Any) -> Any:
    """The value as JSON. Raises Ours for a type that no input has."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple):
        return [encode(inner) for inner in value]
    if isinstance(value, list):
        return {"list": [encode(inner) for inner in value]}
    if isinstance(value, bytes):
        return {"pcm": base64.urlsafe_b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {"map": [[encode(key), encode(inner)] for key, inner in value.items()]}
    if isinstance(value, Record):
        # Under these names what is forgotten later is found and masked, as in every event.
        return {"record": value.id, "text": value.text, "rest": _fields(value, ("id", "text"))}
    if is_dataclass(value) and type(value).__name__ in _classes():
        return {"is": type(value).__name__, "of": _fields(value)}
    raise Ours(f"a {type(value).__name__} cannot be written down", part="session log")


def decode(value: Any) -> Any:
    """What `encode` was given. Raises BadInput for anything that it did not write."""
    try:
        return _decoded(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"an input of the log cannot be read: {error}", part="session log") from error


def pack(value: Any) -> dict[str, str]:
    """A large value, compressed; the log keeps it beside the events, once for all that hold the same."""
    text = json.dumps(encode(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return {"pcm": base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode()}


def unpack(packed: Any) -> Any:
    """What `pack` was given. Raises BadInput."""
    try:
        unfolding = zlib.decompressobj()
        data = unfolding.decompress(base64.urlsafe_b64decode(packed["pcm"]), MOST_BYTES)
        if unfolding.unconsumed_tail or not unfolding.eof:
            raise ValueError("it is cut off, or unfolds to too much")
        return decode(json.loads(data))
    except (KeyError, TypeError, ValueError, binascii.Error, zlib.error) as error:
        raise BadInput(f"a packed input of the log cannot be read: {error}", part="session log") from error


def encode_error(error: BaseException) -> list[str]:
    """An error as its class, message, part and remedy."""
    if isinstance(error, AntiphonError):
        return [type(error).__name__, error.message, error.part, error.remedy]
    return [type(error).__name__, str(error), "", ""]


def decode_error(value: Any) -> BaseException:
    """The error again; a class that the tree does not have comes back as one of its name."""
    name, message, part, remedy = map(str, value)
    known = getattr(errors, name, None)
    if isinstance(known, type) and issubclass(known, AntiphonError):
        return known(message, part=part, remedy=remedy)
    return type(name if name.isidentifier() else "Unknown", (Exception,), {})(message)


def _fields(value: Any, without: tuple[str, ...] = ()) -> list[Any]:
    """Names and values of the fields that are not what they are by default."""
    found = []
    for field in fields(value):
        held = getattr(value, field.name)
        if field.name not in without and field.init and field.compare and not _is_default(field, held):
            found.append([field.name, encode(held)])
    return found


def _is_default(field: Field[Any], held: object) -> bool:
    if field.default is not MISSING:
        return bool(held == field.default) and type(held) is type(field.default)
    return field.default_factory is not MISSING and bool(held == field.default_factory())


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decoded(inner) for inner in value)
    if not isinstance(value, dict):
        return value
    if "record" in value:
        rest = {str(name): _decoded(inner) for name, inner in value["rest"]}
        return Record(id=value["record"], text=value["text"], **rest)
    if "is" in value:
        return _classes()[value["is"]](**{str(name): _decoded(inner) for name, inner in value["of"]})
    if "list" in value:
        return [_decoded(inner) for inner in value["list"]]
    if "pcm" in value:
        return base64.urlsafe_b64decode(value["pcm"])
    return {_decoded(key): _decoded(inner) for key, inner in value["map"]}


@cache
def _classes() -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for name in MODULES:
        for label, made in vars(import_module(name)).items():
            if isinstance(made, type) and made.__module__ == name and is_dataclass(made):
                found[label] = made
    return found
