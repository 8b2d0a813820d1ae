"""Times in a recording or a film: stretches ("from 1:20 to 2:05", "the last minute") and moments.

A clock time that belongs to the day ("the train leaves at 7:45") is none of these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from orchestrator.extraction.words import FOLLOWS, NUMBER, SMALL, number, pattern

AROUND = 5.0
"""Seconds before and after a moment that belong to it: "what does she say at 0:45"."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `start` to `end` in seconds, None for the beginning and the end; negative counts from the end."""

    start: float | None = None
    end: float | None = None


_HOURS = r"hours?|hrs?|stunden?|heures?|horas?"
_MINUTES = r"minutes?|mins?|minuten|minutos?|minut[io]"
_SECONDS = r"seconds?|secs?|sekunden?|secondes?|segundos?|second[io]"
_UNIT = rf"(?:{_HOURS}|{_MINUTES}|{_SECONDS})\b"
_AMOUNT = rf"(?:{NUMBER}(?: and a half)?|half an?|half|an?)"

_CLOCK = (
    r"(?<![\d:.,])\d{1,3}:[0-5]\d(?::[0-5]\d)?"
    r"(?![\d:]|\.\d|\s*(?:am|pm|a\.m|p\.m|o'clock|uhr|h)\b)"
)
_SHORT = r"\d+\s?m(?:in)?\s?\d+\s?s(?:ec)?\b|\d+\s?s(?:ec)?\b"
_LENGTH = rf"(?:{_SHORT}|{_AMOUNT}[ -]?{_UNIT}(?: and a half)?(?:(?: and|,)? {NUMBER} {_UNIT})*)"
_NAMED = rf"(?:(?:{_MINUTES}|{_SECONDS})\s+{NUMBER})\b"
_POINT = rf"(?:(?:the )?(?:{_CLOCK}|{_NAMED}|{_LENGTH}))"

_TO = r"\s*(?:to|until|till|til|through|and|and stop at|and end at|-|–|—|bis|und|à|a|hasta|et|y|al)\s*"
_SKIP = (
    r"(?:skip|skipping|ignore|ignoring|leave out|leaving out|drop|cut|cut off|cut out|without|except|"
    r"except for|not|remove|but not|apart from)\s+"
)
_FIRST = r"(?:first|opening|initial|ersten?|erste|premi[eè]re?s?|primer[oa]?s?|prim[io])"
_LAST = r"(?:last|final|closing|letzten?|letzte|derni[eè]re?s?|[uú]ltim[oa]s?|ultim[io])"

_DAY_BEFORE = pattern(
    r"\b(?:trains?|bus|flights?|leaves?|leaving|departs?|arriv\w+|meet\w*|starts?|begins?|opens?|open|closes?|"
    r"wake|appointment|due|born|alarm|dinner|lunch|calls? back|call\w* \w+ back|score|clock|ends?|john|"
    r"chapter|verse|psalm|tomorrow|today|tonight|o'clock)\b[^.;?!]{0,40}$"
)

_DAY_BEHIND = pattern(
    r"\s*(?:last night|tonight|this (?:morning|evening|afternoon)|tomorrow|yesterday|on \w+days?\b|every \w+|"
    r"in the (?:morning|evening|afternoon|cinema)|sharp)"
)
_PIECE_BEFORE = pattern(r"\b(?:part|bit|passage|section|scene|song|talk|piece)\s*$")
"""What begins at 12:30 is a piece of the recording."""

Made = Callable[[re.Match[str]], Stretch]


def _seconds(point: str) -> float:
    """A point or a length in seconds."""
    if clock := re.search(_CLOCK, point):
        total = 0.0
        for piece in clock[0].split(":"):
            total = total * 60 + float(piece)
        return total
    if named := re.search(rf"({_MINUTES}|{_SECONDS})\s+({NUMBER})$", point, re.IGNORECASE):
        return number(named[2]) * _size(named[1])
    return _length(point)


def _length(text: str) -> float:
    if short := re.fullmatch(r"(?:(\d+)\s?m(?:in)?\s?)?(\d+)\s?s(?:ec)?", text.strip(), re.IGNORECASE):
        return float(short[1] or 0) * 60 + float(short[2])
    total, last = 0.0, 0.0
    for amount, unit in re.findall(rf"({_AMOUNT})[ -]?({_UNIT})", text, re.IGNORECASE):
        last = _size(unit)
        total += _amount(amount) * last
    return total + (last / 2 if re.search(rf"{_UNIT} and a half", text, re.IGNORECASE) else 0.0)


