"""The fakes keep the contract, so that what is proved with them holds for real specialists."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from specialists.base import Specialist, Task
from specialists.errors import SpecialistFailed, TransientFailure
from specialists.fakes import (
    Blocking,
    Crashing,
    Endless,
    Failing,
    Garbage,
    Gated,
    Hanging,
    Moody,
    Scripted,
    Slow,
    card,
    words,
)


def task(instruction: str = "") -> Task:
    return Task("t", "fake", instruction=instruction)


async def said(specialist: Specialist, instruction: str = "") -> str:
    return "".join([chunk.text async for chunk in specialist.run(task(instruction))])


async def test_scripted_says_its_lines_every_time() -> None:
    fake = Scripted(card("fake"), words("one ", "two"))
    assert [await said(fake), await said(fake, "anything")] == ["one two", "one two"]
    assert [asked.instruction for asked in fake.tasks] == ["", "anything"]


async def test_scripted_answers_by_instruction() -> None:
    fake = Scripted(card("fake"), {"hello": words("good day"), "bye": ()})
    assert await said(fake, "hello") == "good day"
    assert await said(fake, "bye") == ""
    with pytest.raises(SpecialistFailed, match="no line for 'what'"):
        await said(fake, "what")


async def test_gated_lets_one_chunk_through_at_a_time() -> None:
    fake = Gated(card("fake"), words("a", "b"))
    async with aclosing(fake.run(task())) as answer:
        first = asyncio.ensure_future(anext(answer))
        await fake.started.wait()
        assert not first.done()
        fake.gate.release()
        assert (await first).text == "a"
        second = asyncio.ensure_future(anext(answer))
        fake.gate.release()
        assert (await second).text == "b"
        assert not fake.finished.is_set()
        assert [chunk async for chunk in answer] == []
    assert fake.finished.is_set()
    assert not fake.cancelled.is_set()


async def test_an_open_gate_serves_every_call() -> None:
    fake = Gated(card("fake"), words("a", "b"))
    calls = [asyncio.ensure_future(said(fake)) for _ in range(3)]
    await fake.started.wait()
    fake.open()
    assert await asyncio.wait_for(asyncio.gather(*calls), 2) == ["ab"] * 3
    assert await asyncio.wait_for(said(fake), 2) == "ab"


@pytest.mark.parametrize("make", [lambda: Gated(card("fake"), words("a")), lambda: Hanging(card("fake"))])
async def test_a_held_call_records_its_cancellation(make) -> None:  # type: ignore[no-untyped-def]
    fake = make()
    call = asyncio.ensure_future(said(fake))
    await fake.started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert fake.cancelled.is_set()
    assert not fake.finished.is_set()


async def test_closing_between_chunks_counts_as_cancellation() -> None:
    fake = Gated(card("fake"), words("a", "b"))
    fake.open()
    async with aclosing(fake.run(task())) as answer:
        await anext(answer)
    assert fake.cancelled.is_set()


async def test_failing_raises_its_errors_and_then_answers() -> None:
    fake = Failing(card("fake"), [TransientFailure("busy"), ValueError("odd")], then=words("fine"))
    with pytest.raises(TransientFailure):
        await said(fake)
    with pytest.raises(ValueError, match="odd"):
        await said(fake)
    assert await said(fake) == "fine"
    assert len(fake.tasks) == 3


def test_a_card_takes_any_further_field() -> None:
    made = card("eye", ["image"], version="7", available=False, remedy="install it")
    assert (made.consumes, made.produces, made.version) == (("image",), ("text",), "7")
    assert (made.available, made.remedy) == (False, "install it")


async def test_crashing_says_its_lines_before_it_fails() -> None:
    heard: list[str] = []
    with pytest.raises(MemoryError):
        async for chunk in Crashing(card("fake"), MemoryError, words("one")).run(task()):
            heard.append(chunk.text)
    assert heard == ["one"]


async def test_garbage_is_handed_on_as_it_is() -> None:
    assert [thing async for thing in Garbage(card("fake"), [None, 3]).run(task())] == [None, 3]


async def test_slow_and_blocking_say_all_their_lines() -> None:
    assert await said(Slow(card("fake"), words("a", "b"), 0.0)) == "ab"
    assert await said(Blocking(card("fake"), words("a", "b"), 0.0)) == "ab"


async def test_endless_goes_on() -> None:
    async with aclosing(Endless(card("fake"), words("z")[0]).run(task())) as answer:
        assert "".join([(await anext(answer)).text for _ in range(1000)]) == "z" * 1000


async def test_moody_is_another_in_every_call_and_knows_what_it_works_on() -> None:
    hanging = Hanging(card("fake"))
    fake = Moody(
        card("fake"), {"": Scripted(card("fake"), words("a")), "wait": hanging}, lambda t: t.instruction
    )
    assert await said(fake) == "a"
    assert fake.running == set()
    call = asyncio.ensure_future(said(fake, "wait"))
    await hanging.started.wait()
    assert fake.running == {"t"}
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert fake.running == set()
