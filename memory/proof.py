"""Proof that nothing is left: a search of every file of the store for what was forgotten.

Looked at are the bytes of the database with its free pages and its journal, the indexes beside it, the names
and temporary files of the blob folder, and inside the word index the terms that its pages hold. Looked for
are the ids, the digests, the beginnings of the vectors and of the tokens, of how pictures look and recordings
sound, and all runs of bytes of the texts.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memory import fts, handles, redaction
from memory.blobs import BlobStore
from memory.database import Database
from memory.forgetting import Extent

PIECE = 20
"""So many bytes in a row count as a trace. Of a text that is shorter, all of it, if it has SHORT bytes."""
SHORT = 8
_WINDOW = 8
_SHORTS = 2000
_TEXT_BYTES = 500_000
"""Of more text than this, the same share of each piece of it is looked for."""
_VECTOR_BYTES = 64
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Looked:
    """A place that was searched, its size in bytes, and how many pieces of the forgotten it holds."""

    place: str
    bytes: int
    found: int


@dataclass(frozen=True, slots=True)
class Proof:
    """What was searched, for how many pieces. `kept` of them belong to what stays, and say nothing.

    `left` tells in a sentence each what is still there; it is empty where nothing is.
    """

    pieces: int
    looked: tuple[Looked, ...]
    kept: int = 0
    left: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        return not self.left


@dataclass(frozen=True, slots=True)
class Erased:
    """What was forgotten, and the proof of it."""

    extent: Extent
    proof: Proof


@dataclass(slots=True)
class Traces:
    """What the forgotten `extent` would leave behind, gathered before it goes."""

    extent: Extent
    texts: set[str] = field(default_factory=set)
    """Words of records, events and corrections."""
    worded: set[str] = field(default_factory=set)
    """Texts of records alone, which the word index knows."""
    names: set[bytes] = field(default_factory=set)
    """Ids, digests of blobs, beginnings of vectors, of tokens, of sights and of sounds."""
    events: int = 0


def gather(connection: sqlite3.Connection, extent: Extent) -> Traces:
    """Read what is about to go, within the transaction that removes it."""
    traces = Traces(extent, events=extent.counted(connection)[1])
    for row in extent.rows:
        text, facts, source = connection.execute(
            "SELECT text, facts, source FROM records WHERE row = ?", (row,)
        ).fetchone()
        traces.worded.add(text)
        traces.texts.update((text, *redaction.leaves(json.loads(facts))))
        traces.texts.discard(source)
        for (vector,) in connection.execute(
            "SELECT vector FROM vectors WHERE record = ?1"
            " UNION ALL SELECT states FROM tokens WHERE record = ?1",
            (row,),
        ):
            traces.names.add(vector[:_VECTOR_BYTES])
    for digest in extent.blobs:
        for values in connection.execute(
            "SELECT windows, features FROM sights WHERE digest = ?1"
            " UNION ALL SELECT marks, NULL FROM sounds WHERE digest = ?1",
            (digest,),
        ):
            traces.names.update(value[:_VECTOR_BYTES] for value in values if value)
    for session in extent.sessions:
        _take_events(traces, connection.execute("SELECT body FROM events WHERE session = ?", (session,)))
    for place in extent.events:
        _take_events(
            traces, connection.execute("SELECT body FROM events WHERE session = ? AND seq = ?", place)
        )
    for name in extent.corrections:
        traces.texts.update(
            connection.execute("SELECT text, said FROM corrections WHERE id = ?", (name,)).fetchone()
        )
    traces.names |= {name.encode() for name in (*extent.ids, *extent.corrections, *extent.blobs)}
    traces.texts = {text for text in traces.texts if len(text.encode()) >= SHORT}
    return traces


def prove(
    database: Database,
    blobs: BlobStore,
    traces: Traces,
    indexed: Collection[int],
    beside: Sequence[Path] = (),
) -> Proof:
    """Search the store's folder, and the files `beside` it, for these traces.

    `indexed` are the rows of the records whose vectors the file of the index holds.
    """
    folder = database.path.parent
    needles = Needles.of(traces.names, map(str.encode, _both_spellings(traces.texts)))
    files = [path for path in _files(folder, blobs.root) if path.is_file()]
    found = {path: needles.in_file(path) for path in [*files, *(p for p in beside if p.is_file())]}
    every = frozenset[bytes]().union(*found.values())
    kept = _still_said(database, every) if every else frozenset()
    looked = [
        Looked(str(path.relative_to(folder) if path.is_relative_to(folder) else path.name), size, len(there))
        for path, there, size in ((p, f - kept, _size(p)) for p, f in found.items())
    ]
    left = [f"{entry.place} holds {entry.found} pieces of it" for entry in looked if entry.found]
    with database.read() as connection:
        terms = fts.left_over(connection, fts.terms_of(traces.worded))
    looked.append(Looked("terms of the word index", 0, len(terms)))
    left += [f"the word index holds {len(terms)} of its words"] if terms else []
    vectors = traces.extent.rows.intersection(indexed)
    looked.append(Looked("rows of the vector index", 0, len(vectors)))
    left += [f"the vector index holds {len(vectors)} of its records"] if vectors else []
    files_left = [digest for digest in traces.extent.blobs if blobs.has(digest)]
    looked.append(Looked("blob folder", blobs.size(), len(files_left)))
    left += [f"blob {digest} was stored again meanwhile" for digest in files_left]
    locks = [name for name in traces.extent.sessions if (folder / "locks" / f"{name}.lock").exists()]
    left += [f"the lock file of session {name}" for name in locks]
    return Proof(len(needles), tuple(looked), len(kept), tuple(left))


class Needles:
    """Many runs of bytes to be found in one pass over files of any size.

    A run of PIECE bytes, wherever it lies, covers a whole window of 8 bytes at a multiple of 8: only those
    windows are compared, and what fits is then looked at closely.
    """

    def __init__(self, pieces: Iterable[bytes], shorts: Iterable[bytes] = ()) -> None:
        self._pieces = frozenset(pieces)
        self._shorts = frozenset(shorts)
        windows = {
            piece[i : i + _WINDOW] for piece in self._pieces for i in range(len(piece) - _WINDOW + 1)
        } - {bytes(_WINDOW)}
        joined = b"".join(windows)
        self._windows: NDArray[np.uint64] = np.sort(np.frombuffer(joined, dtype=np.uint64))

    @classmethod
    def of(cls, names: Iterable[bytes], texts: Iterable[bytes]) -> Needles:
        """All runs of the names; of the texts as many as there is room for."""
        texts = sorted(set(texts))
        share = min(1.0, _TEXT_BYTES / max(1, sum(map(len, texts))))
        pieces = {piece for name in names for piece in _runs(name)}
        for text in texts:
            pieces.update(_runs(text[: max(2 * PIECE, int(len(text) * share))]))
        shorts = [text for text in texts if SHORT <= len(text) < PIECE][:_SHORTS]
        return cls(pieces, shorts)

    def __len__(self) -> int:
        return len(self._pieces) + len(self._shorts)

    def in_file(self, path: Path) -> frozenset[bytes]:
        """Those that the file holds; none of a file that is gone by now."""
        found: set[bytes] = set()
        before = b""
        for chunk in _chunks(path):
            # What lies across two chunks; its length keeps the windows where they are.
            data = before + chunk
            found |= self.in_bytes(data)
            before = data[-(len(data) % _WINDOW + 4 * _WINDOW) :]
        return frozenset(found)

    def in_bytes(self, data: bytes) -> set[bytes]:
        found = {short for short in self._shorts if short in data}
        if not len(self._windows):
            return found
        view = np.frombuffer(data, dtype=np.uint64, count=len(data) // _WINDOW)
        at = np.minimum(np.searchsorted(self._windows, view), len(self._windows) - 1)
        for position in (np.flatnonzero(self._windows[at] == view) * _WINDOW).tolist():
            for start in range(max(0, position - PIECE + _WINDOW), position + 1):
                if (piece := data[start : start + PIECE]) in self._pieces:
                    found.add(piece)
        return found


def _chunks(path: Path) -> Iterator[bytes]:
    """The content of a file; nothing of one that is gone."""
    opened = handles.opened if path.name.startswith("memory.db") else _opened
    try:
        with opened(path) as descriptor:
            at = 0
            while chunk := os.pread(descriptor, _CHUNK, at):
                at += len(chunk)
                yield chunk
    except FileNotFoundError:
        return


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    with path.open("rb") as file:
        yield file.fileno()


def _runs(data: bytes) -> Iterator[bytes]:
    return (data[i : i + PIECE] for i in range(len(data) - PIECE + 1))


def _both_spellings(texts: Iterable[str]) -> Iterator[str]:
    """As they are, and as JSON writes them."""
    for text in texts:
        yield text
        if (escaped := json.dumps(text, ensure_ascii=False)[1:-1]) != text:
            yield escaped


def _take_events(traces: Traces, bodies: Iterable[tuple[str]]) -> None:
    for (body,) in bodies:
        event = json.loads(body)
        traces.texts.update(
            redaction.leaves({k: v for k, v in event.items() if k not in ("type", "session")})
        )


def _files(folder: Path, blobs: Path) -> Iterator[Path]:
    """All files of the store but its blobs, which are known by name; those half written are looked into."""
    for path in sorted(folder.rglob("*")):
        if not path.is_relative_to(blobs) or path.parent.name == "incoming":
            yield path


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


_SAYING = ("text", "facts", "id", "role", "kind", "source", "session", "person", "episode", "key", "sources")
_STAYS = (
    f"SELECT {' || char(0) || '.join(_SAYING)} FROM records",
    "SELECT body FROM events",
    "SELECT id || char(0) || text || char(0) || said FROM corrections",
    "SELECT title FROM sessions",
    "SELECT digest FROM blobs",
    "SELECT vector FROM vectors",
    "SELECT states FROM tokens",
    "SELECT CAST(windows || features AS BLOB) FROM sights",
    "SELECT marks FROM sounds",
    "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL",
)


def _still_said(database: Database, pieces: frozenset[bytes]) -> frozenset[bytes]:
    """Those of the pieces that what stays holds itself."""
    needles = Needles(
        (piece for piece in pieces if len(piece) == PIECE), (piece for piece in pieces if len(piece) < PIECE)
    )
    found: set[bytes] = set()
    with database.read() as connection:
        for select in _STAYS:
            rows = connection.execute(select)
            while batch := rows.fetchmany(_WINDOW * 512):
                found |= needles.in_bytes(b"\0".join(_bytes(value) for (value,) in batch))
                if len(found) == len(needles):
                    return frozenset(found)
    return frozenset(found)


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
