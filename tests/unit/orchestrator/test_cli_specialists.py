"""`antiphon specialists show` and `new`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli.specialists import app
from specialists.errors import UnknownName


@pytest.fixture(autouse=True)
def _no_model_and_no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "antiphon.toml").write_text("")
    monkeypatch.setenv("ANTIPHON_CONFIG", str(tmp_path / "antiphon.toml"))
    monkeypatch.setenv("ANTIPHON_MODELS", str(tmp_path / "models"))


def test_a_card_is_shown_for_a_person_and_for_a_program() -> None:
    card = json.loads(CliRunner().invoke(app, ["show", "asr", "--json"]).stdout)
    assert (card["name"], card["consumes"], card["produces"]) == ("asr", ["audio"], ["text"])
    assert {parameter["name"] for parameter in card["parameters"]} >= {"language", "words"}
    assert card["state"] in ("available", "unavailable")
    shown = CliRunner().invoke(app, ["show", "asr"]).stdout
    assert shown.startswith(f"asr: {card['description']}")
    for said in (card["model"], card["remedy"], *card["examples"], "language, string: Two-letter code"):
        assert said in shown


def test_an_unknown_specialist_is_named_with_those_there_are() -> None:
    error = CliRunner().invoke(app, ["show", "nobody"]).exception
    assert isinstance(error, UnknownName)
    assert "asr" in error.remedy


def test_a_new_specialist_is_installed_before_it_is_checked_and_claims_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "detector"
    told = CliRunner().invoke(app, ["new", "detector", "--folder", str(folder)]).output
    for text in (told, (folder / "README.md").read_text()):
        assert "placeholder" in text
        assert -1 < text.find("pip install -e") < text.find("antiphon specialists check detector")
    source = (folder / "antiphon_detector.py").read_text()
    assert 'description="Placeholder: ' in source
    assert source.count('"placeholder: ') == 3
