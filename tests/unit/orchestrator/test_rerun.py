"""Rerun: a recorded session comes out again, bit for bit but for times, whatever happened in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from memory.store import MemoryStore
from orchestrator.budget import Budget
from orchestrator.events import FloorChanged, Heard, TextDelta, Transcript
from orchestrator.rerun.compare import timeless
from orchestrator.rerun.session import rerun, tape_of
from specialists.base import Chunk, Specialist, Task
from specialists.content import TEXT
from specialists.errors import BadInput, SpecialistFailed, TransientFailure
from specialists.fakes import Failing, Gated, card, words
from tests.unit.orchestrator.conftest import Open, speaking

LONG = words(*(f"word{n} " for n in range(40)))


async def said(session: Any, text: str, **more: Any) -> list[Any]:
    return [event async for event in session.send(text, **more)]


async def comes_out_again(data: Path, name: str = "s") -> int:
    """Rerun the session as another process would: with nothing but the store."""
    with MemoryStore.open(data / "memory") as store:
        again = await rerun(store, name)
        assert again.identical, str(again.difference)
        assert again.events == len(store.log.read(name))
        return again.events


async def test_words_pictures_and_follow_ups_come_out_again(
    open_engine: Open, picture: Path, tmp_path: Path
) -> None:
    async with open_engine() as engine:
        session = engine.session("s")
        await said(session, "What is the capital of France?")
        await said(session, "What does this picture show?", images=[picture])
        await said(session, "What does this picture show?", images=[picture])  # from memory
        await said(session, "Read the text in it and say it aloud")
        await said(session, "no, describe it")
        await said(session, "say it aloud", speak="never")
    async with open_engine() as engine:  # another process goes on
        await said(engine.session("s"), "Thanks! What was the capital again?", speak=True)
    assert await comes_out_again(tmp_path / "data") > 50


async def test_what_was_refused_and_what_failed_comes_out_again(
    open_engine: Open, picture: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    flaky = Failing(card("vision", ["image"]), [TransientFailure("busy")] * 2, words("A cat."))
    wrong = Failing(card("ocr", ["image", "document"]), [SpecialistFailed("no")] * 9)
    async with open_engine(flaky, wrong) as engine:
        session = engine.session("s")
        await said(session, "What does this show?", images=[picture, broken])
        await said(session, "What does this show?", images=[broken])
        await said(session, "Read the text", images=[picture], files=[tmp_path / "missing.txt"])
        await said(session, "")
        await said(session, "Tell me a joke", budget=Budget(0.001), speak=True)
    await comes_out_again(tmp_path / "data")


async def test_speech_that_runs_beside_the_text_comes_out_in_the_same_order(
    open_engine: Open, tmp_path: Path
) -> None:
    class Hesitating(Specialist):
        def __init__(self, card: Any, chunks: tuple[Chunk, ...], every: int) -> None:
            self.card, self._chunks, self._every = card, chunks, every

        async def run(self, task: Task) -> AsyncIterator[Chunk]:
            for number, chunk in enumerate(self._chunks):
                if number % self._every == 0:
                    for _ in range(number % 5):
                        await asyncio.sleep(0)
                yield chunk

    text = words(*("One, two, three. Four five six, seven. " * 12).split(" "))
    chat = Hesitating(card("chat"), tuple(Chunk(TEXT, f"{c.text} ") for c in text), 3)
    tts = Hesitating(card("tts", ["text"], ["audio"]), (speaking(), speaking(), speaking()), 1)
    async with open_engine(chat, tts) as engine:
        session = engine.session("s")
        for number in range(4):
            await said(session, f"Tell me story {number}", speak=True)
    assert await comes_out_again(tmp_path / "data") > 200


async def test_an_interrupted_reply_is_kept_to_the_same_word(open_engine: Open, tmp_path: Path) -> None:
    chat = Gated(card("chat"), LONG)
    async with open_engine(chat) as engine:
        session = engine.session("s")
        await session.note(FloorChanged(state="person", reason="speech_started", at=0.1))
        await session.note(Transcript(text="Tell me a story", final=True, start=0.1, end=0.9))
        heard = []
        async for event in session.send("Tell me a story", voice=True):
            if isinstance(event, TextDelta):
                heard.append(event.text)
                if len(heard) == 5:
                    await session.note(FloorChanged(state="person", reason="interruption", at=4.0))
                    await session.note(
                        Heard(turn=event.turn, heard="word0 word1", unheard="word2", complete=False, end=4.0)
                    )
                    await session.interrupt(heard="word0 word1")
            chat.gate.release()
        chat.open()
        (finished,) = [e for e in await said(session, "go on", voice=True) if e.type == "turn.finished"]
        await session.interrupt(heard="word0")
        await said(session, "and now?")
    await comes_out_again(tmp_path / "data")
    with MemoryStore.open(tmp_path / "data" / "memory") as store:
        kept = [e["text"] for e in store.log.read("s") if e["type"] == "turn.finished"]
    assert kept[0] == "word0 word1"
    assert finished.text


async def test_a_turn_out_of_time_comes_out_again(open_engine: Open, tmp_path: Path) -> None:
    chat = Gated(card("chat"), LONG)
    chat.gate.release()
    async with open_engine(chat, turn_seconds=0.3, step_seconds=60) as engine:
        await said(engine.session("s"), "Tell me a story")
    await comes_out_again(tmp_path / "data")


async def test_a_killed_turn_comes_out_again(open_engine: Open, tmp_path: Path) -> None:
    chat = Gated(card("chat"), LONG)
    async with open_engine(chat) as engine:
        session = engine.session("s")
        reading = session.send("Tell me a story")
        async for event in reading:
            if isinstance(event, TextDelta):
                break
            chat.gate.release()
        await session._journal.flush()
        session._journal.drop()  # as a killed process would leave it
        await reading.aclose()  # type: ignore[attr-defined]
    async with open_engine() as engine:
        await said(engine.session("s"), "What happened?")
    await comes_out_again(tmp_path / "data")


async def test_a_changed_event_is_told(open_engine: Open, picture: Path, tmp_path: Path) -> None:
    async with open_engine() as engine:
        await said(engine.session("s"), "What does this show?", images=[picture])
    with MemoryStore.open(tmp_path / "data" / "memory") as store:
        tampered = [
            json.loads(json.dumps(event).replace("It shows a cat.", "It shows a dog."))
            if event["type"] == "step.finished"
            else event
            for event in store.log.read("s", inputs=True)
        ]
        for event in tampered:
            event["session"] = "t"
        store.log.append("t", tampered)
        again = await rerun(store, "t")
    assert not again.identical
    assert "step.finished, text: was 'It shows a dog.', is 'It shows a cat.'" in str(again.difference)


async def test_a_log_without_inputs_is_refused(tmp_path: Path, open_engine: Open) -> None:
    async with open_engine() as engine:
        await said(engine.session("s"), "Hello")
    with MemoryStore.open(tmp_path / "data" / "memory") as store:
        store.log.append("old", [{**event, "session": "old"} for event in store.log.read("s")])
        with pytest.raises(BadInput, match="for 0 of them only"):
            await rerun(store, "old")


async def test_inputs_are_no_part_of_what_others_see(open_engine: Open, tmp_path: Path) -> None:
    async with open_engine() as engine:
        await said(engine.session("s"), "Hello")
        seen = [event async for event in _first(engine.session("s"), 3)]
    with MemoryStore.open(tmp_path / "data" / "memory") as store:
        assert not any("inputs" in event for event in store.log.read("s"))
        assert tape_of(store, "s").entries
    assert len(seen) == 3
    assert "time" not in timeless({"type": "x", "time": 1.0})


async def _first(session: Any, count: int) -> AsyncIterator[Any]:
    async for event in session.events():
        yield event
        count -= 1
        if not count:
            return
