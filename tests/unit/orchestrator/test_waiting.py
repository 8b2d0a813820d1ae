"""Standing requests in a session: made, listed, dismissed, met, and kept over processes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orchestrator.conversation import EngineSession
from orchestrator.engine import Orchestrator
from orchestrator.events import StandingMet, Transcript
from orchestrator.waiting import NOTHING
from specialists.fakes import Scripted, card, words
from tests.unit.orchestrator.conftest import Open


def session(engine: Orchestrator, name: str = "s") -> EngineSession:
    found = engine.session(name)
    assert isinstance(found, EngineSession)
    return found


async def said(session: EngineSession, text: str, **given: object) -> str:
    """The reply to a text."""
    events = [event async for event in session.send(text, **given)]  # type: ignore[arg-type]
    return "".join(event.text for event in events if event.type == "reply.text")


async def met(session: EngineSession, since: int = 0) -> StandingMet:
    """The next event that says that something has come."""
    async with asyncio.timeout(10):
        async for event in session.events(since):
            if isinstance(event, StandingMet):
                return event
    raise AssertionError


async def told(session: EngineSession) -> list[str]:
    """What has come so far."""
    found: list[str] = []
    async for event in session.events():
        if isinstance(event, StandingMet):
            found.append(event.text)
        if event.seq == session.seq:
            break
    return found


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_request_is_promised_listed_and_dismissed_without_a_model(open_engine: Open) -> None:
    chat = Scripted(card("chat"), words("never"))
    async with open_engine(chat) as engine:
        s = session(engine)
        assert await said(s, "What are you watching for?") == NOTHING
        promised = await said(s, "Tell me when you see a dog.")
        assert promised == "I will tell you when I see a dog, in what you show me."
        await said(s, "Remind me in two hours to call Anna.")
        listed = await said(s, "What are you waiting for?")
        assert listed.startswith("I am waiting for a dog to be seen and 2 hours to pass (call Anna)")
        assert await said(s, "stop watching for the dog") == "I no longer wait for a dog to be seen."
        assert [made.standing.words for made in s.history.standing] == ["call Anna"]
        assert chat.tasks == []


async def test_a_dismissal_of_nothing_is_an_ordinary_sentence(open_engine: Open) -> None:
    chat = Scripted(card("chat"), words("Fine."))
    async with open_engine(chat) as engine:
        await said(session(engine), "Stop listening.")
        assert len(chat.tasks) == 1


async def test_a_picture_meets_it_once(open_engine: Open, picture: Path) -> None:
    async with open_engine() as engine:  # the cast sees a cat in every picture
        s = session(engine)
        await said(s, "Let me know when you see a cat.")
        await said(s, "Tell me when you see a dog.")
        before = s.seq
        waiting = asyncio.create_task(met(s, before))
        await said(s, "What is this?", images=[picture])
        found = await waiting
        assert found.text == "I see a cat: It shows a cat." and found.turn == 1
        assert [made.standing.what for made in s.history.standing] == ["a dog"]
        await said(s, "And now?", images=[picture])
        await settled()
        assert len(await told(s)) == 1


async def test_each_time_means_each_time(open_engine: Open) -> None:
    async with open_engine() as engine:
        s = session(engine)
        await said(s, "Tell me every time somebody says budget.")
        for text in ("The budget is small.", "Nothing.", "Which budget?"):
            await s.note(Transcript(text=text, final=True))
            await settled()
        assert await told(s) == ["I heard “budget”."] * 2
        assert len(s.history.standing) == 1


async def test_words_that_are_not_final_or_speak_of_it_do_not_meet_it(open_engine: Open) -> None:
    async with open_engine() as engine:
        s = session(engine)
        await said(s, "Listen for budget.")
        await s.note(Transcript(text="the budget", final=False))
        await s.note(Transcript(text="Stop listening for budget.", final=True))
        await settled()
        assert len(s.history.standing) == 1


async def test_time_passes(open_engine: Open) -> None:
    async with open_engine() as engine:
        s = session(engine)
        waiting = asyncio.create_task(met(s))
        assert await said(s, "Stop me in 0.2 seconds.") == "I will stop you in 1 second."
        found = await waiting
        assert found.standing.urgent and s.history.standing == ()


async def test_what_was_dismissed_does_not_come(open_engine: Open) -> None:
    async with open_engine() as engine:
        s = session(engine)
        await said(s, "Tell me in 0.3 seconds.")
        await said(s, "Cancel the timer.")
        await asyncio.sleep(0.5)
        assert await told(s) == []


async def test_what_fell_due_while_it_was_closed_is_told_when_it_opens(open_engine: Open) -> None:
    async with open_engine() as engine:
        await said(session(engine), "Remind me in 0.1 seconds to call Anna.")
        await session(engine).close()
    async with open_engine() as engine:
        s = session(engine)
        await s.open()
        if s.history.standing:  # it may have come before the first process ended
            found = await met(s, s.seq)
            assert found.text == "You wanted to be reminded: call Anna."
        assert s.history.standing == ()


async def test_a_session_that_is_not_kept_makes_no_promises(open_engine: Open) -> None:
    chat = Scripted(card("chat"), words("I cannot."))
    async with open_engine(chat) as engine:
        assert await said(engine.passing(), "Tell me when you see a dog.") == "I cannot."


@pytest.mark.parametrize("voice", [True, False])
async def test_a_rerun_comes_out_the_same(open_engine: Open, picture: Path, voice: bool) -> None:
    async with open_engine() as engine:
        s = session(engine)
        waiting = asyncio.create_task(met(s))
        await said(s, "Tell me when you see a cat.", voice=voice)
        await said(s, "What is this?", images=[picture], voice=voice)
        await waiting
        await said(s, "Remind me in ten minutes to feed it.", voice=voice)
        await said(s, "which reminders do I have?", voice=voice)
        await s.close()
        rerun = await engine.rerun("s")
        assert rerun.difference is None
        assert rerun.turns == 4
