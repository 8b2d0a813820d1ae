"""Where a pinned wheel can be downloaded, asked of the pip or uv that is installed here.

The index, the certificate and the proxy are those that pip or uv is configured with. A wheel is recognised by
its checksum, so the platform and the Python it was built for do not matter.
"""

from __future__ import annotations

import ast
import contextlib
import logging
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from specialists.errors import Unavailable

if TYPE_CHECKING:
    import httpx
    from stamina.instrumentation import RetryDetails, RetryHook

log = logging.getLogger("antiphon")

_JSON = "application/vnd.pypi.simple.v1+json"
_SECONDS = 180
"""How long pip or uv may take to answer."""
_CAUSE = 120
"""The longest cause of a failure that is shown, in characters."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel by normalised package name, version and SHA-256 in hex."""

    package: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.package}=={self.version}"


@dataclass(frozen=True, slots=True)
class Link:
    """Where a file is: an http, https or file URL. `size` is in bytes, 0 when the index does not say."""

    url: str
    sha256: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """What pip is configured with."""

    indexes: tuple[str, ...] = ()
    cert: str = ""
    proxy: str = ""


def client(settings: Settings) -> httpx.Client:
    """An HTTP client that trusts and goes through what pip does, else what the environment says."""
    import ssl

    import httpx

    verify = ssl.create_default_context(cafile=settings.cert) if settings.cert else True
    return httpx.Client(
        verify=verify,
        proxy=settings.proxy or None,
        timeout=httpx.Timeout(30, connect=10),
        follow_redirects=True,
    )


class _OwnRetries:
    """Count who is fetching now, and keep the retry hooks that the program had before the first of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: tuple[RetryHook, ...] = ()

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """While this is open, a retry is a line of our own log and nothing on the terminal."""
        from stamina.instrumentation import get_on_retry_hooks, set_on_retry_hooks

        with self._lock:
            if not self._inside:
                self._before = get_on_retry_hooks()
                set_on_retry_hooks([_tell_retry])
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    set_on_retry_hooks(self._before)


own_retries = _OwnRetries()


def _tell_retry(details: RetryDetails) -> None:
    log.debug(
        "attempt %d of a download failed (%s); the next follows in %.1f s",
        details.retry_num,
        cause(details.caused_by),
        details.wait_for,
    )


def cause(error: Exception) -> str:
    """What went wrong, in a few words and without the address, which may carry a password."""
    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        return f"answer {error.response.status_code}"
    said = re.sub(r"^\[Errno -?\d+\] ", "", " ".join(str(error).split())) or type(error).__name__
    return said if len(said) <= _CAUSE else f"{said[: _CAUSE - 1]}…"


def locate(wheel: Wheel, settings: Settings) -> Link:
    """The wheel's address. Raises Unavailable, with the index's reason, when neither it nor uv knows one."""
    try:
        return _by_index(wheel, settings)
    except Unavailable as first:
        try:
            return _by_uv(wheel, settings)
        except Unavailable as second:
            log.debug("uv finds no %s: %s", wheel, second.message)
            raise first from second


def _default_index(command: list[str]) -> str:
    """The index that pip asks when none is configured, as its own help states it; nothing if it does not."""
    stated = re.search(
        r"--index-url\b.*?\(default\s+(\S+?)\)", run([*command, "download", "--help"]), re.DOTALL
    )
    return stated[1] if stated else ""


def read_settings() -> Settings:
    """pip's configuration (files and environment); the defaults where there is no pip."""
    command = pip_command()
    if not command:
        return Settings()
    values: dict[str, str] = {}
    # pip prints sections in no useful order: the environment wins over a command's section, which wins
    # over `global`.
    rank = {"global": 0, "install": 1, "download": 1, ":env:": 2}
    ranks: dict[str, int] = {}
    for line in run([*command, "config", "list"]).splitlines():
        name, _, text = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in rank and rank[section] >= ranks.get(key, 0):
            values[key], ranks[key] = _literal(text), rank[section]
    first = values.get("index-url") or _default_index(command)
    return Settings(
        indexes=tuple(dict.fromkeys([*first.split(), *values.get("extra-index-url", "").split()])),
        cert=values.get("cert", ""),
        proxy=values.get("proxy", ""),
    )


