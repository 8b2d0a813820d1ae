"""English phrases of time and the stretches of time they mean, seen from a moment.

A grammar of our own: the libraries tried behind it (dateparser 1.5, parsedatetime 2.6) give points and no
stretches, meet 28 and 22 of the 48 phrases of the development part of `benchmarks/when.py` and take 15 and 16
of its 27 questions without a time for one that has one ("may", "sat", "second").
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from memory.dates import (
    DAY,
    Seen,
    Span,
    celebrated,
    midnight,
    nearest_year,
    shifted,
    whole_days,
    whole_months,
)

_NUMBERS = tuple(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()  # noqa: SIM905
)
_MONTHS = tuple(
    "january february march april may june july august september october november december".split()  # noqa: SIM905
)
_WEEKDAYS = tuple("monday tuesday wednesday thursday friday saturday sunday".split())  # noqa: SIM905
_DECADES = {"twenties": 20, "thirties": 30, "forties": 40, "fifties": 50, "sixties": 60, "seventies": 70,
            "eighties": 80, "nineties": 90}  # fmt: skip

MONTH = (
    r"(?P<month>january|february|march|april|may|june|july|august|september|october|november|december"
    r"|jan|feb|mar|apr|jun|jul|aug|sept|sep|oct|nov|dec)\b\.?"
)
# Short days only as they are written in dates: "sat" and "sun" are other words.
_WEEKDAY = (
    r"(?P<weekday>mondays?|tuesdays?|wednesdays?|thursdays?|fridays?|saturdays?|sundays?"
    r"|(?-i:Mon|Tues?|Wed|Thur?s?|Fri|Sat|Sun)\b(?!\s+(?-i:[A-Z])))\b\.?"
)
_N = rf"(?P<n>\d{{1,3}}|an?|half an?|(?:a )?(?:couple of|few)|some|several|{'|'.join(_NUMBERS[1:])})"
_UNIT = r"(?P<unit>minute|hour|day|night|week|fortnight|month|year)s?"
_DAY_OF_MONTH = r"(?P<day>[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d\d)\b"
_SEASON = r"(?P<season>spring|summer|autumn|fall|winter)\b"
_PART = (
    r"(?P<part>early|mid|late"
    r"|(?:the )?(?:(?:very )?(?:beginning|start|middle|end)|(?:first|second|third|last) week) of)"
)
_HOUR = (
    r"(?:at|around|about)\s+(?:(?P<hour>1\d|2[0-3]|0?\d)(?:[:.](?P<minute>[0-5]\d))?\s*"
    r"(?P<half>[ap]\.?m\b\.?)?(?:\s*o'?clock)?|(?P<noon>noon|midday|midnight))"
)
_FUTURE = re.compile(
    r"\b(?:will|shall|going to|gonna|planned|coming up|upcoming|due|next up|'ll|have (?:i|we) got"
    r"|(?:am|are) (?:i|we)|(?:is|are|'s|starts?|begins?|leaves?) on"
    r" (?=(?:the )?\d|(?:mon|tues|wednes|thurs|fri|satur|sun)day))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase of time in a text: where it stands, and what it means."""

    begin: int
    end: int
    span: Span


Make = Callable[[re.Match[str], Seen], Span | None]


def speaks_ahead(text: str) -> bool:
    """Whether a sentence speaks of what is still to come."""
    return _FUTURE.search(text) is not None


def phrases(text: str, seen: Seen) -> list[Phrase]:
    """The phrases of time in a text that do not overlap, in their order: of two, the one that begins first,
    or is longer."""
    if not _HINT.search(text):
        return []
    found: list[Phrase] = []
    for pattern, make in _GRAMMAR:
        for match in pattern.finditer(text):
            try:
                span = make(match, seen)
            except (ValueError, OverflowError):  # there is no such day
                continue
            if span is not None and span.start < span.end:
                found.append(Phrase(match.start(), match.end(), span))
    found.sort(key=lambda phrase: (phrase.begin, -phrase.end))
    kept: list[Phrase] = []
    for phrase in found:
        if not kept or phrase.begin >= kept[-1].end:
            kept.append(phrase)
    return kept


# Whole days


