"""Fitting a router end to end, from a tiny encoder, and measuring one by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli.router import app
from orchestrator.controller import catalogues as worlds
from orchestrator.controller.exemplars import Exemplar, core, digest
from orchestrator.controller.fit import LEAST, fit, kept_back, remeasure
from orchestrator.controller.request import Request
from orchestrator.controller.router import FOLDER, FittedRouter
from specialists.encoder_training import Recipe
from specialists.errors import BadInput
from specialists.models import ModelStore
from tests.unit.orchestrator.test_planner import CARDS
from tests.unit.specialists.tiny_encoder import make_encoder

SOME = core()[::5]
QUICK = Recipe(epochs=1, tokens=32)
WORLD = worlds.built_in()[0]


def line(exemplar: Exemplar) -> str:
    decision, request = exemplar.decision, exemplar.request
    return json.dumps(
        {
            "text": request.text,
            "attachments": request.attachments,
            "history": [],
            "steps": decision.steps,
            "optional": exemplar.optional,
            "outputs": decision.outputs,
            "reuse": decision.reuse,
        }
    )


def test_a_router_says_what_it_was_made_of_and_what_it_can_do(tmp_path: Path) -> None:
    start = f"path:{make_encoder(tmp_path)}"
    epochs: list[int] = []
    claims = fit(
        SOME,
        (WORLD,),
        CARDS,
        ModelStore(tmp_path),
        tmp_path / "out",
        lambda epoch, _: epochs.append(epoch),
        start=start,
        recipe=QUICK,
    )
    router = FittedRouter(tmp_path / "out")
    assert epochs == [1]
    assert router.claims == claims
    assert claims.exemplars == digest(SOME)
    assert claims.catalogues == worlds.digest((WORLD,))
    assert claims.held_out == sum(map(kept_back, SOME)) > 0
    assert claims.fitted + claims.held_out == len(SOME)
    assert claims.names == {card.name for card in CARDS}
    assert remeasure(router, SOME, CARDS).right == claims.right
    ranked = router.rank(Request("hello"), CARDS)
    assert sum(share for _, share in ranked) == pytest.approx(1)


def test_exemplars_of_a_specialist_without_a_card_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="ocr, which no Card describes"):
        fit(SOME, (), [c for c in CARDS if c.name != "ocr"], ModelStore(tmp_path), tmp_path, lambda *_: None)


def test_a_handful_of_exemplars_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="too few"):
        fit(SOME[: LEAST - 1], (), CARDS, ModelStore(tmp_path), tmp_path, lambda *_: None)


def test_evaluate_tells_what_was_right_and_how_long_it_took(
    model_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTIPHON_DATA", str(tmp_path))
    monkeypatch.setenv("ANTIPHON_MODELS", str(model_store.root))
    monkeypatch.delenv("ANTIPHON_CONFIG", raising=False)
    asked = tmp_path / "asked.jsonl"
    plain = [e for e in SOME if e.decision.steps == ("chat",) and not e.request.history][:8]
    asked.write_text("".join(line(e) + "\n" for e in plain))
    result = CliRunner().invoke(app, ["evaluate", str(asked), "--json", "--router", str(FOLDER)])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["requests"] == 8
    assert found["right"] > 0.8
    assert 0 < found["p50_ms"] <= found["p95_ms"]
    assert found["stale"] is False
    shown = CliRunner().invoke(app, ["evaluate", str(asked)])
    assert "8 requests:" in shown.stdout
