"""Blobs: immutable bytes in a folder, addressed by their SHA-256."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from specialists.content import BlobRef
from specialists.errors import BadInput, Unavailable, UnknownName

_DIGEST = re.compile(r"[0-9a-f]{64}")
_TEMPORARY = "incoming"
_ABANDONED_SECONDS = 3600.0
_COMPARED_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Usage:
    """How many blobs there are, and their bytes."""

    count: int
    bytes: int


class BlobStore:
    """A folder of blobs, each at `root/ab/cd/<digest>`. Any number of threads and processes may share it.

    A blob is complete or absent: it is written beside the others, synced, and renamed into place.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / _TEMPORARY).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._tidy()

    def put(self, data: bytes, media_type: str) -> BlobRef:
        """Store bytes; durable when it returns. The same content is stored once.

        Raises Unavailable when the disk does not take it.
        """
        ref = BlobRef(digest_of(data), len(data), media_type)
        path = self.path(ref)
        try:
            if not self._renew(path, data):
                self._write(path, data)
        except OSError as error:
            raise Unavailable(
                f"cannot be stored: {error}",
                part=f"blob {ref.digest}",
                remedy=f"Check that {self.root} is writable and its disk not full",
            ) from error
        return ref

    def read(self, ref: BlobRef | str) -> bytes:
        """The bytes, checked against their digest.

        Raises UnknownName when they are not here, BadInput when the digest is malformed or what lies there
        is not what was stored.
        """
        path = self.path(ref)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise UnknownName("the store does not hold this blob", part=f"blob {path.name}") from None
        except OSError as error:
            raise Unavailable(f"cannot be read: {error}", part=f"blob {path.name}") from error
        if digest_of(data) != path.name:
            raise BadInput(
                f"the stored bytes are damaged: {path} does not match its digest",
                part=f"blob {path.name}",
                remedy="Restore the file from a backup, or send the attachment again",
            )
        return data

    def path(self, ref: BlobRef | str) -> Path:
        """Where a blob lies or would lie. Raises BadInput unless its digest is 64 lower-case hex digits."""
        digest = ref.digest if isinstance(ref, BlobRef) else ref
        if not is_digest(digest):
            raise BadInput("not a SHA-256 digest of 64 hex digits", part=f"blob {digest!r:.80}")
        return self.root / digest[:2] / digest[2:4] / digest

    def has(self, ref: BlobRef | str) -> bool:
        return self.path(ref).is_file()

    def delete(self, ref: BlobRef | str, *, unless_put_after: float | None = None) -> bool:
        """Remove a blob; True when it is gone or was not there.

        With `unless_put_after` (seconds since the epoch) a blob that somebody put again later stays, and
        the answer is False: that use is still to be recorded.
        """
        path = self.path(ref)
        aside = self._temporary()
        # Aside first, then look: whoever puts the same content from here on finds it absent and writes it.
        try:
            path.rename(aside)
        except FileNotFoundError:
            return True
        if unless_put_after is not None and aside.stat().st_mtime > unless_put_after:
            aside.rename(path)
            return False
        aside.unlink(missing_ok=True)
        for folder in (path.parent, path.parent.parent):
            with suppress(OSError):  # not empty: other blobs lie there
                folder.rmdir()
        return True

    def usage(self) -> Usage:
        sizes = [size for _, size in self._walk()]
        return Usage(len(sizes), sum(sizes))

    def sizes(self) -> dict[str, int]:
        """Bytes of each blob, by its digest."""
        return dict(self._walk())

    def size(self) -> int:
        """Bytes of all blobs."""
        return self.usage().bytes

    def _walk(self) -> Iterator[tuple[str, int]]:
        for path in self.root.glob("??/??/*"):
            with suppress(FileNotFoundError):  # deleted meanwhile
                yield path.name, path.stat().st_size

    def _renew(self, path: Path, data: bytes) -> bool:
        """Mark a blob that is already here as put now, so that a deletion under way spares it.

        A damaged one counts as absent, and is then written anew.
        """
        now = time.time_ns()
        try:
            os.utime(path, ns=(now, now))
            if not _holds(path, data):
                return False
            self._sync(path)
        except FileNotFoundError:
            return False
        return True

    def _write(self, path: Path, data: bytes) -> None:
        temporary = self._temporary()
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            while not self._placed(temporary, path):
                pass  # a deletion removed the empty folder just then
        finally:
            temporary.unlink(missing_ok=True)

    def _placed(self, temporary: Path, path: Path) -> bool:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.replace(path)
            self._sync(path)
        except FileNotFoundError:
            if not (temporary.exists() or path.exists()):
                raise
            return path.exists()
        return True

    def _sync(self, path: Path) -> None:
        """Make the names that lead to a blob durable. Windows cannot open folders and journals renames."""
        if os.name == "nt":
            return
        for folder in (path.parent, path.parent.parent, self.root):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def _tidy(self) -> None:
        """Remove what killed processes left half written, a good while after they can have been at it."""
        for left in (self.root / _TEMPORARY).iterdir():
            with suppress(FileNotFoundError):
                if left.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                    left.unlink()

    def _temporary(self) -> Path:
        return self.root / _TEMPORARY / secrets.token_hex(16)


def digest_of(data: bytes) -> str:
    """The name of these bytes: their SHA-256 in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def is_digest(text: object) -> bool:
    """Whether this is a SHA-256 digest as blobs are named by."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def _holds(path: Path, data: bytes) -> bool:
    """Whether a file has exactly this content."""
    view = memoryview(data)
    with path.open("rb") as file:
        while chunk := file.read(_COMPARED_AT_ONCE):
            if view[: len(chunk)] != chunk:
                return False
            view = view[len(chunk) :]
    return not view
