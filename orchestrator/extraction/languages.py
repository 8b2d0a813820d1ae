"""Languages by their names, in many languages: what is spoken, and what is wanted.

"In Spanish" is what someone wants, unless the words before it say that something *is* in Spanish.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from orchestrator.extraction.words import FOLLOWS, NEGATED, pattern

_NAMED_IN = (
    *("de", "fr", "es", "it", "pt", "nl", "pl", "ru", "tr", "sv", "da", "nb"),
    *("fi", "cs", "uk", "el", "hu", "ro", "ja", "zh", "ko", "ar", "hi", "vi"),
)
"""Besides English, the languages whose own names of languages are known."""

_ALSO = {
    "mandarin": "zh",
    "farsi": "fa",
    "flemish": "nl",
    "castilian": "es",
    "slovene": "sl",
    "gaelic": "gd",
    "panjabi": "pa",
}
_WORDS_TOO = frozenset(("lets", "pools", "fries", "ewe", "mongolia"))
"""Names of languages in some language that are plain words of English."""

_QUALIFIED = pattern(
    "simple|easy|good|proper|simplified|traditional|brazilian|european|british|american|canadian|mexican|"
    "modern|formal|informal|spoken|written|fluent|latin-american"
)

_FOLLOWS = re.compile(FOLLOWS, re.IGNORECASE)
_JOINED = re.compile(r"\s*(?:,|and|or|&|und|et|y|, and)\s+(?:in(?:to)? )?")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)?")

_SPEECH = (
    r"(?:recording|audio|interview|podcast|voice ?notes?|voice ?messages?|voicemails?|voice memo|clip|video|"
    r"film|movie|song|lecture|call|conversation|speech|sermon|broadcast|track|message|monologue|speaker)"
)
_THING = rf"(?:it|this|that|there|{_SPEECH}|letter|text|sign|menu|tannoy|note|file|[a-z]+)"

_SPOKEN = tuple(
    pattern(text)
    for text in (
        rf"(?<!\bis )(?<!\bwas )\b(?:{_THING}(?:'s| is| are| was| were)|its|thats)"
        r"(?: all| mostly| partly| only)*(?: speaking| spoken| talking| written| recorded| sung)? in ",
        r"(?<!\bis )\b(?:it|that|this|language)(?:'s| is)(?: all| mostly)? ",
        r"\b(?:he|she|they|who|someone|man|woman|lady|guy|people|speakers?|aunt|uncle|mother|father|nan|friend|"
        r"[a-z]+)(?:'s| is| are| was| were)? (?:speaking|speaks|talking|talks|singing|sings)(?: in)? ",
        r"\b(?:they|i) speak(?: in) ",
        r"\b(?:they|both) speak ",
        r"\b(?:spoken|sung|recorded|speaking|talking) in ",
        r"\bfrom (?:the )?",
        rf"\b(?:a|the|this|my|his|her|their|that|our) {_SPEECH} in ",
        r"\btranscri\w+ [^.;,?!]{0,40}?\bin ",
        r"\blanguage ?[:=] ?",
        r"\b(?:es|das|sie) ist (?:auf )?",
        r"\bc'est (?:en )?",
        r"\b(?:est[aá]|es) en ",
        r"\bè in ",
    )
)
_PUT = pattern(
    r"\b(?:put|turn|translate|convert|get|want|give (?:me|us)|read|write|say|tell (?:me|us)|repeat|have|need)"
    r"(?: \w+)? $"
)
"""Before "her message in Spanish", it says that this is how it is wanted."""
_SPOKEN_BEFORE = pattern(rf"\s+{_SPEECH}\b")
_OF_SOMETHING = pattern(r"\b(?:a|an|the|this|that|my|his|her|our|their|transcribe|some) $")

_WANTED = tuple(
    pattern(text)
    for text in (
        r"\b(?:in|into|auf|ins|nach|en|al|em|para o|in het|naar het|på|till|na|nel|in) (?:the )?",
        r"\b(?:translat\w+|turn\w*|convert\w*|chang\w+)\b[^.;?!]{0,60}\bto (?:the )?",
        r"\bthe (?=[^\W\d_]+ for\b)",
    )
)
_FROM_TO = pattern(r"\b([^\W\d_]+) (?:to|into) ")
_WANTED_BEFORE = pattern(r"\s+(?:versions?|translations?|subtitles|captions|dub|dubbing)\b")
_BEING = pattern(
    r"(?:\b(?:is|are|was|were|be|been|speaks?|speaking|written|spoken|recorded|talks?)|'s)"
    r"(?: all| mostly| it| this| that)?\s*$"
)


def spoken(text: str) -> str | None:
    """The language of what is there, as a two-letter code, when `text` names exactly one."""
    codes = {code for code, _, _ in _spoken(text)} | {source for source, _ in _pairs(text)}
    return codes.pop() if len(codes) == 1 else None


def wanted(text: str) -> str | None:
    """The language that something is to be put into, as a two-letter code, when `text` names exactly one."""
    codes = {target for _, target in _pairs(text)}
    for _, start, end in list(_spoken(text)):
        text = text[:start] + " " * (end - start) + text[end:]
    for known in _WANTED:
        for found in known.finditer(text):
            name = _name_at(text, found.end())
            before = text[: found.start()]
            is_so = found[0].lower().startswith(("in ", "auf ", "en ")) and _BEING.search(before)
            if name and _closes(text, name[1]) and not NEGATED.search(before) and not is_so:
                codes |= {name[0], *_more(text, name[1])}
    codes |= {code for code, start, _ in _before(text, _WANTED_BEFORE) if not NEGATED.search(text[:start])}
    return codes.pop() if len(codes) == 1 else None


def english_name(code: str) -> str:
    """What a language is called in English; the code itself where it has no name."""
    return {value: name for name, value in _names("en").items()}.get(code, code).title()


def _spoken(text: str) -> Iterator[tuple[str, int, int]]:
    """Code, begin and end of the name of every language that something is said to be in."""
    for known in _SPOKEN:
        for found in known.finditer(text):
            name = _name_at(text, found.end())
            before = text[: found.start()]
            if not name or NEGATED.search(before) or NEGATED.search(found[0]) or _PUT.search(before):
                continue
            if found[0].lower().startswith("from") or (
                _closes(text, name[1]) and not text[name[1] :].startswith(" to ")
            ):
                yield name[0], found.end(), name[1]
    for code, start, end in _before(text, _SPOKEN_BEFORE):
        if _OF_SOMETHING.search(text[:start]):
            yield code, start, end


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """The codes of two languages that stand as "German to English"."""
    for found in _FROM_TO.finditer(text):
        source, name = code_of(found[1]), _name_at(text, found.end())
        if source and name:
            yield source, name[0]


def _before(text: str, things: re.Pattern[str]) -> Iterator[tuple[str, int, int]]:
    """Languages that stand before one of these things: "a Spanish version"."""
    for found in things.finditer(text):
        words = list(_WORD.finditer(text[: found.start()]))
        if words and words[-1].end() == found.start() and (code := code_of(words[-1][0])):
            yield code, words[-1].start(), found.start()


def _more(text: str, at: int) -> Iterator[str]:
    """Further languages in a list that goes on at `at`."""
    while (joined := _JOINED.match(text, at)) and (name := _name_at(text, joined.end())):
        yield name[0]
        at = name[1]


def _closes(text: str, end: int) -> bool:
    return _FOLLOWS.match(text, end) is not None


def _name_at(text: str, at: int) -> tuple[str, int] | None:
    """The code of the language whose name begins at `at`, and where the name ends."""
    words: list[re.Match[str]] = []
    while (found := _WORD.match(text, at)) is not None and len(words) < 3:
        words.append(found)
        at = found.end() + 1 if text[found.end() : found.end() + 1] == " " else len(text) + 1
    while words and _QUALIFIED.fullmatch(words[0][0]):
        words.pop(0)
    for count in (2, 1):
        if len(words) >= count and (code := code_of(" ".join(word[0] for word in words[:count]))):
            return code, words[count - 1].end()
    return None


@cache
def code_of(name: str) -> str | None:
    """The two-letter code of a language by its name, None for what is no language's name."""
    name = name.casefold()
    if len(name) < 2 or name in _WORDS_TOO:
        return None
    forms = (name, name.removesuffix("e")) if name.isascii() or name.endswith("e") else (name,)
    for tongue in ("en", *_NAMED_IN):
        for form in forms:
            if code := _names(tongue).get(form) or _ALSO.get(form):
                return code
    return None


@cache
def _names(tongue: str) -> Mapping[str, str]:
    """Names of languages in one language, to their two-letter codes."""
    from babel import Locale

    return {name.casefold(): code for code, name in Locale(tongue).languages.items() if len(code) == 2}
