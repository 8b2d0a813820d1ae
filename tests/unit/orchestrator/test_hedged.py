"""A recognition that hangs or fails is asked a second time, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from orchestrator.speech.recognition import Words, hedged
from specialists.errors import AntiphonError, DeadlineExceeded, SpecialistFailed
from tests.unit.orchestrator import virtual

PATIENCE = 2.0
Act = tuple[float, str | AntiphonError]
"""How long a call takes, and what comes of it."""


def asked(*acts: Act) -> tuple[list[float], list[int], Callable[[], Awaitable[Words]]]:
    """When the calls begin, which of them were stopped, and the call."""
    begun: list[float] = []
    stopped: list[int] = []

    async def call() -> Words:
        number = len(begun)
        begun.append(asyncio.get_running_loop().time())
        seconds, outcome = acts[number]
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            stopped.append(number)
            raise
        if isinstance(outcome, AntiphonError):
            raise outcome
        return Words(outcome, 0.9)

    return begun, stopped, call


@pytest.mark.parametrize(
    ("acts", "text", "calls", "stopped"),
    [
        ([(0.1, "one")], "one", [0.0], []),
        ([(1.9, "one")], "one", [0.0], []),
        ([(60.0, "one"), (0.1, "two")], "two", [0.0, 2.0], [0]),
        ([(2.5, "one"), (9.0, "two")], "one", [0.0, 2.0], [1]),
        ([(0.3, SpecialistFailed("broke")), (0.1, "two")], "two", [0.0, 0.3], []),
    ],
)
def test_the_first_answer_counts(acts: list[Act], text: str, calls: list[float], stopped: list[int]) -> None:
    begun, ended, call = asked(*acts)

    async def main() -> None:
        assert (await hedged(call, PATIENCE)).text == text

    virtual.run(main())
    assert [at - begun[0] for at in begun] == pytest.approx(calls) and ended == stopped


@pytest.mark.parametrize(
    ("acts", "calls"),
    [
        ([(0.1, SpecialistFailed("broke")), (0.1, SpecialistFailed("broke"))], 2),
        ([(0.1, DeadlineExceeded("too late"))], 1),  # to ask again would be too late as well
        ([(60.0, "one"), (0.1, SpecialistFailed("broke"))], 2),
    ],
)
def test_what_fails_twice_or_for_good_is_told(acts: list[Act], calls: int) -> None:
    begun, _, call = asked(*acts)

    async def main() -> None:
        with pytest.raises(AntiphonError):
            await hedged(call, PATIENCE)

    virtual.run(main())
    assert len(begun) == calls


def test_who_is_stopped_stops_both() -> None:
    begun, stopped, call = asked((60.0, "one"), (60.0, "two"))

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.0):
                await hedged(call, PATIENCE)

    virtual.run(main())
    assert sorted(stopped) == [0, 1] and len(begun) == 2
