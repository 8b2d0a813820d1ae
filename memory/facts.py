"""Facts: what a person's statements come to, each with its sources and the time for which it holds.

A statement is about something (`about`) and says something of it (`says`). What is said later of the same
thing holds instead: "we moved to Leipzig" ends "I live in Berlin". The facts about one thing follow from
its statements alone, in whatever order those came to be known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby

from memory.records import Record
from memory.sentences import STOP, stem, words
from memory.statements import VERB, plain, statements

_ATTRIBUTES = """
name nickname surname number mobile address email mail birthday age weight height size password pin
passcode code job profession occupation employer boss manager doctor dentist landlord landlady
deadline appointment meeting flight train anniversary salary rent plate username handle account
nationality birthplace hometown diet shift timetable budget iban
"""
ATTRIBUTES = frozenset(_ATTRIBUTES.split())
"""What somebody has one of at a time: a new value stands for the old one."""

_HABITS = {
    "eat": "eat", "eats": "eat", "eating": "eat", "drink": "drink", "drinks": "drink", "drinking": "drink",
    "smoke": "smoke", "smokes": "smoke", "smoking": "smoke", "like": "like", "likes": "like", "love": "like",
    "loves": "like", "enjoy": "like", "enjoys": "like", "liking": "like", "hate": "-like", "hates": "-like",
    "dislike": "-like", "dislikes": "-like", "have": "have", "has": "have", "own": "have", "owns": "have",
    "got": "have", "bought": "have", "adopted": "have", "sold": "-have", "drive": "drive", "drives": "drive",
    "driving": "drive", "speak": "speak", "speaks": "speak", "play": "play", "plays": "play",
    "playing": "play", "wear": "wear", "wears": "wear", "use": "use", "uses": "use", "using": "use",
    "take": "take", "takes": "take", "taking": "take", "ride": "ride", "rides": "ride",
}  # fmt: skip
"""Verbs whose object says what is done or had; a minus denies it."""

_SOFT = re.compile(
    r"(?i)\b(?:just|really|actually|also|still|now|currently|finally|recently|already|definitely|again"
    r"|nowadays|always|usually|even|both|all|too|anymore|any more|any longer|at all|these days|very much"
    r"|a lot|at the moment|as well|today|yesterday)\b"
)
_NOT = re.compile(
    r"(?i)\b(?:do not|does not|did not|no longer|never|not|stopped|quit|gave up|given up|have stopped"
    r"|has stopped|got rid of)\b"
)
_TAIL = re.compile(
    r"(?i)(?:,|\.|!|\b(?:since|because|with|last|this|next|for|on|from|until|as of|when|where|which|who|after"
    r"|before|every|each|during|so|but|and|in (?:january|february|march|april|may|june|july|august|september"
    r"|october|november|december|summer|winter|spring|autumn|\d{4})|at (?:noon|night|\d)|\w+ ago|not)\b)"
)
_HOME = re.compile(
    r"(?i)^(?:(?:have|has|am|are|is) )?(?:live|lives|living|moved|moving house|relocated|reside|resides"
    r"|settled)(?: house)?(?: back| over| away| out)? (?:in|to|into|at|near) (?P<value>.+)"
)
_WORK = re.compile(
    r"(?i)^(?:(?:have|has|am|are|is) )?(?:started )?(?:(?:to )?work|works|working|(?:got|have"
    r"|has) a (?:new )?job|started)(?: (?P<how>at|for|with|as) )(?P<value>.+)"
)
_AGE = re.compile(
    r"(?i)^(?:am|is|are|turned|turns|turn|will be|have turned|has turned) (?P<value>\d{1,3})"
    r"(?: years? old| years| of age)?$"
)
_STATUS = re.compile(r"(?i)^(?:am|is|are|got) (?P<value>married|single|divorced|engaged|widowed|separated)\b")
_VALUE = re.compile(
    r"(?i)^(?:is|are|has changed to|have changed to|changed to|has moved to|has been moved to|was moved to"
    r"|will be|became) (?P<value>.+)"
)
_OWNED = re.compile(rf"(?i)^(?:my|our|the) (?P<subject>(?:[\w'.-]+ ){{0,6}}?[\w'.-]+?) (?P<rest>{VERB}\b.*)")
_NAMED = re.compile(rf"(?i)^(?P<subject>[\w'.-]+(?: [\w'.-]+)?) (?P<rest>{VERB}\b.*)")
_AGED = re.compile(r"(?i)\b(?:new|current|present|own|old|latest|next)\b ?")
_PHONE = re.compile(r"\b(?:phone|mobile|cell|telephone|cellphone) (?=number\b)")
_COUNT = {"a": "1", "an": "1", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6"}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as it stands in its source: what it is about, and what it says of that.

    Equal `says` means the same was said again. `time` is in seconds since the epoch.
    """

    text: str
    about: str
    says: str
    source: str = ""
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class Fact:
    """What was stated, once or again, and what was not yet said otherwise before `end` (None: to now)."""

    text: str
    sources: tuple[str, ...]
    start: float
    end: float | None


