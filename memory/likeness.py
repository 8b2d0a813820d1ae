"""Near-duplicates: evidence about a picture that looks the same as another, found and judged by its pixels.

Of every picture that evidence rests on the store keeps a sketch (`memory.looks`). The nearest sketches are
found in an index in memory, which is derived and holds 32 bytes a picture; the pictures behind the nearest
few are compared, and what comes out is kept, so that no two pictures are compared twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from sqlite3 import Connection
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from memory.blobs import BlobStore
from memory.database import Database
from memory.looks import BITS, likeness, sketch
from memory.records import Alike
from memory.rows import COLUMNS, from_row

if TYPE_CHECKING:
    from PIL.Image import Image

RADIUS = 104
"""Sketches that differ in more bits than this are of different pictures; those of any two, in 128 +- 8."""
NEAREST = 256
"""How many near sketches are looked through for one that the same was asked of."""
COMPARED = 3
"""How many pictures are compared by their pixels at most: each takes as long as a quick specialist."""

Call = TypeVar("Call", bound=Callable[..., object])


def beside(call: Call) -> Call:
    """Marks a call of the store that works on pictures for a while, so that others need not wait for it."""
    call.beside = True  # type: ignore[attr-defined]
    return call


class Likeness:
    """Finds evidence by the likeness of pictures. One object serves several threads."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs
        self._sketches = _Sketches(database)

    def keep(self, record_id: str, asked: str, digest: str) -> None:
        """Make the evidence of a record findable: `asked` is what was asked (see `asked_key`) of the picture
        of this digest. Raises BadInput and LimitExceeded for what is no picture."""
        picture = self._picture(digest)
        with self._database.write() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO asked (record, asked, picture)"
                " SELECT r.row, ?, p.id FROM records r, pictures p WHERE r.id = ? AND p.id = ?",
                (asked, record_id, picture),
            )

    def find(
        self, asked: str, digest: str, scope: str, least: float, unlike: Collection[str] = ()
    ) -> Alike | None:
        """The evidence about the picture most like this one, where they are alike by at least `least`.

        Only evidence for which the same was `asked`, from sessions whose names begin with `scope`. Pictures
        of the records `unlike` are not this one: the person said so, and it is remembered.
        """
        with self._database.read() as connection:
            if connection.execute("SELECT 1 FROM asked WHERE asked = ? LIMIT 1", (asked,)).fetchone() is None:
                return None
        picture = self._picture(digest)
        found: list[Alike] = []
        new: Image | None = None
        compared = 0
        for other, alike in self._candidates(asked, picture, scope):
            if alike.record.id in unlike:
                self._note(digest, other, 0.0)
                continue
            known = self._known(digest, other)
            if known is None:
                if compared == COMPARED:
                    continue
                compared += 1
                new = new or self._open(digest)
                known = round(likeness(self._open(other), new), 4)
                self._note(digest, other, known)
            if known >= least:
                found.append(Alike(alike.record, known))
        return max(found, key=lambda each: each.likeness, default=None)

    def _candidates(self, asked: str, picture: int, scope: str) -> list[tuple[str, Alike]]:
        """Digests with evidence, the nearest sketch first and of one picture the newest evidence alone."""
        near = [name for name in self._sketches.near(picture) if name != picture]
        places = {name: place for place, name in enumerate(near)}
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {', '.join(f'r.{name}' for name in COLUMNS)}, p.id, p.digest FROM asked a"
                " JOIN pictures p ON p.id = a.picture JOIN records r ON r.row = a.record"
                f" WHERE a.asked = ? AND p.id IN ({', '.join('?' * len(near))})"
                " AND substr(r.session, 1, ?) = ? ORDER BY r.row",
                (asked, *near, len(scope), scope),
            ).fetchall()
        newest = {row[-2]: (str(row[-1]), Alike(from_row(row[:-2]), 0.0)) for row in rows}
        return [newest[name] for name in sorted(newest, key=places.__getitem__)]

    def _picture(self, digest: str) -> int:
        """The number of a picture, which gets its sketch if it has none."""
        with self._database.read() as connection:
            known = _number(connection, digest)
        if known:
            return known
        made = sketch(self._open(digest))
        with self._database.write() as connection:
            # Only of what the store still knows: a blob may have been forgotten meanwhile.
            connection.execute(
                "INSERT OR IGNORE INTO pictures (digest, sketch)"
                " SELECT digest, ? FROM blobs WHERE digest = ?",
                (made, digest),
            )
            return _number(connection, digest)

    def _open(self, digest: str) -> Image:
        from specialists.picture import open_image

        return open_image(self._blobs.read(digest), part=f"blob {digest}")

    def _known(self, digest: str, other: str) -> float | None:
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT likeness FROM alike WHERE digest = ? AND other = ?", (digest, other)
            ).fetchone()
        return None if row is None else float(row[0])

    def _note(self, digest: str, other: str, value: float) -> None:
        with self._database.write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO alike SELECT one.digest, two.digest, ?"
                " FROM pictures one, pictures two WHERE one.digest = ? AND two.digest = ?",
                (value, digest, other),
            )


class _Sketches:
    """The sketches of all pictures, searched exactly. Derived: what was forgotten is not found by number."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._bits = _bits([])
        self._names = np.zeros(0, dtype=np.int64)

    def near(self, picture: int) -> list[int]:
        """The numbers of the pictures with near sketches, the nearest first."""
        with self._lock:
            self._catch_up()
            with self._database.read() as connection:
                row = connection.execute("SELECT sketch FROM pictures WHERE id = ?", (picture,)).fetchone()
            if row is None or not len(self._names):
                return []
            # 100,000 sketches take some milliseconds.
            distances = np.bitwise_count(self._bits ^ _bits([row[0]])).sum(axis=1, dtype=np.int64)
            near = np.flatnonzero(distances <= RADIUS)
            nearest = near[np.argsort(distances[near], kind="stable")][:NEAREST]
            return [int(name) for name in self._names[nearest]]

    def _catch_up(self) -> None:
        after = int(self._names[-1]) if len(self._names) else 0
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT id, sketch FROM pictures WHERE id > ? ORDER BY id", (after,)
            ).fetchall()
        if rows:
            self._bits = np.concatenate([self._bits, _bits([made for _, made in rows])])
            self._names = np.append(self._names, np.array([name for name, _ in rows], dtype=np.int64))


def _bits(sketches: list[bytes]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
    return np.frombuffer(b"".join(sketches), dtype=np.uint64).reshape(len(sketches), BITS // 64)


def _number(connection: Connection, digest: str) -> int:
    row = connection.execute("SELECT id FROM pictures WHERE digest = ?", (digest,)).fetchone()
    return int(row[0]) if row else 0
