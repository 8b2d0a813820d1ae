"""LocalRuntime: deadlines, cancellation, errors of the tree alone, and health that tells the truth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

import pytest

from specialists.base import Card, Chunk, Specialist, Task
from specialists.errors import (
    AntiphonError,
    BadInput,
    DeadlineExceeded,
    SpecialistFailed,
    TransientFailure,
    Unavailable,
    UnknownName,
)
from specialists.fakes import Failing, Gated, Hanging, Scripted, card, words
from specialists.runtime import LocalRuntime


async def said(runtime: LocalRuntime, task: Task) -> str:
    return "".join([chunk.text async for chunk in runtime.run(task)])


async def test_it_streams_what_the_specialist_says() -> None:
    runtime = LocalRuntime([Scripted(card("a"), words("x", "y"))])
    assert await said(runtime, Task("1", "a")) == "xy"
    assert [known.name for known in runtime.cards()] == ["a"]


async def test_chunks_arrive_before_the_end() -> None:
    fake = Gated(card("a"), words("x", "y"))
    async with aclosing(LocalRuntime([fake]).run(Task("1", "a"))) as answer:
        fake.gate.release()
        assert (await anext(answer)).text == "x"
        assert not fake.finished.is_set()


async def test_a_slow_reader_holds_the_specialist_back() -> None:
    fake = Scripted(card("a"), words(*map(str, range(1000))))
    made = 0

    class Counted(Specialist):
        card = fake.card

        async def run(self, task: Task) -> AsyncIterator[Chunk]:
            nonlocal made
            async for chunk in fake.run(task):
                made += 1
                yield chunk

    async with aclosing(LocalRuntime([Counted()]).run(Task("1", "a"))) as answer:
        await anext(answer)
        for _ in range(10):
            await asyncio.sleep(0)
        assert made < 100


@pytest.mark.parametrize("steps", range(6))
async def test_cancel_by_id_ends_the_reader_at_any_moment(steps: int) -> None:
    fake = Hanging(card("a"))
    runtime = LocalRuntime([fake])
    reader = asyncio.ensure_future(said(runtime, Task("1", "a")))
    for _ in range(steps):
        await asyncio.sleep(0)
    while not reader.done():
        await runtime.cancel("1")
        await asyncio.sleep(0)
    assert reader.cancelled()
    assert fake.cancelled.is_set() or not fake.started.is_set()


async def test_cancel_reaches_a_running_specialist() -> None:
    fake = Hanging(card("a"))
    runtime = LocalRuntime([fake])
    reader = asyncio.ensure_future(said(runtime, Task("1", "a")))
    await fake.started.wait()
    await runtime.cancel("another")
    assert not reader.done()
    await runtime.cancel("1")
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(reader, 2)
    assert fake.cancelled.is_set()


@pytest.mark.parametrize("end", ["cancel", "close"])
async def test_leaving_the_reader_ends_the_specialist(end: str) -> None:
    fake = Gated(card("a"), words("x", "y"))
    runtime = LocalRuntime([fake])
    fake.gate.release()
    async with aclosing(runtime.run(Task("1", "a"))) as answer:
        await anext(answer)
        if end == "cancel":
            waiting = asyncio.ensure_future(anext(answer))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
    assert fake.cancelled.is_set()


async def test_closing_the_runtime_ends_every_call() -> None:
    fake = Hanging(card("a"))
    runtime = LocalRuntime([fake])
    reader = asyncio.ensure_future(said(runtime, Task("1", "a")))
    await fake.started.wait()
    await runtime.close()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(reader, 2)


async def test_the_deadline_ends_the_specialist() -> None:
    fake = Hanging(card("a"))
    with pytest.raises(DeadlineExceeded, match=r"a: did not finish within 0\.02 s"):
        await said(LocalRuntime([fake]), Task("1", "a", deadline=0.02))
    assert fake.cancelled.is_set()


async def test_a_time_limit_of_the_model_is_not_the_deadline() -> None:
    runtime = LocalRuntime([Failing(card("a"), [TimeoutError("socket"), TimeoutError("socket")])])
    for deadline in (None, 5.0):
        with pytest.raises(TransientFailure, match="timed out: socket"):
            await said(runtime, Task("1", "a", deadline=deadline))


@pytest.mark.parametrize("error", [BadInput("odd", part="p"), TransientFailure("busy"), Unavailable("gone")])
async def test_errors_of_the_tree_pass_unchanged(error: AntiphonError) -> None:
    with pytest.raises(type(error)) as caught:
        await said(LocalRuntime([Failing(card("a"), [error])]), Task("1", "a"))
    assert caught.value is error


async def test_any_other_error_becomes_a_failure_of_the_specialist() -> None:
    with pytest.raises(SpecialistFailed, match="a: ZeroDivisionError: by zero"):
        await said(LocalRuntime([Failing(card("a"), [ZeroDivisionError("by zero")])]), Task("1", "a"))


class Odd(Specialist):
    """Breaks the contract: `run` raises before there is a stream, or on closing it."""

    def __init__(self, on_close: bool) -> None:
        self.card: Card = card("odd")
        self._on_close = on_close

    def run(self, task: Task) -> AsyncIterator[Chunk]:
        if not self._on_close:
            raise ZeroDivisionError("no stream")
        return self._badly_closed()

    async def _badly_closed(self) -> AsyncIterator[Chunk]:
        try:
            yield Chunk("text", "x")
        finally:
            raise ZeroDivisionError("on closing")


@pytest.mark.parametrize("on_close", [False, True])
async def test_a_specialist_that_breaks_the_contract_fails_cleanly(on_close: bool) -> None:
    with pytest.raises(SpecialistFailed, match="ZeroDivisionError"):
        await asyncio.wait_for(said(LocalRuntime([Odd(on_close)]), Task("1", "odd")), 2)


async def test_what_is_not_there_is_named_with_its_remedy() -> None:
    gone = Scripted(card("gone", available=False, remedy="Install it"), ())
    runtime = LocalRuntime([gone])
    with pytest.raises(Unavailable, match=r"gone: .*\. Install it"):
        await said(runtime, Task("1", "gone"))
    with pytest.raises(UnknownName, match="Registered: gone"):
        await said(runtime, Task("1", "other"))
    assert gone.tasks == []


async def test_health_counts_what_happened() -> None:
    runtime = LocalRuntime(
        [
            Failing(card("a"), [TransientFailure("busy"), BadInput("odd")], words("fine")),
            Scripted(card("gone", available=False, remedy="Install it"), ()),
        ]
    )
    before = await runtime.health()
    assert (before["a"].state, before["gone"].state, before["gone"].detail) == (
        "idle",
        "unavailable",
        "Install it",
    )
    states = []
    for _ in range(3):
        with suppress(AntiphonError):
            await said(runtime, Task("1", "a"))
        states.append((await runtime.health())["a"])
    # Bad input is the sender's fault and says nothing against the specialist.
    assert [(h.state, h.calls, h.failures) for h in states] == [
        ("failed", 1, 1),
        ("ready", 2, 1),
        ("ready", 3, 1),
    ]
    assert states[-1].seconds > 0


async def test_concurrent_calls_do_not_mix() -> None:
    runtime = LocalRuntime([Scripted(card("a"), {str(n): words(*str(n) * 50) for n in range(10)})])
    answers = await asyncio.gather(*(said(runtime, Task(str(n), "a", instruction=str(n))) for n in range(10)))
    assert answers == [str(n) * 50 for n in range(10)]


async def test_a_later_specialist_of_the_same_name_replaces_the_first() -> None:
    runtime = LocalRuntime([Scripted(card("a"), words("old"))])
    runtime.add(Scripted(card("a"), words("new")))
    assert await said(runtime, Task("1", "a")) == "new"
