"""The end of a turn: how long to wait in silence, given what was said and how it sounded."""

from __future__ import annotations

from typing import Protocol

from orchestrator.speech.detector import is_stop, plain_words
from orchestrator.speech.ears import Samples
from orchestrator.speech.unfinished import is_unfinished

QUESTION = 0.8
SHORT_QUESTION = 1.6
STATEMENT = 2.4
UNFINISHED = 2.8
"""What the wait is multiplied by: after a whole question; after a short one, as "What do you think" may go on
with "about it"; after what may be a whole sentence, as recognition ends "Tell me a story" with a full stop
whether or not "about a lighthouse" follows; after half of one. The reply is prepared meanwhile, so a wait
costs no more than itself."""
FEW = 5
"""Words in which an answer or thanks is all there is, and a question may be the half of one."""
AFTER_STOP = 1.0
"""Seconds: after "stop" nobody waits for an answer, but a new request often follows."""
GOES_ON = 0.5
"""Below this probability of being done, the sound says that the person goes on."""
DOUBTED = 0.2
"""Below this probability that its words are all there is, a question is waited for like a sentence: "Who won
the race" may go on, "Who won the race in Monaco last year" hardly."""


class TurnDetector(Protocol):
    """Judges by sound and words whether somebody is done. It is called in threads, one call at a time."""

    def load(self) -> None:
        """Get ready. Raises BadConfig when this is no such model, Unavailable when it cannot be had."""
        ...

    def probability(self, samples: Samples, text: str) -> float:
        """How likely it is, 0 to 1, that who said `samples` (16 kHz, up to within a pause) is done."""
        ...


def patience(text: str, base: float, complete: float | None = None, whole: float | None = None) -> float:
    """Seconds of silence after which the person who said `text` is taken to be done.

    `complete` is how likely that is by the sound of it, `whole` by the words as a language model knows them;
    None where nobody judged it.
    """
    said = text.strip()
    words = plain_words(said)
    if not words:
        return base
    if is_stop(said):
        return max(base, AFTER_STOP)
    if is_unfinished(said) or (complete is not None and complete < GOES_ON):
        return base * UNFINISHED
    if said.endswith("?") or words[0] in _ASK:
        if whole is not None and whole < DOUBTED:
            return base * STATEMENT
        return base * (QUESTION if len(words) > FEW else SHORT_QUESTION if len(words) > 2 else 1.0)
    return base if _is_answer(words) else base * STATEMENT


_ASK = frozenset(plain_words("who whom whose what which why how where who's what's where's how's"))
"""What begins with these asks, also where recognition ends it with a full stop."""
_ANSWERS = frozenset(
    plain_words(
        "yes yeah yep no nope okay ok sure right fine thanks thank please hello hi hey bye goodbye"
        " sorry never mind good morning evening night"
    )
)


def _is_answer(words: list[str]) -> bool:
    """Whether few words are all there is: an answer, thanks, a greeting."""
    return len(words) <= FEW and words[0] != "please" and (words[0] in _ANSWERS or words[-1] in _ANSWERS)


def joined(before: str, text: str) -> str:
    """What was said in two halves, as one request: recognition ends each half as if it were whole."""
    if not before or not text:
        return text or before
    goes_on = text.lstrip()[:1].islower() or is_unfinished(before)
    first = before.rstrip().rstrip(".?!…") if goes_on else before.rstrip()
    return f"{first} {text.lstrip()}"
