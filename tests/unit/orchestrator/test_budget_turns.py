"""Turns within a budget: live figures, what is left out, and what the reply says of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.budget import Budget
from orchestrator.cli.transcript import turns
from orchestrator.engine import Orchestrator
from orchestrator.events import MediaReady, Planned, SpeechDelta, TurnFinished, to_dict
from orchestrator.latency import WRITE_CALLS, Latency
from specialists.base import Card, Chunk, Cost, Specialist, Task
from specialists.errors import SpecialistFailed
from specialists.fakes import Failing, Gated, Scripted, card, words
from tests.unit.orchestrator.conftest import Open
from tests.unit.orchestrator.test_engine import collect, one, reply

ENOUGH = 60.0
LONG = 90.0
"""Seconds: more than any turn here takes, and more than that, though less than a turn may take at most."""

QUESTION = "What is the capital of France?"


def painter(seconds: float = LONG, price: float = 0.0) -> Scripted:
    paints = card("imagegen", ["text"], ["image"], cost=Cost(seconds, price))
    return Scripted(paints, (Chunk("image", data=PNG, media_type="image/png"),))


def png() -> bytes:
    from io import BytesIO

    from PIL import Image

    out = BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, "PNG")
    return out.getvalue()


PNG = png()
ILLUSTRATED = "Write a poem about the sea and draw it too"


async def test_finished_calls_are_timed_and_those_that_fail_or_stop_are_not(open_engine: Open) -> None:
    chat = Gated(card("chat"), words("One. ", "Two."))
    async with open_engine(chat) as orchestrator:
        session = orchestrator.session("s")
        turn = asyncio.create_task(collect(session.send(QUESTION)))
        await chat.started.wait()
        await session.interrupt()
        await turn
        assert orchestrator.latencies.of(chat.card) is None
        chat.open()
        await collect(session.send(QUESTION))
        found = orchestrator.latencies.of(chat.card)
    assert found is not None
    assert found.calls == 1
    assert 0 < found.first_p50 <= found.p50


async def test_a_failure_takes_no_time(open_engine: Open) -> None:
    chat = Failing(card("chat"), [SpecialistFailed("no"), SpecialistFailed("no")])
    async with open_engine(chat) as orchestrator:
        await collect(orchestrator.session("s").send(QUESTION))
        assert orchestrator.latencies.of(chat.card) is None


async def test_the_figures_survive_a_restart_and_another_model_starts_afresh(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        await collect(orchestrator.session("s").send(QUESTION))
        before = orchestrator.latencies.of(card("chat"))
    async with open_engine() as orchestrator:
        assert orchestrator.latencies.of(card("chat")) == before != None  # noqa: E711
        assert orchestrator.latencies.of(card("chat", model="another")) is None


async def test_many_calls_are_written_before_the_engine_closes(open_engine: Open) -> None:
    async with open_engine() as orchestrator:
        for number in range(WRITE_CALLS):
            task = Task(str(number), "chat", instruction="hello")
            assert [chunk async for chunk in orchestrator._services.call(task)]
        await orchestrator._save_latencies()
        written = json.loads((orchestrator.config.engine.data / "latencies.json").read_text())
    assert len(written) == WRITE_CALLS


async def test_a_picture_is_left_out_and_the_reply_says_so(open_engine: Open) -> None:
    async with open_engine(painter()) as orchestrator:
        events = await collect(orchestrator.session("s").send(ILLUSTRATED, budget=Budget(ENOUGH)))
        planned = one(events, Planned).plan
        if "image" not in [t.output for t in planned.tradeoffs]:
            pytest.fail(f"the router no longer asks for a picture here: {planned}")
    assert reply(events).endswith("\n\nI left out the picture to answer within 60 seconds.")
    assert one(events, TurnFinished).outcome == "partial"
    assert not [event for event in events if isinstance(event, MediaReady)]
    (view,) = turns(map(to_dict, events))
    assert "\nwithout imagegen: 9" in view.plan


async def test_without_pressure_nothing_is_left_out(open_engine: Open) -> None:
    async with open_engine(painter()) as orchestrator:
        events = await collect(orchestrator.session("s").send(ILLUSTRATED))
    assert one(events, Planned).plan.tradeoffs == ()
    assert [event for event in events if isinstance(event, MediaReady)]


async def test_the_budget_of_the_configuration_holds_for_every_turn(tmp_path: Path) -> None:
    from orchestrator.config import Config
    from specialists.runtime import LocalRuntime
    from tests.unit.orchestrator.conftest import cast

    config = Config.model_validate(
        {
            "engine": {"data": tmp_path / "data", "models": tmp_path},
            "budget": {"seconds": ENOUGH, "price": 0.01},
        }
    )
    runtime = LocalRuntime((cast() | {"imagegen": painter(0.1, price=0.04)}).values())
    async with Orchestrator.open(config, runtime=runtime) as orchestrator:
        events = await collect(orchestrator.session("s").send(ILLUSTRATED, budget=Budget(ENOUGH + 1, 1.0)))
        planned, _ = await orchestrator.plan(ILLUSTRATED)
    assert "I left out the picture to spend at most 0.01." in reply(events)
    assert planned.tradeoffs[0].limit == Budget(ENOUGH, 0.01)


async def test_a_price_that_nothing_keeps_to_is_told_and_nothing_is_spent(open_engine: Open) -> None:
    chat = Scripted(card("chat", cost=Cost(1.0, 0.02)), words("Paris."))
    async with open_engine(chat) as orchestrator:
        events = await collect(orchestrator.session("s").send(QUESTION, budget=Budget(price=0.01)))
    assert reply(events) == "I cannot answer this for at most 0.01: the cheapest way costs 0.02."
    assert one(events, TurnFinished).outcome == "failed"
    assert chat.tasks == []


async def test_a_stand_in_answers_and_is_not_routed_to_otherwise(open_engine: Open) -> None:
    chat = Scripted(card("chat", cost=Cost(LONG), purpose="chat"), words("Paris, slowly."))
    small = Scripted(card("chat-small", cost=Cost(0.2), purpose="chat"), words("Paris."))
    async with open_engine(chat, small) as orchestrator:
        quick = await collect(orchestrator.session("s").send(QUESTION, budget=Budget(ENOUGH)))
        usual = await collect(orchestrator.session("s").send("And of Spain?"))
    assert reply(quick) == "Paris.\n\nI used chat-small instead of chat to answer within 60 seconds."
    assert one(quick, TurnFinished).outcome == "answered"
    assert one(usual, TurnFinished).calls == ("chat",)


async def test_who_listens_hears_the_reply_though_it_is_late(open_engine: Open) -> None:
    chat = Scripted(card("chat", cost=Cost(LONG)), words("Paris."))
    async with open_engine(chat) as orchestrator:
        events = await collect(orchestrator.session("s").send(QUESTION, voice=True, budget=Budget(ENOUGH)))
    assert [t.action for t in one(events, Planned).plan.tradeoffs] == ["late"]
    assert reply(events) == "Paris."  # it came in time after all
    assert [event for event in events if isinstance(event, SpeechDelta)]


class Slow(Specialist):
    """Takes its time, in seconds of the real clock."""

    def __init__(self, card: Card, seconds: float) -> None:
        self.card = card
        self._seconds = seconds

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        await asyncio.sleep(self._seconds)
        yield Chunk("text", "Paris.")


async def test_an_answer_that_is_late_runs_and_the_reply_says_that_it_was(open_engine: Open) -> None:
    async with open_engine(Slow(card("chat", cost=Cost(9.0)), 0.3)) as orchestrator:
        events = await collect(orchestrator.session("s").send(QUESTION, budget=Budget(0.2)))
    assert reply(events) == "Paris.\n\nThis took longer than the 0.2 seconds allowed."
    assert one(events, TurnFinished).outcome == "answered"


async def test_what_is_slow_today_is_left_out_today(open_engine: Open) -> None:
    """The Card promises a tenth of a second; the calls of this machine know better."""
    async with open_engine(painter(seconds=0.1)) as orchestrator:
        paints = orchestrator._services.card("imagegen")
        orchestrator.latencies.warmed(paints)
        orchestrator.latencies.note(paints, LONG)
        assert orchestrator._services.costs()["imagegen"] == LONG
        assert orchestrator._services.latencies()["imagegen"] == Latency(1, LONG, LONG)
        events = await collect(orchestrator.session("s").send(ILLUSTRATED, budget=Budget(ENOUGH)))
    assert "I left out the picture" in reply(events)
