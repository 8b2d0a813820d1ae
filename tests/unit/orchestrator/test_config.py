"""The configuration file: read, checked, and the example kept true."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config import Config, load
from specialists.errors import BadConfig

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"


def written(folder: Path, text: str) -> Path:
    path = folder / "antiphon.toml"
    path.write_text(text)
    return path


def test_the_example_states_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTIPHON_DATA", raising=False)
    monkeypatch.delenv("ANTIPHON_MODELS", raising=False)
    assert load(EXAMPLE) == Config()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[engine]\nturn_second = 3", "engine.turn_second"),
        ("[sever]\nport = 1", "sever"),
        ('[controller]\nkind = "magic"', "controller.kind"),
        ("[engine]\nturn_seconds = -1", "engine.turn_seconds"),
        ("[engine]\nturn_seconds = inf", "engine.turn_seconds"),
        ("[engine]\nstep_seconds = inf", "engine.step_seconds"),
        ("[limits]\nimage_byte = 1", "limits.image_byte"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(BadConfig) as refused:
        load(written(tmp_path, text))
    assert key in str(refused.value)


@pytest.mark.parametrize("text", ["[engine", "\xff"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "antiphon.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadConfig, match=r"antiphon\.toml"):
        load(path)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="no such file"):
        load(tmp_path / "nowhere.toml")


def test_the_environment_names_the_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_DATA", str(tmp_path / "d"))
    assert load(written(tmp_path, "")).engine.data == tmp_path / "d"
