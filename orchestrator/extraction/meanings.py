"""What the parameters of a foreign tool are about, told from their names and descriptions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.extraction.quantities import name_words
from specialists.content import AUDIO, Kind


@dataclass(frozen=True, slots=True)
class _Seen:
    """A parameter as it was declared, and what its tool consumes."""

    words: frozenset[str]
    type: str
    description: str
    consumes: Sequence[Kind]

    @property
    def is_number(self) -> bool:
        return self.type in ("number", "integer")

    def has(self, *words: str) -> bool:
        return not self.words.isdisjoint(words)

    def says(self, pattern: str) -> bool:
        return re.search(pattern, self.description, re.IGNORECASE) is not None


_LANGUAGE = ("language", "lang", "locale")
_TIME = ("time", "sec", "secs", "second", "seconds", "s", "ts", "timestamp")
_RATES = ("sample", "frame", "bit", "fps", "hz", "learning", "kbps")


def _is_wanted_language(seen: _Seen) -> bool:
    if not seen.has(*_LANGUAGE) or seen.is_number:
        return False
    if seen.has("target", "to", "output", "dest", "tgt", "into"):
        return True
    if seen.has("source", "from", "input", "src", "spoken", "original"):
        return False
    if seen.says(r"\b(?:spoken|source|original|of the (?:recording|audio|speech|input))\b"):
        return False
    return seen.says(r"\b(?:target|into|to translate|output|wanted|desired)\b") or AUDIO not in seen.consumes


def _is_bound(seen: _Seen, *words: str) -> bool:
    alone = seen.words <= {*words, *_TIME} and (seen.is_number or seen.has(*_TIME))
    return seen.has(*words) and alone


_RULES: tuple[tuple[str, Callable[[_Seen], bool]], ...] = (
    ("target_language", _is_wanted_language),
    ("source_language", lambda seen: seen.has(*_LANGUAGE) and not seen.is_number),
    ("start", lambda seen: _is_bound(seen, "start", "begin", "from", "offset")),
    ("end", lambda seen: _is_bound(seen, "end", "stop", "to", "until")),
    (
        "time_range",
        lambda seen: (
            seen.type == "string"
            and seen.has("range", "segment", "interval", "span")
            and not seen.has("page", "pages", "date")
            and (seen.has("time") or seen.says(r"\b(?:time|seconds|recording|film|video|audio)\b"))
        ),
    ),
    (
        "time",
        lambda seen: (
            seen.has("timestamp", "moment")
            or (
                seen.has("time", "at", "position")
                and seen.says(r"\b(?:seconds|recording|film|video|audio|clip)\b")
            )
        ),
    ),
    ("duration", lambda seen: seen.is_number and seen.has("duration")),
    ("pages", lambda seen: seen.has("page", "pages") and not seen.has("size", "count", "num", "max")),
    ("style", lambda seen: seen.type == "string" and seen.has("style", "artist", "look", "aesthetic")),
    (
        "speed",
        lambda seen: (
            seen.is_number
            and seen.has("speed", "tempo", "pace", "rate", "playback")
            and not seen.has(*_RATES)
        ),
    ),
    ("width", lambda seen: seen.is_number and seen.has("width")),
    ("height", lambda seen: seen.is_number and seen.has("height")),
    ("size", lambda seen: seen.type == "string" and seen.has("size", "resolution", "dimensions")),
    (
        "count",
        lambda seen: (
            seen.is_number
            and (
                seen.has("n", "num", "count", "copies", "variations", "k", "amount", "number")
                or seen.says(r"^(?:the )?(?:number of|how many)\b")
            )
        ),
    ),
    ("quantity", lambda seen: seen.is_number),
)
"""The first that holds; a parameter for which none does is not filled from words."""


def meaning_of(
    name: str, type: str, description: str, choices: Sequence[str], consumes: Sequence[Kind]
) -> str:
    """The `meaning` of a parameter that declares none; empty where its name and description do not tell."""
    if type not in ("string", "number", "integer"):
        return ""
    seen = _Seen(frozenset(name_words(name)), type, description, consumes)
    told = next((meaning for meaning, holds in _RULES if holds(seen)), "")
    return "choice" if choices and not told.endswith("_language") else told
