"""Stretches of time on the calendar: months, feasts, and the year that is meant when none is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

DAY = timedelta(days=1)
EARLIEST = datetime(1900, 1, 1)
"""Where a stretch without a beginning begins."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, its end not in it, and how sure (0 to 1) it is that the phrase means this one."""

    start: datetime
    end: datetime
    sure: float = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """From where a phrase is read: the moment, and whether the sentence speaks of what is to come."""

    now: datetime
    ahead: bool = False

    @property
    def today(self) -> datetime:
        return self.now.replace(hour=0, minute=0, second=0, microsecond=0)

    @property
    def monday(self) -> datetime:
        return self.today - DAY * self.today.weekday()


def whole_days(start: datetime, days: int = 1, sure: float = 1.0) -> Span:
    return Span(start, start + DAY * days, sure)


def midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def whole_months(year: int, month: int, count: int) -> Span:
    """So many whole months; a month below 1 or above 12 is one of another year."""

    def first(number: int) -> datetime:
        return datetime(year + (number - 1) // 12, (number - 1) % 12 + 1, 1)

    return Span(first(month), first(month + count), 0.95)


def shifted(moment: datetime, unit: str, count: float, *, ahead: bool) -> datetime:
    sign = 1 if ahead else -1
    if unit in ("month", "year"):
        months = sign * round(count * (12 if unit == "year" else 1) * 2) / 2
        whole = whole_months(moment.year, moment.month + int(months), 1)
        day = min(moment.day, (whole.end - whole.start).days)
        return whole.start.replace(day=day, hour=moment.hour, minute=moment.minute) + DAY * 15 * (
            months - int(months)
        )
    seconds = {"minute": 60, "hour": 3600, "day": 86400, "night": 86400, "week": 7 * 86400}[unit]
    return moment + timedelta(seconds=sign * seconds * count)


def nearest_year(seen: Seen, begins: Callable[[int], datetime]) -> int:
    """The year in which something of each year has begun last, or begins next where that is spoken of."""
    year = seen.today.year
    while not _is_day(begins, year) or begins(year) > seen.now:
        year -= 1
    if seen.ahead and begins(year) < seen.today and _is_day(begins, year + 1):
        year += 1
    return year


def _is_day(begins: Callable[[int], datetime], year: int) -> bool:
    if year < EARLIEST.year:
        raise ValueError(year)
    try:
        begins(year)
    except ValueError:
        return False
    return True


def celebrated(name: str, year: int) -> Span:
    easter = _easter(year)
    if name.startswith("thanksgiving"):
        first = datetime(year, 11, 1)
        return whole_days(first + DAY * ((3 - first.weekday()) % 7 + 21))
    movable = {"good friday": (-2, 1), "easter sunday": (0, 1), "easter monday": (1, 1), "easter": (-2, 4)}
    if name in movable:
        away, days = movable[name]
        return whole_days(easter + DAY * away, days)
    month, day, days = next(place for known, place in _FIXED.items() if name.startswith(known))
    return whole_days(datetime(year, month, day), days)


_FIXED = {
    "christmas eve": (12, 24, 1),
    "christmas day": (12, 25, 1),
    "christmas": (12, 24, 3),
    "xmas": (12, 24, 3),
    "boxing day": (12, 26, 1),
    "new year's eve": (12, 31, 1),
    "new year's day": (1, 1, 1),
    "new year": (1, 1, 1),
    "valentine": (2, 14, 1),
    "halloween": (10, 31, 1),
}


def _easter(year: int) -> datetime:
    """Easter Sunday (Meeus, "Astronomical Algorithms", 1991, chapter 8, after Butcher)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return datetime(year, month, day + 1)
