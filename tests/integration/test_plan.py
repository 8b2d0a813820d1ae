"""`antiphon plan`: what would be done, for a person and for a program, with the real router."""

from __future__ import annotations

import json
from pathlib import Path

from memory.corrections import Correction
from memory.records import Record
from memory.store import MemoryStore
from tests.integration.conftest import Run

READ = ("plan", "What does this page say? Read it to me.", "--image", "letters/page.png")


def test_a_person_sees_the_decision_and_the_plan(antiphon: Run, tmp_path: Path) -> None:
    shown = antiphon(*READ)
    assert shown.returncode == 0, shown.stderr
    labels = [line[:10].strip() for line in shown.stdout.splitlines() if line[:10].strip()]
    assert labels == ["Request", "Decision", "Controls", "Like", "Plan", "Gives"]
    assert "<|call:ocr|>" in shown.stdout
    assert "page.png" in shown.stdout
    assert not (tmp_path / "data").exists(), "planning leaves nothing behind"


def test_a_program_gets_every_key(antiphon: Run) -> None:
    values = json.loads(antiphon(*READ, "--json").stdout)
    assert {"steps", "outputs", "reuse", "controls", "candidates", "exemplars", "estimate"} <= set(values)
    assert [step["specialist"] for step in values["steps"]] == ["ocr", "tts"]
    assert values["steps"][0]["inputs"] == ["page.png"]
    assert values["exemplars"][0]["controls"]


def test_what_the_person_corrected_and_memory_holds_is_in_the_plan(antiphon: Run, tmp_path: Path) -> None:
    with MemoryStore.open(tmp_path / "data" / "memory") as store:
        store.corrections.add(
            Correction("", "the usual please", ("<|recall|>", "<|call:chat|>", "<|answer|>"))
        )
        store.remember([Record("the usual is tea with lemon", "text", "user", "s", 1)])
    values = json.loads(antiphon("plan", "the usual please", "--json").stdout)
    assert values["controller"].startswith("corrected")
    assert values["controls"] == ["<|recall|>", "<|call:chat|>", "<|answer|>"]
    assert values["memory"][0]["text"] == "the usual is tea with lemon"


def test_foreign_tools_have_no_times(antiphon: Run, tmp_path: Path) -> None:
    tools = [
        {
            "name": "Caption",
            "description": "Describes a picture",
            "consumes": ["image"],
            "produces": ["text"],
        },
        {
            "name": "Denoise",
            "description": "Cleans a recording",
            "consumes": ["audio"],
            "produces": ["audio"],
        },
    ]
    path = tmp_path / "tools.json"
    path.write_text(json.dumps(tools))
    shown = antiphon("plan", "describe the picture", "--image", "a.png", "--catalogue", path)
    assert shown.returncode == 0, shown.stderr
    assert "Caption" in shown.stdout
    assert " s" not in next(line for line in shown.stdout.splitlines() if line.startswith("Plan"))


def test_a_session_shows_why(antiphon: Run) -> None:
    antiphon("ask", "What is the capital of France?", "--session", "s")
    shown = antiphon("sessions", "show", "s").stdout
    assert "decided" in shown
    assert "the fitted router" in shown
    assert "chat: your words (~1.5 s)" in shown
