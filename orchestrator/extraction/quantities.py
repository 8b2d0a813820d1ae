"""Counts, plain numbers and choices, read by the words that a parameter's own name and description use."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from orchestrator.extraction.words import FOLLOWS, NEGATED, NUMBER, number, pattern

_NO_UNITS = pattern(
    "a|an|and|as|at|be|by|each|for|from|in|is|it|many|much|number|of|on|one|or|per|than|the|this|to|value|with|"
    "max|min|maximum|minimum|total|count|limit|amount|how|default|between|range|integer|optional"
)
_THESE = pattern(r"\b(?:these|those|the|my|all|both|first|last|of|next|other|our|his|her|your)\s+$")
_SYNONYMS = {"angle": ("degrees", "°"), "percent": ("%",), "percentage": ("percent", "%"), "degrees": ("°",)}


def units(name: str, description: str) -> tuple[str, ...]:
    """The words beside which a number may be this parameter's: "max_words" goes by "words"."""
    found = [word for word in name_words(name) if len(word) > 2]
    for phrase in re.findall(
        r"(?:\bin|\bnumber of|\bhow many|\bcount of|\()\s*([a-z]{3,})", description.lower()
    ):
        found.append(phrase)
    found += [more for word in found for more in _SYNONYMS.get(word, ())]
    return tuple(dict.fromkeys(word for word in found if not _NO_UNITS.fullmatch(word)))


def name_words(name: str) -> tuple[str, ...]:
    """The words that a name is made of, in small letters: `numQuestions` and `num_questions` alike."""
    return tuple(re.findall(r"[a-z]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))


def count(text: str, nouns: Collection[str]) -> int | None:
    """How many of something are wanted: a whole number before one of `nouns`."""
    things = "|".join(map(_either_number, nouns)) or "(?!)"
    asked = pattern(rf"(?<![\w.:-])({NUMBER})(?: (?!of\b)[a-z-]+)?? (?:{things})\b")
    found = set()
    for match in asked.finditer(text):
        before = text[: match.start()]
        many = number(match[1])
        if many.is_integer() and many > 1 and not _THESE.search(before) and not NEGATED.search(before):
            found.add(int(many))
    return found.pop() if len(found) == 1 else None


def quantity(text: str, words: Sequence[str]) -> float | None:
    """The number beside one of `words`: "90 degrees", "quality 80"."""
    if not words:
        return None
    unit = "|".join(map(_either_number, words))
    beside = pattern(
        rf"(?<![\w.:-])({NUMBER})[ -]?(?:{unit})(?!\w)"
        rf"|\b(?:{unit})(?: (?:of|to|at|is)|\s*[=:])? ({NUMBER})(?![\w:])"
    )
    found = {number(match[1] or match[2]) for match in beside.finditer(text)}
    return found.pop() if len(found) == 1 else None


def choice(text: str, choices: Sequence[str], words: Sequence[str]) -> str | None:
    """The one of `choices` that `text` asks for.

    A preposition stands before it ("as a png"), or one of the parameter's own `words` beside it.
    """
    beside = "|".join(re.escape(word) for word in words) or "(?!)"
    found = []
    for option in choices:
        said = r"[ _-]?".join(map(re.escape, re.split(r"[ _-]", option)))
        asked = pattern(
            rf"(?:\b(?:as|in|into|to|with|using|by)\s+(?:an? |the )?(?:{said}){FOLLOWS})"
            rf"|(?:\b(?:{said})[ -](?:{beside})\b)"
            rf"|(?:\b(?:{beside})(?: (?:of|to|is)|\s*[=:])? (?:{said})(?!\w))"
        )
        if any(not NEGATED.search(text[: m.start()]) for m in asked.finditer(text)):
            found.append(option)
    longest = [one for one in found if not any(one != other and one in other for other in found)]
    return longest[0] if len(longest) == 1 else None


def _either_number(noun: str) -> str:
    """The word in its singular and its plural."""
    if not noun.isalpha():
        return re.escape(noun)
    stem = noun.removesuffix("s")
    return rf"{re.escape(stem)}(?:e?s)?"
