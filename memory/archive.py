"""Archives: one session as one file, with everything that belongs to it, safe to take from a stranger.

The file is a ZIP archive: `manifest.json`, `events.jsonl` (the log), `records.jsonl` (what memory keeps of
it) and `blobs/DIGEST` (sound, pictures, files). The manifest holds the SHA-256 and the size of every other
member; the comment at the end of the file holds the SHA-256 of all bytes before it. Nothing is ever written
to a place that the file names.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from memory.blobs import is_digest
from memory.copies import Whole, place, whole
from memory.log import EventDict, session_name
from memory.records import Record
from memory.store import MemoryStore
from memory.uses import digests_in
from specialists.errors import AntiphonError, BadInput, LimitExceeded, Unavailable, UnknownName

FORMAT = "antiphon session"
VERSION = 1

MANIFEST, EVENTS, RECORDS, BLOBS = "manifest.json", "events.jsonl", "records.jsonl", "blobs/"

SEAL = b"sha256:"
_SEAL_BYTES = len(SEAL) + 64

MOST_MEMBERS = 100_000
MOST_TEXT = 512 * 2**20
"""Bytes of the manifest, the log and the records each, unpacked."""
MOST_BLOB = 2 * 10**9 + 2**20
"""Bytes of a blob: the largest film that can be attached."""
MOST_BYTES = 20 * 2**30
"""Bytes of all members together, unpacked."""
_AT_ONCE = 1 << 20

Check = Callable[[Mapping[str, Any]], object]
"""Raises what it likes for an event that is none."""


def export(store: MemoryStore, name: str, path: Path) -> int:
    """Write a session to a file, whole or not at all; how many bytes it has.

    Raises UnknownName for a session or a blob that is not there, Unavailable where the file cannot be
    written.
    """
    found = whole(store, name)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("xb") as file:
            _write(file, store, name, found)
        _seal(partial)
        partial.replace(path)
    except OSError as error:
        raise Unavailable(f"cannot be written: {error.strerror or error}", part=str(path)) from error
    finally:
        partial.unlink(missing_ok=True)
    return path.stat().st_size


def restore(
    store: MemoryStore, path: Path, name: str | None = None, check: Check = lambda event: None
) -> str:
    """Take a session from a file into the store, under its own name or another; the name.

    All of the file is checked before anything is written, every event by `check` too, and what is written is
    written at once. Raises BadInput for a file that is no archive, is damaged or was changed, LimitExceeded
    for one that unfolds to too much, and BadInput for a name that is taken.
    """
    _check_seal(path)
    with _opened(path) as archive:
        manifest = _manifest(archive, path)
        sizes = _members(archive, manifest, path)
        to = session_name(str(name or manifest.get("session", "")))
        events = _events(_text(archive, EVENTS, sizes, path), path, check)
        records = _records(_text(archive, RECORDS, sizes, path), path)
        _check_blobs(events, records, sizes, path)
        if store.log.last_seq(to):
            raise BadInput("there is such a session already", part=f"session {to}", remedy="Use --as NEW")
        new: list[str] = []
        try:
            for member in sizes:
                if member.startswith(BLOBS):
                    digest = member.removeprefix(BLOBS)
                    if not store.blobs.has(digest):
                        new.append(digest)
                    store.blobs.put(_read(archive, member, sizes, path), "application/octet-stream")
            place(store, Whole(tuple(events), tuple(records)), to)
        except BaseException:
            for digest in new:
                store.blobs.delete(digest)
            raise
    return to


# Writing.


def _write(file: Any, store: MemoryStore, name: str, found: Whole) -> None:
    members: dict[str, dict[str, Any]] = {}
    with zipfile.ZipFile(file, "w") as archive:

        def add(member: str, data: bytes, how: int) -> None:
            members[member] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            entry = zipfile.ZipInfo(member)  # dated 1980: the same session gives the same file
            entry.compress_type = how
            archive.writestr(entry, data)

        add(EVENTS, _lines(found.events), zipfile.ZIP_DEFLATED)
        add(RECORDS, _lines([asdict(record) for record in found.records]), zipfile.ZIP_DEFLATED)
        for digest in _digests(found.events, found.records):
            add(f"{BLOBS}{digest}", store.blobs.read(digest), zipfile.ZIP_STORED)
        manifest = {"format": FORMAT, "version": VERSION, "session": session_name(name), "members": members}
        entry = zipfile.ZipInfo(MANIFEST)
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, json.dumps(manifest, ensure_ascii=False, indent=1))
        archive.comment = SEAL + b"0" * 64


def _seal(path: Path) -> None:
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        digest = _hash(file, size - 64)
        file.seek(size - 64)
        file.write(digest.encode())
        file.flush()
        os.fsync(file.fileno())


def _lines(values: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)


def _digests(events: Sequence[EventDict], records: Sequence[Record]) -> list[str]:
    """The blobs that they use, each once."""
    used = [digest for event in events for digest in digests_in(event)]
    for record in records:
        used += [*record.blobs, *digests_in(dict(record.facts))]
    return list(dict.fromkeys(used))


# Reading. Every byte of the file may be anybody's.


def _check_seal(path: Path) -> None:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _SEAL_BYTES))
            seal = file.read()
            if len(seal) < _SEAL_BYTES or not re.fullmatch(rb"sha256:[0-9a-f]{64}", seal):
                raise _damaged(path, "its end is missing: it is cut off, or no exported session")
            if _hash(file, size - 64).encode() != seal[-64:]:
                raise _damaged(path, "its checksum does not match: it was damaged or changed on its way")
    except FileNotFoundError:
        raise UnknownName("no such file", part=str(path), remedy="Check the path") from None
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror or error}", part=str(path)) from error


def _hash(file: Any, size: int) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while size > 0 and (piece := file.read(min(_AT_ONCE, size))):
        digest.update(piece)
        size -= len(piece)
    return digest.hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except AntiphonError:
        raise
    except (zipfile.BadZipFile, ValueError, KeyError, NotImplementedError, EOFError, RuntimeError) as error:
        raise _damaged(path, f"it cannot be unpacked ({error})") from error
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror or error}", part=str(path)) from error


def _manifest(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    with archive.open(MANIFEST) as file:
        data = file.read(MOST_TEXT + 1)
    if len(data) > MOST_TEXT:
        raise LimitExceeded("its manifest is too large", part=str(path))
    try:
        manifest = json.loads(data)
        if manifest["format"] != FORMAT or not isinstance(manifest["members"], dict):
            raise ValueError("of another format")
        version = int(manifest["version"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise _damaged(path, f"its manifest cannot be read ({error})") from error
    if version != VERSION:
        newer = version > VERSION
        raise BadInput(
            f"this archive has version {version}, and this Antiphon reads version {VERSION}",
            part=str(path),
            remedy="Update Antiphon" if newer else "Export the session again",
        )
    return dict(manifest)


def _members(archive: zipfile.ZipFile, manifest: Mapping[str, Any], path: Path) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of every member. Raises unless the archive holds these, each once, and no other."""
    told = manifest["members"]
    names = archive.namelist()
    if len(names) > MOST_MEMBERS:
        raise LimitExceeded(
            f"holds {len(names):,} members; at most {MOST_MEMBERS:,} are allowed", part=str(path)
        )
    if len(set(names)) != len(names) or set(names) != {MANIFEST, *told} or not {EVENTS, RECORDS} <= set(told):
        raise _damaged(path, "it does not hold what its manifest lists")
    sizes: dict[str, tuple[int, str]] = {}
    for name, facts in told.items():
        if name not in (EVENTS, RECORDS) and not (
            name.startswith(BLOBS) and is_digest(name.removeprefix(BLOBS))
        ):
            raise _damaged(path, f"it holds {name!r:.80}, which belongs to no session")
        try:
            size, digest = int(facts["bytes"]), str(facts["sha256"])
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(path, f"its manifest says nothing of {name!r:.80}") from error
        if name.startswith(BLOBS) and digest != name.removeprefix(BLOBS):
            raise _damaged(path, f"{name!r:.80} is not what its name says")
        most = MOST_BLOB if name.startswith(BLOBS) else MOST_TEXT
        if not 0 <= size <= most:
            raise LimitExceeded(f"{name} is {size:,} bytes; at most {most:,} are allowed", part=str(path))
        sizes[name] = (size, digest)
    if (total := sum(size for size, _ in sizes.values())) > MOST_BYTES:
        raise LimitExceeded(f"unfolds to {total:,} bytes; at most {MOST_BYTES:,} are allowed", part=str(path))
    return sizes


