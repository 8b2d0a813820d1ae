"""Second tries: when they may help, how long to wait before them, and when there is no time left for one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from orchestrator.calls import Stopped
from orchestrator.context import Services
from specialists.base import Card
from specialists.errors import SpecialistFailed, TransientFailure

T = TypeVar("T")

MOST_TRIES = 3
"""Calls of one specialist in a step when it says that another try may help; else two at most."""
FIRST_WAIT = 0.2
LONGEST_WAIT = 2.0
SHORTEST_WAIT = 0.05
"""Seconds. The wait is drawn evenly from up to a bound that doubles, so that clients do not come in step."""


async def with_retries(
    services: Services,
    call: Callable[[], Awaitable[T]],
    card: Card,
    seconds: float,
    *,
    may_repeat: Callable[[], bool],
    retrying: Callable[[SpecialistFailed], None],
) -> T:
    """What `call` returns, or its last error.

    It is made again after a failure of the specialist, where its Card allows that, `may_repeat` says that
    nothing was given out yet, and another try would begin within `seconds` of the first. `retrying` is told
    the error before each wait.
    """

    def helps(error: BaseException) -> bool:
        failed = isinstance(error, SpecialistFailed) and not isinstance(error, Stopped)
        return failed and card.idempotent and may_repeat()

    began = services.clock()

    def stop(state: RetryCallState) -> bool:
        passing = isinstance(_error(state), TransientFailure)
        if state.attempt_number >= (MOST_TRIES if passing else 2):
            return True
        return services.clock() - began + state.upcoming_sleep >= seconds

    def wait(state: RetryCallState) -> float:
        most = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (state.attempt_number - 1))
        return SHORTEST_WAIT + services.chance() * (most - SHORTEST_WAIT)

    def tell(state: RetryCallState) -> None:
        error = _error(state)
        assert isinstance(error, SpecialistFailed)
        retrying(error)

    tries = AsyncRetrying(
        retry=retry_if_exception(helps),
        wait=wait,
        stop=stop,
        sleep=services.pause,
        before_sleep=tell,
        reraise=True,
    )
    return await tries(call)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
