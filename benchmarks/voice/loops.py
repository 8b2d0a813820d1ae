"""An event loop whose clock jumps to the next thing that is due, while threads may work."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_LOOK = 0.0002
"""Real seconds to look whether another thread still works."""
_WORKING = 0.25
"""A thread works when the process used so much of that time."""
_PATIENCE = 30.0
"""Real seconds with nothing due after which everything waits for ever."""


class _Jumping(selectors.DefaultSelector):
    """What would be waited for is added to `now`, once no thread has work that may end the wait."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        waited = time.monotonic()
        while not ready and timeout != 0 and (timeout is None or _threads_work()):
            ready = super().select(0.001)
            if timeout is None and time.monotonic() - waited > _PATIENCE:
                raise RuntimeError("everything waits, and nothing is due: a deadlock")
        if not ready:
            self.now += timeout or 0.0
        return ready


def _threads_work() -> bool:
    began, used = time.perf_counter(), time.process_time()
    time.sleep(_LOOK)
    return time.process_time() - used > _WORKING * (time.perf_counter() - began)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` in virtual time. The work of threads takes none of it."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
