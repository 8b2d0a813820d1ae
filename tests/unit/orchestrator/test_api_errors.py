"""Whatever comes through a door that is wrong gets a clear answer in the one shape."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import httpx
import pytest

from specialists.fakes import Failing, card
from tests.unit.orchestrator.api_stage import Serve, asking, b64, image, png, serve_in

CHAT = "/v1/chat/completions"
KINDS = {"message", "type", "param", "code"}


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    return serve_in(tmp_path)


def error_of(answer: httpx.Response, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == KINDS
    assert "Traceback" not in answer.text
    assert answer.headers["x-request-id"]
    return error


def huge_png() -> bytes:
    """A header that promises 200 megapixels, and nothing behind it."""
    header = struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


def file(data: bytes, name: str) -> dict[str, object]:
    return {"type": "file", "file": {"file_data": b64(data), "filename": name}}


def sound(data: bytes) -> dict[str, object]:
    return {"type": "input_audio", "input_audio": {"data": b64(data), "format": "wav"}}


def url(text: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": text}}


async def test_a_bad_part_is_named_and_refused(serve: Serve, media: Path) -> None:
    wav = (media / "question.wav").read_bytes()
    refused = [
        (file(b"these are words", "photo.png"), 400),
        (image(b"these are words"), 400),
        (image(b""), 400),
        (image(png()[:40]), 400),
        (image(huge_png()), 413),
        (image(wav), 400),
        (sound(wav[: len(wav) // 2]), 400),
        (sound(b"RIFF"), 400),
        (file(b"", "empty.pdf"), 400),
        (file(b"%PDF-1.7 nothing", "torn.pdf"), 400),
        (file(b"\xff\xfe\x00\xd8", "words.txt"), 400),
        (file(b"MZ\x00\x01", "program.exe"), 400),
        ({"type": "file", "file": {"file_id": "file-1"}}, 400),
        ({"type": "input_audio", "input_audio": {"data": "not base64!", "format": "wav"}}, 400),
        (url("data:image/png;base64"), 400),
        (url("data:image/png;base64,@@@"), 400),
        (url("file:///etc/passwd"), 400),
        (url("/etc/passwd"), 400),
        (url("http://127.0.0.1:9/x.png"), 400),
        (url("http://[::1"), 400),
        (url("https://example.com/x.png"), 400),
    ]
    async with serve() as served:
        for part, status in refused:
            body = {"model": "antiphon", "messages": [*asking("Hi"), *asking("What is this?", part)]}
            error = error_of(await served.http.post(CHAT, json=body), status)
            assert str(error["param"]).startswith("messages[1].content[1]"), error
            assert error["type"] == "invalid_request_error"
        # None of it stopped the server or left a turn behind.
        chat = served.engine.runtime._specialists["chat"]
        assert chat.tasks == []


async def test_a_hostile_file_name_is_shown_harmless(serve: Serve) -> None:
    async with serve() as served:
        body = {"model": "antiphon", "messages": asking(file(b"x", "../../\x1b[2J\u202eevil.png"))}
        error = error_of(await served.http.post(CHAT, json=body), 400)
        assert (
            "\x1b" not in error["message"]
            and "\u202e" not in error["message"]
            and ".." not in error["message"]
        )


async def test_what_is_no_request_is_refused(serve: Serve) -> None:
    json_type = {"content-type": "application/json"}
    bodies = [
        b"{not json",
        b"",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"model": "antiphon"}',
        b'{"model": "antiphon", "messages": "Hello"}',
        b'{"model": 5, "messages": [{"role": "user", "content": "Hi"}]}',
        b'{"model": "antiphon", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b"[" * 100_000,
    ]
    async with serve() as served:
        for path in (
            CHAT,
            "/v1/audio/speech",
            "/v1/embeddings",
            "/plan",
            "/sessions/s/turns",
        ):
            for body in bodies:
                answer = await served.http.post(path, content=body, headers=json_type)
                if path == "/plan" and body.startswith(b'{"model"'):
                    continue  # every field of a plan request has a default
                if path == "/sessions/s/turns" and body.startswith(b'{"model"'):
                    continue
                assert error_of(answer, 400)["code"] == "bad_input", (path, body)
        answer = await served.http.post("/v1/audio/transcriptions", json={})
        error_of(answer, 400)
        answer = await served.http.post(CHAT, content=b"{}", headers={"content-type": "text/plain"})
        error_of(answer, 400)
        error_of(await served.http.get("/nowhere"), 404)
        error_of(await served.http.get(CHAT), 405)
        error_of(await served.http.get("/sessions/s/events?since=-1"), 400)
        error_of(await served.http.get("/blobs/../../etc/passwd"), 404)
        error_of(await served.http.get("/blobs/etc"), 400)
        error_of(await served.http.get("/blobs/" + "0" * 64), 404)


async def test_a_body_that_is_too_large_is_stopped(serve: Serve) -> None:
    small = dict.fromkeys(("image_bytes", "document_bytes", "audio_bytes", "video_bytes", "text_bytes"), 1000)

    async def endless() -> object:
        for _ in range(1000):
            yield b" " * 65536

    async with serve(limits=small) as served:
        answer = await served.http.post(
            CHAT, content=b" " * 2_000_000, headers={"content-type": "application/json"}
        )
        assert error_of(answer, 413)["code"] == "limit_exceeded"
        answer = await served.http.post(CHAT, content=endless(), headers={"content-type": "application/json"})
        assert error_of(answer, 413)["code"] == "limit_exceeded"
        form = {"file": ("a.wav", b"\0" * 2_000_000), "model": (None, "antiphon")}
        error_of(await served.http.post("/v1/audio/transcriptions", files=form), 413)
        body = {"model": "antiphon", "messages": asking(image(png(size=(200, 200)) + b"\0" * 1000))}
        assert error_of(await served.http.post(CHAT, json=body), 413)["param"]


async def test_an_unexpected_failure_hides_its_text(serve: Serve) -> None:
    class Torn:
        """A runtime whose cards cannot be read."""

    async with serve() as served:
        whole, served.engine.runtime = served.engine.runtime, Torn()  # type: ignore[assignment]
        error = error_of(await served.http.get("/v1/models"), 500)
        served.engine.runtime = whole
        assert error["code"] == "internal"
        assert "Torn" not in error["message"] and "cards" not in error["message"]


async def test_every_error_of_the_tree_has_its_status(serve: Serve) -> None:
    from specialists import errors

    statuses = {
        errors.BadInput: 400,
        errors.UnknownName: 404,
        errors.LimitExceeded: 413,
        errors.SpecialistFailed: 502,
        errors.Unavailable: 503,
        errors.BadConfig: 503,
        errors.TransientFailure: 503,
        errors.DeadlineExceeded: 504,
        errors.Ours: 500,
    }
    embed = Failing(
        card("embed", produces=["vector"]),
        [kind("is torn", part="page", remedy="Mend it") for kind in statuses],
    )
    async with serve(embed) as served:
        for kind, status in statuses.items():
            answer = await served.http.post("/v1/embeddings", json={"model": "antiphon", "input": "x"})
            error = error_of(answer, status)
            assert error["code"] == kind.code
            assert answer.headers["x-should-retry"] == str(kind is errors.TransientFailure).lower()
            assert (error["message"] == "page: is torn. Mend it") is (status != 500)
