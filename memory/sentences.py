"""Sentences and content words of a text: what summaries, themes and facts are made of."""

from __future__ import annotations

import re

_ENDS = re.compile(r"[.!?…][\"'”’»)\]]*\s+(?=[\"'“‘«(\[]?[^\W_])|\s*\n+\s*")
_NEVER_LAST = re.compile(r"(?:\b(?:dr|mrs?|ms|prof|st|vs|e\.g|i\.e|no|nr)|\b[A-Z])\.$", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:['’.@:/-][^\W_]+)*")

_STOP = """
a about after again all also am an and any are as at be been before being but by can could did do does
doing done down for from get got had has have having he her here hers him his how i if in into is it
its just like made make many may me might more most much must my no nor not now of off on once one only
or other our ours out over own please really same shall she should so some such than that the their
theirs them then there these they this those through to too two under until up us very was way we well
were what when where which while who whom whose why will with would yes you your yours
d don doesn didn isn wasn aren weren ll m re s t ve won
"""
STOP = frozenset(_STOP.split())
"""English words that say nothing of what a text is about."""


def sentences(text: str) -> list[str]:
    """The sentences of a text, trimmed, in their order; a line break ends one as well."""
    found: list[str] = []
    start = 0
    for end in [*(match.end() for match in _ENDS.finditer(text)), len(text)]:
        piece, start = text[start:end].strip(), end
        if piece and found and _NEVER_LAST.search(found[-1]):
            found[-1] = f"{found[-1]} {piece}"
        elif piece:
            found.append(piece)
    return found


def words(text: str) -> list[str]:
    """All words, casefolded, in their order."""
    return [word.casefold().replace("’", "'") for word in _WORD.findall(text)]


def stem(word: str) -> str:
    """The word without the commonest English endings, so that "smoke", "smokes" and "smoking" are one."""
    for ending in ("'s", "ing", "ies", "ied", "es", "ed", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls" else word


def content(text: str) -> list[str]:
    """Stems of the words that say what a text is about, in their order."""
    return [stem(word) for word in words(text) if word not in STOP and (len(word) > 1 or word.isdigit())]
