"""Records as rows of the table `records`, and back."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from memory import uses
from memory.blobs import is_digest
from memory.records import Record
from specialists.content import Anchor, Box, Chars, Span
from specialists.errors import BadInput

COLUMNS = (
    "id", "text", "kind", "role", "session", "turn", "source", "key", "blobs", "media", "anchors", "score",
    "facts", "time", "person", "episode", "level", "sources", "valid_from", "valid_to", "superseded_by",
)  # fmt: skip

Row = tuple[Any, ...]

_INSERT = f"INSERT INTO records ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"

_TEXTS = (
    "text", "kind", "role", "session", "source", "key", "person", "episode", "level", "superseded_by",
)  # fmt: skip

LEVELS = ("", "episode", "summary", "theme", "fact")


def to_row(record: Record) -> Row:
    """The values of COLUMNS. Raises BadInput, which names the field, when one cannot be stored."""
    _check(record)
    return (
        record.id,
        record.text,
        record.kind,
        record.role,
        record.session,
        record.turn,
        record.source,
        record.key,
        _json(record.blobs, "blobs"),
        _json(record.media, "media"),
        _json([_bare(asdict(anchor)) for anchor in record.anchors], "anchors"),
        record.score,
        _json(dict(record.facts), "facts"),
        record.time,
        record.person,
        record.episode,
        record.level,
        _json(record.sources, "sources"),
        record.valid_from,
        record.valid_to,
        record.superseded_by,
    )


def insert(connection: sqlite3.Connection, record: Record) -> int:
    """Write a record that has its id and its time, with its kinds, blobs and sources; its row.

    Raises BadInput, which names the field, when it cannot be stored or a source is not there.
    """
    row = int(connection.execute(_INSERT, to_row(record)).lastrowid or 0)
    connection.executemany(
        "INSERT INTO record_kinds VALUES (?, ?)", [(kind, row) for kind in {record.kind, *record.media}]
    )
    uses.by_record(connection, row, (*record.blobs, *uses.digests_in(dict(record.facts))))
    linked = connection.execute(
        "INSERT INTO record_sources SELECT row, ? FROM records"
        " WHERE id IN (SELECT value FROM json_each(?)) AND row != ?",
        (row, json.dumps(record.sources), row),
    ).rowcount
    if linked != len(set(record.sources)):
        raise _refused("sources", "names a record that is not there")
    return row


def from_row(row: Row) -> Record:
    values = dict(zip(COLUMNS, row, strict=True))
    for name in ("blobs", "media", "sources"):
        values[name] = tuple(json.loads(values[name]))
    values["anchors"] = tuple(_anchor(anchor) for anchor in json.loads(values["anchors"]))
    values["facts"] = json.loads(values["facts"])
    return Record(**values)


def _check(record: Record) -> None:
    for name in ("kind", "role"):
        if not getattr(record, name):
            raise _refused(name, "must not be empty")
    for name in _TEXTS:
        _check_text(name, getattr(record, name))
    if not -(2**63) <= record.turn < 2**63:
        raise _refused("turn", "is out of range")
    for name in ("time", "score", "valid_from", "valid_to"):
        value = getattr(record, name)
        if value is not None and not math.isfinite(value):
            raise _refused(name, "is not a finite number")
    if record.level not in LEVELS:
        raise _refused("level", f"is {record.level!r:.40}, none of {', '.join(LEVELS[1:])}")
    if bool(record.level) != bool(record.sources):
        raise _refused("sources", "belongs to what is derived: that has some, and nothing else has")
    for digest in record.blobs:
        if not is_digest(digest):
            raise _refused("blobs", f"{digest!r:.80} is not a SHA-256 digest of 64 hex digits")


def _check_text(name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _refused(name, "contains half a character (a lone surrogate)") from None


def _json(value: object, name: str) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise _refused(name, f"is not plain JSON: {error}") from None
    _check_text(name, text)
    return text


def _bare(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _anchor(values: Mapping[str, Any]) -> Anchor:
    inner = {"box": Box, "span": Span, "chars": Chars}
    return Anchor(
        **{name: inner[name](**value) if name in inner else value for name, value in values.items()}
    )


def _refused(name: str, reason: str) -> BadInput:
    return BadInput(f"the field {name!r} {reason}", part="record")