def _amount(text: str) -> float:
    words = text.lower()
    if words.startswith("half"):
        return 0.5
    head, _, tail = words.partition(" and a half")
    return (SMALL.get(head) or number(head)) + (0.5 if words.endswith("half") and not tail else 0.0)


def _size(unit: str) -> float:
    if re.fullmatch(_HOURS, unit, re.IGNORECASE):
        return 3600.0
    return 60.0 if re.fullmatch(_MINUTES, unit, re.IGNORECASE) else 1.0


def _pair(found: re.Match[str]) -> Stretch:
    return Stretch(_seconds(found[1]), _seconds(found[2]))


def _pair_of(unit: int, first: int, second: int) -> Made:
    def made(found: re.Match[str]) -> Stretch:
        size = _size(found[unit])
        return Stretch(number(found[first]) * size, number(found[second]) * size)

    return made


def _part(found: re.Match[str]) -> Stretch:
    """The first or the last so much, or all but that."""
    seconds = _length(f"{found['many'] or 'one'} {found['unit']}")
    first = re.fullmatch(_FIRST, found["side"], re.IGNORECASE) is not None
    if found["skip"]:
        return Stretch(seconds, None) if first else Stretch(None, -seconds)
    return Stretch(0.0, seconds) if first else Stretch(-seconds, None)


def _moment(found: re.Match[str]) -> Stretch:
    at = _seconds(found[1])
    after = 60.0 if re.search(rf"(?:{_MINUTES})\s+\S+$", found[1], re.IGNORECASE) else AROUND
    return Stretch(max(0.0, at - AROUND), at + after)


def _whole_minute(found: re.Match[str]) -> Stretch:
    words = {"second": 2.0, "third": 3.0}
    n = number(found["n"]) if found["n"] else words.get(found["nth"].lower()) or int(found["nth"][:-2])
    return Stretch((n - 1) * 60.0, n * 60.0)


def _from(found: re.Match[str]) -> Stretch:
    at = _seconds(found[2])
    return Stretch(None, at) if found["skip"] else Stretch(at, None)


def _up_to(found: re.Match[str]) -> Stretch:
    at = _seconds(found[2])
    return Stretch(at, None) if found["skip"] else Stretch(None, at)


_QUESTION = r"(?:happens?|happening|said|shown|seen|goes on|going on|comes in|appears?)"

_ALL_OF_IT = (
    r"(?P<skip>(?:skip|ignore|drop|cut|cut out|remove|delete|leave out)\s+"
    r"(?:everything|all|the (?:part|bit))\s+)?"
)

_IN = (
    rf"\b({_LENGTH}) in(?:to (?:it|the \w+)|(?=\s*(?:$|[,.;?!]|"
    r"(?:he|she|they|there|it|we|you|i|is|are|what|who)\b)))"
)
_SIDE = rf"(?P<side>{_FIRST}|{_LAST})"

MOMENTS: tuple[tuple[re.Pattern[str], Made], ...] = (
    (pattern(_IN), _moment),
    (pattern(rf"\b({NUMBER}[ -]{_UNIT})[ -]mark\b"), _moment),
    (
        pattern(
            rf"(?:\b(?:at|around|about|near|bei|um|à)\s+|@\s*)((?:the )?(?:{_CLOCK}|{_NAMED}|{_SHORT}|"
            rf"{NUMBER} {_UNIT}))(?! (?:in|into|mark)\b){FOLLOWS}"
        ),
        _moment,
    ),
)

