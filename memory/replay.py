"""Replay: a session's events again, in their own time, faster, or at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from specialists.errors import BadInput


def replay(
    events: Iterable[Mapping[str, Any]], *, speed: float | None
) -> Iterator[tuple[float, Mapping[str, Any]]]:
    """Pairs of the seconds to wait before an event and the event.

    `speed` 2 halves the waits, None leaves none. The clock is a process's own: where another one took the
    session up (`session.opened`), it follows at once. Raises BadInput when `speed` is not above 0.
    """
    if speed is not None and not (math.isfinite(speed) and speed > 0):
        raise BadInput(f"the speed is {speed}: it must be above 0", part="replay")
    return _timed(events, speed)


def _timed(
    events: Iterable[Mapping[str, Any]], speed: float | None
) -> Iterator[tuple[float, Mapping[str, Any]]]:
    before: float | None = None
    for event in events:
        now = float(event["time"])
        if before is None or event.get("type") == "session.opened":
            before = now
        yield (0.0 if speed is None else max(0.0, now - before) / speed), event
        before = now
