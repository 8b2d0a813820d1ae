"""LocalRuntime: deadlines, cancellation, errors of the tree alone, and health that tells the truth."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

import pytest

from specialists.base import Card, Chunk, Specialist, Task
from specialists.content import Anchor, Box, Span
from specialists.errors import (
    AntiphonError,
    BadConfig,
    BadInput,
    DeadlineExceeded,
    SpecialistFailed,
    TransientFailure,
    Unavailable,
    UnknownName,
)
from specialists.fakes import Failing, Gated, Hanging, Scripted, card, words
from specialists.runtime import GRACE, Health, LocalRuntime


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


@pytest.mark.parametrize("name", ["", "two words", "x|>", "café"])
def test_a_name_that_no_control_can_carry_is_refused(name: str) -> None:
    with pytest.raises(BadConfig, match="name of a specialist"):
        LocalRuntime().add(Scripted(card(name), words("x")))


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


class Stubborn(Specialist):
    """A call that takes no notice of being cancelled until it is let go; `parting` is raised then."""

    def __init__(self, parting: Exception | None = None) -> None:
        self.card: Card = card("a")
        self.let_go = asyncio.Event()
        self.started = asyncio.Event()
        self.left = asyncio.Event()
        self._parting = parting

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        yield Chunk("text", "x")
        self.started.set()
        while not self.let_go.is_set():
            with suppress(asyncio.CancelledError):
                await self.let_go.wait()
        self.left.set()
        if self._parting is not None:
            raise self._parting


async def test_a_call_that_does_not_stop_holds_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Past its deadline, cancelled by id, or left by its reader: nobody waits for more than the grace."""
    unhandled: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    late, by_id, left = (Stubborn(ZeroDivisionError("late")) for _ in range(3))
    runtimes = [LocalRuntime([fake]) for fake in (late, by_id, left)]

    async def leave() -> None:
        async with aclosing(runtimes[2].run(Task("1", "a"))) as answer:
            await anext(answer)

    async def cancel() -> None:
        reader = asyncio.ensure_future(said(runtimes[1], Task("1", "a")))
        await by_id.started.wait()
        await runtimes[1].cancel("1")
        await reader

    began = time.perf_counter()
    ended = await asyncio.wait_for(
        asyncio.gather(
            said(runtimes[0], Task("1", "a", deadline=0.05)), cancel(), leave(), return_exceptions=True
        ),
        10,
    )
    assert time.perf_counter() - began < 0.05 + 2 * GRACE + 1
    assert [type(end) for end in ended] == [DeadlineExceeded, asyncio.CancelledError, type(None)]
    for runtime in runtimes:
        health = (await runtime.health())["a"]
        assert (health.state, health.detail) == ("failed", "a call did not stop within 2 s")
    assert [record.name for record in caplog.records] == ["antiphon"] * 3
    for fake in (late, by_id, left):
        fake.let_go.set()
        await fake.left.wait()
    await asyncio.sleep(0)
    gc.collect()
    await asyncio.sleep(0)
    assert unhandled == []


class Panic(BaseException):
    """What a native extension raises when it breaks down: no Exception."""


@pytest.mark.parametrize("error", [SystemExit(3), Panic("index out of bounds")])
async def test_a_specialist_cannot_end_the_process(error: BaseException) -> None:
    runtime = LocalRuntime([Raising(error)])
    with pytest.raises(SpecialistFailed, match=f"a: {type(error).__name__}: "):
        await said(runtime, Task("1", "a"))
    assert (await runtime.health())["a"].state == "failed"


class Raising(Specialist):
    """Raises `error` while it runs and while it loads."""

    def __init__(self, error: BaseException) -> None:
        self.card: Card = card("a")
        self._error = error

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        yield Chunk("text", "x")
        raise self._error

    async def load(self) -> None:
        raise self._error


