"""Recall by a picture or a sound: which stored pictures, films and recordings are like it, and where in them.

What is needed for it is derived from the blobs that records rest on, one after the other, by `catch_up`: when
a turn is over, or by the next recall. The sketches and marks are searched in memory, exactly; the pictures
that these find are confirmed by features that are read from the database.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from memory import sights, sounds
from memory.blobs import BlobStore, digest_of
from memory.database import Database
from memory.looks import BITS
from memory.sights import FEATURE_BYTES, WINDOWS, Sight, sight
from memory.sounds import RATE, SoundIndex
from specialists.content import AUDIO, IMAGE, VIDEO, Span
from specialists.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from PIL.Image import Image

VERSION = 1
"""Of how sights and sounds are made: what another version made is made again."""

LEAST = 0.4
"""Pictures that are less alike are others: see `benchmarks/by_example.py`."""
MOST = 8
"""So many files that are like one are told."""
CANDIDATES = 24
"""So many pictures with the nearest windows, and with the nearest wholes, are compared feature by feature."""

NEAR = 2.0
"""Seconds that may lie between a place in a clip and a moment of the same time."""

_RECORDS = 500
"""So many records of one file are looked at."""
_FRAMES = 120
"""Sights kept of one film."""
_SAME_SHOT = 20
"""Frames whose sketches differ in fewer bits than these are one sight."""
_TURNS = (0.0, 7.0, -7.0)
"""Degrees by which a picture is turned before its windows are sought, where it is not found as it stands."""

Sense = Literal["look", "sound"]

_PENDING = (
    "SELECT DISTINCT digest FROM record_blobs b WHERE NOT EXISTS"
    " (SELECT 1 FROM sensed s WHERE s.digest = b.digest AND s.version = ?)"
)


@dataclass(frozen=True, slots=True)
class Like:
    """A stored file that is like the asked one, 0 to 1, and where in it, in seconds, if it is a film or
    recording."""

    digest: str
    sense: Sense
    likeness: float
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class _Sensed:
    """What is kept of a file: its sights, of a film with the times that they stand for, and its marks."""

    sights: tuple[tuple[Span | None, Sight], ...] = ()
    marks: bytes = b""


class Senses:
    """Finds files by what is like them. One object serves several threads."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs
        self._sights = _Sights(database)
        self._sounds = _Sounds(database)

    def pending(self) -> int:
        """How many files are still to be gone through."""
        with self._database.read() as connection:
            (count,) = connection.execute(f"SELECT count(*) FROM ({_PENDING})", (VERSION,)).fetchone()
        return int(count)

    def catch_up(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Go through the files that records rest on, until `stop` says so; how many were done.

        What is no picture, film or sound, or cannot be decoded, is noted as gone through.
        """
        with self._database.read() as connection:
            waiting = [digest for (digest,) in connection.execute(_PENDING, (VERSION,))]
        done = 0
        for digest in waiting:
            if stop():
                break
            try:
                data = self._blobs.read(digest)
            except (UnknownName, BadInput):
                continue  # lost or damaged: the audit tells, and it may be restored
            self._keep(digest, _sensed(data))
            done += 1
        return done

    def find(self, asked: str | bytes, *, hurried: bool = False) -> list[Like]:
        """The stored files that are like this one (a digest, or the bytes of a file), the most alike first.

        `hurried` does not wait for files that were stored just now. Raises BadInput for what is no picture,
        film or sound, UnknownName for a digest that is not there.
        """
        if not hurried:
            self.catch_up()
        data = self._blobs.read(asked) if isinstance(asked, str) else asked
        digest = asked if isinstance(asked, str) else digest_of(data)
        kind, picture, samples = _decoded(data)
        found: dict[str, Like] = {}
        if picture is not None:
            for like in self._looking_like(picture):
                found.setdefault(like.digest, like)
        if samples is not None:
            for like in self._sounding_like(samples):
                if like.digest not in found or like.likeness > found[like.digest].likeness:
                    found[like.digest] = like
        if self._known(digest):
            sense: Sense = "sound" if kind == AUDIO else "look"
            found[digest] = Like(digest, sense, 1.0)
        return sorted(found.values(), key=lambda like: -like.likeness)[:MOST]

    def _known(self, digest: str) -> bool:
        with self._database.read() as connection:
            return (
                connection.execute("SELECT 1 FROM record_blobs WHERE digest = ?", (digest,)).fetchone()
                is not None
            )

    def _keep(self, digest: str, made: _Sensed) -> None:
        with self._database.write() as connection:
            connection.execute("DELETE FROM sensed WHERE digest = ?", (digest,))
            # Only of what the store still knows: it may have been forgotten meanwhile.
            known = connection.execute(
                "INSERT INTO sensed SELECT digest, ? FROM blobs WHERE digest = ?", (VERSION, digest)
            ).rowcount
            if not known:
                return
            connection.executemany(
                "INSERT INTO sights (digest, begins, ends, windows, whole, features)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (digest, span and span.start, span and span.end, one.windows, one.whole, one.features)
                    for span, one in made.sights
                ],
            )
            if made.marks:
                connection.execute("INSERT INTO sounds (digest, marks) VALUES (?, ?)", (digest, made.marks))

    def _looking_like(self, picture: Image) -> list[Like]:
        """As it stands; where nothing is found turned a little, then mirrored."""
        from PIL import ImageOps

        if not len(self._sights):
            return []
        for image in (picture, ImageOps.mirror(picture)):
            features = sights.features(image, sights.ASKED)
            seen: set[int] = set()
            for degrees in _TURNS:
                turned = image.rotate(degrees, fillcolor=(128, 128, 128)) if degrees else image
                near = [number for number in self._sights.near(turned) if number not in seen]
                seen.update(near)
                if found := self._confirmed(near, turned, features):
                    return found
        return []

    def _confirmed(self, numbers: Sequence[int], image: Image, features: bytes) -> list[Like]:
        whole = _bits(sights.sketch(image))
        with self._database.read() as connection:
            rows = [_sight_of(connection, number) for number in numbers]
        found: dict[str, Like] = {}
        for row in rows:
            if row is None:
                continue
            digest, span, kept_whole, kept = row
            differing = int(np.bitwise_count(whole ^ _bits(kept_whole)).sum())
            alike = round(sights.likeness(sights.fitting(kept, features), differing), 4)
            if alike >= LEAST and (digest not in found or alike > found[digest].likeness):
                found[digest] = Like(digest, "look", alike, span)
        return sorted(found.values(), key=lambda like: -like.likeness)

    def _sounding_like(self, samples: sounds.Samples) -> list[Like]:
        found = []
        for heard in self._sounds.find(samples):
            with self._database.read() as connection:
                row = connection.execute("SELECT digest FROM sounds WHERE id = ?", (heard.sound,)).fetchone()
            if row is not None and heard.votes >= sounds.FEWEST:
                found.append(Like(str(row[0]), "sound", round(heard.likeness, 4), Span(*heard.seconds)))
        return found


def resting_on(
    connection: Connection, likes: Sequence[Like], where: str, values: Sequence[object]
) -> dict[int, Like]:
    """The records that meet a condition and rest on these files, by their rows, in the order of the files: of
    a film or recording those of the time at which it is alike, and none of its other moments."""
    found: dict[int, Like] = {}
    for like in likes:
        rows = connection.execute(
            f"SELECT row, level, anchors FROM records WHERE row IN (SELECT record FROM record_blobs"
            f" WHERE digest = ?) AND {where} ORDER BY row DESC LIMIT ?",
            (like.digest, *values, _RECORDS),
        ).fetchall()
        moments = [(row, json.loads(anchors)) for row, level, anchors in rows if level == "episode"]
        then = [row for row, anchors in moments if _of_time(anchors, like.span)]
        for row in (*then, *(row for row, level, _ in rows if level != "episode")):
            found.setdefault(row, like)
    return found


def beside(one: Span, other: Span) -> bool:
    """Whether two stretches of a clip are of one time."""
    return one.start <= other.end + NEAR and other.start <= one.end + NEAR


def _of_time(anchors: Sequence[dict[str, dict[str, float]]], span: Span | None) -> bool:
    """Whether a moment with these anchors is of this time; of any, where none is told."""
    spans = [Span(**anchor["span"]) for anchor in anchors if "span" in anchor]
    return span is None or any(beside(one, span) for one in spans)


class _Sights:
    """The sketches of all pictures and frames. Derived: what was forgotten is not found by number."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._numbers = np.zeros(0, dtype=np.int64)
        self._windows = np.zeros((WINDOWS, 0), dtype=np.uint64)
        self._wholes = np.zeros((BITS // 64, 0), dtype=np.uint64)

    def __len__(self) -> int:
        with self._lock:
            self._catch_up()
            return len(self._numbers)

    def near(self, image: Image) -> list[int]:
        """The numbers of the sights that may show the same as an RGB picture."""
        window, whole = sights.outer(image), _bits(sights.sketch(image))
        with self._lock:
            self._catch_up()
            return self._near(window, whole)

    def _near(self, window: np.uint64, whole: NDArray[np.uint64]) -> list[int]:
        if not len(self._numbers):
            return []
        # A row of all sights at a time: the sums stay in the cache.
        best = np.full(len(self._numbers), 64, dtype=np.uint8)
        for row in self._windows:
            np.minimum(best, np.bitwise_count(row ^ window), out=best)
        apart = np.zeros(len(self._numbers), dtype=np.uint16)
        for row, bits in zip(self._wholes, whole, strict=True):
            apart += np.bitwise_count(row ^ bits)
        chosen = dict.fromkeys([*_least(apart), *_least(best)])
        return [int(self._numbers[place]) for place in chosen]

    def _catch_up(self) -> None:
        after = int(self._numbers[-1]) if len(self._numbers) else 0
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT id, windows, whole FROM sights WHERE id > ? AND length(windows) = ?"
                " AND length(whole) = ? ORDER BY id",
                (after, 8 * WINDOWS, BITS // 8),
            ).fetchall()
        if rows:
            windows = np.stack([_bits(row[1]) for row in rows], axis=1)
            wholes = np.stack([_bits(row[2]) for row in rows], axis=1)
            self._windows = np.concatenate([self._windows, windows], axis=1)
            self._wholes = np.concatenate([self._wholes, wholes], axis=1)
            self._numbers = np.append(self._numbers, np.array([row[0] for row in rows], dtype=np.int64))


class _Sounds:
    """The marks of all sounds, derived in the same way."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._index = SoundIndex()
        self._last = 0

    def find(self, samples: sounds.Samples) -> list[sounds.Heard]:
        with self._lock:
            self._catch_up()
            if not len(self._index):
                return []
            return self._index.find(sounds.asked_marks(samples))

    def _catch_up(self) -> None:
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT id, marks FROM sounds WHERE id > ? AND length(marks) % 8 = 0 ORDER BY id",
                (self._last,),
            ).fetchall()
        if rows:
            self._index.add([(n, np.frombuffer(made, dtype="<u4").reshape(-1, 2)) for n, made in rows])
            self._last = int(rows[-1][0])


def _sensed(data: bytes) -> _Sensed:
    """What is kept of a file; nothing of what is neither seen nor heard, or cannot be decoded."""
    from specialists.containers import sniff
    from specialists.media import open_image

    container = sniff(data)
    kind = container.kind if container else ""
    try:
        if kind == IMAGE:
            return _Sensed(((None, sight(open_image(data))),))
        if kind == AUDIO:
            return _Sensed(marks=_marks(data))
        if kind == VIDEO:
            return _Sensed(tuple(_frames(data)), _marks(data))
    except BadInput:
        pass
    return _Sensed()


def _frames(data: bytes) -> list[tuple[Span, Sight]]:
    """The sights of a film, one of every shot that its key frames show, each until the next."""
    from specialists.film import has_pictures, inspect_video, video_frames

    if not has_pictures(data):
        return []
    before: NDArray[np.uint64] | None = None
    shots: list[tuple[float, Sight]] = []
    for frame in video_frames(data, only_keys=True):
        image = frame.image()
        whole = _bits(sights.sketch(image))
        if before is None or int(np.bitwise_count(whole ^ before).sum()) >= _SAME_SHOT:
            shots.append((frame.time, sight(image)))
            before = whole
        if len(shots) == _FRAMES:
            break
    end = max([float(inspect_video(data).facts["seconds"]), *(at for at, _ in shots)])
    ends = [*(at for at, _ in shots[1:]), end]
    return [(Span(at, until), one) for (at, one), until in zip(shots, ends, strict=True)]


def _marks(data: bytes) -> bytes:
    samples = _samples(data)
    return b"" if samples is None else sounds.marks(samples).astype("<u4").tobytes()


def _samples(data: bytes) -> sounds.Samples | None:
    """None for a film without sound."""
    from specialists.media import read_audio

    try:
        return read_audio(data, rate=RATE)
    except BadInput:
        return None


def _decoded(data: bytes) -> tuple[str, Image | None, sounds.Samples | None]:
    """Kind, first picture and sound of what is asked by. Raises BadInput."""
    from specialists.containers import sniff
    from specialists.film import video_frames
    from specialists.media import open_image, read_audio

    container = sniff(data)
    kind = container.kind if container else ""
    if kind == IMAGE:
        return kind, open_image(data), None
    if kind == AUDIO:
        return kind, None, read_audio(data, rate=RATE)
    if kind == VIDEO:
        first = next(video_frames(data, only_keys=True), None)
        return kind, first.image() if first else None, _samples(data)
    raise BadInput(
        "neither a picture nor a sound nor a film",
        part="what is asked by",
        remedy="Ask by a file that a specialist can see or hear",
    )


def _sight_of(connection: Connection, number: int) -> tuple[str, Span | None, bytes, bytes] | None:
    row = connection.execute(
        "SELECT digest, begins, ends, whole, features FROM sights WHERE id = ? AND length(features) % ? = 0",
        (number, FEATURE_BYTES),
    ).fetchone()
    if row is None:
        return None
    return str(row[0]), None if row[1] is None else Span(row[1], row[2]), row[3], row[4]


def _least(values: NDArray[np.unsignedinteger]) -> list[int]:
    """The places of the least values, the least first."""
    count = min(CANDIDATES, len(values))
    some = np.argpartition(values, count - 1)[:count]
    return [int(place) for place in some[np.argsort(values[some], kind="stable")]]


def _bits(data: bytes) -> NDArray[np.uint64]:
    return np.frombuffer(data, dtype=np.uint64)
