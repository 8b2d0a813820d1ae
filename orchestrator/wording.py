"""The few sentences that the assistant itself words: what is missing, what failed, what was not found."""

from __future__ import annotations

import re
from collections.abc import Sequence

from orchestrator.budget import Budget, Tradeoff
from specialists.content import Message, Part
from specialists.errors import AntiphonError, DeadlineExceeded, Ours, Unavailable

_OUTPUTS = {"speech": "the speech", "image": "the picture"}

_NOTHING = {
    "no text": "There is no text that I can read in {names}.",
    "no speech": "I hear no speech in {names}.",
    "nothing remembered": "I remember nothing about this from earlier sessions.",
}

NOT_REMEMBERED = "Nothing that I remember seems to answer this. The nearest to it:"
"""What to say before what memory found, where that is hardly an answer."""

NO_ANSWER = "I have no answer to this."
"""What to say when nobody said anything and nothing failed."""


def nothing_found(label: str, specialist: str, parts: Sequence[Part]) -> str:
    """What to say when a specialist came back with nothing."""
    names = " and ".join(part.name for part in parts if part.name)
    if label not in _NOTHING and not names:
        return f"{specialist} gave no answer."
    return _NOTHING.get(label, "{specialist} found nothing in {names}.").format(
        names=names or "it", specialist=specialist
    )


def nothing_fitting(specialist: str, others: Sequence[str]) -> str:
    """What to say when a specialist answered, but with nothing that those after it can work on."""
    return f"{specialist} gave nothing that {' and '.join(others)} can work on."


def unfinished(error: AntiphonError) -> str:
    """What to say when a turn as a whole came to nothing."""
    if isinstance(error, DeadlineExceeded):
        return f"I ran out of time: {error.message}."
    if isinstance(error, Ours):
        return f"Something went wrong inside: {error.message.rstrip('.')}. {error.remedy.rstrip('.')}."
    return refused(error)


def could_not(specialist: str, error: AntiphonError) -> str:
    """What to say when a step could not be done."""
    if isinstance(error, Unavailable):
        sentence = f"I cannot use {specialist}: {error.message}."
    elif isinstance(error, DeadlineExceeded):
        sentence = f"{specialist} took too long: {error.message}."
    else:
        sentence = f"{specialist} failed: {error.message.rstrip('.')}."
    return f"{sentence} {error.remedy.rstrip('.')}." if error.remedy else sentence


def describe(tradeoff: Tradeoff) -> str:
    """A tradeoff as one line of a trace, with the estimates of the whole plan around it."""
    before, after, limit = tradeoff.before, tradeoff.after, tradeoff.limit
    match tradeoff.action:
        case "replace":
            what = f"{tradeoff.instead} instead of {tradeoff.specialist}"
        case "drop":
            what = f"without {tradeoff.specialist}"
        case "late":
            what = "nothing answers sooner"
        case _:
            what = "nothing answers for less"
    if tradeoff.reason == "unavailable":
        return f"{what}, which is not available"
    figures = []
    if limit.seconds is not None and tradeoff.reason != "price":
        change = f"{before.seconds:.1f} → {after.seconds:.1f}" if before != after else f"{after.seconds:.1f}"
        figures.append(f"{change} s of {limit.seconds:g}")
    if limit.price is not None and tradeoff.reason != "seconds":
        figures.append(f"price {before.price:g} → {after.price:g} of {limit.price:g}")
    return f"{what}: {', '.join(figures)}"


def gave_up(tradeoffs: Sequence[Tradeoff], seconds: float | None = None) -> str:
    """What to say of a plan that was cut to its budget: one sentence, or nothing where nothing was given up
    for it. `seconds` is how long the turn took; None before it began, when lateness is only expected."""
    told = [tradeoff for tradeoff in tradeoffs if tradeoff.reason != "unavailable"]
    if not told:
        return ""
    last = told[-1]
    if last.action == "refuse":
        least = f"{last.limit.price:g}: the cheapest way costs {last.after.price:g}"
        return f"I cannot answer this for at most {least}."
    late = last.action == "late" and (seconds is None or seconds > (last.limit.seconds or 0.0))
    done = _and(_left_out(told), _used(told))
    allowed = f"the {_seconds(last.limit)} allowed"
    if late:
        longer = f"takes longer than {allowed}" if seconds is None else f"took longer than {allowed}"
        return f"I {done}, and it still {longer}." if done else f"This {longer}."
    return f"I {done} {_purpose(last)}." if done else ""


def _left_out(tradeoffs: Sequence[Tradeoff]) -> str:
    names = [
        _OUTPUTS.get(tradeoff.output, f"the {tradeoff.output}")
        if tradeoff.output
        else f"what {tradeoff.specialist} would have added"
        for tradeoff in tradeoffs
        if tradeoff.action == "drop"
    ]
    return f"left out {_and(*names)}" if names else ""


def _used(tradeoffs: Sequence[Tradeoff]) -> str:
    swaps = [f"{t.instead} instead of {t.specialist}" for t in tradeoffs if t.action == "replace"]
    return f"used {_and(*swaps)}" if swaps else ""


def _purpose(tradeoff: Tradeoff) -> str:
    within = f"to answer within {_seconds(tradeoff.limit)}"
    price = f"{tradeoff.limit.price:g}" if tradeoff.limit.price is not None else ""
    if tradeoff.reason == "price":
        return f"to spend at most {price}"
    return f"{within} for at most {price}" if tradeoff.reason == "both" else within


def _seconds(limit: Budget) -> str:
    seconds = limit.seconds or 0.0
    return "1 second" if seconds == 1 else f"{seconds:g} seconds"


def _and(*pieces: str) -> str:
    said = [piece for piece in pieces if piece]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 2 else said)


def refused(error: AntiphonError) -> str:
    """What to say of an attachment that cannot be used."""
    sentence = f"I could not use {error.part or 'an attachment'}: {error.message.rstrip('.')}."
    return f"{sentence} {error.remedy.rstrip('.')}." if error.remedy else sentence


_OPENS = re.compile("([\"\u201c\u00ab])|(?:^|(?<=\\s))['\u2018]")
_CLOSES = {True: re.compile('["\u201d\u00bb]'), False: re.compile("['\u2019](?=\\W|$)")}
"""Double quotation marks, and single ones: those that stand around words, not within them."""


def words_to_say(text: str, history: Sequence[Message], *, reuse: bool) -> str:
    """What to speak when speech is all that is asked for: the words in quotation marks, else what follows a
    colon, else, for "say that", what the assistant said last, else the message itself."""
    if quoted := _quoted(text):
        return quoted
    _, _, behind = text.partition(": ")
    if behind.strip():
        return behind.strip()
    said = next((message.text for message in reversed(history) if message.role == "assistant"), "")
    return said if said and reuse else text


def _quoted(text: str) -> str:
    """The first words in quotation marks, or nothing."""
    unclosed: set[bool] = set()
    for opens in _OPENS.finditer(text):
        double = bool(opens[1])
        if double in unclosed:
            continue
        if closes := _CLOSES[double].search(text, opens.end() + 1):
            return text[opens.end() : closes.start()]
        unclosed.add(double)  # nor is any mark behind it; to look again for each would take for ever
    return ""
