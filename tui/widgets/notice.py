"""A notice: what was rejected or went wrong, why, and what to do about it."""

from __future__ import annotations

from typing import Literal

from textual.content import Content
from textual.widgets import Static

from specialists.errors import AntiphonError
from tui.text import clean, line

Tone = Literal["error", "warning", "info"]


class Notice(Static):
    """One notice, in the colour of its tone."""

    def __init__(self, part: str, reason: str, remedy: str = "", tone: Tone = "error") -> None:
        pieces = [(f"{line(part, 60)}  " if part else "", "bold"), (_reason(part, reason), "")]
        if remedy:
            pieces.append((f"\n{_sentence(remedy)}", "$muted"))
        super().__init__(Content.assemble(*pieces), classes=tone, markup=False)

    @classmethod
    def of(cls, error: AntiphonError) -> Notice:
        return cls(error.part, error.message, error.remedy)


def _reason(part: str, text: str) -> str:
    """A sentence, unless it begins with the name of a file: names are shown as they are."""
    head, colon, _ = text.partition(": ")
    return clean(text).strip() if colon and (not part or "." in head) else _sentence(text)


def _sentence(text: str) -> str:
    cleaned = clean(text).strip()
    return cleaned[:1].upper() + cleaned[1:]