def _near_day(match: re.Match[str], seen: Seen) -> Span:
    words = " ".join(match[0].casefold().split())
    away = {"today": 0, "yesterday": -1, "tomorrow": 1}.get(words.split()[-1], 0)
    if "before" in words:
        away -= 1
    if "after" in words:
        away += 1
    if words.startswith("earlier"):
        return Span(seen.today, max(seen.now, seen.today + timedelta(minutes=1)))
    return whole_days(seen.today + DAY * away)


def _iso(match: re.Match[str], _: Seen) -> Span:
    return whole_days(datetime(int(match["year"]), int(match["m"]), int(match["d"])))


def _numbers(match: re.Match[str], seen: Seen) -> Span:
    """ "4.5.2025" is the 4th of May; with a stroke it may be the 5th of April, where there is such a day."""
    day, month, year = int(match["d"]), int(match["m"]), int(match["year"])
    if year < 100:
        year += 2000 if 2000 + year <= seen.now.year + 1 else 1900
    if month > 12:
        day, month = month, day
    unsure = match["mark"] == "/" and day <= 12 and day != month
    return whole_days(datetime(year, month, day), sure=0.5 if unsure else 1.0)


def _date(match: re.Match[str], seen: Seen) -> Span:
    month, day = _month_of(match["month"]), int(match["day"])
    if match["year"]:
        return whole_days(datetime(int(match["year"]), month, day))
    year = nearest_year(seen, lambda year: datetime(year, month, day))
    return whole_days(datetime(year, month, day), sure=0.95)


def _weekday(match: re.Match[str], seen: Seen) -> Span | None:
    which, name = (match["which"] or "").casefold(), match["weekday"].casefold()
    if name.endswith("days"):  # "on Fridays" is no day
        return None
    number = _weekday_of(name)
    this = seen.monday + DAY * number
    if "of" in match.groupdict() and match["of"]:
        weeks = {"last": -1, "next": 1, "this": 0}[match["of"].casefold()]
        return whole_days(this + DAY * 7 * weeks)
    if which == "this":
        return whole_days(this, sure=0.8)
    if which in ("next", "coming"):
        day = this if this > seen.today else this + DAY * 7
        return Span(day, day + DAY, 0.7)
    before = this if this < seen.today else this - DAY * 7
    if not which and seen.ahead:
        return whole_days(before + DAY * 7, sure=0.8)
    return whole_days(before, sure=0.9)


def _weekdays_ago(match: re.Match[str], seen: Seen) -> Span:
    number = _weekday_of(match["weekday"].casefold())
    before = seen.monday + DAY * number
    if before >= seen.today:
        before -= DAY * 7
    count = _number(match["n"])
    if match["ahead"]:
        return whole_days(before + DAY * 7 * count, sure=0.8)
    return whole_days(before - DAY * 7 * (count - 1), sure=0.9)


# Parts of days


_TIMES = {"morning": (5, 12), "afternoon": (12, 18), "evening": (17, 24), "night": (18, 29)}


def in_part(span: Span, part: str) -> Span:
    """The morning, afternoon, evening or night of a day, or the hours around noon and midnight."""
    begin, end = _TIMES[part]
    return Span(span.start + timedelta(hours=begin), span.start + timedelta(hours=end), span.sure)


def _part_of_today(match: re.Match[str], seen: Seen) -> Span:
    words = match[0].casefold()
    if words.startswith("last"):  # after midnight too it is the one that has just been
        return in_part(whole_days(seen.today - DAY), "evening" if "evening" in words else "night")
    return in_part(whole_days(seen.today), "night" if words == "tonight" else match["daypart"].casefold())


def at_hour(span: Span, match: re.Match[str]) -> Span:
    """Half an hour around the hour that a match of `HOUR` tells, in the stretch of at most a day."""
    if match["noon"]:
        hour = 24.0 if match["noon"].casefold() == "midnight" else 12.0
    else:
        hour = int(match["hour"]) + int(match["minute"] or 0) / 60
        half = (match["half"] or "").casefold()
        if half.startswith("p") and hour < 12:
            hour += 12
        elif half.startswith("a") and hour >= 12:
            hour -= 12
        elif not half and hour <= 12 and span.start.hour >= 12:
            hour += 12  # at 8 in the evening
    middle = span.start.replace(hour=0, minute=0) + timedelta(hours=hour)
    return Span(middle - timedelta(minutes=30), middle + timedelta(minutes=30), span.sure)


# So long ago


