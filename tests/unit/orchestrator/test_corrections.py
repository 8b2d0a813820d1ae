"""Corrections in an engine over scripted specialists: re-routing at once, and what is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from orchestrator import control
from orchestrator.config import Config
from orchestrator.controller.request import Request
from orchestrator.controller.route import Route
from orchestrator.engine import Orchestrator
from orchestrator.events import (
    Corrected,
    Event,
    Planned,
    Routed,
    StepFinished,
    TurnFinished,
    TurnStarted,
    from_dict,
    to_dict,
)
from orchestrator.history import History
from specialists.base import Card
from specialists.content import message
from specialists.errors import UnknownName
from specialists.fakes import Scripted, card, words
from specialists.runtime import LocalRuntime
from tests.unit.orchestrator.conftest import Open, cast
from tests.unit.orchestrator.test_engine import collect, one, reply


def ran(events: list[Event]) -> list[str]:
    return [step.specialist for step in one(events, Planned).plan.steps]


def corrected(events: list[Event]) -> bool:
    return any(isinstance(event, Corrected) for event in events)


async def misread(
    orchestrator: Orchestrator, picture: Path, session: str = "s", scope: str = ""
) -> list[Event]:
    """Ask what is shown, get a look at it, and correct that."""
    opened = orchestrator.session(session, scope)
    first = await collect(opened.send("What is on this?", images=[picture]))
    assert ran(first) == ["vision"]
    return await collect(opened.send("no, read the text"))


async def test_a_correction_serves_the_request_before_anew(open_engine: Open, picture: Path) -> None:
    ocr = Scripted(card("ocr", ["image", "document"]), words("Dear Anna"))
    async with open_engine(ocr) as orchestrator:
        events = await misread(orchestrator, picture)
    kinds = [type(event) for event in events]
    assert kinds.index(TurnStarted) < kinds.index(Corrected) < kinds.index(Routed)
    assert one(events, TurnStarted).message.text == "no, read the text"
    found = one(events, Corrected)
    assert (found.of, found.request, found.before[0]) == (1, "What is on this?", "<|call:vision|>")
    assert found.controls == one(events, Routed).controls
    assert "<|call:ocr|>" in found.controls
    assert reply(events) == "Dear Anna"
    (task,) = ocr.tasks
    assert [part.name for part in task.parts] == ["cat.png"]
    assert task.instruction == "What is on this? no, read the text"


async def test_it_counts_from_the_next_request_on_for_that_person_alone(
    open_engine: Open, picture: Path
) -> None:
    async with open_engine() as orchestrator:
        await misread(orchestrator, picture, "a.s", "a.")
        again = await collect(orchestrator.session("a.t", "a.").send("what is on THIS?", images=[picture]))
        other = await collect(orchestrator.session("b.s", "b.").send("What is on this?", images=[picture]))
        nobody = await collect(orchestrator.passing().send("What is on this?", images=[picture]))
        planned, _ = await orchestrator.plan("What is on this?", ["image"], scope="a.")
    assert ran(again) == ["ocr"]
    routed = one(again, Routed)
    assert routed.controller == "corrected: 1.00 alike"
    assert routed.exemplars == ("corrected: What is on this?",)
    assert ran(other) == ran(nobody) == ["vision"]
    assert [step.specialist for step in planned.steps] == ["ocr"]


async def test_it_survives_the_process_and_can_be_removed(open_engine: Open, picture: Path) -> None:
    async with open_engine() as orchestrator:
        await misread(orchestrator, picture)
    async with open_engine() as orchestrator:
        (kept,) = await orchestrator.corrections.of()
        assert (kept.text, kept.attachments) == ("What is on this?", ("image",))
        assert kept.said == "no, read the text"
        session = orchestrator.session("t")
        assert ran(await collect(session.send("What is on this?", images=[picture]))) == ["ocr"]
        await orchestrator.corrections.remove(kept.id)
        assert ran(await collect(session.send("What is on this?", images=[picture]))) == ["vision"]
        with pytest.raises(UnknownName):
            await orchestrator.corrections.remove(kept.id)


async def test_a_long_request_is_served_whole_and_known_again(open_engine: Open, picture: Path) -> None:
    ocr = Scripted(card("ocr", ["image", "document"]), words("Dear Anna"))
    asked = f"What is on this? {'It lay in the hall, <|say|>. ' * 100}What animal is this?"
    async with open_engine(ocr) as orchestrator:
        session = orchestrator.session("s")
        assert "vision" in ran(await collect(session.send(asked, images=[picture])))
        await collect(session.send("wrong, use ocr"))
        assert ocr.tasks[0].instruction.startswith(asked)
        again = await collect(session.send(asked, images=[picture]))
    assert one(again, Routed).controller == "corrected: 1.00 alike"


async def test_an_ordinary_message_corrects_nothing(open_engine: Open, picture: Path) -> None:
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")
        assert not corrected(await collect(session.send("no, read the text")))
        await collect(session.send("What is on this?", images=[picture]))
        for text in ("no thanks", "now read the text", "no idea, you tell me"):
            assert not corrected(await collect(session.send(text)))
        assert not corrected(await collect(session.send("no, read the text", images=[picture])))
        assert await orchestrator.corrections.of() == []


async def test_an_objection_that_changes_nothing_is_an_ordinary_message(
    open_engine: Open, picture: Path
) -> None:
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")
        await collect(session.send("What animal is this?", images=[picture]))
        assert not corrected(await collect(session.send("no, look at the picture")))


async def test_a_correction_can_be_corrected(open_engine: Open, picture: Path) -> None:
    async with open_engine() as orchestrator:
        await misread(orchestrator, picture)
        events = await collect(orchestrator.session("s").send("wrong, look at the picture, what is shown"))
        assert ran(events)[0] == "vision"
        assert one(events, Corrected).of == 1
        (kept,) = await orchestrator.corrections.of()
    assert kept.said == "wrong, look at the picture, what is shown"


async def test_what_was_corrected_before_does_not_overrule_what_is_said_now(
    tmp_path: Path, picture: Path
) -> None:
    def all_alike(texts: Sequence[str]) -> np.ndarray:
        return np.ones((len(texts), 1), np.float32)

    config = Config.model_validate({"engine": {"data": tmp_path / "data", "models": tmp_path}})
    async with Orchestrator.open(
        config, runtime=LocalRuntime(cast().values()), embed=all_alike
    ) as orchestrator:
        await misread(orchestrator, picture)
        session = orchestrator.session("s")
        assert ran(await collect(session.send("Is it a cat?", images=[picture]))) == ["ocr"]
        events = await collect(session.send("wrong, look at the picture"))
        assert one(events, Corrected).before[0] == "<|call:ocr|>"
        assert ran(events)[0] == "vision"


async def test_what_memory_gave_wrongly_is_not_reused_again(open_engine: Open, picture: Path) -> None:
    ocr = Scripted(card("ocr", ["image", "document"]), words("Dear Anna"))
    async with open_engine(ocr) as orchestrator:
        session = orchestrator.session("s")
        asked = "Read the text in this picture"
        await collect(session.send(asked, images=[picture]))
        again = await collect(session.send(asked, images=[picture]))
        assert one(again, StepFinished).reused
        events = await collect(session.send("that's wrong, read the text again"))
        assert one(events, Corrected).unwanted == (one(again, StepFinished).record,)
        assert one(events, TurnFinished).reused == ()
        assert len(ocr.tasks) == 2
        # The same is done again: there is nothing to learn from it.
        assert one(events, Corrected).correction == ""
        assert await orchestrator.corrections.of() == []
        # What was found anew takes the old one's place.
        latest = await collect(session.send(asked, images=[picture]))
        assert one(latest, StepFinished).record == one(events, StepFinished).record


async def test_a_reply_that_was_cut_off_can_be_corrected(open_engine: Open, picture: Path) -> None:
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")
        turn = session.send("What is on this?", images=[picture])
        async for event in turn:
            if isinstance(event, Planned):
                break
        await turn.aclose()
        assert ran(await collect(session.send("no, read the text"))) == ["ocr"]


async def test_a_history_from_elsewhere_can_be_corrected_and_nothing_is_kept(open_engine: Open) -> None:
    history = [message("user", "How does a bowline go?"), message("assistant", "Make a loop.")]
    async with open_engine() as orchestrator:
        events = await collect(orchestrator.passing(history).send("no, I wanted you to draw it"))
        assert "imagegen" in ran(events)
        assert one(events, Corrected).correction == ""
        assert await orchestrator.corrections.of() == []


async def test_a_tool_is_taken_that_is_asked_for_by_name(open_engine: Open) -> None:
    weather = Scripted(card("get_weather"), words("Rain."))
    async with open_engine(weather) as orchestrator:
        session = orchestrator.session("s")
        await collect(session.send("What is the capital of France?"))
        events = await collect(session.send("that's not what I asked, use the weather tool"))
    assert ran(events) == ["get_weather"]
    assert reply(events) == "Rain."


async def test_a_conversation_by_voice_can_be_hushed(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")
        first = await collect(session.send("What is the capital of France?", voice=True))
        assert "speech" in one(first, Planned).plan.outputs
        events = await collect(session.send("don't say it aloud, write it", voice=True))
        assert corrected(events)
        assert one(events, Planned).plan.outputs == ("text",)
        # It was routed alike: how the next request is routed does not change.
        assert await orchestrator.corrections.of() == []
        after = await collect(session.send("And of Spain?", voice=True))
    assert "speech" in one(after, Planned).plan.outputs


async def test_the_conversation_goes_on_with_what_was_said(open_engine: Open, picture: Path) -> None:
    async with open_engine() as orchestrator:
        await misread(orchestrator, picture)
        session = orchestrator.session("s")
        assert [m.text for m in session.history.messages] == [
            "What is on this?",
            "It shows a cat.",
            "no, read the text",
            "Dear Anna,\nsee you on Friday.\n",
        ]
        kept = [record.text for record in orchestrator.store.records("s") if record.role == "user"]
    assert kept == ["What is on this?", "no, read the text"]


async def test_the_log_tells_it_all_again(open_engine: Open, picture: Path) -> None:
    async with open_engine() as orchestrator:
        await misread(orchestrator, picture)
        history = orchestrator.session("s").history
        logged = orchestrator.store.log.read("s")
    replayed = History()
    for values in logged:
        event = from_dict(values)
        assert to_dict(event) == values
        replayed = replayed.after(event)
    assert replayed == history
    assert history.last is not None
    assert history.last.served.turn == 1


async def test_a_message_that_cannot_object_is_routed_once(open_engine: Open) -> None:
    routed: list[str] = []

    class Counting:
        async def route(self, request: Request, cards: Sequence[Card]) -> Route:
            routed.append(request.text)
            return Route((control.call("chat"), control.ANSWER), "counting")

    async with open_engine() as orchestrator:
        passing = orchestrator.passing([message("user", "A poem, please"), message("assistant", "O sea")])
        passing._services = replace(passing._services, controller=Counting())
        await collect(passing.send("Who is the mayor of Paris"))
    assert routed == ["Who is the mayor of Paris"]


@pytest.mark.parametrize(
    "said", ["no, read the text", "No, read the text.", "not that, read the text please"]
)
async def test_how_politely_it_is_said_makes_no_difference(
    open_engine: Open, picture: Path, said: str
) -> None:
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")
        first = await collect(session.send("What animal is this?", images=[picture]))
        assert "vision" in one(first, TurnFinished).calls
        events = await collect(session.send(said))
        assert one(events, Corrected).of == 1
        assert "ocr" in one(events, TurnFinished).calls


async def test_what_is_refused_is_left_out_and_the_rest_done_again(open_engine: Open, picture: Path) -> None:
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")
        first = await collect(session.send("What does this page say? Read it to me.", images=[picture]))
        assert "tts" in [step.specialist for step in one(first, Planned).plan.steps]
        events = await collect(session.send("don't say it aloud"))
        planned = one(events, Planned).plan
        assert [step.specialist for step in planned.steps] == ["ocr"]
        assert planned.outputs == ("text",)


async def test_what_is_refused_gives_way_to_what_is_asked_for_besides(
    open_engine: Open, picture: Path
) -> None:
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")
        await collect(session.send("What does this page say? Read it to me.", images=[picture]))
        events = await collect(session.send("no, don't say it aloud, translate it into French"))
        steps = [step.specialist for step in one(events, Planned).plan.steps]
        assert "chat" in steps
        assert "tts" not in steps
