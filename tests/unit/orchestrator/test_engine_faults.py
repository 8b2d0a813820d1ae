"""Turns under faults: interrupted at the worst moment, lied to by specialists, written to a failing disk."""

from __future__ import annotations

import asyncio
import io
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from orchestrator.controller.exemplars import Decision
from orchestrator.events import (
    Event,
    Failed,
    Planned,
    Recalled,
    SpeechDelta,
    StepFinished,
    TextDelta,
    TurnFinished,
    TurnStarted,
)
from orchestrator.planner import plan
from specialists.base import Chunk, Specialist, Task
from specialists.errors import BadInput, SpecialistFailed, TransientFailure
from specialists.fakes import Failing, Gated, Scripted, card, words
from tests.unit.orchestrator.conftest import Open, speaking
from tests.unit.orchestrator.test_engine import collect, one, reply


async def test_two_messages_at_once_are_two_turns_one_after_the_other(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")
        await session.open()
        async with asyncio.timeout(10):
            first, second = await asyncio.gather(
                collect(session.send("What is the capital of France?")),
                collect(session.send("And of Spain?")),
            )
    assert [one(events, TurnFinished).turn for events in (first, second)] == [1, 2]
    assert one(second, TurnFinished).outcome == "answered"


async def test_a_second_interruption_changes_nothing(open_engine: Open) -> None:
    chat = Gated(card("chat"), words("One. ", "Two."))
    async with open_engine(chat) as orchestrator:
        session = orchestrator.session("s")
        chat.gate.release()
        events: list[Event] = []
        async with asyncio.timeout(10):
            async for event in session.send("Count for me"):
                events.append(event)
                if isinstance(event, TextDelta):
                    await asyncio.gather(session.interrupt(heard="One."), session.interrupt())
    assert one(events, TurnFinished).text == "One."


async def test_a_turn_that_is_stopped_before_it_begins_ends(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")
        await session.open()
        turn = asyncio.create_task(collect(session.send("What is the capital of France?")))
        while session._turn is None:  # noqa: ASYNC110 - the moment before its first step
            await asyncio.sleep(0)
        assert not session._turn.begun
        async with asyncio.timeout(10):
            await session.interrupt()
            events = await turn
    assert one(events, TurnFinished).outcome == "interrupted"


async def test_who_leaves_while_a_turn_begins_leaves_none_behind(open_engine: Open) -> None:
    chat = Gated(card("chat"), words("never"))
    async with open_engine(chat) as orchestrator:
        session = orchestrator.session("s")
        await session.open()
        reading = asyncio.create_task(collect(session.send("How do I boil an egg?")))
        while session._turn is None:  # noqa: ASYNC110 - the moment before its first step
            await asyncio.sleep(0)
        reading.cancel()
        async with asyncio.timeout(10):
            await asyncio.gather(reading, return_exceptions=True)
        assert session._turn is None
        assert not chat.started.is_set()


async def test_half_a_character_in_a_message_is_replaced(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")
        async with asyncio.timeout(10):
            await collect(session.send("caf\udce9 in Paris?"))
            again = await collect(session.send("What is the capital of France?"))
    assert one(again, TurnFinished).outcome == "answered"


async def test_a_session_is_open_in_one_engine_at_a_time(open_engine: Open) -> None:
    async with open_engine() as other:
        async with open_engine() as first:
            await collect(first.session("s").send("What is the capital of France?"))
            with pytest.raises(BadInput, match="open in another process"):
                await collect(other.session("s").send("And of Spain?"))
        events = await collect(other.session("s").send("And of Spain?"))
    assert one(events, TurnFinished).turn == 2


@pytest.mark.parametrize("controls", ["say answer", "call:asr say answer"])
async def test_speech_is_never_an_input(open_engine: Open, controls: str) -> None:
    async with open_engine() as orchestrator:
        decision = Decision(("asr", "tts") if "asr" in controls else ("tts",), ("text", "speech"))
        planned = plan(decision, ["text"], orchestrator.cards())
    assert all(
        "tts" not in {s.specialist for s in planned.steps if s.id in step.after} for step in planned.steps
    )
    assert "chat" in [step.specialist for step in planned.steps] or planned.notes


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ('Say this aloud: "The train to Leeds leaves at nine."', "The train to Leeds leaves at nine."),
        ("say out loud: one two three testing", "one two three testing"),
        ("say 'welcome home' aloud", "welcome home"),
    ],
)
async def test_words_that_are_to_be_said_are_said(open_engine: Open, text: str, spoken: str) -> None:
    async with open_engine(Scripted(card("tts", ["text"], ["audio"]), (speaking(),))) as orchestrator:
        events = await collect(orchestrator.session("s").send(text))
    assert [step.specialist for step in one(events, Planned).plan.steps] == ["tts"]
    assert reply(events) == spoken
    assert [event for event in events if isinstance(event, SpeechDelta)]


async def test_a_missing_specialist_is_named_and_the_rest_answers(open_engine: Open, picture: Path) -> None:
    vision = Scripted(card("vision", ["image"], requires=("nobody",)), words("It shows a cat."))
    async with open_engine(vision) as orchestrator:
        orchestrator.runtime._specialists.pop("tts")  # type: ignore[attr-defined]
        session = orchestrator.session("s")
        events = await collect(session.send("What animal is this?", images=[picture], speak=True))
    assert "It shows a cat." in reply(events)
    assert "tts is not configured here." in reply(events)
    assert one(events, TurnFinished).outcome == "partial"


async def test_a_call_that_is_cancelled_elsewhere_is_a_failure_that_is_told(open_engine: Open) -> None:
    chat = Gated(card("chat"), words("never"))
    async with open_engine(chat) as orchestrator:
        turn = asyncio.create_task(collect(orchestrator.session("s").send("How do I boil an egg?")))
        await chat.started.wait()
        await orchestrator.runtime.cancel(chat.tasks[0].id)
        async with asyncio.timeout(10):
            events = await turn
    assert one(events, TurnFinished).outcome == "failed"
    assert "stopped" in reply(events)


async def test_sound_of_the_wrong_type_fails_the_voice_alone(open_engine: Open) -> None:
    tts = Scripted(card("tts", ["text"], ["audio"]), (Chunk("audio", data=b"RIFF", media_type="audio/wav"),))
    async with open_engine(tts) as orchestrator:
        events = await collect(orchestrator.session("s").send("What is the capital of France?", speak=True))
    assert "Paris is the capital." in reply(events)
    assert "audio/wav" in reply(events)
    assert one(events, TurnFinished).outcome == "partial"


@pytest.mark.parametrize(("said", "voice"), [("...", False), ("...", True), (" - \n", True), ("👍", True)])
async def test_marks_alone_are_no_answer(open_engine: Open, said: str, voice: bool) -> None:
    tts = Scripted(card("tts", ["text"], ["audio"]), (speaking(),))
    async with open_engine(Scripted(card("chat"), words(said)), tts) as orchestrator:
        events = await collect(orchestrator.session("s").send("What is the capital of France?", voice=voice))
    assert reply(events).endswith("I have no answer to this.")
    assert one(events, TurnFinished).outcome != "answered"
    assert any(isinstance(event, SpeechDelta) for event in events) == voice


async def test_a_pictograph_is_an_answer_to_who_reads(open_engine: Open) -> None:
    async with open_engine(Scripted(card("chat"), words("👍"))) as orchestrator:
        events = await collect(orchestrator.session("s").send("What is the capital of France?"))
    assert reply(events) == "👍"


async def test_an_empty_answer_is_told(open_engine: Open) -> None:
    async with open_engine(Scripted(card("chat"), words("\n"))) as orchestrator:
        events = await collect(orchestrator.session("s").send("How do I boil an egg?"))
    assert reply(events).strip()


async def test_what_another_specialist_found_is_its_own_evidence(open_engine: Open, picture: Path) -> None:
    vision = Failing(
        card("vision", ["image"]), [SpecialistFailed("no"), SpecialistFailed("no")], words("A cat.")
    )
    other = Scripted(card("spare", ["image"]), words("A tiger."))
    async with open_engine(vision, other) as orchestrator:
        session = orchestrator.session("s")
        first = await collect(session.send("What animal is this?", images=[picture]))
        second = await collect(session.send("What animal is this?", images=[picture]))
    assert one(first, TurnFinished).calls == ("spare",)
    assert one(first, StepFinished).specialist == "spare"
    assert "vision" in one(second, TurnFinished).calls


async def test_an_interruption_while_the_reply_is_remembered_keeps_what_was_heard(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")
        stored: list[asyncio.Task[None]] = []
        door, remember = orchestrator._door, orchestrator.store.remember

        async def interrupting(call: object, *args: object, **kwargs: object) -> object:
            if call == remember:
                stored.append(asyncio.create_task(session.interrupt(heard="Par")))
                await asyncio.sleep(0)
            return await door(call, *args, **kwargs)  # type: ignore[arg-type]

        session._services = replace_door(session, interrupting)
        await collect(session.send("What is the capital of France?"))
        kept = [(r.role, r.text) for r in orchestrator.store.records("s")]
    assert sorted(kept) == [("assistant", "Par"), ("user", "What is the capital of France?")]


def replace_door(session: object, door: object) -> object:
    from dataclasses import replace

    return replace(session._services, door=door)  # type: ignore[attr-defined]


async def test_what_was_asked_is_remembered_however_the_turn_ends(open_engine: Open) -> None:
    chat = Gated(card("chat"), words("never"))
    async with open_engine(chat) as orchestrator:
        session = orchestrator.session("s")
        turn = asyncio.create_task(collect(session.send("How do I boil an egg?")))
        await chat.started.wait()
        await session.interrupt()
        await turn
        assert [r.text for r in orchestrator.store.records("s")] == ["How do I boil an egg?"]


async def test_an_opening_that_is_cancelled_happens_once(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        await collect(orchestrator.session("s").send("What is the capital of France?"))
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")
        opening = asyncio.create_task(session.open())
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await session.open()
        assert len(session.history.messages) == 2


async def test_a_new_document_is_read_without_the_old_picture(
    open_engine: Open, picture: Path, media: Path
) -> None:
    ocr = Scripted(card("ocr", ["image", "document"]), words("Dear Anna"))
    async with open_engine(ocr) as orchestrator:
        session = orchestrator.session("s")
        await collect(session.send("What animal is this?", images=[picture]))
        await collect(session.send("What does this page say?", images=[media / "page.png"]))
    assert [part.name for part in ocr.tasks[-1].parts] == ["page.png"]


async def test_attached_text_goes_to_those_who_read_text(
    open_engine: Open, picture: Path, tmp_path: Path
) -> None:
    note = tmp_path / "note.txt"
    note.write_text("It lives in Leeds.")
    vision = Scripted(card("vision", ["image"]), words("It shows a cat."))
    async with open_engine(vision) as orchestrator:
        await collect(orchestrator.session("s").send("What animal is this?", images=[picture], files=[note]))
    assert [part.kind for part in vision.tasks[0].parts] == ["image"]


async def test_a_finding_of_nothing_is_worded_for_the_file_at_hand(open_engine: Open, picture: Path) -> None:
    ocr = Scripted(card("ocr", ["image", "document"]), (Chunk("text", label="no text"),))
    renamed = Path(shutil.copy(picture, picture.with_name("letter.png")))
    async with open_engine(ocr) as orchestrator:
        session = orchestrator.session("s")
        first = await collect(session.send("What does this page say?", images=[picture]))
        second = await collect(session.send("What does this page say?", images=[renamed]))
    assert reply(first) == "There is no text that I can read in cat.png."
    assert reply(second) == "There is no text that I can read in letter.png."
    assert one(second, TurnFinished).reused == ("ocr",)


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, "PNG")
    return out.getvalue()


class Painting(Specialist):
    """Makes a picture, and then fails in a way that a second try might cure."""

    card = card("imagegen", ["text"], ["image"])

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        yield Chunk("image", data=png(), media_type="image/png")
        raise TransientFailure("lost the connection", part="imagegen")


async def test_a_picture_that_was_given_out_is_not_made_again(open_engine: Open) -> None:
    async with open_engine(Painting()) as orchestrator:
        events = await collect(orchestrator.session("s").send("Draw a red fox in the snow"))
    assert len([event for event in events if event.type == "reply.media"]) == 1


async def test_a_session_belongs_to_who_opened_it(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        held = orchestrator.session("b.s")
        with pytest.raises(BadInput, match="somebody else"):
            orchestrator.session("b.s", "b.")
        assert orchestrator.session("b.s") is held


async def test_a_bug_in_a_turn_is_an_event_before_it_is_an_error(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")
        session._services = replace_door(session, None)
        events: list[Event] = []
        with pytest.raises(TypeError):
            async for event in session.send("What is the capital of France?"):
                events.append(event)
    assert one(events, Failed).code == "internal"
    assert one(events, TurnFinished).outcome == "failed"
    assert isinstance(events[0], TurnStarted)
    assert not [event for event in events if isinstance(event, Recalled)]
