"""Which sentences make, list or dismiss a standing request, in English. Everything else is left alone."""

from __future__ import annotations

import re

from orchestrator.standing import QUOTES, Dismissal, Listing, Sense, Standing, Wish, stems

MOST_SECONDS = 30 * 86_400.0
"""The longest wait: a month."""

_UNITS = {"second": 1.0, "sec": 1.0, "minute": 60.0, "min": 60.0, "hour": 3600.0, "day": 86_400.0}
_SMALL = {
    "zero": 0,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
    "thirteen": 13,
    "fourteen": 14,
    "fifteen": 15,
    "sixteen": 16,
    "seventeen": 17,
    "eighteen": 18,
    "nineteen": 19,
}
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90}
_FIXED = {
    "half an hour": 1800.0,
    "quarter of an hour": 900.0,
    "a quarter of an hour": 900.0,
    "half a minute": 30.0,
}
_NUMBER = rf"(?:\d+(?:[.,]\d+)?|(?:{'|'.join(_TENS)})(?:[- ](?:{'|'.join(_SMALL)}))?|{'|'.join(_SMALL)})"
_UNIT = rf"(?:{'|'.join(_UNITS)})s?"
_TIME = (
    rf"(?:(?:an?|one) (?:and a half )?{_UNIT}(?: and a half)?"
    r"|half an hour|(?:a )?quarter of an hour|half a minute"
    rf"|(?:a )?couple of {_UNIT}|{_NUMBER}(?: and a half)?[- ]{_UNIT}(?:(?: and|,)? {_NUMBER} {_UNIT})?)"
)
_POLITE = (
    r"(?:(?:hey|ok(?:ay)?|so|and|oh|now|please|antiphon)[,.]? )*"
    r"(?:(?:can|could|will|would) you )?(?:please |just )*"
)
_TELL = (
    r"(?:(?:tell|warn|alert|notify|inform|ping|remind|let) (?:me|us)(?: know)?"
    r"|give (?:me|us) a (?:shout|sign|heads[- ]up))"
)
_STOP = r"(?:stop|interrupt|cut off|cut) (?:me|us)(?: off)?"
_WHEN = r"(?P<when>when(?:ever)?|as soon as|once|if|the moment|each time|every time|any time)(?: that)?"
_TELL_WHEN = rf"{_TELL},? {_WHEN} "
_WHAT = r"(?P<what>.+?)"
_SEE = r"(?:you |we |i )?(?:can )?(?:see|spot|notice|catch sight of|find) "
_SHOWS = (
    r" (?:appears?|shows? up|comes? into (?:view|sight|the picture|frame)"
    r"|(?:is|are) (?:visible|in (?:the )?(?:picture|view|frame|sight)))"
)
_SOMEBODY = r"(?:some|any)(?:one|body)"
_HEAR = (
    r"(?:you |we )?(?:hear|catch)"
    rf"(?: (?:the words?|the phrase|me say|me saying|{_SOMEBODY} (?:say|saying)))? "
)
_SAYS = (
    rf"(?:{_SOMEBODY}|i|he|she|they|we|you) (?:says?|mentions?|uses? the word)(?: the words?| the phrase)? "
)
_IN = rf"(?:in|after|at) (?:exactly |about )?(?P<time>{_TIME})(?: mark)?(?: from now)?"
_TO = r"(?:,? (?:to|that|about) (?P<words>.+?))?"
_CALL = rf"(?:(?P<stop>{_STOP})|{_TELL}|wake (?:me|us)(?: up)?)"
_NAMED = r"(?:(?P<kind>timer|alarm|watch)(?:e?s)?|reminders?|standing requests?)"
_PLAIN_NAMED = r"(?:timers?|alarms?|reminders?|standing requests?)"


def _patterns(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(rf"{_POLITE}{pattern}[\s.!?]*", re.IGNORECASE) for pattern in patterns)


