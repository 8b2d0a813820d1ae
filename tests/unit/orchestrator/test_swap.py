"""Swap: one part is another one, and exactly the turns that depend on it come out otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.cli.again import parsed, told
from orchestrator.events import TextDelta
from orchestrator.rerun.playing import OTHERWISE, REMEMBERED, SWAPPED
from specialists.fakes import Gated, Scripted, card, words
from tests.unit.orchestrator.conftest import Open


async def said(session: Any, text: str, **more: Any) -> list[Any]:
    return [event async for event in session.send(text, **more)]


async def test_only_what_depends_on_the_swapped_part_changes(open_engine: Open, picture: Path) -> None:
    echo = Scripted(card("chat"), words("I am ", "a chat."))
    async with open_engine(echo) as engine:
        session = engine.session("s")
        await said(session, "What is the capital of France?")
        await said(session, "What does this picture show?", images=[picture])
        await said(session, "What does this picture show?", images=[picture])
        await said(session, "Read the text in this picture", images=[picture])
        dog = Scripted(card("vision", ["image"], version="2"), words("It shows a dog."))
        found = await engine.swap("s", "vision", dog)
        asked = {(call.turn, call.specialist): call.why for call in found.calls}
        again = await engine.rerun("s")
    assert again.identical, again.difference
    assert [turn.turn for turn in found.changed] == [2, 3]
    assert asked[2, "vision"] == SWAPPED
    assert len(dog.tasks) == 1, "what it found in turn 2 is remembered in turn 3"
    evidence = {change.what: (change.before, change.after) for change in found.changed[0].changes}
    assert evidence["evidence of s1 (vision)"] == ("It shows a cat.", "It shows a dog.")
    assert asked[3, "vision"] == REMEMBERED
    assert all(not turn.live for turn in found.turns if turn.turn in (1, 4))
    lines = "\n".join(line for turn in found.turns for line in told(turn))
    assert "- It shows a cat." in lines
    assert "+ It shows a dog." in lines


async def test_what_is_asked_otherwise_because_of_it_runs_live(open_engine: Open, picture: Path) -> None:
    async with open_engine() as engine:
        session = engine.session("s")
        await said(session, "What does this picture show?", images=[picture])
        await said(session, "Thanks, tell me a joke")
        dog = Scripted(card("vision", ["image"]), words("It shows a dog."))
        found = await engine.swap("s", "vision", dog)
    assert [turn.turn for turn in found.changed] == [1]
    assert [(call.turn, call.why) for call in found.calls if call.specialist == "chat"] == [(2, OTHERWISE)]


async def test_an_interrupted_turn_that_does_not_depend_on_it_stays(open_engine: Open, picture: Path) -> None:
    chat = Gated(card("chat"), words(*(f"word{n} " for n in range(20))))
    async with open_engine(chat) as engine:
        session = engine.session("s")
        count = 0
        async for event in session.send("Tell me a story"):
            count += isinstance(event, TextDelta)
            if count == 3:
                await session.interrupt(heard="word0 word1")
            chat.gate.release()
        await said(session, "What does this picture show?", images=[picture])
        found = await engine.swap("s", "vision", Scripted(card("vision", ["image"]), words("A dog.")))
    assert [turn.turn for turn in found.changed] == [2]


def test_a_part_is_named_by_uri_or_import_path() -> None:
    assert parsed("vision=hf:org/name") == ("vision", {"model": "hf:org/name"})
    assert parsed("vision=my.package:create") == ("vision", {"use": "my.package:create"})
    assert parsed("controller=exemplar") == ("controller", {"kind": "exemplar"})
