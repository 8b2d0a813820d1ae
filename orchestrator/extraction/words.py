"""A request's words, made ready for reading arguments out of them, and the patterns that readers share."""

from __future__ import annotations

import re
from functools import lru_cache

MASK = "¤"
"""Stands for words that are content and no instruction: what is quoted, and what is to be said or read."""

_HEAD, _TAIL = 3000, 1000
"""Characters that count: what is asked stands at the beginning or the end of a long text."""

_QUOTED = re.compile(
    r'"[^"\n]*"|“[^”\n]*”|„[^“”\n]*[“”]|«[^»\n]*»|`[^`\n]*`|(?<!\w)\'[^\'\n]+\'(?!\w)|(?<!\w)‘[^’\n]+’(?!\w)'
)
_RECITED = re.compile(
    r"\b(?:say|speak|read|pronounce|translate|announce|dictate|repeat|record|narrate)\b"
    r"[^:\n]{0,80}:\s+(?=\S)",
    re.IGNORECASE,
)
_LETTER_X = re.compile(r"(?<=\d)\s*[×✕]\s*(?=\d)")

SMALL = {"one": 1.0, "two": 2.0, "three": 3.0, "half": 0.5, "a": 1.0, "an": 1.0}
"""Number words that stay words: the library leaves small ones alone, which are often no numbers."""

NUMBER = r"(?:\d+(?:[.,]\d+)?|one|two|three)"

_CLOSED = (
    "a an and are as at aloud afterwards again all also because before below both but by can could did do "
    "does else exactly first for from had has have he here how i if in instead into is it its it's just last "
    "like me my no not now of on only or our out over please pls plz she shows so spoken still text than "
    "thanks that the their them then there these they this those though to too twice under until very via "
    "voice was we were what what's whats when where which while who whose why will with without would "
    "written you your yourself bitte und oder mit por favor y con para s'il et avec pour par vous per e"
)
FOLLOWS = rf"(?!\w)(?=\s*(?:$|[.,;:!?)\]…–—/{MASK}-]|(?:{'|'.join(map(re.escape, _CLOSED.split()))})(?!\w)))"
"""What may stand behind the last word of an argument: an end, or a word that begins something else. A noun
there shows that the words before it only describe it: "French fries", "the last minute decision"."""

NEGATED = re.compile(
    r"(?:\bnot|n[o']t|\bno|\bnever|\binstead of|\brather than|\bwithout|\bexcept|\bnicht|"
    r"\bkein\w*|\bpas|\bnon)\s+(?:(?!but\b|sondern\b|mais\b|sino\b)\w+\s+){0,3}$",
    re.IGNORECASE,
)
"""Found at the end of what stands before an argument, it says that this is what is not wanted."""


def pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


@lru_cache(maxsize=64)
def instruction(text: str) -> str:
    """The words with numbers as digits, what is content masked, and long texts cut in the middle."""
    from text_to_num import alpha2digit

    if len(text) > _HEAD + _TAIL:
        text = f"{text[:_HEAD]}\n{MASK}\n{text[-_TAIL:]}"
    text = _QUOTED.sub(MASK, text.replace("’", "'"))
    if (recited := _RECITED.search(text)) is not None:
        text = text[: recited.end()] + MASK
    text = _LETTER_X.sub("x", re.sub(r"\s*\n\s*", ". ", text))
    # "thirty second" is said of a clip, and not of the one behind the thirty-first.
    text = re.sub(r"\b(\w+ty)[ -]second\b", r"\1 seconds", text, flags=re.IGNORECASE)
    return str(alpha2digit(re.sub(r"[ \t\r\f\v]+", " ", text), "en"))


def number(word: str) -> float:
    """The value of what NUMBER matches."""
    return SMALL.get(word.lower()) or float(word.replace(",", "."))
