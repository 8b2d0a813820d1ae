"""Text into clauses, as it is being written, and clauses into words that can be spoken.

The first clause is short, so that sound can begin early, and ends with a phrase if there is one; later ones
are whole sentences, or long parts of very long ones, because a voice needs them for its melody.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from specialists.spoken import read_out


@dataclass(frozen=True, slots=True)
class _Lengths:
    """In characters: from `soft` on a comma may end a clause, from `phrase` on a phrase; at `hard` a space
    has to."""

    soft: int
    phrase: int
    hard: int


_RAMP = (
    _Lengths(soft=8, phrase=16, hard=48),
    _Lengths(soft=24, phrase=110, hard=110),
    _Lengths(soft=60, phrase=220, hard=220),
)
"""For the first clause, the second, and all others: while one is heard the next, longer one can be made."""

_UNBROKEN = 400
"""Longest run without a space that is kept whole, in characters; long enough for a link."""

# Each alternative looks a fixed few characters ahead, so the cuts do not depend on how the text arrives.
_BOUNDARY = re.compile(
    r"""(?P<end>[.!?…]++["'”’»)\]*_~`]*+(?=\s))
      | (?P<wide>[。！？]++[」』”]*+(?=[\s\S]))
      | (?P<soft>[,;:]["'”’)\]*_]*+(?=\s) | (?<=\s)[-–](?=\s) | — | [、，；])
      | (?P<line>\n(?=[\s\S]))
      | (?P<phrase>(?<=[a-z]{3})[ ](?=(?:that|which|who|because|when|where|while|if|with|by|for|from|in|on|at
            |to|and|or|but|into|about|before|after|through|without)[ ]))""",
    re.VERBOSE,
)
_HOLDS = re.compile(
    r"(?i)\b(?:and|are|able|but|for|from|going|has|have|into|is|order|such|than|that|the|used"
    r"|want|was|were|with|you|they|there|this|what|which|who|how|when|where|why)$"
)
"""Words that nobody pauses behind."""
_FENCE = re.compile(r"(?:(?<=\n)|\s*\n)[ \t]*```")
_FENCE_END = re.compile(r"\n[ \t]*```[ \t]*\n")
_SPACE = re.compile(r"\s")
_VISIBLE = re.compile(r"\S")
_LAST_WORD = re.compile(r"[^\s(\[\"'“‘*_]*$")
_NUMBERING = re.compile(r"\W*\d{1,3}$")

_NEVER_LAST = re.compile(
    r"dr|mrs?|ms|prof|st|rev|gen|col|sgt|capt|lt|gov|hon|vs|cf|e\.?g|i\.?e|approx", re.IGNORECASE
)
"""Abbreviations after which a sentence goes on."""

_SOMETIMES_LAST = re.compile(
    r"nos?|figs?|vol|pp|etc|inc|ltd|co|corp|dept|est|jr|sr|al|a\.m|p\.m|u\.s|u\.k|ph\.d"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun",
    re.IGNORECASE,
)
"""Words that end a sentence only where a capital letter or a line end follows."""


class ClauseSplitter:
    """Cuts a stream of text into clauses.

    All clauses joined are the text itself, but for white space at its very end, and they are the same
    however the text is divided over calls of `feed`. Nothing is cut inside a number, a time, an
    abbreviation, a link or a block of code. Without `short_start` the first clause is as long as any.
    """

    def __init__(self, *, short_start: bool = True) -> None:
        self._before = 0 if short_start else len(_RAMP)
        # The text begins a line, hence the line end before it.
        self._buffer, self._start, self._made = "\n", 1, self._before

    def feed(self, text: str) -> list[str]:
        """Take more text; returns the clauses that are now known to be complete."""
        self._buffer += text
        clauses = []
        while (cut := self._find_cut()) is not None:
            clauses.append(self._buffer[self._start : cut])
            self._start, self._made = cut, self._made + 1
        # One character before the clause stays: it tells whether the clause begins a line.
        self._buffer, self._start = self._buffer[self._start - 1 :], 1
        return clauses

    def flush(self) -> list[str]:
        """End the text; returns what is left of it. The next `feed` begins a new text."""
        rest = self._buffer[self._start :]
        self._buffer, self._start, self._made = "\n", 1, self._before
        return [rest] if rest.strip() else []

    @property
    def _lengths(self) -> _Lengths:
        return _RAMP[min(self._made, len(_RAMP) - 1)]

    def _find_cut(self) -> int | None:
        """Where the next clause ends in the buffer, or None as long as that cannot be told."""
        text, start = self._buffer, self._start
        if (fence := _FENCE.match(text, start)) is not None:
            closing = _FENCE_END.search(text, fence.end())
            return closing.end() if closing else None
        begin = _first_visible(text, start)
        if begin is None:
            return None
        # No further than a clause may reach, and the two characters that are looked at behind it: of a text
        # without a single boundary every clause would otherwise be searched to the text's end.
        for boundary in _BOUNDARY.finditer(text, begin, begin + self._lengths.hard + 2):
            cut = boundary.end() + (boundary.lastgroup == "end")
            if cut - begin > self._lengths.hard:
                break
            if self._ends_clause(boundary, begin):
                return cut
        return self._forced_cut(begin)

    def _ends_clause(self, boundary: re.Match[str], begin: int) -> bool:
        """Whether a clause ends here, as far as the text that has come can tell."""
        text = self._buffer
        said = text[begin : boundary.start()]
        if not _speaks(said):
            # A rule or a row of marks goes with what follows it, unless that may be a block of code.
            return boundary.group() == "\n" and text[boundary.end()] == "`"
        match boundary.lastgroup:
            case "soft":
                return len(said) >= self._lengths.soft
            case "phrase":
                return len(said) >= self._lengths.phrase and not _HOLDS.search(said)
            case "line":
                return not text[boundary.end()].islower()
            case "end" if boundary.group().startswith(".") and boundary.group().count(".") == 1:
                return _ends_sentence(said, text[boundary.end() : boundary.end() + 2])
        return True

    def _forced_cut(self, begin: int) -> int | None:
        """The last space of a clause that grew too long, or its first space when it has none before."""
        text, hard = self._buffer, begin + self._lengths.hard
        if len(text) <= hard:
            return None
        spaces = [space.end() for space in _SPACE.finditer(text, begin, hard)]
        if spaces:
            return spaces[-1]
        later = _SPACE.search(text, hard, begin + _UNBROKEN)
        if later is not None:
            return later.end()
        return begin + _UNBROKEN if len(text) > begin + _UNBROKEN else None


def split(text: str) -> list[str]:
    """The clauses of a whole text. One that is a single clause already is left in one piece."""
    for short_start in (False, True):
        splitter = ClauseSplitter(short_start=short_start)
        clauses = [*splitter.feed(text), *splitter.flush()]
        if len(clauses) < 2:
            break
    return clauses


def _first_visible(text: str, start: int) -> int | None:
    visible = _VISIBLE.search(text, start)
    return visible.start() if visible else None


def _speaks(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _ends_sentence(said: str, following: str) -> bool:
    """Whether a full stop after `said` ends a sentence; `following` is the space and what comes next."""
    found = _LAST_WORD.search(said)
    word = found.group() if found else ""
    initial = len(word) == 1 and word.isupper() and word != "I"
    if initial or _NEVER_LAST.fullmatch(word) or _NUMBERING.fullmatch(said):
        return False
    if not _SOMETIMES_LAST.fullmatch(word):
        return True
    if following[:1] == "\n":
        return True
    return following[1:].isupper()


_LINK = re.compile(
    r"""<?\bhttps?://(?:www\.)?
        ([^\s/?#<>()\[\]"']+)                          # the host
        [^\s<>()\[\]"']*? (?=[.,;:!?]*(?:[\s<>()\[\]"']|$)) >?""",
    re.VERBOSE,
)
_SPOKEN = (
    (re.compile(r"^[ \t]*```.*?(?:^[ \t]*```[ \t]*$|\Z)", re.MULTILINE | re.DOTALL), " A block of code. "),
    (re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\s+\"[^\"]*\")?\)"), r"\1"),  # links and pictures: their text
    (re.compile(r"\]\([^()\s]*\)"), " "),  # the tail of a link that a cut went through
    (_LINK, r"\1"),
    (re.compile(r"</?[a-zA-Z][^<>]*>"), " "),
    (re.compile(r"^[ \t]*(?:[-*_=][ \t]*){3,}$", re.MULTILINE), " "),  # rules
    (re.compile(r"^[ \t]*\|?[ \t]*:?-{3,}[-:| \t]*$", re.MULTILINE), " "),  # the line under a table's head
    (re.compile(r"^[ \t]*(?:(?:>|#{1,6}(?=\s)|[-*+•](?=\s))[ \t]*)+", re.MULTILINE), ""),
    (re.compile(r"^[ \t]*\||\|[ \t]*$", re.MULTILINE), ""),
    (re.compile(r"[ \t]*\|[ \t]*"), ", "),
    (re.compile(r"\*{2,}|~~|`+|(?<!\S)\*(?=\S)|(?<=[^\s\w])\*|(?<=\S)\*(?!\w)"), ""),
    (re.compile(r"_+"), " "),
    (re.compile(r"[\[\]{}\\]"), " "),
)
"""Pattern and replacement, in order."""


def speakable(text: str) -> str:
    """The words of `text` as a voice should say them: no marks, no code, of a link only its words or host;
    figures and abbreviations as words where a voice would misread them."""
    for pattern, replacement in _SPOKEN:
        text = pattern.sub(replacement, text)
    return read_out(" ".join("".join(map(_audible, text)).split()))


def _audible(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return " " if character.isspace() else ""
    if category == "So" and character not in "°©®™№":  # pictographs
        return " "
    return "" if category == "Mn" and "︀" <= character <= "️" else character