def _literal(text: str) -> str:
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text


def pip_command() -> list[str]:
    """How to run pip, empty when there is none."""
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip") or shutil.which("pip3")
    return [found] if found else []


def uv_command() -> list[str]:
    """How to run uv, empty when there is none."""
    beside = Path(sys.executable).with_name("uv")
    if beside.is_file():
        return [str(beside)]
    found = shutil.which("uv")
    return [found] if found else []


def run(command: list[str], text: str = "") -> str:
    """What a command prints. Raises Unavailable with its last words when it fails."""
    name = " ".join(command[:4])
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{name}: {error}") from error
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise Unavailable(f"{name}: {last[0]}")
    return done.stdout


def _by_index(wheel: Wheel, settings: Settings) -> Link:
    """Read the pages of the configured indexes."""
    reasons = []
    with client(settings) as http:
        for index in settings.indexes:
            if urlsplit(index).scheme not in ("http", "https"):
                continue
            try:
                links = list(_links(_get(http, f"{index.rstrip('/')}/{wheel.package}/")))
            except Unavailable as error:
                reasons.append(error.message)
                continue
            for link in links:
                if link.sha256 == wheel.sha256 or (not link.sha256 and _named_for(link.url, wheel)):
                    return link
            reasons.append(f"{_host(index)} has no {wheel} with this checksum")
    for reason in reasons[1:]:
        log.debug("%s: %s", wheel, reason)
    raise Unavailable(reasons[0] if reasons else "no index is configured")


def _get(http: httpx.Client, url: str) -> httpx.Response:
    import httpx
    import stamina

    try:
        with own_retries():
            for attempt in stamina.retry_context(
                on=httpx.TransportError, attempts=3, wait_initial=0.3, wait_max=2
            ):
                with attempt:
                    response = http.get(url, headers={"Accept": f"{_JSON}, text/html;q=0.1"})
        response.raise_for_status()
    except httpx.HTTPStatusError as error:
        raise Unavailable(f"{_host(url)} answers {error.response.status_code}") from error
    except httpx.HTTPError as error:
        raise Unavailable(f"{_host(url)} cannot be reached ({cause(error)})") from error
    return response


def _links(response: httpx.Response) -> Iterator[Link]:
    """The files an index page names, in its JSON or its HTML form."""
    if response.headers.get("content-type", "").split(";")[0].strip() == _JSON:
        page: Any = response.json()
        for entry in page.get("files", ()):
            sha256 = str(entry.get("hashes", {}).get("sha256", ""))
            yield Link(urljoin(str(response.url), entry["url"]), sha256.lower(), int(entry.get("size") or 0))
        return
    reader = _Anchors()
    reader.feed(response.text)
    for target in reader.targets:
        url, fragment = urldefrag(urljoin(str(response.url), target))
        yield Link(url, fragment.removeprefix("sha256=").lower() if fragment.startswith("sha256=") else "")


class _Anchors(HTMLParser):
    """Collects where the links of a page point to."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.targets += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _named_for(url: str, wheel: Wheel) -> bool:
    name = unquote(urlsplit(url).path).rsplit("/", 1)[-1]
    package, _, rest = name.partition("-")
    same = re.sub(r"[-_.]+", "-", package).lower() == wheel.package
    return same and name.endswith(".whl") and rest.split("-")[0] == wheel.version


def _host(url: str) -> str:
    """The host alone: an index address may carry a password."""
    return urlsplit(url).hostname or "the index"


def _by_uv(wheel: Wheel, _settings: Settings) -> Link:
    """Let uv resolve the pin and print a lock file, which names every wheel's address and checksum."""
    command = uv_command()
    if not command:
        raise Unavailable("uv is not installed")
    lock = run(
        [*command, "pip", "compile", "--quiet", "--no-deps", "--format", "pylock.toml", "-"], f"{wheel}\n"
    )
    for package in tomllib.loads(lock).get("packages", ()):
        for entry in package.get("wheels", ()):
            if entry.get("hashes", {}).get("sha256") == wheel.sha256:
                url = entry.get("url") or Path(entry["path"]).resolve().as_uri()
                return Link(url, wheel.sha256, int(entry.get("size", 0)))
    raise Unavailable(f"uv knows no {wheel} with this checksum")
