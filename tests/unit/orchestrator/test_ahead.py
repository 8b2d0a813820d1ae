"""A reply that is prepared before it is certain that it is wanted leaves nothing, and is made once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.ahead import Ahead, Call
from orchestrator.controller.exemplars import Decision
from orchestrator.controller.request import Request
from orchestrator.controller.route import Controller, Route, controls_of
from orchestrator.conversation import EngineSession
from orchestrator.engine import Orchestrator
from orchestrator.events import Event
from specialists.base import Card, Chunk, Cost, Parameter, Specialist, Task
from specialists.chat.card import ENDS
from specialists.content import TEXT
from specialists.errors import DeadlineExceeded, SpecialistFailed
from specialists.fakes import Scripted, card
from tests.unit.orchestrator.conftest import Open, speaking

QUESTION = "What is the capital of France?"


class Watched(Specialist):
    """Answers when its gate opens; counts its calls, and those that were ended before."""

    def __init__(self, *, fails: int = 0, **more: object) -> None:
        self.card = card("chat", **more)
        self.gate = asyncio.Event()
        self.begun = asyncio.Event()
        self.tasks: list[Task] = []
        self.ended = 0
        self._fails = fails

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        self.tasks.append(task)
        self.begun.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.ended += 1
            raise
        if len(self.tasks) <= self._fails:
            raise SpecialistFailed("broke", part="chat")
        yield Chunk(TEXT, "Paris ")
        yield Chunk(TEXT, "is the capital.")


class Counting:
    """Sends everything the same way, and counts."""

    def __init__(self, *steps: str) -> None:
        self.asked: list[Request] = []
        self._decision = Decision(steps or ("chat",))

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        self.asked.append(request)
        return Route(controls_of(self._decision), "counting")


def spoken(engine: Orchestrator, name: str = "s") -> EngineSession:
    session = engine.session(name)
    assert isinstance(session, EngineSession)
    return session


async def opened(engine: Orchestrator) -> EngineSession:
    session = spoken(engine)
    await session.open()
    return session


async def turns_of_the_loop(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def said(session: EngineSession, text: str = QUESTION) -> list[Event]:
    return [event async for event in session.send(text, voice=True)]


def reply(events: list[Event]) -> str:
    return "".join(event.text for event in events if event.type == "reply.text")


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to hold")


def kept(engine: Orchestrator) -> tuple[int, list[str]]:
    """How many records memory holds, and the types of all logged events."""
    events = [event["type"] for event in engine.store.log.read("s")]
    return engine.store.stats().records, events


async def test_what_was_prepared_is_not_done_again(open_engine: Open) -> None:
    chat, tts = Watched(), Scripted(card("tts", ["text"], ["audio"]), (speaking(),))
    async with open_engine(chat, tts) as engine:
        session = await opened(engine)
        session.prepare(QUESTION)
        await chat.begun.wait()
        assert kept(engine) == (0, ["session.opened"])
        chat.gate.set()
        events = await said(session)
        assert reply(events) == "Paris is the capital."
        assert [event.type for event in events if event.type == "reply.speech"]
        assert len(chat.tasks) == 1 and len(tts.tasks) == 1
        assert [event.seq for event in events] == list(range(2, 2 + len(events)))
        # As if nothing had been prepared: the same again, without.
        plain = await said(spoken(engine, "other"))
        beside = "memory.recalled"  # comes when it comes
        assert [event.type for event in plain if event.type != beside] == [
            event.type for event in events if event.type != beside
        ]


async def test_what_was_prepared_for_nothing_leaves_nothing(open_engine: Open) -> None:
    chat = Watched()
    async with open_engine(chat) as engine:
        session = await opened(engine)
        before = kept(engine)
        session.prepare("What is the capital")
        await chat.begun.wait()
        session.prepare("What is the capital of")
        await until(lambda: len(chat.tasks) == 2)
        assert chat.ended == 1, "the first was ended when the second began"
        assert kept(engine) == before
        assert session.history.turns == 0 and not session.running
        chat.gate.set()
        events = await said(session)
        assert reply(events) == "Paris is the capital." and len(chat.tasks) == 3
        assert session.history.turns == 1
    assert len([task for task in asyncio.all_tasks() if "rehearsal" in task.get_name()]) == 0


async def test_a_turn_that_follows_at_once_has_the_calls_that_are_under_way(open_engine: Open) -> None:
    chat = Watched()
    async with open_engine(chat) as engine:
        session = await opened(engine)
        session.prepare(QUESTION)
        await chat.begun.wait()
        turn = asyncio.create_task(said(session))
        await until(lambda: session.running)
        chat.gate.set()
        assert reply(await turn) == "Paris is the capital." and len(chat.tasks) == 1


async def test_a_route_is_taken_once(open_engine: Open) -> None:
    controller = Counting()
    chat = Watched()
    async with open_engine(chat, controller=controller) as engine:
        session = await opened(engine)
        session.prepare(QUESTION)
        await chat.begun.wait()
        chat.gate.set()
        events = await said(session)
        assert len(controller.asked) == 1 and len(chat.tasks) == 1
        (routed,) = [event for event in events if event.type == "turn.routed"]
        assert routed.controller == "counting"
        assert len(await said(session, "And of Spain?")) and len(controller.asked) == 2


async def test_a_route_that_was_taken_for_other_words_is_not_used() -> None:
    chat, controller = Watched(), Counting()
    ahead = Ahead(chat.run, controller, lambda: (chat.card,))
    noted = asyncio.Event()

    async def rehearse(call: Call, controller: Controller) -> AsyncIterator[object]:
        await controller.route(Request(QUESTION), [chat.card])
        noted.set()
        await asyncio.Event().wait()
        yield None

    ahead.start(rehearse)
    await noted.wait()
    await ahead.route(Request(QUESTION, person="anna"), [chat.card])
    await ahead.route(Request(QUESTION), [chat.card, chat.card])
    assert len(controller.asked) == 3
    await ahead.route(Request(QUESTION), (chat.card,))
    assert len(controller.asked) == 3
    ahead.drop()
    await ahead.route(Request(QUESTION), [chat.card])
    assert len(controller.asked) == 4
    await ahead.close()


async def test_what_is_remembered_is_used_ahead(open_engine: Open, picture: Path) -> None:
    vision, chat = Watched(), Watched()
    vision.card = card("vision", ["image"])
    vision.gate.set()
    chat.gate.set()
    async with open_engine(vision, chat, controller=Counting("vision", "chat")) as engine:
        session = spoken(engine)
        async for _ in session.send("What is in this picture?", images=[picture]):
            pass
        looked, asked = len(vision.tasks), len(chat.tasks)
        assert looked
        session.prepare("What else is in the picture?")
        await until(lambda: len(chat.tasks) > asked)
        events = await said(session, "What else is in the picture?")
        assert len(vision.tasks) == looked, "what was found stands in memory"
        assert len(chat.tasks) == asked + 1, "and was told to the chat ahead"
        assert events[-1].reused == ("vision",)


async def test_an_interruption_ends_what_was_prepared(open_engine: Open) -> None:
    chat = Watched()
    async with open_engine(chat) as engine:
        session = await opened(engine)
        session.prepare(QUESTION)
        await chat.begun.wait()
        turn = asyncio.create_task(said(session))
        await until(lambda: session.running)
        await session.interrupt(heard="")
        events = await turn
        assert events[-1].type == "turn.finished" and events[-1].outcome == "interrupted"
    assert chat.ended == 1 and len(chat.tasks) == 1


async def test_a_preparation_that_failed_is_tried_again_by_the_turn(open_engine: Open) -> None:
    chat = Watched(fails=1)
    chat.gate.set()
    async with open_engine(chat) as engine:
        session = await opened(engine)
        session.prepare(QUESTION)
        await chat.begun.wait()
        await turns_of_the_loop(50)
        events = await said(session)
        assert events[-1].type == "turn.finished"
        # Told by the turn as any failure: retried where that may help, and never silent.
        assert [event for event in events if event.type == "step.failed"]
        assert reply(events)


@pytest.mark.parametrize("more", [{"idempotent": False}, {"cost": Cost(price=0.01)}])
async def test_what_has_effects_or_a_price_waits_for_the_turn(
    open_engine: Open, more: dict[str, object]
) -> None:
    chat = Watched(**more)
    chat.gate.set()
    async with open_engine(chat) as engine:
        session = await opened(engine)
        session.prepare(QUESTION)
        await turns_of_the_loop(200)
        assert chat.tasks == []
        assert reply(await said(session)) == "Paris is the capital."


async def test_nothing_is_prepared_while_a_turn_runs_or_before_the_session_is_open(open_engine: Open) -> None:
    chat = Watched()
    async with open_engine(chat) as engine:
        session = spoken(engine)
        session.prepare(QUESTION)
        await asyncio.sleep(0)
        assert chat.tasks == []
        turn = asyncio.create_task(said(session))
        await chat.begun.wait()
        session.prepare("And of Spain?")
        await turns_of_the_loop(50)
        assert len(chat.tasks) == 1
        chat.gate.set()
        await turn


async def test_an_answer_that_was_begun_ahead_keeps_to_the_deadline_of_the_turn() -> None:
    chat = Watched()
    ahead = Ahead(chat.run, Counting(), lambda: (chat.card,))
    task = Task("a", "chat", instruction=QUESTION)

    async def rehearse(call: Call, controller: Controller) -> AsyncIterator[object]:
        async for chunk in call(task):
            yield chunk

    ahead.start(rehearse)
    await chat.begun.wait()
    with pytest.raises(DeadlineExceeded, match="chat"):
        async for _ in ahead.call(replace(task, id="b", deadline=0.01)):
            pass
    await ahead.close()
    assert chat.ended == 1


class Foretold(Specialist):
    """A chat model that tells whether a message is over, or fails to."""

    def __init__(self, score: float | None, seconds: float = 0.0) -> None:
        self.card = replace(card("chat"), parameters=(Parameter(ENDS, "boolean", "whether that is all"),))
        self.tasks: list[Task] = []
        self._score, self._seconds = score, seconds

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        self.tasks.append(task)
        await asyncio.sleep(self._seconds)
        if self._score is None:
            raise SpecialistFailed("broke", part="chat")
        yield Chunk(TEXT, score=self._score)


async def test_the_chat_model_tells_whether_a_message_is_over(open_engine: Open) -> None:
    chat = Foretold(0.25)
    async with open_engine(chat) as engine:
        session = await opened(engine)
        before = kept(engine)
        assert await session.ends("What is the") == 0.25
        (task,) = chat.tasks
        assert task.instruction == "What is the" and task.context[0].role == "system"
        assert kept(engine) == before


async def test_other_words_end_what_was_prepared(open_engine: Open) -> None:
    chat = Watched()
    async with open_engine(chat) as engine:
        session = await opened(engine)
        session.prepare(QUESTION)
        await chat.begun.wait()
        await session.ends(QUESTION)
        await turns_of_the_loop(50)
        assert chat.ended == 0
        await session.ends(f"{QUESTION} And of Spain")
        await until(lambda: chat.ended == 1)


@pytest.mark.parametrize("chat", [Watched(), Foretold(None), Foretold(0.5, seconds=60.0)])
async def test_where_it_does_not_tell_nobody_waits_for_it(open_engine: Open, chat: Specialist) -> None:
    async with open_engine(chat) as engine:
        session = await opened(engine)
        async with asyncio.timeout(5.0):
            assert await session.ends("What is the") is None


class Reads(Foretold):
    """Its answers about the end of a message come when the gate opens; others at once."""

    def __init__(self) -> None:
        super().__init__(0.5)
        self.gate = asyncio.Event()
        self.cancelled = 0

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        self.tasks.append(task)
        if ENDS not in task.params:
            yield Chunk(TEXT, "Paris.")
            return
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        yield Chunk(TEXT, score=0.5)


async def test_what_was_said_is_read_while_nobody_waits(open_engine: Open) -> None:
    chat = Foretold(0.5)
    async with open_engine(chat) as engine:
        session = await opened(engine)
        await said(session, "hello")
        before = session.seq
        chat.tasks.clear()
        session.read()
        await until(lambda: len(chat.tasks) == 1)
        (task,) = chat.tasks
        assert [one.text for one in task.context[1:]] == [one.text for one in session.history.latest]
        assert not any(map(str.isalnum, task.instruction)) and session.seq == before


async def test_a_reply_waits_for_what_is_being_read_and_is_made_once(open_engine: Open) -> None:
    chat = Reads()
    async with open_engine(chat, controller=Counting()) as engine:
        session = await opened(engine)
        session.read()
        session.read()  # while one is under way there is no other
        session.prepare(QUESTION)
        events: list[Event] = []

        async def hear() -> None:
            async for event in session.send(QUESTION, voice=True):
                events.append(event)

        heard = asyncio.create_task(hear())
        await until(lambda: any(event.type == "step.started" for event in events))
        await turns_of_the_loop(50)
        assert [ENDS in task.params for task in chat.tasks] == [True]
        chat.gate.set()
        await heard
        assert reply(events) == "Paris."
        assert [ENDS in task.params for task in chat.tasks] == [True, False]


async def test_the_end_of_a_message_is_not_waited_for_while_much_is_read(open_engine: Open) -> None:
    chat = Reads()
    async with open_engine(chat) as engine:
        session = await opened(engine)
        session.read()
        assert await session.ends("What is the") is None
        assert len(chat.tasks) == 1


async def test_closing_a_session_ends_what_it_reads(open_engine: Open) -> None:
    chat = Reads()
    async with open_engine(chat) as engine:
        session = await opened(engine)
        session.read()
        await until(lambda: len(chat.tasks) == 1)
        await session.close()
        assert chat.cancelled == 1
