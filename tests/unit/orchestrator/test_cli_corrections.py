"""`antiphon corrections` on a real store, and what a transcript tells of a correction."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from memory.corrections import Correction
from memory.store import MemoryStore
from orchestrator.cli.main import build
from orchestrator.cli.transcript import line, lines, turns
from orchestrator.events import Corrected, Routed, TurnStarted, to_dict
from specialists.content import message
from specialists.errors import UnknownName

Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setenv("ANTIPHON_DATA", str(tmp_path))
    monkeypatch.setenv("ANTIPHON_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("ANTIPHON_CONFIG", raising=False)

    def run(*arguments: str, keys: str = "") -> Result:
        return CliRunner().invoke(build(), ["corrections", *arguments], input=keys)

    return run


@pytest.fixture
def kept(tmp_path: Path) -> list[Correction]:
    """Two of the local person, and one of somebody else."""
    ocr, say = ("<|call:ocr|>", "<|answer|>"), ("<|call:chat|>", "<|say|>", "<|answer|>")
    with MemoryStore.open(tmp_path / "memory") as store:
        return [
            store.corrections.add(c)
            for c in (
                Correction("", "what's \x1b[31mthis", ocr, ("image",), said="no, read the text", session="s"),
                Correction("", "boil an egg", say, said="no, out loud", session="s", turn=4),
                Correction("key-a.", "what's this", say, ("image",)),
            )
        ]


def test_they_are_listed_the_newest_first(call: Call, kept: list[Correction]) -> None:
    shown = call("list").stdout
    assert shown.index("boil an egg") < shown.index("what's ")
    assert "[image]" in shown
    assert "-> <|call:ocr|> <|answer|>  ('no, read the text')" in shown
    assert "\x1b" not in shown
    assert kept[2].id not in shown
    listed = json.loads(call("list", "--json").stdout)
    assert [c["id"] for c in listed] == [kept[1].id, kept[0].id]
    assert listed[1]["controls"] == ["<|call:ocr|>", "<|answer|>"]


def test_one_is_removed_and_no_other_persons(call: Call, kept: list[Correction]) -> None:
    assert json.loads(call("remove", kept[0].id, "--json").stdout) == {"removed": 1}
    assert [c["id"] for c in json.loads(call("list", "--json").stdout)] == [kept[1].id]
    for unknown in (kept[0].id, kept[2].id):
        assert isinstance(call("remove", unknown).exception, UnknownName)


def test_all_are_removed_when_that_is_confirmed(call: Call, kept: list[Correction]) -> None:
    assert call("clear", keys="n\n").exit_code == 1
    assert len(json.loads(call("list", "--json").stdout)) == 2
    assert json.loads(call("clear", "--yes", "--json").stdout) == {"removed": 2}
    result = call("list")
    assert "Nothing corrected yet" in result.output
    assert result.stdout == ""
    assert call("remove").exit_code == 2


def test_a_transcript_tells_what_was_corrected() -> None:
    happened = [
        TurnStarted(turn=2, message=message("user", "no, read the text")),
        Corrected(
            turn=2,
            of=1,
            request="what's this",
            before=("<|call:vision|>", "<|answer|>"),
            controls=("<|call:ocr|>", "<|answer|>"),
            correction="01ABC",
            unwanted=("r1",),
        ),
        Routed(turn=2, controls=("<|call:ocr|>",), controller="fitted", margin=0.5),
    ]
    events = [to_dict(event) for event in happened]
    (view,) = turns(events)
    told = "turn 1: what's this (was <|call:vision|> <|answer|>, 1 found anew, kept as 01ABC)"
    assert f"  corrects  {told}" in list(lines(view))
    assert line(events[1]) == f"turn.corrected     {told}"
