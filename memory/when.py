"""When a question speaks of: a stretch of time, or what happened beside another event.

when("what did I tell you last Tuesday about the boiler", now)   a day, and "what did I ... about the boiler"
beside("what did we agree on before the meeting")                "before", "the meeting"
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from memory.dates import EARLIEST, Seen, Span
from memory.sentences import STOP, words
from memory.time_phrases import DAYPART, HOUR, Phrase, at_hour, in_part, phrases, speaks_ahead

LONGEST = 1000
"""Characters beyond which a text is no question but a page, and speaks of many times."""

LATEST = 9000
"""A year from which the calendar has too few left to reckon with."""

Relation = Literal["before", "after", "during"]

_BOUND = re.compile(
    r"(?:\b(?P<since>since|ever since)|\b(?P<after>after)|\b(?P<before>before|prior to)"
    r"|\b(?P<until>until|till|up to|by))\s+(?:the\s+)?$",
    re.IGNORECASE,
)
_ITS_OWN = re.compile(
    r"(?:(?P<since>since)|(?P<after>after)|(?P<before>before)|(?P<until>until|till|by))\b", re.IGNORECASE
)
_JOINS = re.compile(r"\s*(?:and|to|until|till|through|[-–])?\s*", re.IGNORECASE)
_OPENS = re.compile(r"\b(?:between|from)\s+(?:the\s+)?$", re.IGNORECASE)
_OPENS_ITSELF = re.compile(r"(?:between|from)\b", re.IGNORECASE)
_SECOND = re.compile(r"(?:and|to|through)\b", re.IGNORECASE)
_LEFT_OVER = re.compile(
    r"\b(?:on|in|at|from|since|until|till|by|before|after|over|during|of|around|between)\s*$", re.IGNORECASE
)
_SAME_DAY = re.compile(r"\s*,?\s*(?:at|around|about|on|in)?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class When:
    """A stretch of time that a question speaks of, its end not in it.

    `sure` (0 to 1) says how sure it is that the phrase means this one; `rest` is the question without it.
    """

    start: datetime
    end: datetime
    sure: float
    phrase: str
    rest: str


@dataclass(frozen=True, slots=True)
class Beside:
    """What happened before, after or during an event, which must be found first; `rest` is the question
    without it."""

    relation: Relation
    event: str
    rest: str


def when(text: str, now: datetime) -> When | None:
    """The stretch of time that a text speaks of, seen from `now`; None where it speaks of none.

    Both without a time zone: the clock on the wall. What may be meant in the past is: memory is asked. Of
    several times the first counts.
    """
    if len(text) > LONGEST or not EARLIEST.year < now.year < LATEST:
        return None
    seen = Seen(now, speaks_ahead(text))
    found = _joined(text, _refined(text, phrases(text, seen)), seen)
    if not found:
        return None
    first = found[0]
    before = _LEFT_OVER.sub("", text[: first.begin])
    rest = " ".join(f"{before} {text[first.end :]}".split())
    return When(
        first.span.start, first.span.end, first.span.sure, text[first.begin : first.end].strip(" ,;"), rest
    )


def _refined(text: str, found: list[Phrase]) -> list[Phrase]:
    """Days with the part or the hour that is told beside them: "yesterday evening", "at 3 pm yesterday"."""
    refined: list[Phrase] = []
    for phrase in found:
        if phrase.span.end - phrase.span.start > timedelta(days=1):
            refined.append(phrase)
        else:
            refined.append(_at_hour(text, _in_part(text, phrase)))
    return refined


def _in_part(text: str, day: Phrase) -> Phrase:
    part = DAYPART.match(text, day.end)
    if not part or day.span.start.hour:
        return day
    return Phrase(day.begin, part.end(), in_part(day.span, part["daypart"].casefold()))


def _at_hour(text: str, day: Phrase) -> Phrase:
    for hour in HOUR.finditer(text):
        begin, end = hour.span()
        gap = text[end : day.begin] if end <= day.begin else text[day.end : begin]
        if _SAME_DAY.fullmatch(gap):
            return Phrase(min(begin, day.begin), max(end, day.end), at_hour(day.span, hour))
    return day


def _joined(text: str, found: list[Phrase], seen: Seen) -> list[Phrase]:
    """With the words before them: "since Monday", "before 2024", "from Monday to Wednesday"."""
    joined: list[Phrase] = []
    rest = list(found)
    while rest:
        phrase = rest.pop(0)
        own = text[phrase.begin : phrase.end]
        opens = _OPENS_ITSELF.match(own) or _OPENS.search(text, 0, phrase.begin)
        if rest and opens and _together(text, phrase, rest[0]):
            last = rest.pop(0)
            begin = min(opens.start(), phrase.begin) if opens.re is _OPENS else phrase.begin
            sure = min(phrase.span.sure, last.span.sure)
            start, end = phrase.span.start, last.span.end
            if start < end:
                joined.append(Phrase(begin, last.end, Span(start, end, sure)))
                continue
        if _SECOND.match(own):
            continue  # "give it to June"
        joined.append(_bounded(text, phrase, seen))
    return joined


def _together(text: str, first: Phrase, second: Phrase) -> bool:
    return _JOINS.fullmatch(text[first.end : second.begin]) is not None


def _bounded(text: str, phrase: Phrase, seen: Seen) -> Phrase:
    begin, span = phrase.begin, phrase.span
    bound = _ITS_OWN.match(text[phrase.begin : phrase.end])
    if bound is None:
        bound = _BOUND.search(text, 0, phrase.begin)
        begin = bound.start() if bound else begin
    if bound is None:
        return phrase
    now = max(seen.now, EARLIEST + timedelta(minutes=1))
    if bound["since"] or bound["after"]:
        start = span.start if bound["since"] else span.end
        bounded = Span(start, now, span.sure) if start < now else span
    else:
        end = span.start if bound["before"] else span.end
        bounded = Span(EARLIEST, end, span.sure) if end > EARLIEST else span
    return Phrase(begin, phrase.end, bounded)


_EVENT = re.compile(
    r"\b(?:(?P<before>(?:right |just |shortly |immediately )?before|prior to|until|till)"
    r"|(?P<after>(?:right |just |shortly |soon |immediately )?after|(?:ever )?since)"
    r"|(?P<during>during|while|whilst|(?:back )?when))\s+",
    re.IGNORECASE,
)
_HOW_LONG = re.compile(
    r"\b(?:how (?:long|soon|many \w+|much \w+)|(?:years?|months?|weeks?|days?|hours?|minutes?|long|or|and"
    r"|look\w*|tak(?:e|es|ing)|took|named?|called|ask(?:s|ed)?|all|ever|not|asks?) ?)\s*$",
    re.IGNORECASE,
)
"""What stands before an "after" that names no time to look in: "how long after", "named after"."""
_NO_EVENT = re.compile(
    r"(?:or (?:after|before)|long\b|all\b|hours\b|now\b|then\b|(?:that|it|them|him|her|me|us|you)\b\W*$)",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\s*(?:how long|how many|how soon|when|since when|which (?:came|was|happened) first)\b", re.IGNORECASE
)


def beside(text: str) -> Beside | None:
    """The event that a question says something happened before, after or during, None where there is none."""
    if len(text) > LONGEST or _ASKS.match(text):
        return None
    for found in _EVENT.finditer(text):
        before, event = text[: found.start()], text[found.end() :]
        if _HOW_LONG.search(before) or _NO_EVENT.match(event):
            continue
        if not words(before):  # "After the operation, what was I allowed to eat?"
            event, comma, before = event.partition(",")
            if not comma:
                continue
        else:
            event = event.partition(",")[0]
        event = event.strip(" ?.!")
        if any(word not in STOP for word in words(event)):
            relation: Relation = "before" if found["before"] else "after" if found["after"] else "during"
            return Beside(relation, event, " ".join(before.split()))
    return None
