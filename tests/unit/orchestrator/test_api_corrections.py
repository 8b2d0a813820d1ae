"""Corrections over HTTP: each key its own."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from orchestrator.api.auth import prefix_of
from tests.unit.orchestrator.api_stage import Serve, png, serve_in


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    return serve_in(tmp_path)


async def say(http: httpx.AsyncClient, key: dict[str, str], text: str, picture: bytes | None = None) -> None:
    files = [("text", (None, text))]
    if picture is not None:
        files.append(("images", ("page.png", picture, "image/png")))  # type: ignore[arg-type]
    answer = await http.post("/sessions/diary/turns", files=files, headers=key)
    assert answer.status_code == 200, answer.text


async def test_each_key_has_its_own_corrections(serve: Serve) -> None:
    async with serve(server={"api_key": "anna,ben"}) as served:
        anna, ben = ({"authorization": f"Bearer {key}"} for key in ("anna", "ben"))
        await say(served.http, anna, "What is on this?", png())
        await say(served.http, anna, "no, read the text")

        (kept,) = (await served.http.get("/corrections", headers=anna)).json()["corrections"]
        assert (kept["text"], kept["attachments"]) == ("What is on this?", ["image"])
        assert (kept["session"], kept["turn"], kept["said"]) == ("diary", 2, "no, read the text")
        assert "<|call:ocr|>" in kept["controls"]
        assert "person" not in kept
        assert prefix_of("anna") not in str(kept)
        assert (await served.http.get("/corrections", headers=ben)).json() == {"corrections": []}

        body = {"text": "What is on this?", "attachments": ["image"]}
        plans = [(await served.http.post("/plan", json=body, headers=key)).json() for key in (anna, ben)]
        assert [plan["steps"][0]["specialist"] for plan in plans] == ["ocr", "vision"]

        path = f"/corrections/{kept['id']}"
        assert (await served.http.delete(path, headers=ben)).status_code == 404
        assert (await served.http.delete(path, headers=anna)).status_code == 204
        assert (await served.http.delete(path, headers=anna)).status_code == 404


async def test_all_of_them_can_be_removed(serve: Serve) -> None:
    async with serve() as served:
        assert (await served.http.delete("/corrections")).json() == {"removed": 0}
        await say(served.http, {}, "What is on this?", png())
        await say(served.http, {}, "no, read the text")
        assert (await served.http.delete("/corrections")).json() == {"removed": 1}
        assert (await served.http.get("/corrections")).json() == {"corrections": []}


async def test_a_key_is_needed(serve: Serve) -> None:
    async with serve(server={"api_key": "right"}) as served:
        for method, path in (
            ("GET", "/corrections"),
            ("DELETE", "/corrections"),
            ("DELETE", "/corrections/x"),
        ):
            assert (await served.http.request(method, path)).status_code == 401
