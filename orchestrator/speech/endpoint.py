"""The end of a turn: how long to wait in silence, given what was said."""

from __future__ import annotations

from orchestrator.speech.detector import is_stop, plain_words

_GO_ON = frozenset(
    [
        "a",
        "about",
        "also",
        "an",
        "and",
        "are",
        "as",
        "at",
        "because",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "er",
        "for",
        "from",
        "has",
        "have",
        "her",
        "his",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it's",
        "like",
        "my",
        "of",
        "on",
        "or",
        "our",
        "so",
        "than",
        "that",
        "the",
        "their",
        "then",
        "there",
        "to",
        "uh",
        "um",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "whether",
        "which",
        "while",
        "who",
        "will",
        "with",
        "would",
        "your",
    ]
)
"""Words that an utterance rarely ends with."""

COMPLETE = 0.6
UNFINISHED = 2.5
"""What the wait is multiplied by."""
AFTER_STOP = 1.0
"""Seconds: after "stop" nobody waits for an answer, but a new request often follows."""


def patience(text: str, base: float) -> float:
    """Seconds of silence after which the person who said `text` is taken to be done."""
    said = text.strip()
    words = plain_words(said)
    if not words:
        return base
    if is_stop(said):
        return max(base, AFTER_STOP)
    if words[-1] in _GO_ON or said.endswith((",", "-", "…", "...")):
        return base * UNFINISHED
    if said.endswith("?") or (said.endswith((".", "!")) and len(words) >= 3):
        return base * COMPLETE
    return base
