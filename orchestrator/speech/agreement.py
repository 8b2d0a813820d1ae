"""Which words of a growing recognition stay: those on which two hypotheses in a row agree."""

from __future__ import annotations

import re

_WORD = re.compile(r"\S+")
_MARKS = re.compile(r"[^\w']+")


def agreed(before: str, now: str) -> int:
    """How many characters of `now` are words with which `before` begins as well, marks and case aside.

    LocalAgreement-2 of Macháček et al., "Turning Whisper into a real-time transcription system" (2023).
    """
    end = 0
    for old, new in zip(_WORD.findall(before), _WORD.finditer(now), strict=False):
        if _plain(old) != _plain(new.group()):
            break
        end = new.end()
    return end


def after(text: str, words: int) -> int:
    """Where in `text` its first so many words end, in characters."""
    ends = [0, *(word.end() for word in _WORD.finditer(text))]
    return ends[min(words, len(ends) - 1)]


def _plain(word: str) -> str:
    return _MARKS.sub("", word.casefold().replace("’", "'"))