_SEEN = _patterns(
    _TELL_WHEN + _SEE + _WHAT,
    _TELL_WHEN + r"(?:there(?:'s| is| are) )?" + _WHAT + _SHOWS,
    r"(?:watch out|look out|keep an eye out) for " + _WHAT,
)
_HEARD = _patterns(
    _TELL_WHEN + _HEAR + _WHAT,
    _TELL_WHEN + _SAYS + _WHAT,
    _TELL_WHEN + r"(?:the words? )?" + _WHAT + r" (?:is|are|gets?) (?:said|mentioned)",
    r"listen (?:out )?for " + _WHAT,
)
_DUE = _patterns(
    f"{_CALL} {_IN}{_TO}",
    rf"remind (?:me|us) (?:to|that|about) (?P<words>.+?) {_IN}",
    rf"{_IN},? (?:please )?{_CALL}{_TO}",
    rf"(?:set|start)(?: me)? (?:a |an |the )?(?:timer|alarm)(?: for| of| to)? (?P<time>{_TIME})",
    rf"(?:set|start)(?: me)? (?:a |an )?(?P<time>{_TIME}) timer",
    rf"{_CALL},? (?:when|once|as soon as) (?P<time>{_TIME}) "
    r"(?:have |has )?(?:is |are )?(?:up|over|passed|gone(?: by)?)",
)
_DROP = _patterns(
    r"(?:cancel|delete|drop|remove|clear|stop|forget(?: about)?) "
    rf"(?:(?:the|my|that|this|all|every|those) )*{_NAMED}(?: (?:for|about|on) {_WHAT})?",
    rf"(?:stop|quit) (?P<sense>watch|look|listen|wait)ing(?: out)?(?: for {_WHAT})?",
    r"(?:you )?(?:don't|do not|needn't)(?: need to| have to)? "
    rf"(?P<sense>watch|look|listen|wait)(?: out)? for {_WHAT}(?: any ?more| any longer)?",
)
_LIST = _patterns(
    r"what (?:are you|do you) (?:still )?(?:watch|look|listen|wait)(?:ing)?(?: out)? for(?: (?:now|me))?",
    rf"(?:which|what) {_PLAIN_NAMED} (?:are there|do i have|have i(?: got)?|are (?:set|running|on|open))",
    rf"(?:list|show)(?: me)? (?:the|my|all)(?: my)? {_PLAIN_NAMED}",
    rf"do i have any {_PLAIN_NAMED}(?: (?:now|set|running))?",
)
_SENSE_OF: dict[str, Sense] = {
    "watch": "eyes",
    "look": "eyes",
    "listen": "ears",
    "timer": "clock",
    "alarm": "clock",
}


def wish(text: str) -> Wish | None:
    """What a sentence wishes of the standing requests; None for any other sentence, and for several."""
    said = " ".join(text.split())
    if not said or len(said) > 300:
        return None
    if any(pattern.fullmatch(said) for pattern in _LIST):
        return Listing()
    return _dismissal(said) or _due(said) or _thing("ears", _HEARD, said) or _thing("eyes", _SEEN, said)


def seconds_of(text: str) -> float | None:
    """The length of time that words such as "two and a half minutes" name; None where they name none."""
    said = text.lower().replace("-", " ")
    if said in _FIXED:
        return _FIXED[said]
    if found := re.fullmatch(rf"(?:a )?couple of ({_UNIT})", said):
        return 2 * _UNITS[found[1].rstrip("s")]
    if found := re.fullmatch(rf"(?:an?|one) (and a half )?({_UNIT})( and a half)?", said):
        return (1.5 if found[1] or found[3] else 1.0) * _UNITS[found[2].rstrip("s")]
    total = 0.0
    for number, half, unit in re.findall(rf"({_NUMBER})( and a half)? ({_UNIT})", said):
        total += (_number(number) + (0.5 if half else 0.0)) * _UNITS[unit.rstrip("s")]
    return total or None


def _due(said: str) -> Standing | None:
    for pattern in _DUE:
        if found := pattern.fullmatch(said):
            groups = found.groupdict()
            seconds = seconds_of(groups["time"])
            if seconds is None or seconds > MOST_SECONDS:
                return None
            words = (groups.get("words") or "").strip(" ,.")
            return Standing("clock", seconds=seconds, words=words, urgent=bool(groups.get("stop")))
    return None


def _thing(sense: Sense, patterns: tuple[re.Pattern[str], ...], said: str) -> Standing | None:
    for pattern in patterns:
        if found := pattern.fullmatch(said):
            what = found["what"].strip(f" ,{QUOTES}")
            return Standing(sense, what, always=_always(found)) if _is_thing(what) else None
    return None


def _dismissal(said: str) -> Dismissal | None:
    for pattern in _DROP:
        if found := pattern.fullmatch(said):
            groups = found.groupdict()
            kind = (groups.get("kind") or groups.get("sense") or "").lower()
            return Dismissal((groups.get("what") or "").strip(f" {QUOTES}"), _SENSE_OF.get(kind))
    return None


def _always(found: re.Match[str]) -> bool:
    when = (found.groupdict().get("when") or "").lower()
    return when == "whenever" or "time" in when


def _is_thing(what: str) -> bool:
    """Whether this is short enough to be waited for: a long clause asks for something else."""
    return 0 < len(stems(what)) <= 6


def _number(text: str) -> float:
    text = text.replace(",", ".")
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return float(text)
    tens, _, rest = text.replace("-", " ").partition(" ")
    if tens in _TENS:
        return float(_TENS[tens] + _SMALL.get(rest, 0))
    return float(_SMALL[tens])
