"""What the server says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialists.fakes import Scripted, card, words
from tests.unit.orchestrator.api_stage import Serve, asking, image, serve_in


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    return serve_in(tmp_path)


async def test_it_says_what_it_is(serve: Serve) -> None:
    async with serve() as served:
        about = (await served.http.get("/")).json()
        assert about["name"] == "Antiphon" and about["version"]
        for path in (about["health"], about["documentation"], f"{about['openai_base_path']}/models"):
            assert (await served.http.get(path)).status_code == 200


async def test_health_names_every_specialist(serve: Serve) -> None:
    async with serve() as served:
        answer = await served.http.get("/health")
        health = answer.json()
        assert (answer.status_code, health["ready"]) == (200, True)
        assert health["specialists"]["imagegen"] == "unavailable" and health["specialists"]["chat"] == "idle"


async def test_without_chat_it_is_not_ready(serve: Serve) -> None:
    async with serve(Scripted(card("chat", available=False, remedy="Configure one"), words())) as served:
        answer = await served.http.get("/health")
        assert (answer.status_code, answer.json()["ready"]) == (503, False)


async def test_bad_input_does_not_make_it_unready(serve: Serve) -> None:
    async with serve() as served:
        body = {"model": "antiphon", "messages": asking(image(b"words"))}
        assert (await served.http.post("/v1/chat/completions", json=body)).status_code == 400
        assert (await served.http.get("/health")).status_code == 200


async def test_every_reference_of_its_description_leads_somewhere(serve: Serve) -> None:
    async with serve() as served:
        document = (await served.http.get("/openapi.json")).json()

    def references(value: object) -> list[str]:
        if isinstance(value, list):
            return [found for entry in value for found in references(entry)]
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [found for entry in value.values() for found in references(entry)]
        return []

    assert references(document)
    for reference in references(document):
        target = document
        for piece in reference.removeprefix("#/").split("/"):
            target = target[piece]
    assert {"/v1/chat/completions", "/sessions/{name}/turns", "/plan"} <= set(document["paths"])