def stated(record: Record) -> list[Statement]:
    """The statements in a record of what the person said; none in any other."""
    if record.role != "user" or record.level:
        return []
    return [replace(statement, source=record.id, time=record.time) for statement in _read(record.text)]


@lru_cache(4096)
def _read(text: str) -> tuple[Statement, ...]:
    """The statements in a text; those of a fact's sources are asked for again with each further source."""
    found = (Statement(said, *meaning(said)) for said in statements(text))
    # "I moved to +" has the form of a statement and says nothing.
    return tuple(statement for statement in found if statement.about and statement.says)


def timeline(statements_about: Sequence[Statement]) -> list[Fact]:
    """The facts that statements about one thing come to, by time. The same said again is one fact."""
    ordered = sorted(statements_about, key=lambda s: (s.time, s.source, s.text))
    runs = [list(run) for _, run in groupby(ordered, key=lambda s: s.says)]
    ends = [*(run[0].time for run in runs[1:]), None]
    return [
        Fact(run[0].text, tuple(dict.fromkeys(s.source for s in run)), run[0].time, end)
        for run, end in zip(runs, ends, strict=False)
    ]


def meaning(text: str) -> tuple[str, str]:
    """(about, says) of a statement."""
    norm = plain(text).replace("can not stand", "hate")
    norm = " ".join(_SOFT.sub(" ", norm).split()).rstrip(" .!")
    start = re.search(r"\b(?:I|we|my|our)\b", norm, re.IGNORECASE)
    if start and start.start() and not norm[0].isupper():
        norm = norm[start.start() :]
    lead = re.match(r"(?:[A-Z]\w+ )?[^,]{0,40}?,? ?\b(?=(?:I|we)\b)", norm)
    if lead and not re.match(r"(?:my|our|the)\b", norm, re.IGNORECASE):
        norm = norm[lead.end() :]
    subject, rest = _subject(norm)
    if subject != "me" and _is_attribute(subject) and (found := _VALUE.match(rest)):
        return _PHONE.sub("", subject), _value(found["value"])
    for kind, find in (("home", _HOME), ("age", _AGE), ("status", _STATUS)):
        denied, bare = _polarity(rest)
        if found := find.match(bare):
            return f"{subject} {kind}", _value(found["value"], denied)
    denied, bare = _polarity(rest)
    if found := _WORK.match(bare):
        return f"{subject} {'trade' if found['how'] == 'as' else 'employer'}", _value(found["value"], denied)
    return _deed(subject, bare, denied)


def _subject(norm: str) -> tuple[str, str]:
    first = norm.partition(" ")
    if first[0].casefold() in ("i", "we"):
        return "me", first[2]
    found = _OWNED.match(norm) or _NAMED.match(norm)
    if found is None:
        return "", norm
    return _AGED.sub("", found["subject"].casefold()).strip(), found["rest"]


def _is_attribute(subject: str) -> bool:
    parts = words(subject)
    return bool(parts) and (parts[-1] in ATTRIBUTES or "favourite" in parts or "favorite" in parts)


def _polarity(rest: str) -> tuple[bool, str]:
    """Whether it is denied, and the rest without what denies it."""
    bare, count = _NOT.subn(" ", rest)
    return count % 2 == 1, " ".join(bare.split())


def _value(text: str, denied: bool = False) -> str:
    cut = _TAIL.split(text, maxsplit=1)[0] or text
    kept = [word for word in words(cut) if word not in ("a", "an", "the", "our", "my", "now")]
    return ("not " if denied else "") + " ".join(kept or words(text))


def _deed(subject: str, rest: str, denied: bool) -> tuple[str, str]:
    """What is done or had, about which only whether it is so can change, or how many there are."""
    spoken = words(rest)
    while spoken and spoken[0] in ("have", "has", "am", "are", "is", "do", "did", "been") and len(spoken) > 1:
        if spoken[0] in ("have", "has") and _HABITS.get(spoken[1]) is None:
            break
        if spoken[0] not in ("have", "has", "do", "did") and _HABITS.get(spoken[1]) is None:
            break
        spoken = spoken[1:]
    habit = _HABITS.get(spoken[0]) if spoken else None
    if habit is None:
        kept = [stem(word) for word in spoken if word not in STOP or word in ("not",)]
        return f"{subject} {' '.join(kept)}".strip(), "no" if denied else "yes"
    denied ^= habit.startswith("-")
    words_of_object = words(_TAIL.split(rest[re.search(rf"\b{spoken[0]}\b", rest, re.I).end() :])[0])  # type: ignore[union-attr]
    count = next((_COUNT.get(word, word) for word in words_of_object if word in _COUNT or word.isdigit()), "")
    kept = [
        stem(word)
        for word in words_of_object
        if word not in STOP and word not in _COUNT and not word.isdigit()
    ]
    says = "no" if denied else f"yes {count}" if habit in ("-have", "have") and count else "yes"
    return f"{subject} {habit.lstrip('-')} {' '.join(kept)}".strip(), says
