"""What speech over the assistant means: a sign of listening, noise, or an interruption."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Verdict(Enum):
    UNDECIDED = "undecided"
    SUSPECTED = "suspected"
    """It may be an interruption: be silent until it is clear."""
    BACKCHANNEL = "backchannel"
    NOISE = "noise"
    INTERRUPTION = "interruption"


@dataclass(frozen=True, slots=True)
class Overlap:
    """What is known so far of a sound over the assistant."""

    voiced: float
    """Seconds of it in which a voice was detected."""
    ended: bool
    """Whether the voice has paused."""
    level: float
    """Its loudness in dB of full scale."""
    text: str | None = None
    """The words recognised in it, None while they are not known."""
    score: float = 1.0
    """How sure recognition is of them, 0 to 1."""
    own: bool = False
    """Whether these words are the assistant's own, heard back from the loudspeaker."""
    failed: bool = False
    """Whether recognition failed, so that there will be no words."""


class InterruptionDetector(Protocol):
    """Judges a sound over the assistant, again and again until it is decided."""

    def judge(self, overlap: Overlap) -> Verdict: ...


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_HUM = re.compile(r"(?:m{2,}|e*h*m+|mh+|[ua]+h+m*|u+m+|[oe]+h+)(?:-?(?:h*m+|h*u+h+|h+a+h*|u+h+))*")
_LISTENING = _set(
    "yeah yea yep yes yup right okay ok sure good great nice cool wow really exactly indeed true fine "
    "alright absolutely interesting see understand definitely totally certainly huh ha haha hmm gotcha whoa"
)
_LISTENS = re.compile(
    r"\b(?:go (?:on|ahead)|carry on|keep going|continue|of course|got it|i get it|makes sense|tell me more"
    r"|how (?:nice|lovely|interesting|funny)|i know|you don't say|fair enough|sounds good|good to know)\b"
)
"""Phrases that ask for no more than what goes on already."""
_FILLERS = _set("i it that that's is all very so oh ah well the you and then please just my")
"""May stand beside the words above, as in "I see" or "that's right"; alone they decide nothing."""
_STOP = _set(
    "stop wait no nope quiet enough cancel halt pause shut silence hush shush never hold excuse sorry moment"
)
"""Any of these makes it an interruption."""
_STOP_ONLY = _STOP - {"sorry", "excuse", "never", "no", "nope"} | _set(
    "it one that's be up please on a now the there talking speaking moment second okay ok just thanks thank"
    " you"
)
_ASKS = _set(
    "please hello hey pardon what who where when why how which actually listen louder slower faster repeat "
    "again next back help"
)
"""Short words with which somebody takes the floor, if they were heard clearly."""


def plain_words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation but for hyphens and apostrophes inside."""
    return re.findall(r"[\w]+(?:['’-][\w]+)*", text.lower().replace("’", "'"))


def is_backchannel(text: str) -> bool:
    """Whether these words only show that somebody listens: "mm-hm", "yeah", "oh, I see", "okay, go on"."""
    plain = " ".join(plain_words(text))
    words = _LISTENS.sub("right", plain).split()
    signs = [word for word in words if word in _LISTENING or _HUM.fullmatch(word)]
    return bool(signs) and len(words) <= 5 and all(w in signs or w in _FILLERS for w in words)


def is_stop(text: str) -> bool:
    """Whether these words ask for silence and for nothing else: "stop", "wait, please", "be quiet"."""
    words = plain_words(text)
    return bool(words) and bool(_STOP & set(words)) and all(word in _STOP_ONLY for word in words)


def objects(text: str) -> bool:
    """Whether one of these words makes it an interruption, however short."""
    return bool(_STOP & set(plain_words(text)))


class LocalDetector:
    """Decides from duration, loudness and the recognised words; words count most."""

    SUSPECT = 0.09
    """Seconds of voice after which the assistant falls silent to hear more."""
    LONG = 3.0
    """Seconds of voice after which it is an interruption, whatever was recognised."""
    LONG_UNHEARD = 1.0
    """... where no words can be had."""
    SETTLED = 0.8
    """Seconds of voice before which words that go on may still become others: "oh" is heard before "okay". It
    costs nothing, as the assistant is silent by then."""
    BRIEF = 1.0
    """Seconds of voice below which words may be a misheard hum or sign of listening: recognition always finds
    some word, as "chair" for "sure" and "bye" for "ah"."""
    CLEAR = 0.8
    """Score from which words are what was said, however brief."""
    UNCLEAR = 0.48
    """Score below which several brief words are none. Measured with Whisper tiny: hums score 0.34 to 0.55,
    short requests 0.43 to 0.97."""
    FAINT = -50.0
    """dB of full scale below which a voice is taken to be somebody else's, far away."""

    def judge(self, overlap: Overlap) -> Verdict:
        if overlap.text is not None and (verdict := self._by_words(overlap)) is not Verdict.UNDECIDED:
            return verdict
        if overlap.voiced >= (self.LONG_UNHEARD if overlap.failed else self.LONG):
            return Verdict.INTERRUPTION
        if overlap.ended and overlap.failed:
            return Verdict.NOISE
        return Verdict.SUSPECTED if overlap.voiced >= self.SUSPECT else Verdict.UNDECIDED

    def _by_words(self, overlap: Overlap) -> Verdict:
        words = plain_words(overlap.text or "")
        if overlap.own:
            return Verdict.NOISE if overlap.ended else Verdict.UNDECIDED
        if objects(overlap.text or ""):
            return Verdict.INTERRUPTION
        if not words or overlap.level < self.FAINT:
            return Verdict.NOISE if overlap.ended else Verdict.UNDECIDED
        if is_backchannel(overlap.text or ""):
            return Verdict.BACKCHANNEL if overlap.ended else Verdict.UNDECIDED
        if not overlap.ended and overlap.voiced < self.SETTLED:
            return Verdict.UNDECIDED
        if self._may_be_misheard(words, overlap):
            return Verdict.BACKCHANNEL if overlap.ended else Verdict.UNDECIDED
        return Verdict.INTERRUPTION

    def _may_be_misheard(self, words: list[str], overlap: Overlap) -> bool:
        """Whether these words may be a hum or a sign of listening that was taken for something else."""
        if overlap.voiced >= self.BRIEF or overlap.score >= self.CLEAR:
            return False
        asks = not _ASKS.isdisjoint(words)
        if len(words) == 1 or (len(words) <= 3 and not _LISTENING.isdisjoint(words)):
            return not asks or overlap.score < self.UNCLEAR
        return overlap.score < self.UNCLEAR and "please" not in words
