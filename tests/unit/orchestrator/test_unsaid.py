"""After an interruption: "what were you going to say?"."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.conversation import EngineSession
from orchestrator.engine import Orchestrator
from orchestrator.unsaid import rest_of
from specialists.fakes import Gated, Scripted, card, words
from tests.unit.orchestrator.conftest import Open

STORY = "Once there was a lighthouse.\n\nIt was very old. Nobody lived in it."


def session(engine: Orchestrator) -> EngineSession:
    found = engine.session("s")
    assert isinstance(found, EngineSession)
    return found


async def said(session: EngineSession, text: str) -> str:
    events = [event async for event in session.send(text)]
    return "".join(event.text for event in events if event.type == "reply.text")


@pytest.mark.parametrize(
    "asked",
    [
        "What were you going to say?",
        "go on",
        "Sorry, please continue.",
        "You were saying?",
        "Tell me the rest.",
    ],
)
async def test_the_rest_is_said_without_a_model(open_engine: Open, asked: str) -> None:
    chat = Scripted(card("chat"), words(STORY))
    async with open_engine(chat) as engine:
        s = session(engine)
        await said(s, "Tell me a story.")
        await s.interrupt(heard="Once there was a lighthouse. It was")
        assert s.history.messages[-1].text == "Once there was a lighthouse. It was"
        assert await said(s, asked) == "very old. Nobody lived in it."
        assert len(chat.tasks) == 1
        # Now it is said: there is nothing left.
        await said(s, asked)
        assert len(chat.tasks) == 2


async def test_of_a_turn_that_was_cut_while_it_ran(open_engine: Open) -> None:
    chat = Gated(card("chat"), words("Once there was ", "a lighthouse."))
    async with open_engine(chat) as engine:
        s = session(engine)
        async for event in s.send("Tell me a story."):
            if event.type == "turn.planned":
                chat.open()
            if event.type == "reply.text":
                await s.interrupt(heard="Once")
        assert s.history.cut_off.startswith("there was")
        assert (await said(s, "What were you about to tell me?")).startswith("there was")


async def test_another_question_is_another_question(open_engine: Open) -> None:
    chat = Scripted(card("chat"), words(STORY))
    async with open_engine(chat) as engine:
        s = session(engine)
        await said(s, "Tell me a story.")
        await s.interrupt(heard="Once there")
        await said(s, "What is the capital of France?")
        assert len(chat.tasks) == 2 and s.history.cut_off == ""


@given(st.lists(st.text(alphabet="abc.", min_size=1, max_size=4), max_size=12), st.integers(0, 12), st.data())
def test_what_was_heard_and_the_rest_are_all_of_it(said: list[str], heard: int, data: st.DataObject) -> None:
    gaps = data.draw(st.lists(st.sampled_from([" ", "\n\n", "  "]), min_size=len(said), max_size=len(said)))
    text = "".join(word + gap for word, gap in zip(said, gaps, strict=True))
    rest = rest_of(text, " ".join(said[:heard]))
    assert rest.split() == said[heard:]
