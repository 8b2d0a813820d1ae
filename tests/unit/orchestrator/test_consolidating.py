"""What memory makes of turns, behind them and at the command line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from memory.records import Record
from memory.store import MemoryStore
from orchestrator.cli import memory
from orchestrator.consolidating import CLOSING, Consolidating
from orchestrator.engine import Orchestrator
from specialists.fakes import Gated, card, words
from tests.unit.orchestrator import virtual
from tests.unit.orchestrator.conftest import Open


async def say(orchestrator: Orchestrator, text: str) -> None:
    async for _ in orchestrator.session("s").send(text):
        pass


async def until_done(orchestrator: Orchestrator) -> None:
    session = orchestrator.session("s")
    await asyncio.gather(*session._chores)


async def test_what_the_person_stated_is_a_fact_after_the_turn(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")  # held, so that it is the same one throughout
        await say(orchestrator, "We moved to Leipzig.")
        await until_done(orchestrator)
        assert [fact.text for fact in orchestrator.store.facts()] == ["We moved to Leipzig."]
        assert orchestrator.store.unconsolidated() == {}
        assert session.name == "s"


def test_closing_does_not_wait_for_what_is_left() -> None:
    async def main() -> float:
        clock = asyncio.get_running_loop().time
        consolidating = Consolidating(None)  # type: ignore[arg-type]
        endless = asyncio.create_task(asyncio.Event().wait())
        began = clock()
        await consolidating.finish([endless])  # type: ignore[list-item]
        endless.cancel()
        return clock() - began

    assert virtual.run(main()) == pytest.approx(CLOSING)


async def test_a_new_turn_has_the_processor_to_itself(open_engine: Open) -> None:
    chat = Gated(card("chat"), words("Yes."))
    async with open_engine(chat) as orchestrator:
        chat.open()
        await say(orchestrator, "Hello there my friend")
        session = orchestrator.session("s")
        session._consolidating.pause()
        await until_done(orchestrator)
        orchestrator.store.remember([Record("I live in Rome", "text", "user", "old", 1)])
        await session._consolidating.run()
        assert orchestrator.store.facts() == [], "paused"
        session._consolidating.resume()
        await session._consolidating.run()
        assert [fact.text for fact in orchestrator.store.facts()] == ["I live in Rome"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANTIPHON_DATA", str(tmp_path))
    monkeypatch.setenv("ANTIPHON_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("ANTIPHON_CONFIG", raising=False)
    with MemoryStore.open(tmp_path / "memory", None) as store:
        store.remember(
            [
                Record("I live in Berlin.", "text", "user", "trip", 1, time=1e9),
                Record("Nice.", "text", "assistant", "trip", 1, time=1e9),
                Record("We moved to Leipzig.", "text", "user", "trip", 2, time=1.1e9),
            ]
        )
    return tmp_path


def test_the_commands_show_facts_and_episodes(folder: Path) -> None:
    run = CliRunner().invoke
    waiting = run(memory.app, ["facts"])
    assert "2 records wait" in waiting.output
    made = json.loads(run(memory.app, ["consolidate", "--json"]).stdout)
    assert (made["fact"], made["summary"]) == (2, 2)
    shown = run(memory.app, ["facts"])
    assert "We moved to Leipzig." in shown.output
    assert "Berlin" not in shown.output
    both = json.loads(run(memory.app, ["facts", "--all", "--json"]).stdout)
    assert [fact["text"] for fact in both] == ["I live in Berlin.", "We moved to Leipzig."]
    assert both[0]["superseded_by"] == both[1]["id"]
    told = run(memory.app, ["timeline", "trip"]).output
    assert told.index("I live in Berlin.") < told.index("Nice.") < told.index("We moved to Leipzig.")
    assert "turn 2" in told
    assert "Nothing remembered" in run(memory.app, ["timeline", "nowhere"]).output


async def test_who_asks_once_and_leaves_is_remembered(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        await say(orchestrator, "We moved to Leipzig.")
    with MemoryStore.open(orchestrator.store.path, None) as store:
        assert [fact.text for fact in store.facts()] == ["We moved to Leipzig."]
        assert store.unconsolidated() == {}


async def test_what_was_taken_back_leaves_the_disk_behind_the_turn(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        (said,) = orchestrator.store.remember([Record("I hid the quokka", "text", "user", "old", 1)])
        orchestrator.store.forget([said.id])
        session = orchestrator.session("s")
        await say(orchestrator, "We moved to Leipzig.")
        await until_done(orchestrator)
        assert session.name == "s"
        assert all(b"quokka" not in path.read_bytes() for path in orchestrator.store.path.glob("memory.db*"))