def _ago(match: re.Match[str], seen: Seen) -> Span:
    """How near it is meant follows from the unit: two weeks ago is some day of that week."""
    unit, count = match["unit"].casefold(), match["n"].casefold()
    if unit == "fortnight":
        unit, count = "week", "2"
    ahead = bool(match["ahead"])
    if count in ("some", "several") or count.endswith("few"):
        # Two to five of them.
        far, near = (shifted(seen.now, unit, size, ahead=ahead) for size in (5, 2))
        begin, end = min(far, near), max(far, near)
        if unit in ("day", "night", "week", "month", "year"):
            begin, end = midnight(begin), midnight(end) + DAY
        return Span(begin, end, 0.7)
    number = 0.5 if count.startswith("half") else _number(count)
    middle = shifted(seen.now, unit, number, ahead=ahead)
    if unit in ("minute", "hour"):
        minutes = number * (60 if unit == "hour" else 1)
        slack = timedelta(minutes=max(5.0, min(30.0, minutes / 2)))
        return Span(middle - slack, middle + slack, 0.8)
    slack_days = {"day": 0.0, "night": 0.0, "week": 3.0, "month": max(10.0, 5 * number), "year": 30 * number}[
        unit
    ]
    if unit == "day" and match["about"]:
        slack_days = 1.0
    middle = midnight(middle)
    sure = 0.9 if unit == "day" else 0.8
    return Span(middle - DAY * slack_days, middle + DAY * (slack_days + 1), sure)


def _in_so_long(match: re.Match[str], seen: Seen) -> Span | None:
    return _ago(match, seen) if seen.ahead else None  # "how often in a week" is no time


def _weekday_ago(match: re.Match[str], seen: Seen) -> Span:
    """ "three weeks ago on Saturday"."""
    weeks = seen.monday - DAY * 7 * _number(match["n"])
    return whole_days(weeks + DAY * _weekday_of(match["weekday"].casefold()), sure=0.8)


def _weekday_in(match: re.Match[str], seen: Seen) -> Span:
    """ "a week on Tuesday": so long after the next one."""
    day = seen.monday + DAY * _weekday_of(match["weekday"].casefold())
    if day <= seen.today:
        day += DAY * 7
    return whole_days(day + DAY * 7 * _number(match["n"]), sure=0.9)


def _past(match: re.Match[str], seen: Seen) -> Span:
    """ "in the last two weeks": up to now."""
    count = match["n"].casefold() if match["n"] else "1"
    number = 5.0 if count in ("some", "several") or count.endswith("few") else _number(count)
    unit = match["unit"].casefold()
    if unit == "fortnight":
        unit, number = "week", 2 * number
    begin = shifted(seen.now, unit, number, ahead=False)
    return Span(begin if unit in ("minute", "hour") else midnight(begin), seen.now, 0.9)


def _vague(match: re.Match[str], seen: Seen) -> Span:
    words = " ".join(match[0].casefold().split())
    if "just now" in words:
        return Span(seen.now - timedelta(minutes=30), seen.now, 0.7)
    if "other" in words:
        return Span(seen.today - DAY * 6, seen.today, 0.6)
    return Span(seen.today - DAY * 21, seen.now, 0.5)


# Weeks, whole_months, years


