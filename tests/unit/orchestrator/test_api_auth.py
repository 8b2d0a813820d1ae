"""Keys, scopes, and who is let in without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.api.auth import check_exposure, is_loopback, prefix_of, read_keys
from orchestrator.config import ServerTable
from specialists.errors import BadConfig
from tests.unit.orchestrator.api_stage import Serve, serve_in

OWN = {"origin": "http://localhost:3000"}
QUESTION = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    return serve_in(tmp_path)


def test_only_loopback_goes_without_a_key() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.9.9.9"):
        assert check_exposure(ServerTable(host=host)) == ()
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.com", "localhost.example.com"):
        assert not is_loopback(host)
        with pytest.raises(BadConfig, match="needs an API key"):
            check_exposure(ServerTable(host=host))
        assert check_exposure(ServerTable(host=host, api_key="k")) == ("k",)


def test_keys_come_from_the_configuration_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYS", "one, two")
    assert read_keys("$KEYS") == ("one", "two")
    assert read_keys("one,two") == ("one", "two")
    assert read_keys("") == ()
    monkeypatch.delenv("KEYS")
    with pytest.raises(BadConfig, match="KEYS"):
        read_keys("$KEYS")


async def test_a_key_is_needed_where_one_is_set(serve: Serve) -> None:
    async with serve(server={"api_key": "right"}) as served:
        for header in (
            "Bearer wrong",
            "Bearer",
            "right",
            "Basic right",
            "Bearer right right",
            "Bearer rigé",
        ):
            answer = await served.http.get("/v1/models", headers={"authorization": header.encode()})
            assert answer.status_code == 401, header
            assert answer.json()["error"]["code"] == "invalid_api_key"
            assert answer.headers["www-authenticate"] == "Bearer"
        del served.http.headers["authorization"]
        assert (await served.http.get("/v1/models")).status_code == 401
        assert (await served.http.get("/docs")).status_code == 401
        assert (await served.http.get("/health")).status_code == 200
        assert (await served.http.get("/")).status_code == 200
        right = {"authorization": "bearer right"}
        assert (await served.http.get("/v1/models", headers=right)).status_code == 200


async def test_sessions_of_one_key_do_not_exist_for_another(serve: Serve) -> None:
    async with serve(server={"api_key": "anna,ben"}) as served:
        anna, ben = ({"authorization": f"Bearer {key}"} for key in ("anna", "ben"))
        body = {"model": "antiphon", "messages": QUESTION, "session": "diary"}
        first = await served.http.post("/v1/chat/completions", json=body, headers=anna)
        assert (first.json()["antiphon"]["session"], first.json()["antiphon"]["turn"]) == ("diary", 1)

        assert (await served.http.get("/sessions", headers=ben)).json() == {"sessions": []}
        other = await served.http.post("/v1/chat/completions", json=body, headers=ben)
        assert other.json()["antiphon"]["turn"] == 1
        # Not even by its full name.
        full = prefix_of("anna") + "diary"
        assert full in [info.name for info in await served.engine.sessions()]
        answer = await served.http.post("/v1/chat/completions", json=body | {"session": full}, headers=ben)
        assert answer.json()["antiphon"]["turn"] == 1

        (mine,) = (await served.http.get("/sessions", headers=anna)).json()["sessions"]
        assert mine["name"] == "diary" and "key-" not in first.text


async def test_a_spoken_answer_of_one_key_is_unknown_to_another(serve: Serve) -> None:
    async with serve(server={"api_key": "anna,ben"}) as served:
        anna, ben = ({"authorization": f"Bearer {key}"} for key in ("anna", "ben"))
        spoken = {"modalities": ["text", "audio"], "audio": {"voice": "joe", "format": "wav"}}
        body = {"model": "antiphon", "messages": QUESTION, **spoken}
        answer = await served.http.post("/v1/chat/completions", json=body, headers=anna)
        audio = {"role": "assistant", "audio": {"id": answer.json()["choices"][0]["message"]["audio"]["id"]}}
        later = {"model": "antiphon", "messages": [*QUESTION, audio, *QUESTION]}
        assert (await served.http.post("/v1/chat/completions", json=later, headers=ben)).status_code == 400
        assert (await served.http.post("/v1/chat/completions", json=later, headers=anna)).status_code == 200


async def test_a_web_page_cannot_reach_a_server_without_a_key(serve: Serve) -> None:
    async with serve() as served:
        for headers in (
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"host": "evil.example"},
            {"host": "127.0.0.1.evil.example"},
        ):
            answer = await served.http.get("/v1/models", headers=headers)
            assert answer.status_code == 403, headers
        assert (await served.http.get("/v1/models", headers=OWN)).status_code == 200


async def test_what_one_key_said_is_not_recalled_for_another(serve: Serve) -> None:
    async with serve(server={"api_key": "anna,ben"}) as served:
        anna, ben = ({"authorization": f"Bearer {key}"} for key in ("anna", "ben"))
        said = {"text": "My door code is 4711"}
        await served.http.post("/sessions/diary/turns", json=said, headers=anna)
        asked = {"text": "What is my door code?"}
        answer = await served.http.post("/sessions/diary/turns", json=asked, headers=ben)
        assert "4711" not in answer.text
