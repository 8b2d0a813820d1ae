"""`antiphon memory forget`, `retain` and `audit` on a real store."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from memory.records import Record
from memory.store import MemoryStore
from orchestrator.cli import memory
from specialists.errors import BadInput, UnknownName

Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a command on the store in `tmp_path`; no model is installed there."""
    monkeypatch.setenv("ANTIPHON_DATA", str(tmp_path))
    monkeypatch.setenv("ANTIPHON_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("ANTIPHON_CONFIG", raising=False)
    return lambda *arguments, keys="": CliRunner().invoke(memory.app, list(arguments), input=keys)


@pytest.fixture
def filled(tmp_path: Path) -> None:
    """Two sessions: one from long ago, one of now."""
    with MemoryStore.open(tmp_path / "memory") as store:
        long_ago = time.time() - 100 * 86400
        store.remember(
            [
                Record("the old wombat was here", "text", "user", "old", 1, time=long_ago),
                Record("the new wallaby is here", "text", "user", "new", 1),
            ]
        )


@pytest.mark.usefixtures("filled")
def test_a_dry_run_lists_and_keeps(call: Call) -> None:
    shown = call("forget", "--query", "wombat", "--dry-run")
    assert "the old wombat was here" in shown.stdout
    assert "1 records" in shown.stdout
    listed = json.loads(call("forget", "--session", "old", "--dry-run", "--json").stdout)
    assert [record["text"] for record in listed["list"]] == ["the old wombat was here"]
    assert "wombat" in call("search", "wombat").stdout


@pytest.mark.usefixtures("filled")
def test_it_asks_first_and_then_proves(call: Call, tmp_path: Path) -> None:
    assert call("forget", "--before", "30d", keys="n\n").exit_code == 1
    assert "wombat" in call("search", "wombat").stdout
    done = call("forget", "--before", "30d", keys="y\n")
    assert done.exit_code == 0
    assert "Nothing of it is left" in done.stdout
    assert "memory.db" in done.stdout
    assert "wombat" not in call("search", "wombat").stdout
    assert "wallaby" in call("search", "wallaby").stdout


@pytest.mark.usefixtures("filled")
def test_the_proof_fails_the_command_when_something_is_left(call: Call, tmp_path: Path) -> None:
    (tmp_path / "latencies.json").write_text('["the old wombat was here"]')
    done = call("forget", "--session", "old", "--yes", "--json")
    assert done.exit_code == 1
    proof = json.loads(done.stdout)["proof"]
    assert not proof["clean"]
    assert "latencies.json" in proof["left"][0]


@pytest.mark.usefixtures("filled")
def test_what_cannot_be_meant_is_refused(call: Call) -> None:
    assert isinstance(call("forget").exception, BadInput)
    assert isinstance(call("forget", "--before", "soon").exception, BadInput)
    assert isinstance(call("forget", "--session", "nowhere").exception, UnknownName)


@pytest.mark.usefixtures("filled")
def test_retention_is_told_and_then_done(call: Call, tmp_path: Path) -> None:
    assert "No limit is set" in call("retain").output
    assert "Would forget" in call("retain", "--keep-days", "30").output
    (tmp_path / "a.toml").write_text("[memory]\nkeep_days = 30\n")
    done = json.loads(call("retain", "--yes", "--json", "--config", str(tmp_path / "a.toml")).stdout)
    assert done["records"] == 1
    assert "wombat" not in call("search", "wombat").stdout
    assert "wallaby" in call("search", "wallaby").stdout


@pytest.mark.usefixtures("filled")
def test_an_audit_says_what_is_wrong_and_repairs_it(call: Call, tmp_path: Path) -> None:
    assert call("audit").exit_code == 0
    direct = sqlite3.connect(tmp_path / "memory" / "memory.db")
    direct.execute("DELETE FROM record_kinds")
    direct.commit()
    direct.close()
    found = call("audit", "--json")
    assert found.exit_code == 1
    assert {"kinds"} == {finding["check"] for finding in json.loads(found.stdout) if finding["wrong"]}
    assert "repaired" in call("audit", "--repair").stdout
    assert call("audit").exit_code == 0
