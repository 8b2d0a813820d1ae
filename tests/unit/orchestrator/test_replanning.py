"""Plans that change under way: what is left nothing to work on is dropped, and the reply says why."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from orchestrator import control
from orchestrator.budget import Budget
from orchestrator.cli.transcript import lines, turns
from orchestrator.controller.request import Request
from orchestrator.controller.route import Route
from orchestrator.conversation import EngineSession
from orchestrator.engine import Orchestrator
from orchestrator.events import (
    Event,
    MediaReady,
    Replanned,
    SpeechDelta,
    StepFailed,
    StepStarted,
    TurnFinished,
    from_dict,
    to_dict,
)
from specialists.base import Card, Chunk, Cost, Parameter
from specialists.errors import SpecialistFailed, TransientFailure, Unavailable
from specialists.fakes import Crashing, Failing, Hanging, Scripted, card, words
from tests.unit.orchestrator.conftest import Open, speaking
from tests.unit.orchestrator.test_engine import collect, one, reply

NO_TEXT = (Chunk("text", label="no text"),)
NO_SPEECH = (Chunk("text", label="no speech"),)
VOICE = Scripted(card("tts", ["text"], ["audio"]), (speaking(),))
SPOKEN = "<|call:ocr|><|call:chat|><|say|><|answer|>"


class Fixed:
    """A controller that always decides the same."""

    def __init__(self, controls: str) -> None:
        self._controls = control.parse(controls).controls

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        return Route(self._controls, "fixed", 1.0)


def session(orchestrator: Orchestrator, controls: str) -> EngineSession:
    opened = orchestrator.session("s")
    opened._services = replace(opened._services, controller=Fixed(controls))
    return opened


def ran(events: Sequence[Event]) -> list[str]:
    return [event.specialist for event in events if isinstance(event, StepStarted)]


def dropped(events: Sequence[Event]) -> list[str]:
    return [step.specialist for step in one(events, Replanned).dropped]


async def test_words_that_are_not_there_are_not_translated(open_engine: Open, picture: Path) -> None:
    chat = Scripted(card("chat"), words("Bonjour."))
    ocr = Scripted(card("ocr", ["image", "document"]), NO_TEXT)
    async with open_engine(ocr, chat, VOICE) as orchestrator:
        talk = session(orchestrator, SPOKEN)
        events = await collect(talk.send("Translate this into French and read it out", images=[picture]))
    assert chat.tasks == []
    assert dropped(events) == ["chat"]
    assert one(events, Replanned).reason == reply(events) == "There is no text that I can read in cat.png."
    assert [event for event in events if isinstance(event, SpeechDelta)]
    assert one(events, TurnFinished).outcome == "partial"


async def test_silence_is_not_summarised_and_nothing_is_drawn_of_it(open_engine: Open, media: Path) -> None:
    asr = Scripted(card("asr", ["audio"]), NO_SPEECH)
    imagegen = Scripted(card("imagegen", ["text"], ["image"]), ())
    async with open_engine(asr, imagegen) as orchestrator:
        talk = session(orchestrator, "<|call:asr|><|call:chat|><|show:image|><|answer|>")
        events = await collect(talk.send("Summarise it and draw it", audio=[media / "note.flac"]))
    assert ran(events) == ["asr"]
    assert dropped(events) == ["chat", "imagegen"]
    assert reply(events) == "I hear no speech in note.flac."


async def test_what_is_not_remembered_is_not_made_up(open_engine: Open) -> None:
    chat = Scripted(card("chat"), words("You said that it leaks."))
    async with open_engine(chat) as orchestrator:
        talk = session(orchestrator, "<|recall|><|call:chat|><|answer|>")
        events = await collect(talk.send("What did I tell you about the boiler?"))
    assert chat.tasks == []
    assert reply(events) == "I remember nothing about this from earlier sessions."


async def test_a_step_with_something_left_to_work_on_runs(open_engine: Open, picture: Path) -> None:
    chat = Scripted(card("chat"), words("A cat, and no words."))
    ocr = Scripted(card("ocr", ["image", "document"]), NO_TEXT)
    async with open_engine(ocr, chat) as orchestrator:
        talk = session(orchestrator, "<|call:ocr|><|call:vision|><|call:chat|><|answer|>")
        events = await collect(talk.send("What is on it, and what does it say?", images=[picture]))
    given = {part.name: part.text for part in chat.tasks[0].parts}
    assert given["ocr of cat.png"] == "There is no text that I can read in cat.png."
    assert not [event for event in events if isinstance(event, Replanned)]
    assert reply(events) == "A cat, and no words."


async def test_who_takes_instructions_is_asked_instead(open_engine: Open, picture: Path) -> None:
    ocr = Scripted(card("ocr", ["image", "document"]), NO_TEXT)
    asks = (Parameter("instruction", "string", "What to say of the picture"),)
    vision = Scripted(card("vision", ["image"], parameters=asks), words("An empty page."))
    async with open_engine(ocr, vision) as orchestrator:
        talk = session(orchestrator, "<|call:ocr|><|call:chat|><|answer|>")
        events = await collect(talk.send("What does this letter want of me?", images=[picture]))
        log = [to_dict(event) for event in events]
    assert ran(events) == ["ocr", "vision"]
    assert reply(events) == "There is no text that I can read in cat.png.\n\nAn empty page."
    assert vision.tasks[0].instruction == "What does this letter want of me?"
    assert one(events, TurnFinished).outcome == "answered"
    changed = one(events, Replanned)
    assert from_dict(to_dict(changed)) == changed
    shown = "\n".join(lines(turns(log)[0]))
    assert "without chat, vision instead: There is no text" in shown


async def test_who_came_instead_is_not_replaced_again(open_engine: Open, picture: Path) -> None:
    asks = (Parameter("instruction", "string", "What to say of the picture"),)
    cast = [Scripted(card(name, ["image"], parameters=asks), ()) for name in ("vision", "looker")]
    ocr = Scripted(card("ocr", ["image", "document"]), NO_TEXT)
    async with open_engine(ocr, *cast) as orchestrator:
        talk = session(orchestrator, "<|call:ocr|><|answer|>")
        events = await collect(talk.send("Read it", images=[picture]))
    assert ran(events) == ["ocr", "vision"]


async def test_a_result_of_the_wrong_kind_is_nothing_to_work_on(open_engine: Open, picture: Path) -> None:
    """`imagegen` says words where it should make a picture: `vision` must not look at the request."""
    painter = Scripted(card("imagegen", ["text"], ["image", "text"]), words("I drew it."))
    vision = Scripted(card("vision", ["image"]), words("A fox."))
    async with open_engine(painter, vision) as orchestrator:
        talk = session(orchestrator, "<|call:imagegen|><|call:vision|><|answer|>")
        events = await collect(talk.send("Draw a fox and tell me what you see"))
    assert vision.tasks == []
    assert "imagegen gave nothing that vision can work on." in reply(events)


async def test_what_failed_drops_its_dependents_and_is_told_once(open_engine: Open, picture: Path) -> None:
    ocr = Crashing(card("ocr", ["image", "document"]), lambda: Unavailable("no model", part="ocr"))
    async with open_engine(ocr) as orchestrator:
        talk = session(orchestrator, "<|call:ocr|><|call:chat|><|answer|>")
        events = await collect(talk.send("Summarise this", images=[picture]))
    assert dropped(events) == ["chat"]
    assert reply(events) == "I cannot use ocr: no model."
    assert one(events, TurnFinished).outcome == "failed"


async def test_a_passing_failure_is_tried_twice_more(open_engine: Open) -> None:
    chat = Failing(card("chat"), [TransientFailure("busy"), TransientFailure("busy")], words("Now."))
    async with open_engine(chat) as orchestrator:
        events = await collect(session(orchestrator, "<|answer|>").send("How do I boil an egg?"))
    assert reply(events) == "Now."
    assert len({task.id for task in chat.tasks}) == 3


async def test_what_may_do_harm_is_run_once(open_engine: Open, picture: Path) -> None:
    harm = Failing(card("vision", ["image"], idempotent=False), [TransientFailure("busy")], words("A cat."))
    other = Scripted(card("looker", ["image"]), words("A tiger."))
    async with open_engine(harm, other) as orchestrator:
        talk = session(orchestrator, "<|call:vision|><|answer|>")
        events = await collect(talk.send("See?", images=[picture]))
    assert len(harm.tasks) == 1
    assert other.tasks == []
    assert one(events, StepFailed).then == "give up"


async def test_what_a_step_found_before_it_broke_off_is_found_again_once(
    open_engine: Open, picture: Path
) -> None:
    class Flaky(Scripted):
        async def run(self, task):  # type: ignore[no-untyped-def]
            async for chunk in super().run(task):
                yield chunk
                if len(self.tasks) == 1:
                    raise ConnectionResetError("reset")

    ocr = Flaky(card("ocr", ["image", "document"]), words("Dear Anna, ", "come."))
    chat = Scripted(card("chat"), words("She should come."))
    async with open_engine(ocr, chat) as orchestrator:
        talk = session(orchestrator, "<|call:ocr|><|call:chat|><|answer|>")
        events = await collect(talk.send("What does Anna do?", images=[picture]))
    assert chat.tasks[0].parts[0].text == "Dear Anna, come."
    assert reply(events) == "She should come."


async def test_half_an_answer_stands_with_what_became_of_the_rest(open_engine: Open) -> None:
    chat = Crashing(card("chat"), lambda: ConnectionResetError("reset"), words("First, boil "))
    async with open_engine(chat) as orchestrator:
        events = await collect(session(orchestrator, "<|answer|>").send("How do I boil an egg?"))
    assert reply(events) == "First, boil \n\nchat failed: lost a connection: reset."
    assert ran(events) == ["chat"]
    assert one(events, TurnFinished).outcome == "partial"


async def test_a_hang_leaves_time_to_say_so(open_engine: Open) -> None:
    chat, voice = (
        Hanging(card("chat", cost=Cost(0.1))),
        Scripted(replace(VOICE.card, cost=Cost(0.1)), [speaking()]),
    )
    async with open_engine(chat, voice, turn_seconds=2.0) as orchestrator:
        await orchestrator.warm()
        talk = session(orchestrator, "<|call:chat|><|say|><|answer|>")
        events = await collect(talk.send("How do I boil an egg?"))
    assert reply(events).startswith("chat took too long")
    assert [event for event in events if isinstance(event, SpeechDelta)]


async def test_a_voice_that_makes_no_sound_is_told(open_engine: Open) -> None:
    async with open_engine(Scripted(card("tts", ["text"], ["audio"]), ())) as orchestrator:
        talk = session(orchestrator, "<|call:chat|><|say|><|answer|>")
        events = await collect(talk.send("What is the capital of France?"))
    assert reply(events).endswith("tts failed: made no sound.")
    assert one(events, TurnFinished).outcome == "partial"


async def test_a_clause_is_tried_again_before_any_of_it_was_heard(open_engine: Open) -> None:
    voice = Failing(card("tts", ["text"], ["audio"]), [SpecialistFailed("no")], (speaking(),))
    async with open_engine(voice) as orchestrator:
        talk = session(orchestrator, "<|call:chat|><|say|><|answer|>")
        events = await collect(talk.send("What is the capital of France?"))
    assert one(events, StepFailed).then == "retry"
    assert [event for event in events if isinstance(event, SpeechDelta)]
    assert one(events, TurnFinished).outcome == "answered"


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG")
    return out.getvalue()


@pytest.mark.parametrize(("data", "shown"), [(b"no picture", False), (jpeg(), True)])
async def test_a_picture_is_what_its_bytes_are(open_engine: Open, data: bytes, shown: bool) -> None:
    chunk = Chunk("image", data=data, media_type="image/png")
    async with open_engine(Scripted(card("imagegen", ["text"], ["image"]), (chunk,))) as orchestrator:
        events = await collect(session(orchestrator, "<|call:imagegen|><|answer|>").send("Draw a fox"))
    if shown:
        part = one(events, MediaReady).part
        assert (part.name, part.facts["width"]) == ("imagegen-s1.jpeg", 8)
    else:
        assert not [event for event in events if isinstance(event, MediaReady)]
        assert "imagegen failed: made image that" in reply(events)


async def test_a_turn_without_time_says_so_in_its_reply(open_engine: Open) -> None:
    class Late(Fixed):
        async def route(self, request: Request, cards: Sequence[Card]) -> Route:
            import asyncio

            await asyncio.Event().wait()
            raise AssertionError

    async with open_engine(turn_seconds=0.2) as orchestrator:
        talk = orchestrator.session("s")
        talk._services = replace(talk._services, controller=Late(""))
        events = await collect(talk.send("What is the capital of France?"))
    assert reply(events) == one(events, TurnFinished).text
    assert reply(events) == "I ran out of time: the turn did not finish within 0.2 s."


async def test_the_same_media_are_looked_at_instead_once(open_engine: Open, picture: Path) -> None:
    ocr = Scripted(card("ocr", ["image", "document"]), NO_TEXT)
    barcode = Scripted(card("barcode", ["image"]), NO_TEXT)
    async with open_engine(ocr, barcode, eye()) as orchestrator:
        talk = session(orchestrator, "<|call:ocr|><|call:barcode|><|answer|>")
        events = await collect(talk.send("What does it say?", images=[picture]))
    assert sorted(ran(events)) == ["barcode", "ocr", "vision"]
    assert reply(events).count("A red cat.") == 1


@pytest.mark.parametrize(("price", "instead"), [(1.0, []), (2.0, ["vision"]), (None, ["vision"])])
async def test_what_runs_instead_stays_within_the_price(
    open_engine: Open, picture: Path, price: float | None, instead: list[str]
) -> None:
    ocr = Scripted(card("ocr", ["image", "document"], cost=Cost(1, 1.0)), NO_TEXT)
    async with open_engine(ocr, eye(price=1.0)) as orchestrator:
        talk = session(orchestrator, "<|call:ocr|><|answer|>")
        events = await collect(talk.send("What is it?", images=[picture], budget=Budget(price=price)))
    assert ran(events) == ["ocr", *instead]


@pytest.mark.parametrize(("price", "fallback"), [(2.0, []), (3.0, ["dear"])])
async def test_who_takes_over_stays_within_the_price(
    open_engine: Open, picture: Path, price: float, fallback: list[str]
) -> None:
    failing = card("vision", ["image"], purpose="vision", cost=Cost(1, 1.0))
    dear = card("dear", ["image"], purpose="vision", cost=Cost(1, 3.0))
    specialists = Crashing(failing, lambda: SpecialistFailed("torn")), Scripted(dear, words("A red cat."))
    async with open_engine(*specialists) as orchestrator:
        talk = session(orchestrator, "<|call:vision|><|answer|>")
        events = await collect(talk.send("What is it?", images=[picture], budget=Budget(price=price)))
    assert ran(events) == ["vision", "vision", *fallback]


def eye(price: float = 0.0) -> Scripted:
    instruction = Parameter("instruction", "string", "what is asked")
    takes = card("vision", ["image"], parameters=(instruction,), cost=Cost(1, price))
    return Scripted(takes, words("A red cat."))


async def test_speech_that_nobody_would_hear_is_not_made(open_engine: Open) -> None:
    async with open_engine(Scripted(card("chat"), words("A joke.")), VOICE) as orchestrator:
        asked = session(orchestrator, "<|call:chat|><|say|><|answer|>")
        events = await collect(asked.send("Tell me a joke aloud", speak="never"))
        heard = await collect(asked.send("Tell me a joke aloud"))
    assert reply(events) == "A joke."
    assert ran(events) == ["chat"]
    assert [step.specialist for step in one(events, Replanned).dropped] == ["tts"]
    assert one(events, TurnFinished).outcome == "answered"
    assert ran(heard) == ["chat", "tts"] or ran(heard) == ["tts", "chat"]
