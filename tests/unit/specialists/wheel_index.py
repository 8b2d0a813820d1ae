"""A package index on loopback that serves one wheel, and can break off downloads."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PACKAGE = "tiny-model"
VERSION = "1.0"
FILE = f"tiny_model-{VERSION}-py3-none-any.whl"


def make_wheel(files: Mapping[str, bytes]) -> bytes:
    """A wheel that pip accepts, with these files."""
    info = f"tiny_model-{VERSION}.dist-info"
    meta = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {VERSION}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in (dict(files) | meta).items():
            zipped.writestr(name, content)
    return buffer.getvalue()


def uri(wheel: bytes, path: str) -> str:
    return f"pypi:{PACKAGE}=={VERSION}/{path}#sha256={hashlib.sha256(wheel).hexdigest()}"


@dataclass
class Index:
    """The index: its address, and the byte each download of the wheel began at."""

    wheel: bytes
    breaks: list[int] = field(default_factory=list)
    """After how many bytes the next downloads break off, in order; later ones do not."""
    announced: str = ""
    """The checksum the index page names; the true one when empty."""
    url: str = ""
    starts: list[int] = field(default_factory=list)

    @property
    def page(self) -> bytes:
        digest = self.announced or hashlib.sha256(self.wheel).hexdigest()
        return f'<html><body><a href="/files/{FILE}#sha256={digest}">{FILE}</a></body></html>'.encode()


@contextmanager
def serving(index: Index) -> Iterator[Index]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.rstrip("/") == f"/simple/{PACKAGE}":
                self._send(200, "text/html", index.page)
            elif self.path == f"/files/{FILE}":
                self._wheel()
            else:
                self._send(404, "text/plain", b"no such page")

        def _wheel(self) -> None:
            asked = self.headers.get("Range", "bytes=0-")
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            index.starts.append(start)
            if start >= len(index.wheel):
                self._send(416, "text/plain", b"")
                return
            rest = index.wheel[start:]
            end = index.breaks.pop(0) if index.breaks else len(rest)
            self._send(206 if start else 200, "application/zip", rest, end)

        def _send(self, status: int, kind: str, body: bytes, end: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:end])

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    index.url = f"http://127.0.0.1:{server.server_port}/simple"
    try:
        yield index
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
