"""Standing requests: "tell me when you see a dog", "stop me in five minutes". They wait in the session.

Plain values: what a sentence asks for, and whether something that was seen or heard meets it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Sense = Literal["eyes", "ears", "clock"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What is waited for: `what` to be seen or heard, or `seconds` to pass; then `words` are said.

    `always` is True for what is told each time, and `urgent` for what may cut into the person's speech.
    """

    sense: Sense
    what: str = ""
    seconds: float = 0.0
    words: str = ""
    always: bool = False
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Dismissal:
    """Wishes that something be waited for no more: what `what` names, all of a `sense`, or everything."""

    what: str = ""
    sense: Sense | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Asks what is being waited for."""


Wish = Standing | Dismissal | Listing

_ARTICLES = re.compile(
    r"^(?:an?|the|any|some|one|another|(?:some|any)(?:one|body) (?:with|holding|wearing))\s+", re.IGNORECASE
)
QUOTES = "\"'“”‘’«»"


def spoken_time(seconds: float) -> str:
    """A length of time as one says it: "5 minutes", "1 hour and 30 minutes"."""
    left = max(1, round(seconds))
    parts = []
    for name, size in (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}{'s' * (count != 1)}")
    return " and ".join(parts[:2])


def meets(standing: Standing, sense: Sense, text: str) -> bool:
    """Whether what was seen or heard holds all words of what is waited for; of what was heard, in order."""
    if standing.sense != sense or not standing.what:
        return False
    wanted = stems(standing.what)
    there = stems(_sure(text) if sense == "eyes" else text)
    if sense == "ears":
        return any(there[at : at + len(wanted)] == wanted for at in range(len(there) - len(wanted) + 1))
    return bool(wanted) and set(wanted) <= set(there)


def promise(standing: Standing) -> str:
    """What the assistant answers to the request."""
    if standing.sense == "clock":
        time = spoken_time(standing.seconds)
        if standing.urgent:
            return f"I will stop you in {time}."
        return (
            f"I will remind you in {time}: {standing.words}."
            if standing.words
            else f"I will tell you in {time}."
        )
    often = "each time" if standing.always else "when"
    if standing.sense == "ears":
        return f"I will tell you {often} I hear “{standing.what}”."
    return f"I will tell you {often} I see {standing.what}, in what you show me."


def announcement(standing: Standing, found: str = "") -> str:
    """What the assistant says when it is met; `found` is what was seen or heard."""
    if standing.sense == "clock":
        over = f"{spoken_time(standing.seconds)} are over."
        return f"You wanted to be reminded: {standing.words}." if standing.words else over
    if standing.sense == "ears":
        return f"I heard “{standing.what}”."
    return f"I see {standing.what}: {_first_sentence(found)}"


def described(standing: Standing, left: float = 0.0) -> str:
    """One line of a list; `left` is the time still to pass."""
    if standing.sense == "clock":
        what = f" ({standing.words})" if standing.words else ""
        return f"{spoken_time(left)} to pass{what}"
    return f"“{standing.what}” to be heard" if standing.sense == "ears" else f"{standing.what} to be seen"


def dismissed(wanted: Dismissal, waiting: Sequence[Standing]) -> list[int]:
    """The places of those that it means."""
    named = set(stems(wanted.what))
    return [
        at
        for at, standing in enumerate(waiting)
        if (wanted.sense is None or standing.sense == wanted.sense)
        and (not named or named <= set(stems(f"{standing.what} {standing.words}")))
    ]


def stems(text: str) -> list[str]:
    """The words that count, in the singular."""
    plain = _ARTICLES.sub("", text.strip(f" {QUOTES}"))
    return [_singular(word) for word in re.findall(r"[^\W_]+(?:['’][^\W_]+)*", plain.lower())]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _sure(text: str) -> str:
    """What is seen for sure: without guesses of less than a third, and without what is not there."""
    text = re.sub(r"(?:,|\bor\b|\bperhaps\b)?\s*(?:an? )?[\w' -]+? \((?:[12]?\d|3[0-2]) ?%[^)]*\)", " ", text)
    return re.sub(r"\b(?:no|not|without|nothing|none)\b[^.,;]*", " ", text, flags=re.IGNORECASE)


def _first_sentence(text: str) -> str:
    found = re.match(r".+?[.!?](?=\s|$)", " ".join(text.split()))
    return found.group() if found else " ".join(text.split())[:200]