def _read(archive: zipfile.ZipFile, name: str, sizes: Mapping[str, tuple[int, str]], path: Path) -> bytes:
    """A member, never more of it than its manifest says."""
    size, digest = sizes[name]
    with archive.open(name) as file:
        data = file.read(size + 1)
    if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
        raise _damaged(path, f"the checksum of {name} does not match")
    return data


def _text(archive: zipfile.ZipFile, name: str, sizes: Mapping[str, tuple[int, str]], path: Path) -> str:
    try:
        return _read(archive, name, sizes, path).decode()
    except UnicodeDecodeError as error:
        raise _damaged(path, f"{name} is no text") from error


def _events(text: str, path: Path, check: Check) -> list[EventDict]:
    events: list[EventDict] = []
    for number, line in enumerate(text.rstrip("\n").split("\n") if text else (), 1):
        try:
            event = json.loads(line)
            if not isinstance(event, dict):
                raise TypeError("it is no object")
            check(event)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise _damaged(path, f"event {number} cannot be read ({str(error)[:200]})") from error
        events.append(event)
    return events


def _records(text: str, path: Path) -> list[Record]:
    from pydantic import TypeAdapter, ValidationError

    adapter = TypeAdapter(Record)
    records: list[Record] = []
    for number, line in enumerate(text.rstrip("\n").split("\n") if text else (), 1):
        try:
            record = adapter.validate_json(line)
        except (ValidationError, ValueError) as error:
            raise _damaged(path, f"record {number} cannot be read ({str(error)[:200]})") from error
        if not re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", record.id) or record.sources:
            raise _damaged(path, f"record {number} is none that an archive holds")
        records.append(record)
    if len({record.id for record in records}) != len(records):
        raise _damaged(path, "two records share an id")
    return records


def _check_blobs(
    events: Sequence[EventDict], records: Sequence[Record], sizes: Mapping[str, object], path: Path
) -> None:
    used = set(_digests(events, records))
    there = {name.removeprefix(BLOBS) for name in sizes if name.startswith(BLOBS)}
    if used != there:
        what = "lacks files that its events use" if used - there else "holds files that nothing uses"
        raise _damaged(path, f"it {what}")


def _damaged(path: Path, why: str) -> BadInput:
    return BadInput(
        f"not taken: {why}", part=str(path), remedy="Export the session again, or copy the file again"
    )