STRETCHES: tuple[tuple[re.Pattern[str], Made], ...] = (
    (
        pattern(
            r"\b(?:from|between|von|zwischen|de|desde|entre|start(?:ing)? (?:at|from))\s+"
            rf"({_POINT}){_TO}({_POINT})"
        ),
        _pair,
    ),
    (pattern(rf"({_CLOCK})\s*(?:-|–|—|to|until|till|bis|à)\s*({_CLOCK})"), _pair),
    (
        pattern(rf"\b({_MINUTES}|{_SECONDS})\s+({NUMBER}){_TO}(?:minute |second )?({NUMBER})\b(?!:)"),
        _pair_of(1, 2, 3),
    ),
    (
        pattern(rf"\b(?:from|von|de)\s+({NUMBER}){_TO}({NUMBER})[ -]?({_UNIT})"),
        _pair_of(3, 1, 2),
    ),
    (
        pattern(
            rf"(?P<skip>{_SKIP})?(?:the\s+)?\b{_SIDE}\s+(?P<many>{_AMOUNT})[ -]?(?P<unit>{_UNIT}){FOLLOWS}"
        ),
        _part,
    ),
    (
        pattern(
            rf"(?P<skip>{_SKIP})?\bthe\s+(?:very )?(?P<side>first|opening|last|final|closing)\s+"
            rf"(?P<many>half )?(?P<unit>minute|hour|second){FOLLOWS}"
        ),
        _part,
    ),
    (
        pattern(rf"(?P<skip>(?!))?\b(?P<many>{NUMBER}) {_SIDE} (?P<unit>{_UNIT})"),
        _part,
    ),
    (
        pattern(
            rf"\b(?:in|during|of)\s+(?:the )?(?:minute (?P<n>{NUMBER})|"
            rf"(?P<nth>second|third|\d+(?:th|st|nd|rd)) minute){FOLLOWS}"
        ),
        _whole_minute,
    ),
    (
        pattern(
            rf"{_ALL_OF_IT}\b(?:after|from|since|starting (?:at|from)|start at|beginning at|begins at|ab|"
            r"nach|après|desde)\s+"
            rf"((?:the )?(?:{_CLOCK}|{_NAMED}|{NUMBER}[ -]{_UNIT}(?= mark| on\b| onwards?\b)))"
        ),
        _from,
    ),
    (pattern(rf"(?:\b{_QUESTION}|^|[.,;?!])\s*after\s+(?P<skip>(?!))?({_LENGTH}){FOLLOWS}"), _from),
    (
        pattern(
            rf"{_ALL_OF_IT}\b(?:until|till|up to|up until|before|bis|jusqu'à|hasta|stop at)\s+"
            rf"((?:the )?(?:{_CLOCK}|{_NAMED}|{NUMBER}[ -]{_UNIT}(?= mark)))"
        ),
        _up_to,
    ),
    *MOMENTS,
)
"""The first pattern that matches a piece of text decides about it."""

_IDIOM = pattern(r"\b(?:at|for) the\s*$")


def stretches(text: str, seconds: float | None = None) -> tuple[Stretch, ...]:
    """The stretches that `text` names. `seconds` is how long the recording is, where that is known."""
    return tuple(dict.fromkeys(_found(text, STRETCHES, seconds)))


def stretch(text: str, seconds: float | None = None) -> Stretch | None:
    """The stretch that `text` names, when it names exactly one."""
    found = stretches(text, seconds)
    return found[0] if len(found) == 1 else None


def moment(text: str, seconds: float | None = None) -> float | None:
    """The moment that `text` names, in seconds, when it names exactly one."""
    found = dict.fromkeys(s.end - AROUND for s in _found(text, MOMENTS, seconds) if s.end is not None)
    return next(iter(found)) if len(found) == 1 else None


def length(text: str) -> float | None:
    """How long something is to be, in seconds, when `text` names exactly one length."""
    found = {_length(m[0]) for m in re.finditer(rf"\b{_LENGTH}", text, re.IGNORECASE)}
    return found.pop() if len(found) == 1 else None


def clock(seconds: float) -> str:
    """Seconds as hours, minutes and seconds: 0:01:20."""
    whole, sign = round(abs(seconds)), "-" if seconds < 0 else ""
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _found(
    text: str, patterns: tuple[tuple[re.Pattern[str], Made], ...], seconds: float | None
) -> Iterator[Stretch]:
    for known, made in patterns:
        for found in known.finditer(text):
            if _means_the_day(text, found, seconds) or _is_idiom(text, found):
                continue
            stretch = made(found)
            if _is_possible(stretch):
                yield stretch
        text = known.sub(lambda found: " " * len(found[0]), text)


def _is_idiom(text: str, found: re.Match[str]) -> bool:
    """Whether it is "at the last minute", or "for the last five minutes" in which something went on."""
    if "side" not in found.re.groupindex or re.fullmatch(_FIRST, found["side"], re.IGNORECASE):
        return False
    return _IDIOM.search(text[: found.start("side")]) is not None


def _means_the_day(text: str, found: re.Match[str], seconds: float | None) -> bool:
    """Whether clock times in it are those of a day."""
    clocks = re.findall(_CLOCK, found[0])
    if not clocks:
        return False
    if seconds is not None and min(_seconds(one) for one in clocks) >= seconds:
        return True
    before, behind = text[: found.start()], text[found.end() :]
    return bool(
        _DAY_BEHIND.match(behind) or (_DAY_BEFORE.search(before) and not _PIECE_BEFORE.search(before))
    )


def _is_possible(stretch: Stretch) -> bool:
    start, end = stretch.start, stretch.end
    if start is not None and end is not None and start >= 0:
        return start < end
    return start != 0 or end is not None
