"""The end of a turn: how long to wait in silence, given what was said and how it sounded."""

from __future__ import annotations

from typing import Protocol

from orchestrator.speech.detector import is_stop, plain_words
from orchestrator.speech.ears import Samples
from orchestrator.speech.unfinished import is_unfinished

COMPLETE = 0.6
UNFINISHED = 2.5
"""What the wait is multiplied by."""
AFTER_STOP = 1.0
"""Seconds: after "stop" nobody waits for an answer, but a new request often follows."""
GOES_ON = 0.3
"""Below this probability of being done, the sound says that the person goes on."""
IS_DONE = 0.9
"""Above this one it says that they are done; words that are plainly unfinished count for more."""


class TurnDetector(Protocol):
    """Judges by sound and words whether somebody is done. It is called in threads, one call at a time."""

    def load(self) -> None:
        """Get ready. Raises BadConfig when this is no such model, Unavailable when it cannot be had."""
        ...

    def probability(self, samples: Samples, text: str) -> float:
        """How likely it is, 0 to 1, that who said `samples` (16 kHz, up to within a pause) is done."""
        ...


def patience(text: str, base: float, complete: float | None = None) -> float:
    """Seconds of silence after which the person who said `text` is taken to be done.

    `complete` is how likely that is by the sound of it, None where nobody judged it.
    """
    said = text.strip()
    words = plain_words(said)
    if not words:
        return base
    if is_stop(said):
        return max(base, AFTER_STOP)
    if is_unfinished(said) or (complete is not None and complete < GOES_ON):
        return base * UNFINISHED
    closed = said.endswith("?") or (said.endswith((".", "!")) and len(words) >= 3)
    if closed or (complete is not None and complete > IS_DONE):
        return base * COMPLETE
    return base


def joined(before: str, text: str) -> str:
    """What was said in two halves, as one request: recognition ends each half as if it were whole."""
    if not before or not text:
        return text or before
    goes_on = text.lstrip()[:1].islower() or is_unfinished(before)
    first = before.rstrip().rstrip(".?!…") if goes_on else before.rstrip()
    return f"{first} {text.lstrip()}"
