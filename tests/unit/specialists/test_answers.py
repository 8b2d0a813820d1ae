"""What of an answer is passed on, and what an error becomes."""

from __future__ import annotations

import asyncio
import time

import pytest

from specialists import answers
from specialists.answers import Answer, in_our_words
from specialists.base import Chunk, Task
from specialists.content import Anchor, Chars
from specialists.errors import AntiphonError, BadInput, Ours, SpecialistFailed, TransientFailure
from specialists.fakes import Crashing, Endless, Moody, Stubborn, card
from specialists.runtime import LocalRuntime


@pytest.mark.parametrize(
    ("chunk", "named"),
    [
        (Chunk("text", ""), "50,000 pieces"),
        (Chunk("text", "z" * 1000), "1,000,000 characters"),
        (Chunk("image", data=bytes(2**22), media_type="image/png"), "268,435,456 bytes"),
    ],
)
async def test_an_answer_without_end_is_cut_off(chunk: Chunk, named: str) -> None:
    runtime = LocalRuntime([Endless(card("a", produces=("text", "image")), chunk)])
    with pytest.raises(SpecialistFailed, match=f"does not come to an end: more than {named}"):
        async for _ in runtime.run(Task("1", "a", deadline=30)):
            pass


def test_an_answer_as_long_as_it_may_be_passes() -> None:
    taken = Answer(card("a"))
    taken.take(Chunk("text", "z" * answers.MOST_CHARACTERS))
    with pytest.raises(SpecialistFailed, match="characters"):
        taken.take(Chunk("text", "z"))


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        (Chunk("banana", "x"), "banana, which its card does not name"),
        (Chunk("text", data=b"x"), "text as data"),
        (Chunk("audio", data=b"xx", media_type="audio/../../x"), "as media type"),
        (Chunk("audio", data=b"xx", media_type="audio/pcm;rate=\n"), "as media type"),
    ],
)
def test_what_is_no_answer_is_refused(chunk: Chunk, said: str) -> None:
    with pytest.raises(SpecialistFailed, match=said):
        Answer(card("a", produces=("text", "audio"))).take(chunk)


@pytest.mark.parametrize(
    "anchor",
    [Anchor("one"), Anchor(page=1.5), Anchor(chars=Chars(0, None))],  # type: ignore[arg-type]
)
def test_an_anchor_that_no_log_can_hold_is_taken_out(anchor: Anchor) -> None:
    assert Answer(card("a")).take(Chunk("text", "x", anchor=anchor)) == Chunk("text", "x")


class Own(BadInput):
    def __init__(self) -> None:
        Exception.__init__(self, "made without its base")


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (Mute(), SpecialistFailed, "Mute: (its text cannot be had: ValueError)"),
        (ValueError("caf\udce9"), SpecialistFailed, "ValueError: caf?"),
        (GeneratorExit(), SpecialistFailed, "GeneratorExit: "),
        (AntiphonError("bare"), SpecialistFailed, "AntiphonError: bare"),
        (ConnectionResetError("reset"), TransientFailure, "lost a connection: reset"),
        (TimeoutError("slow"), TransientFailure, "timed out: slow"),
        (BadInput("torn \ud800", part="a"), BadInput, "torn ?"),
        (BadInput(7, part="a"), BadInput, "7"),  # type: ignore[arg-type]
        (Own(), BadInput, ""),
        (Ours("broken", part="a"), Ours, "broken"),
    ],
)
def test_an_error_can_be_told(error: BaseException, kind: type[AntiphonError], said: str) -> None:
    told = in_our_words(error, "a")
    assert isinstance(told, kind)
    assert told.message == said


def test_a_long_error_is_cut_and_a_plain_one_is_itself() -> None:
    assert len(in_our_words(ValueError("x" * 10_000), "a").message) == 500
    plain = TransientFailure("busy", part="a", remedy="Wait")
    assert in_our_words(plain, "a") is plain


@pytest.mark.parametrize("error", [GeneratorExit, asyncio.CancelledError, MemoryError, StopAsyncIteration])
async def test_whatever_a_call_raises_is_its_failure(error: type[BaseException]) -> None:
    with pytest.raises(SpecialistFailed):
        async for _ in LocalRuntime([Crashing(card("a"), error)]).run(Task("1", "a")):
            pass


async def test_a_call_that_stops_late_is_waited_for() -> None:
    stubborn = Moody(card("a"), {"": Stubborn(card("a"), 0.1)}, lambda _: "")
    runtime = LocalRuntime([stubborn])
    stream = runtime.run(Task("1", "a"))
    reading = asyncio.ensure_future(anext(stream))
    while "1" not in stubborn.running:  # noqa: ASYNC110 - it begins within a few steps of the loop
        await asyncio.sleep(0)
    began = time.perf_counter()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert time.perf_counter() - began < 1.5
    assert stubborn.running == set()


def test_labels_and_facts_count_as_well() -> None:
    for endless in (Chunk("text", label="z" * 1000), Chunk("text", facts={"found": "z" * 1000})):
        taken = Answer(card("a"))
        with pytest.raises(SpecialistFailed, match="more than 1,000,000 characters"):
            for _ in range(1001):
                taken.take(endless)


def test_facts_that_no_log_can_hold_are_taken_out() -> None:
    facts = {"a": None, "b": [1], 3: "c", "d": 10**400, "e\ud800": 1.5, "f": "g\ud800", "h": 2}
    taken = Answer(card("a")).take(Chunk("text", facts=facts))  # type: ignore[arg-type]
    assert taken.facts == {"e?": 1.5, "f": "g?", "h": 2}
