"""A budget by every way in: HTTP, the client, the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.budget import Budget
from orchestrator.cli.specialists import app
from orchestrator.client import Client
from orchestrator.events import Planned, TurnFinished
from orchestrator.latency import Latencies
from specialists.base import Cost
from specialists.fakes import Scripted, card, words
from specialists.models import ModelStore
from specialists.registry import build
from tests.unit.orchestrator.api_stage import KEY, Serve, png, serve_in
from tests.unit.orchestrator.test_engine import collect, one

QUESTION = "What is the capital of France?"


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    return serve_in(tmp_path)


def slow_and_dear() -> Scripted:
    return Scripted(card("chat", cost=Cost(9.0, 0.02)), words("Paris."))


async def test_a_request_over_http_names_its_limits(serve: Serve) -> None:
    async with serve(slow_and_dear()) as served:
        turn = {"text": QUESTION, "within": 2}
        answer = await served.http.post("/sessions/s/turns", json=turn)
        events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
        (planned,) = [event for event in events if event["type"] == "turn.planned"]
        refused = await served.http.post("/sessions/s/turns", json={"text": QUESTION, "max_price": -1})
        asked = {"text": QUESTION, "max_price": 0.01}
        made = (await served.http.post("/plan", json=asked)).json()
        listed = (await served.http.get("/specialists")).json()["specialists"]
    (late,) = planned["plan"]["tradeoffs"]
    assert (late["action"], late["limit"]) == ("late", {"seconds": 2.0, "price": None})
    assert refused.status_code in (400, 422)
    assert "max_price" in refused.text
    assert made["steps"] == []
    assert made["estimate"] == {"seconds": 0.0, "price": 0.0}
    assert made["tradeoffs"][0]["action"] == "refuse"
    assert made["given_up"] == "I cannot answer this for at most 0.01: the cheapest way costs 0.02."
    latency = {one["name"]: one["latency"] for one in listed}
    assert latency["chat"]["calls"] == 1
    assert latency["vision"] is None


async def test_a_client_hands_the_budget_on_beside_files(serve: Serve, tmp_path: Path) -> None:
    picture = tmp_path / "cat.png"
    picture.write_bytes(png())
    async with serve() as served, Client(served.url, KEY) as client:
        session = client.session("s")
        events = await collect(
            session.send("What animal is this?", images=[picture], budget=Budget(0.5, 0.25))
        )
    (late,) = one(events, Planned).plan.tradeoffs
    assert late.limit == Budget(0.5, 0.25)
    assert one(events, TurnFinished).outcome == "answered"


def configured(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str = "") -> None:
    (folder / "antiphon.toml").write_text(text)
    monkeypatch.setenv("ANTIPHON_CONFIG", str(folder / "antiphon.toml"))
    monkeypatch.setenv("ANTIPHON_MODELS", str(folder / "models"))
    monkeypatch.setenv("ANTIPHON_DATA", str(folder / "data"))


def test_the_list_shows_what_calls_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(tmp_path, monkeypatch)
    asr = next(card for card in build(ModelStore(tmp_path)).cards() if card.name == "asr")
    latencies = Latencies(tmp_path / "data" / Latencies.FILE)
    latencies.warmed(asr)
    for seconds in (0.25, 0.75):
        latencies.note(asr, seconds, 0.1)
    latencies.save()
    rows = {row["name"]: row for row in json.loads(CliRunner().invoke(app, ["list", "--json"]).stdout)}
    assert rows["asr"]["latency"] == {
        "calls": 2,
        "p50": 0.25,
        "p95": 0.75,
        "first_p50": 0.1,
        "first_p95": 0.1,
    }
    assert rows["ocr"]["latency"] is None
    shown = CliRunner().invoke(app, ["list"], env={"COLUMNS": "160"}).stdout
    assert "0.25 s" in shown and "0.75 s" in shown and "p95" in shown


def test_the_configuration_states_prices_and_qualities(tmp_path: Path) -> None:
    small = {"use": "specialists.chat:create", "price": 0.001, "quality": 0.3}
    tables = {"chat": {"price": 0.02, "quality": 0.8}, "chat-small": small}
    cards = {card.name: card for card in build(ModelStore(tmp_path), tables).cards()}
    assert (cards["chat"].cost.price, cards["chat"].quality) == (0.02, 0.8)
    assert (cards["chat-small"].cost.price, cards["chat-small"].quality) == (0.001, 0.3)
    assert cards["chat-small"].purpose == cards["chat"].purpose == "chat"


@pytest.mark.parametrize(
    "table", [{"price": -1}, {"price": "dear"}, {"price": True}, {"quality": 1.5}, {"price": float("inf")}]
)
def test_figures_that_cannot_be_are_refused(tmp_path: Path, table: dict[str, object]) -> None:
    from specialists.errors import BadConfig

    with pytest.raises(BadConfig, match=r"specialists\.chat"):
        build(ModelStore(tmp_path), {"chat": table})
