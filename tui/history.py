"""What was typed before, walked with the arrow keys."""

from __future__ import annotations


class History:
    """The messages sent so far, and the draft that walking through them must not lose."""

    def __init__(self) -> None:
        self._sent: list[str] = []
        self._at = 0
        self._draft = ""

    def add(self, text: str) -> None:
        if text and (not self._sent or self._sent[-1] != text):
            self._sent.append(text)
        self._at = len(self._sent)
        self._draft = ""

    def earlier(self, current: str) -> str | None:
        """The message before, or None at the first."""
        if self._at == 0:
            return None
        if self._at == len(self._sent):
            self._draft = current
        self._at -= 1
        return self._sent[self._at]

    def later(self) -> str | None:
        """The message after, at last the draft; None when already there."""
        if self._at == len(self._sent):
            return None
        self._at += 1
        return self._draft if self._at == len(self._sent) else self._sent[self._at]
