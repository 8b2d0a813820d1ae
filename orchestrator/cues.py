"""How people say that they were misunderstood: "no, read the text", "I wanted you to draw it".

Only wording is looked at here. It is read narrowly, because a correction that was none does more harm than
one that is missed: what does not object to the last answer *and* say what is wanted is an ordinary message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from orchestrator.controller.exemplars import Decision

MOST_WORDS = 60
"""A correction is short: a long message that begins with "no" has a matter of its own."""

_MOST_CHARACTERS = 1000
"""What is longer is not sixty words that people say, and would keep the patterns below busy."""

_NOUNS = frozenset(("tool", "specialist", "service", "model", "plugin", "app"))
"""What stands behind a name that is only a part of the specialist's."""


def _any(*phrases: str) -> str:
    return f"(?:{'|'.join(phrases)})"


_JUST = r"(?:just |only |really |actually |clearly )?"
_IS = r"(?:'?s| is| was|'?re| are)"
_DID_NOT = r"(?:did ?n'?t|did not|didnot|never)"
_THE = r"(?:the|an?)"
_PERCEIVE = r"(?:look|read|listen|watch|hear|see|view|check|use|count)"
_MAKE = r"(?:draw|paint|sketch|show|tell|say|speak|write|type|describe|explain|translate|transcribe|answer)"
_THING = (
    r"(?:picture|photo|image|drawing|text|words|transcript|translation|summary|recording|description|voice)"
)

_WANTED = re.compile(
    r"\b"
    + _any(
        r"read\w*|look\w*|watch\w*|listen\w*|hear|see|view|check|use|using|count",
        r"draw\w*|paint\w*|sketch|pictures?|photos?|images?|illustrat\w+|shown?|visual",
        r"text|words?|writ\w+|wrote|typed?|transcri\w+|translat\w+|summar\w+|describe|explain|tell|answer",
        r"say|saying|speak|spoken|aloud|loud|voice|voicemail|audio|sound|recording|clip|video|film",
        r"document|pdf|letter|page|file|memory|remember\w*|search|tool|told you",
    )
    + r"\b"
)
"""What a correction asks for: a sense, a medium, a kind of answer."""

_NO = re.compile(
    r"(?:(?:oh|um|uh|er|hey|but|well|ah|sorry|hm+)\b[\s,.!]*)*(?:(?:no|nono|nope|nah|non)\b[\s,.;:!–—-]*)+"
)

_PARTED = re.compile(r"[,.;:!–—-]\s*$")

_GOES_ON = re.compile(
    _any(
        r"please|pls|just|only|not|don'?t|do|i|i'?m|you|the|that|that'?s|this|my|what|it|in|with|by|from|out",
        r"search|summari[sz]e|give|make|text|voice|words?|invent|aloud",
        _PERCEIVE,
        _MAKE,
    )
    + r"\b"
)
"""A "no" that no punctuation parts from what follows must go on like this: "no sugar" is about sugar."""

_MERE_NO = re.compile(
    _any(
        r"thanks?|thank you|thx|ta|cheers|problem|probs?|worry|worries|idea|clue|need|way|doubt|rush|luck",
        r"hurry|wonder|matter|more|longer|chance|kidding|joke|comment|offen[cs]e|sweat|pressure|surprise|question|one",
        r"body|where|thing|big deal|nothing|never mind|not (?:yet|really|now|sure)|you(?:'re| are) right",
        r"(?:that|it)'?s (?:all|ok(?:ay)?|fine|it|good|great|enough|al?l ?right|right|true)",
        r"i(?:'?m| am) (?:good|fine|ok(?:ay)?|done|all set|not)",
        r"i (?:don'?t|do not|can'?t|haven'?t|never|think|guess)",
    )
    + r"\b"
)
"""What a "no" often begins without objecting to anything."""

_OBJECTION = re.compile(
    _any(
        rf"^(?:(?:that|this|it|you){_IS} )?(?:all |completely |the )?(?:wrong|incorrect|mistaken)\b"
        r"(?! (?:number|side|way|person|day|place|house|of|to|with))",
        rf"\b(?:that|this|it)(?:{_IS} (?:not|n'?t)| isn'?t| wasn'?t) what i\b",
        r"^not (?!bad|yet|sure|again|really|now|at all|much|too|so|only|everyone|many|long)"
        r"[^,.;:!?]{1,40}[,.;:!–—-]",
        rf"\bi {_JUST}asked (?:about|if|whether|only) (?!my\b|him|her)",
        r"\bi (?:asked|told|wanted|expected|needed) you (?:to|for|about|if|whether)\b",
        rf"\bi {_JUST}(?:meant|mean) (?:{_THE}|you to|for you|to (?:see|hear|read))\b",
        rf"\bi {_JUST}(?:wanted|needed|expected) (?:it|to (?:see|hear|read it))\b",
        rf"\bi {_JUST}(?:wanted|needed|expected|asked for) (?:{_THE} )?(?:\w+ ){{0,2}}{_THING}\b",
        rf"\bi {_DID_NOT} (?:ask|want|need|request|mean)(?:ed)? (?:for|you|it|{_THE}|to (?:see|hear))\b",
        r"^i said (?:the \w+\b(?! to\b)|read|look|listen|draw|write|watch|in)\b",
        r"\bi should have said\b",
        r"\byou (?:should have|should'?ve|were (?:supposed|meant) to|mis-?(?:understood|read|heard))\b",
        r"\byou got (?:it|me|that) wrong\b",
        r"^you (?:have|need|ought) to (?:look|listen|read|watch|draw|check)\b",
        r"\b(?:look|read|listen|watch|draw)\b.*\binstead of (?:just )?\w+ing\b",
        rf"^(?:{_MAKE}|read)\b.{{0,30}}\binstead\b(?! of)",
        r"^(?:(?:can|could|would) you )?(?:please )?actually (?:look|read|listen|watch|draw)\b",
    )
)
"""Objections that need no "no"."""