def _period(match: re.Match[str], seen: Seen) -> Span:
    which, unit = match["which"].casefold(), match["unit"].casefold()
    away = {"last": -1, "past": -1, "previous": -1, "next": 1, "coming": 1}.get(which, 0)
    if match["again"]:  # the week before last, the week after next
        away += -1 if match["again"].casefold().startswith("before") else 1
    if unit == "week":
        return whole_days(seen.monday + DAY * 7 * away, 7, 0.9)
    if unit == "weekend":
        return _weekend(seen, away)
    if unit == "month":
        return whole_months(seen.today.year, seen.today.month + away, 1)
    if unit == "quarter":
        return whole_months(seen.today.year, 3 * ((seen.today.month - 1) // 3 + away) + 1, 3)
    return whole_months(seen.today.year + away, 1, 12)


def _weekend(seen: Seen, away: int) -> Span:
    """That of the calendar week; on a Saturday and Sunday "last weekend" is the one before."""
    return whole_days(seen.monday + DAY * (5 + 7 * away), 2, 0.9)


def _bare_weekend(_: re.Match[str], seen: Seen) -> Span:
    away = 0 if seen.ahead or seen.today.weekday() >= 5 else -1
    return _weekend(seen, away)


def _month(match: re.Match[str], seen: Seen) -> Span:
    which = (match["which"] or "").casefold()
    month = _month_of(match["month"])
    if match["year"]:
        whole = whole_months(int(match["year"]), month, 1)
    else:
        year = nearest_year(seen, lambda year: datetime(year, month, 1))
        if which == "next" and (year, month) <= (seen.today.year, seen.today.month):
            year += 1
        if which == "last" and (year, month) == (seen.today.year, seen.today.month):
            year -= 1
        if which == "this":
            year = seen.today.year
        whole = whole_months(year, month, 1)
    return _part_of(whole, match["part"])


def _part_of_period(match: re.Match[str], seen: Seen) -> Span:
    """ "at the beginning of the month", "at the end of last year"."""
    away = {"last": -1, "next": 1}.get((match["which"] or "").casefold(), 0)
    if match["unit"].casefold() == "month":
        return _part_of(whole_months(seen.today.year, seen.today.month + away, 1), match["part"])
    if match["unit"].casefold() == "week":
        week = whole_days(seen.monday + DAY * 7 * away, 7)
        return _part_of(week, match["part"])
    return _part_of(
        whole_months(int(match["year"]) if match["year"] else seen.today.year + away, 1, 12), match["part"]
    )


def _part_of(whole: Span, part: str | None) -> Span:
    """The early, middle or late third of a stretch, or one of its weeks."""
    if not part:
        return whole
    words = part.casefold()
    if "week" in words:
        if "last" in words:
            return Span(whole.end - DAY * 7, whole.end, 0.9)
        number = next(n for n, name in enumerate(("first", "second", "third")) if name in words)
        return whole_days(whole.start + DAY * 7 * number, 7, 0.9)
    days = (whole.end - whole.start).days
    third = DAY * (10 if 28 <= days <= 31 else max(1, round(days / 3)))
    if words.startswith("early") or "beginning" in words or "start" in words:
        return Span(whole.start, whole.start + third, 0.8)
    if words.startswith("mid") or "middle" in words:
        return Span(whole.start + third, whole.start + 2 * third, 0.8)
    return Span(whole.start + 2 * third, whole.end, 0.8)


def _season(match: re.Match[str], seen: Seen) -> Span:
    """Those of the north, by whole months; a winter is that of the year in which it ends."""
    first = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}[match["season"].casefold()]
    which = (match["which"] or "").casefold()

    def of(year: int) -> Span:
        return whole_months(year, first, 3)

    if match["year"]:
        return _part_of(of(int(match["year"])), match["part"])
    year = seen.today.year
    while of(year).start > seen.today:
        year -= 1
    if which in ("last", "past") and of(year).end > seen.today:
        year -= 1
    if which == "next" or (which == "this" and of(year).end + DAY * 150 < seen.today):
        year += 1
    span = _part_of(of(year), match["part"])
    return Span(span.start, span.end, 0.8)


def _year(match: re.Match[str], seen: Seen) -> Span | None:
    year = int(match["year"])
    return whole_months(year, 1, 12) if year <= seen.today.year + 1 else None


def _decade(match: re.Match[str], seen: Seen) -> Span:
    decade = _DECADES[match["name"].casefold()] if match["name"] else int(match["digits"]) % 100
    century = int(match["digits"]) // 100 * 100 if match["digits"] and int(match["digits"]) > 99 else 0
    if not century:
        century = 2000 if 2000 + decade <= seen.today.year else 1900
    return Span(datetime(century + decade, 1, 1), datetime(century + decade + 10, 1, 1), 0.9)


def _quarter(match: re.Match[str], seen: Seen) -> Span:
    number = ("first", "second", "third", "fourth").index(match["q"].casefold()) + 1
    if match["year"]:
        return whole_months(int(match["year"]), 3 * number - 2, 3)
    return whole_months(nearest_year(seen, lambda year: datetime(year, 3 * number - 2, 1)), 3 * number - 2, 3)


# Holidays


def _holiday(match: re.Match[str], seen: Seen) -> Span:
    name = " ".join(match["holiday"].casefold().replace("’", "'").split())
    which = (match["which"] or "").casefold()
    if match["year"]:
        return celebrated(name, int(match["year"]))
    year = nearest_year(seen, lambda year: celebrated(name, year).start)
    if which == "next":
        year = next(later for later in (year, year + 1) if celebrated(name, later).start > seen.today)
    span = celebrated(name, year)
    return Span(span.start, span.end, 0.9)


# Numbers and names


def _number(word: str) -> int:
    words = word.casefold()
    if words.isdecimal():
        return int(words)
    if words.endswith("couple of"):
        return 2
    return _NUMBERS.index(words) if words in _NUMBERS else 1


def _month_of(name: str) -> int:
    return next(n for n, month in enumerate(_MONTHS, 1) if month.startswith(name.casefold()[:3]))


def _weekday_of(name: str) -> int:
    return next(n for n, day in enumerate(_WEEKDAYS) if day.startswith(name.casefold()[:3]))


# What stands before a name of a month, a day or a season that makes it a time.
_IN = r"(?:in|since|until|till|by|before|after|from|to|through|during|between|and|over|around)"
_ABOUT = r"(?:(?P<about>about|around|roughly|some|maybe)\s+)?"
_WHICH = r"(?P<which>last|past|previous|this|next|coming)"
_NOT_MINE = r"(?<!\bmy )(?<!\bhis )(?<!\bher )(?<!\bour )(?<!\byour )(?<!\btheir )(?<!\bits )"
_DAYPART = r"(?P<daypart>morning|afternoon|evening|night)"

HOUR = re.compile(rf"\b{_HOUR}", re.IGNORECASE)
DAYPART = re.compile(rf"\s*,?\s*(?:in the |at |during the )?\b{_DAYPART}\b", re.IGNORECASE)

_TABLE: tuple[tuple[str, Make], ...] = (
    (
        r"\b(?:(?:the day before )?yesterday|(?:the day after )?tomorrow|(?:earlier )?(?-i:[tT])oday)\b",
        _near_day,
    ),
    (rf"\b(?:this|last)\s+{_DAYPART}\b|\btonight\b", _part_of_today),
    (r"\b(?P<year>(?:19|20)\d\d)-(?P<m>0?[1-9]|1[0-2])-(?P<d>[0-3]?\d)\b", _iso),
    (
        r"(?<![\d.])(?P<d>[0-3]?\d)(?P<mark>[./])(?P<m>[0-3]?\d)(?P=mark)"
        r"(?P<year>(?:19|20)\d\d|\d\d)(?![.\d]\d)",
        _numbers,
    ),
    (rf"\b(?:on )?(?:the )?{_DAY_OF_MONTH}\s+(?:of )?{MONTH}(?:,?\s+{_YEAR})?", _date),
    (rf"\b(?:on )?{MONTH}\s+(?:the )?{_DAY_OF_MONTH}\b(?!\s*(?:%|percent))(?:,?\s+{_YEAR})?", _date),
    (
        rf"\b(?P<of>)(?:on\s+)?(?:{_WHICH}|on|for|since|until|till|by|before|after|from|to|between|and)"
        rf"\s+{_WEEKDAY}",
        _weekday,
    ),
    (rf"(?:^|[,.!?;]\s*)(?P<which>)(?P<of>){_WEEKDAY}(?=\s*,|\s+(?:i|you|we|he|she|they|it)\b)", _weekday),
    (rf"\b(?P<which>)(?:on\s+)?{_WEEKDAY}\s+(?:of\s+)?(?P<of>last|this|next)\s+week\b", _weekday),
    (rf"\b(?P<which>)(?P<of>){_WEEKDAY}(?=\s+(?:morning|afternoon|evening|night)\b)", _weekday),
    (rf"\b{_N}\s+{_WEEKDAY}\s+(?:ago|back|(?P<ahead>from now))\b", _weekdays_ago),
    (rf"\b{_N}\s+weeks?\s+(?:ago|back)\s+(?:on|last)\s+{_WEEKDAY}", _weekday_ago),
    (rf"\b{_N}\s+weeks?\s+on\s+{_WEEKDAY}", _weekday_in),
    (rf"\b{_ABOUT}{_N}\s+{_UNIT}\s+(?:ago|back|(?P<ahead>from (?:now|today)))\b", _ago),
    (
        rf"\b(?P<ahead>in)\s+{_ABOUT}{_N}\s+(?P<unit>day|week|month|year)s?(?:'s?)?(?: time)?\b"
        r"(?=\s*[?.!,]|\s*$)",
        _in_so_long,
    ),
    (rf"\b(?:in|over|during|within|for)?\s*the\s+(?:last|past)\s+(?:{_N}\s+)?{_UNIT}\b", _past),
    (r"\b(?:recently|lately|just now)\b|\bthe other (?:day|night|evening|week)\b", _vague),
    (rf"{_NOT_MINE}\b{_WHICH}\s+(?P<unit>weekend|week|month|quarter|year)\b(?P<again>)(?!\s+of\b)", _period),
    (
        r"\bthe\s+(?P<unit>weekend|week|month|year)\s+"
        r"(?P<again>(?:before (?=last))|(?:after (?=next)))(?P<which>last|next)\b",
        _period,
    ),
    (r"\b(?:at|over|on|since|during)\s+the\s+weekend\b", _bare_weekend),
    (
        rf"(?:\b{_IN}\s+|\bback in\s+)(?P<which>last |this |next )?(?P<part>early |mid[ -]|late )?{MONTH}"
        rf"(?:,?\s+(?:of )?{_YEAR})?",
        _month,
    ),
    (rf"\b(?P<which>last|this|next)\s+(?P<part>){MONTH}(?P<year>)", _month),
    (rf"\b(?P<which>)(?P<part>early|mid|late)[ -]{MONTH}(?:\s+{_YEAR})?", _month),
    (rf"\b(?P<which>){_PART}\s+{MONTH}(?:\s+{_YEAR})?", _month),
    (rf"\b(?P<which>)(?P<part>){MONTH},?\s+(?:of )?{_YEAR}", _month),
    (
        rf"\b{_PART}\s+(?:the|(?P<which>last|this|next))\s+(?P<unit>week|month|year)\b(?P<year>)",
        _part_of_period,
    ),
    (rf"\b(?P<which>){_PART}\s+(?P<unit>){_YEAR}", _part_of_period),
    (
        rf"\b(?:(?P<which>last|past|this|next)\s+|{_IN}\s+(?:the\s+)?)(?P<part>(?:early|mid|late)[ -])?"
        rf"{_SEASON}(?:\s+(?:of\s+)?{_YEAR}"
        r"|(?!\s+(?:in|of|that|which|on|from|house|bed|water|roll|clean\w*|onion|coat|jacket)\b))",
        _season,
    ),
    (rf"\b(?P<which>)(?P<part>){_SEASON}\s+(?:of\s+)?{_YEAR}", _season),
    (rf"\b(?:{_IN}|back in)\s+(?:the year )?{_YEAR}(?!\s*[-./:]\s*\d)", _year),
    (
        rf"\b(?:in|from|during|of)\s+the\s+(?:(?P<digits>(?:19|20)?\d0)'?s|(?P<name>{'|'.join(_DECADES)}))\b",
        _decade,
    ),
    (
        r"\b(?:in|since|during|of|by)\s+(?:the\s+)?(?P<q>first|second|third|fourth)\s+quarter"
        rf"(?:\s+(?:of\s+)?{_YEAR})?\b",
        _quarter,
    ),
    (
        r"\b(?:(?P<which>last|this|next)|at|on|since|before|after|over|during|until|till|by|for|around|from|to)"
        r"\s+(?P<holiday>christmas(?: eve| day)?|xmas|boxing day|new year['’]s (?:eve|day)|new year"
        r"|valentine['’]?s? day|halloween|thanksgiving|good friday|easter(?: sunday| monday)?)\b"
        rf"(?:\s+{_YEAR})?"
        r"(?!\s+(?:tree|card|present|cake|egg|dinner|party|song|market|resolution)s?\b)",
        _holiday,
    ),
)  # fmt: skip
_GRAMMAR = [(re.compile(pattern, re.IGNORECASE), make) for pattern, make in _TABLE]

_HINT = re.compile(
    r"\d|day\b|days\b|night|morning|afternoon|evening|week|month|year|fortnight|hour|minute|ago\b|back\b|today|tomorrow"
    r"|now\b|lately|recently|spring|summer|autumn|fall\b|winter|mas\b|easter|hallow|giving|quarter|ties\b"
    r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|\b(?-i:Mon|Tue|Wed|Thu|Fri|Sat|Sun)",
    re.IGNORECASE,
)
"""One of these stands in every phrase of time: a quick look, since most texts have none."""
