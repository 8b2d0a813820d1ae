"""Pieces of media that a Task is about: a stretch of a recording or film, pages of a document."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from specialists.base import Parameter, Task
from specialists.content import Span
from specialists.errors import BadInput

STRETCH_PARAMETERS = (
    Parameter(
        "start",
        "number",
        "Seconds at which the piece begins that is wanted; negative counts from the end",
        meaning="start",
    ),
    Parameter(
        "end", "number", "Seconds at which that piece ends; negative counts from the end", meaning="end"
    ),
)

PAGES_PARAMETER = Parameter(
    "pages",
    "string",
    "Pages of a document that are wanted: 2-4,7; 3- is from the third on, -2 the last two",
    meaning="pages",
)

_RANGE = re.compile(r"(\d{1,6})|(\d{1,6})-(\d{1,6})|(\d{1,6})-|-(\d{1,6})")


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `start` to `end` in seconds, None for the beginning and the end; negative counts from the end."""

    start: float | None = None
    end: float | None = None

    def within(self, seconds: float, part: str) -> Span:
        """The stretch of something that is `seconds` long. Raises BadInput when nothing is left of it."""
        start, end = _at(self.start, seconds, 0.0), _at(self.end, seconds, seconds)
        if start >= end and self != Stretch():
            raise BadInput(
                f"is {seconds:.1f} s long: there is nothing from {start:.1f} to {end:.1f} s",
                part=part,
                remedy="Name times that lie within it",
            )
        return Span(start, end)


def stretch(task: Task) -> Stretch:
    """The stretch that the Task is about; all of it by default. Raises BadInput."""
    start, end = _seconds(task, "start"), _seconds(task, "end")
    if start is not None and end is not None and (start < 0) == (end < 0) and start >= end:
        raise BadInput(f"must be after the start at {start:g} s, not {end:g}", part="end")
    return Stretch(start, end)


def pages(task: Task) -> str:
    """The ranges of pages that the Task is about; empty for all. Raises BadInput."""
    wanted = task.params.get("pages") or ""
    if not isinstance(wanted, str) or not all(_RANGE.fullmatch(r) for r in _ranges(wanted)):
        raise BadInput(f"must be ranges such as 2-4,7 or 3- or -2, not {wanted!r}", part="pages")
    return wanted


def chosen_pages(wanted: str, count: int, part: str) -> list[int]:
    """The numbers of the pages that `wanted` names among `count`, rising; all without one.

    Raises BadInput for a page that there is not.
    """
    found: set[int] = set()
    for written in _ranges(wanted) or ["1-"]:
        one, first, last, first_on, last_so_many = _RANGE.fullmatch(written).groups()  # type: ignore[union-attr]
        low = int(one or first or first_on or max(1, count - int(last_so_many or 0) + 1))
        high = int(one or last or count)
        if not 1 <= low <= high <= count:
            pages_there = f"{count} pages" if count > 1 else "one page"
            raise BadInput(
                f"has {pages_there}: {written} is not among them", part=part, remedy="Name pages it has"
            )
        found |= set(range(low, high + 1))
    return sorted(found)


def _ranges(wanted: str) -> list[str]:
    return [written for piece in wanted.split(",") if (written := piece.strip())]


def _at(time: float | None, seconds: float, default: float) -> float:
    if time is None:
        return default
    return min(max(time + seconds if time < 0 else time, 0.0), seconds)


def _seconds(task: Task, name: str) -> float | None:
    value = task.params.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise BadInput(f"must be a number of seconds, not {value!r}", part=name)
    return float(value)