_REFUSED = re.compile(
    r"\b"
    + _any(
        r"not|no(?! (?:need|more|problem))|don'?t(?! you)|do not|without|stop|instead of|rather than",
        rf"{_DID_NOT} (?:want|ask for|ask|mean|need)",
    )
    + r" ((?:[\w'-]+ ?){1,4})"
)

_DONE: Mapping[str, re.Pattern[str]] = {
    "tts": re.compile(r"\b(?:say|saying|speak\w*|talk\w*|aloud|out loud|voice|audio|read(?:ing)? it)\b"),
    "imagegen": re.compile(r"\b(?:draw\w*|paint\w*|sketch\w*|pictures?|images?|illustrat\w+)\b"),
    "vision": re.compile(r"\b(?:look\w*|pictures?|photos?|images?|describ\w+|the scene)\b"),
    "ocr": re.compile(r"\b(?:read\w*|text|writing|words?|letters)\b"),
    "asr": re.compile(r"\b(?:transcri\w+|what (?:they|he|she) says?|the words|type)\b"),
    "video": re.compile(r"\b(?:video|clip|film)\b"),
    "chat": re.compile(r"\b(?:summar\w+|explain\w*|translat\w+|guess\w*|text)\b"),
    "memory": re.compile(r"\b(?:memory|remember\w*|what i told you)\b"),
}
"""How people name what a specialist did when they refuse it; any may be refused by its name."""

_ANEW = re.compile(r"\b(?:again|once more|closer|carefully|properly|re-?read|anew)\b")

_LOOKS_AGAIN = re.compile(
    _any(
        r"(?:please |can you |could you |have a )*(?:look|watch|listen|check)(?:(?: \w+){0,3})"
        r" (?:again|once more|anew|closer|more closely|more carefully|carefully|properly)\b",
        rf"(?:no\W+)?(?:that|this|it){_IS} (?:not the same|another|an? (?:other|different|new))"
        r" (?:picture|photo|image|frame|scan|page|one)\b",
    )
)

_ASKED_FOR = re.compile(
    r"(?<!not )(?<!n't )\b(?:use|using|try|with|call|ask|run) (?:the |your )?([\w-]+(?: [\w-]+)?)"
)


def objects(text: str, done: Decision, *, asked_back: bool = False) -> bool:
    """Whether a message objects to how the last request was served, and says what is wanted.

    `done` is what was done for it. After a question of the assistant (`asked_back`) a "no" is an answer.
    """
    if not may_object(text):
        return False
    plain = _plain(text)
    no = _NO.match(plain)
    if no is None:
        return bool(_OBJECTION.search(plain)) or refuses(plain, done)
    rest = plain[no.end() :]
    if _MERE_NO.match(rest):
        return False
    if asked_back:
        return bool(_OBJECTION.search(rest))
    return bool(_PARTED.search(no.group()) or _GOES_ON.match(rest)) or refuses(plain, done)


def may_object(text: str) -> bool:
    """Whether a message is short and says what is wanted: any other is no objection, whatever was done."""
    if len(text) > _MOST_CHARACTERS:
        return False
    plain = _plain(text)
    return len(plain.split()) <= MOST_WORDS and _WANTED.search(plain) is not None


def refuses(text: str, done: Decision) -> bool:
    """Whether a text refuses what was done: "no picture" after a picture, "don't say it" after speech."""
    for refused in _REFUSED.finditer(_plain(text)):
        for name in done.steps:
            named = _DONE.get(name)
            if name in refused[1].split() or (named is not None and named.search(refused[1])):
                return True
    return False


def wants_anew(text: str) -> bool:
    """Whether it is asked to do the same once more, with more care."""
    return bool(_ANEW.search(_plain(text)))


def looks_again(text: str) -> bool:
    """Whether a fresh look is asked for, and nothing else: "look again", "no, that's another picture"."""
    return bool(_LOOKS_AGAIN.match(_plain(text)))


def named(text: str, names: Sequence[str]) -> str:
    """The one specialist that a text asks for by its name ("use the weather tool"), or nothing."""
    found = _ASKED_FOR.search(_plain(text))
    if found is None:
        return ""
    asked = found[1].replace("-", " ").split()
    if not asked:
        return ""
    if (alone := next((name for name in names if name.casefold() == asked[0]), "")) != "":
        return alone
    words = {name: set(re.split(r"[\W_]+", name.casefold())) for name in names}
    if asked[1:] and asked[1] in _NOUNS:
        fitting = [name for name in names if asked[0] in words[name]]
    else:
        fitting = [name for name in names if len(words[name]) > 1 and words[name] <= set(asked)]
    return fitting[0] if len(fitting) == 1 else ""


def _plain(text: str) -> str:
    """Lower case, straight quotes, single spaces."""
    return " ".join(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").casefold().split())
