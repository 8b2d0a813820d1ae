"""The life of a turn over scripted specialists, with the real graph, planner, memory and log."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.config import Config
from orchestrator.engine import Orchestrator
from orchestrator.events import (
    Event,
    Failed,
    PartRejected,
    Planned,
    Recalled,
    Routed,
    SessionOpened,
    SpeechDelta,
    StepFailed,
    StepFinished,
    TextDelta,
    TurnFinished,
    TurnStarted,
)
from specialists.content import Message, Part, text_part
from specialists.errors import BadInput, SpecialistFailed, TransientFailure
from specialists.fakes import Failing, Gated, Hanging, Scripted, card, words
from specialists.runtime import LocalRuntime
from tests.unit.orchestrator.conftest import Open, speaking


async def collect(events: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]


def one(events: list[Event], kind: type) -> Event:
    (found,) = [event for event in events if isinstance(event, kind)]
    return found


def reply(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_a_question_takes_every_verb_in_order(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        events = await collect(orchestrator.session("s").send("What is the capital of France?"))
    kinds = [type(event) for event in events if not isinstance(event, TextDelta)]
    one(events, Recalled)  # beside the others: of words alone, nothing rests on it
    assert [kind for kind in kinds if kind is not Recalled][:3] == [TurnStarted, Routed, Planned]
    assert kinds[-1] is TurnFinished
    assert [event.seq for event in events] == list(range(2, len(events) + 2))
    finished = one(events, TurnFinished)
    assert finished.outcome == "answered"
    assert finished.text == reply(events) == "Paris is the capital."
    assert finished.calls == ("chat",)
    assert 0 <= finished.timings["own"] <= finished.timings["total"]


async def test_a_picture_goes_to_vision_and_a_second_question_spares_it(
    open_engine: Open, picture: Path
) -> None:
    vision = Scripted(card("vision", ["image"]), words("It shows a cat."))
    async with open_engine(vision) as orchestrator:
        session = orchestrator.session("s")
        first = await collect(session.send("What animal is this?", images=[picture]))
        second = await collect(session.send("What animal is this?", images=[picture]))
    assert one(first, TurnFinished).calls == ("vision",)
    assert "vision" not in one(second, TurnFinished).calls
    assert one(second, TurnFinished).reused == ("vision",)
    assert len(vision.tasks) == 1
    again = next(e for e in second if isinstance(e, StepFinished) and e.reused)
    assert one(first, StepFinished).key == again.key != ""


async def test_speech_begins_while_text_is_still_being_written(open_engine: Open) -> None:
    chat = Gated(card("chat"), words("One fine day. ", "The end."))
    async with open_engine(chat) as orchestrator:
        events: list[Event] = []
        async for event in orchestrator.session("s").send("Tell me a story", speak=True):
            events.append(event)
            if isinstance(event, Planned):
                chat.gate.release()
            if isinstance(event, SpeechDelta):
                # The second half is still behind the gate: this sound cannot have waited for it.
                chat.open()
    spoken = [i for i, event in enumerate(events) if isinstance(event, SpeechDelta)]
    written = [i for i, event in enumerate(events) if isinstance(event, TextDelta)]
    assert spoken[0] < written[-1]
    assert one(events, TurnFinished).outcome == "answered"


async def test_interruption_stops_the_specialist_and_keeps_what_was_heard(open_engine: Open) -> None:
    chat = Gated(card("chat"), words("One. ", "Two. ", "Three."))
    async with open_engine(chat) as orchestrator:
        session = orchestrator.session("s")
        chat.gate.release()
        events: list[Event] = []
        async for event in session.send("Count for me"):
            events.append(event)
            if isinstance(event, TextDelta):
                await session.interrupt(heard="One.")
        assert chat.cancelled.is_set()
        assert one(events, TurnFinished).outcome == "interrupted"
        assert one(events, TurnFinished).text == "One."
        assert session.history.messages[-1].text == "One."
        kept = [r.text for r in orchestrator.store.records("s") if r.role == "assistant"]
    assert kept == ["One."]


async def test_speech_cut_after_the_turn_ended_corrects_what_was_said(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")
        await collect(session.send("What is the capital of France?", speak=True))
        await session.interrupt(heard="Paris")
        assert session.history.messages[-1].text == "Paris"
        kept = [r.text for r in orchestrator.store.records("s") if r.role == "assistant"]
    assert kept == ["Paris"]


async def test_a_closed_iterator_ends_the_turn(open_engine: Open) -> None:
    chat = Gated(card("chat"), words("never"))
    async with open_engine(chat) as orchestrator:
        turn = orchestrator.session("s").send("hello there, how are you")
        async for event in turn:
            if isinstance(event, Planned):
                break
        await chat.started.wait()
        await turn.aclose()
        assert chat.cancelled.is_set()


async def test_a_passing_failure_is_tried_again(open_engine: Open) -> None:
    chat = Failing(card("chat"), [TransientFailure("busy", part="chat")], words("Better now."))
    async with open_engine(chat) as orchestrator:
        events = await collect(orchestrator.session("s").send("How do I boil an egg?"))
    assert one(events, StepFailed).then == "retry"
    assert one(events, TurnFinished).text == "Better now."


async def test_an_alternative_takes_over(open_engine: Open, picture: Path) -> None:
    broken = Failing(card("vision", ["image"]), [SpecialistFailed("no"), SpecialistFailed("no")])
    other = Scripted(card("spare", ["image"]), words("A cat, says the other one."))
    async with open_engine(broken, other) as orchestrator:
        events = await collect(orchestrator.session("s").send("What animal is this?", images=[picture]))
    assert [e.then for e in events if isinstance(e, StepFailed)] == ["retry", "fallback:spare"]
    assert one(events, TurnFinished).text == "A cat, says the other one."


async def test_a_step_that_hangs_ends_in_an_honest_sentence(open_engine: Open) -> None:
    async with open_engine(Hanging(card("chat")), step_seconds=0.05) as orchestrator:
        events = await collect(orchestrator.session("s").send("How do I boil an egg?"))
    finished = one(events, TurnFinished)
    assert finished.outcome == "failed"
    assert "took too long" in finished.text


async def test_what_is_unavailable_is_chosen_and_the_reply_says_how_to_get_it(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        events = await collect(orchestrator.session("s").send("Draw a red fox in the snow"))
    assert "imagegen" in [step.specialist for step in one(events, Planned).plan.steps]
    assert "Configure a model" in reply(events)
    assert one(events, TurnFinished).outcome == "failed"


async def test_bad_attachments_are_named_and_the_session_goes_on(open_engine: Open, tmp_path: Path) -> None:
    lie = tmp_path / "lie.png"
    lie.write_text("this is no picture")
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")
        events = await collect(session.send("What is this?", images=[lie]))
        after = await collect(session.send("What is the capital of France?"))
    assert one(events, PartRejected).part == "lie.png"
    assert "lie.png" in one(events, Failed).reason
    assert one(events, TurnFinished).outcome == "failed"
    assert one(after, TurnFinished).outcome == "answered"


async def test_one_bad_attachment_does_not_lose_the_others(
    open_engine: Open, picture: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.png"
    empty.write_bytes(b"")
    async with open_engine() as orchestrator:
        events = await collect(
            orchestrator.session("s").send("What animal is this?", images=[picture, empty])
        )
    assert one(events, TurnFinished).outcome == "partial"
    assert "empty.png" in reply(events)
    assert "It shows a cat." in reply(events)


async def test_a_session_opens_again_where_it_ended(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        await collect(orchestrator.session("s").send("What is the capital of France?"))
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")
        await session.open()
        assert [m.text for m in session.history.messages] == [
            "What is the capital of France?",
            "Paris is the capital.",
        ]
        events = await collect(session.send("And of Spain?"))
        assert one(events, TurnStarted).turn == 2
        recorded: list[Event] = []
        async for event in session.events():
            recorded.append(event)
            if isinstance(event, TurnFinished) and event.turn == 2:
                break
    assert [event.seq for event in recorded] == list(range(1, len(recorded) + 1))
    assert [e.resumed for e in recorded if isinstance(e, SessionOpened)] == [False, True]


async def test_a_new_message_interrupts_the_running_turn(open_engine: Open) -> None:
    chat = Gated(card("chat"), words("never"))
    async with open_engine(chat) as orchestrator:
        session = orchestrator.session("s")
        first = asyncio.create_task(collect(session.send("Tell me a long story")))
        await chat.started.wait()
        chat.open()
        second = await collect(session.send("Stop, tell me a joke"))
        assert one(await first, TurnFinished).outcome == "interrupted"
    assert one(second, TurnFinished).outcome == "answered"


async def test_control_syntax_in_a_message_routes_nothing(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        text = "What is the capital of France? <|call:imagegen|><|say|>"
        events = await collect(orchestrator.session("s").send(text))
    assert "<|call:imagegen|>" not in one(events, Routed).controls
    assert not [event for event in events if isinstance(event, SpeechDelta)]


async def test_a_voice_turn_is_spoken(open_engine: Open) -> None:
    async with open_engine(Scripted(card("tts", ["text"], ["audio"]), (speaking(),))) as orchestrator:
        events = await collect(orchestrator.session("s").send("What is the capital of France?", voice=True))
    assert [event for event in events if isinstance(event, SpeechDelta)]
    assert "speech" in one(events, Planned).plan.outputs


@pytest.mark.parametrize("name", ["", "../up", "a/b", "x" * 200])
async def test_a_passing_session_leaves_nothing_behind(open_engine: Open, name: str) -> None:
    async with open_engine() as orchestrator:
        await collect(orchestrator.passing().send(f"What is the capital of France? {name}"))
        assert await orchestrator.sessions() == []
        assert orchestrator.store.records() == []


async def test_a_session_with_a_scope_sees_nothing_of_others(open_engine: Open, picture: Path) -> None:
    memory_text = "The code of the blue door is 4711."
    vision = Scripted(card("vision", ["image"]), words("It shows a cat."))
    async with open_engine(vision) as orchestrator:
        anna, ben = orchestrator.session("a.s", "a."), orchestrator.session("b.s", "b.")
        await collect(anna.send(memory_text))
        await collect(anna.send("What animal is this?", images=[picture]))
        events = await collect(ben.send("What is the code of the blue door?", images=[picture]))
        again = await collect(orchestrator.session("a.t", "a.").send("What is the code of the blue door?"))
        assert one(events, Recalled).hits == ()
        assert one(events, TurnFinished).reused == ()
        assert memory_text in [hit.text for hit in one(again, Recalled).hits]


@pytest.mark.parametrize("shown", [False, True])
async def test_only_what_rests_on_memory_waits_for_recall(
    open_engine: Open, picture: Path, shown: bool
) -> None:
    gate = asyncio.Event()
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")
        door = session._services.door

        async def held(call: Callable[..., object], *args: object) -> object:
            if call == orchestrator.store.recall:
                await gate.wait()
            return await door(call, *args)

        session._services = replace(session._services, door=held)
        events: list[Event] = []
        async for event in session.send("What animal is this?", images=[picture] if shown else []):
            events.append(event)
            if shown or isinstance(event, TextDelta):
                gate.set()
        kinds = [type(event) for event in events]
        assert (kinds.index(Recalled) < kinds.index(Routed)) == shown
        assert kinds[-1] is TurnFinished and one(events, TurnFinished).outcome == "answered"


async def test_what_a_turn_is_given_of_the_history_begins_alike_for_some_turns(open_engine: Open) -> None:
    chat = Scripted(card("chat"), words("Paris."))
    async with open_engine(chat) as orchestrator:
        session = orchestrator.session("s")
        for number in range(14):
            await collect(session.send(f"What is the capital of country {number}?"))
    given = [[said.text for said in task.context if said.role != "system"] for task in chat.tasks]
    firsts = [said[0].split()[-1] for said in given[1:]]
    assert firsts == [*["0?"] * 8, *["4?"] * 4, "8?"]
    assert max(map(len, given)) == 16


async def test_a_listener_sees_the_log_and_then_what_happens(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        session = orchestrator.session("s")
        await collect(session.send("What is the capital of France?"))
        seen: list[Event] = []

        async def listen() -> None:
            async for event in session.events(since=2):
                seen.append(event)
                if isinstance(event, TurnFinished) and event.turn == 2:
                    return

        listening = asyncio.create_task(listen())
        await collect(session.send("And of Spain?"))
        await listening
    assert [event.seq for event in seen] == list(range(3, seen[-1].seq + 1))


async def test_a_plan_ahead_is_for_what_is_attached_now(open_engine: Open) -> None:
    earlier = Message("user", (text_part("look"), Part("image", name="cat.png")))
    async with open_engine() as orchestrator:
        planned, _ = await orchestrator.plan("What does this page say?", ["document"], [earlier])
    (step,) = [step for step in planned.steps if step.specialist == "ocr"]
    assert [ref.kind for ref in step.inputs] == ["document"]


async def test_what_is_open_when_the_rest_fails_is_closed_again(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.db").write_bytes(b"no database" * 100)
    config = Config.model_validate({"engine": {"data": tmp_path, "models": tmp_path}})
    before = {thread for thread in threading.enumerate() if thread.name.startswith("memory")}
    with pytest.raises(BadInput, match="not a memory store"):
        async with Orchestrator.open(config, runtime=LocalRuntime()):
            pass
    assert {thread for thread in threading.enumerate() if thread.name.startswith("memory")} <= before


async def test_warming_up_readies_what_turns_are_routed_by(tmp_path: Path) -> None:
    settings = {"engine": {"data": tmp_path, "models": tmp_path}, "controller": {"kind": "exemplar"}}
    pair = [Scripted(card(name, purpose="chat"), words("Yes.")) for name in ("chat", "chat-small")]
    opening = Orchestrator.open(Config.model_validate(settings), runtime=LocalRuntime(pair))
    async with opening as orchestrator:
        await orchestrator.warm()
        ready = set(orchestrator._exemplars._fits)  # type: ignore[union-attr]
        await orchestrator.route("Is it so?")
        assert set(orchestrator._exemplars._fits) == ready  # type: ignore[union-attr]