async def test_a_specialist_that_stops_on_its_own_has_failed() -> None:
    runtime = LocalRuntime([Raising(asyncio.CancelledError())])
    with pytest.raises(SpecialistFailed, match="a: was stopped"):
        await said(runtime, Task("1", "a", deadline=5))
    assert (await runtime.health())["a"].failures == 1


async def test_what_a_specialist_makes_of_its_cancellation_is_not_the_readers_business() -> None:
    """Cancelled by id, the reader sees that, though the specialist makes an error or an end of it."""
    for parting in (None, ZeroDivisionError("cancelled")):
        fake = Stubborn(parting)
        runtime = LocalRuntime([fake])
        reader = asyncio.ensure_future(said(runtime, Task("1", "a")))
        await fake.started.wait()
        fake.let_go.set()
        await runtime.cancel("1")
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(reader, 1)


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("by zero"), SystemExit(1), TimeoutError("socket"), asyncio.CancelledError()]
)
async def test_a_failed_load_names_the_specialist_and_stands_in_its_health(error: BaseException) -> None:
    runtime = LocalRuntime([Raising(error)])
    with pytest.raises(SpecialistFailed, match=r"^a: ") as failed:
        await runtime.load("a")
    health = (await runtime.health())["a"]
    assert (health.state, health.detail) == ("failed", str(failed.value))


async def test_a_load_keeps_errors_of_the_tree_and_a_later_one_recovers() -> None:
    error = Unavailable("no model", part="a", remedy="Fetch it")
    broken = Raising(error)
    runtime = LocalRuntime([broken])
    with pytest.raises(Unavailable) as caught:
        await runtime.load("a")
    assert caught.value is error
    assert (await runtime.health())["a"].detail == "a: no model. Fetch it"
    runtime.add(Scripted(card("a"), words("x")))
    await runtime.load("a")
    assert (await runtime.health())["a"] == Health("ready")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("plain text", "str"),
        (None, "NoneType"),
        (Chunk("text", b"bytes"), "bytes"),  # type: ignore[arg-type]
        (Chunk("text", None), "NoneType"),  # type: ignore[arg-type]
        (Chunk("text", label=3), "int"),  # type: ignore[arg-type]
        (Chunk("audio", data="text"), "str"),  # type: ignore[arg-type]
        (Chunk("audio", data=bytearray(2)), "bytearray"),
        (Chunk("text", score="high"), "str"),  # type: ignore[arg-type]
        (Chunk("text", anchor={"part": 0}), "dict"),  # type: ignore[arg-type]
        (Chunk("text", facts=[1]), "list"),  # type: ignore[arg-type]
    ],
)
async def test_what_is_no_chunk_is_refused_by_its_type(given: Chunk, named: str) -> None:
    with pytest.raises(SpecialistFailed, match=f"a: .*{named}"):
        await said(LocalRuntime([Scripted(card("a"), [given])]), Task("1", "a"))


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        (Chunk("text", "caf\udce9", label="\ud800x"), Chunk("text", "caf?", label="?x")),
        (Chunk("text", "café 😀", label="é"), Chunk("text", "café 😀", label="é")),
        (Chunk("text", score=NAN), Chunk("text")),
        (Chunk("text", score=0.5), Chunk("text", score=0.5)),
        (
            Chunk("text", facts={"a": INF, "b": 2.0, "c": "x\udfff"}),
            Chunk("text", facts={"b": 2.0, "c": "x?"}),
        ),
        (Chunk("text", anchor=Anchor(box=Box(0, NAN, 1, 1))), Chunk("text")),
        (Chunk("text", anchor=Anchor(span=Span(0, -INF))), Chunk("text")),
        (Chunk("text", anchor=Anchor(1, Box(0, 1, 2, 3))), Chunk("text", anchor=Anchor(1, Box(0, 1, 2, 3)))),
    ],
)
async def test_what_no_store_can_hold_is_taken_out_of_a_chunk(given: Chunk, passed: Chunk) -> None:
    runtime = LocalRuntime([Scripted(card("a"), [given])])
    assert [chunk async for chunk in runtime.run(Task("1", "a"))] == [passed]
