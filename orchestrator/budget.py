"""What a turn may take, what its plan is expected to take, and what was given up to make that fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from specialists.errors import BadInput


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of a turn; None for no limit.

    `seconds` runs from the message to the end of the reply and is aimed at: an answer that takes longer
    comes all the same. `price`, in the unit of `Card.cost.price`, is never planned beyond. Raises BadInput
    for seconds that are not above 0 and a price below 0.
    """

    seconds: float | None = None
    price: float | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds > 0):
            raise BadInput(f"{self.seconds:g} seconds are no time", part="budget", remedy="Give more than 0")
        if self.price is not None and not (math.isfinite(self.price) and self.price >= 0):
            raise BadInput(f"{self.price:g} is no price", part="budget", remedy="Give 0 or more")

    def tighter(self, other: Budget) -> Budget:
        """The tighter of both, limit by limit: whoever asks may want less than is allowed, never more."""
        return Budget(_least(self.seconds, other.seconds), _least(self.price, other.price))


@dataclass(slots=True)
class Extension:
    """Seconds by which a turn may take longer than others: it works on long recordings or films."""

    seconds: float = 0.0
    changed: Callable[[], None] = lambda: None

    def grow(self, seconds: float) -> None:
        """Make it at least so long."""
        if seconds > self.seconds:
            self.seconds = seconds
            self.changed()


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan is expected to take: seconds at p95 from the message to the end of the reply, and price."""

    seconds: float
    price: float


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """One thing a plan gave up, or could not keep.

    - `replace`: `step` runs `instead` in place of `specialist`;
    - `drop`: `step` does not run; `output` is what the person goes without, empty for a source of the answer;
    - `late`: nothing faster answers; the plan runs, though it is expected to take longer than allowed;
    - `refuse`: nothing cheaper answers; no step runs.

    `reason` says which limit was broken, `unavailable` that the specialist cannot run at all. `limit` is the
    budget; `before` and `after` are the estimates of the whole plan.
    """

    action: Literal["replace", "drop", "late", "refuse"]
    reason: Literal["seconds", "price", "both", "unavailable"]
    before: Estimate
    after: Estimate
    limit: Budget = Budget()
    step: str = ""
    specialist: str = ""
    instead: str = ""
    output: str = ""


def _least(one: float | None, other: float | None) -> float | None:
    given = [limit for limit in (one, other) if limit is not None]
    return min(given) if given else None
