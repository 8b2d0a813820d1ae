"""The few sentences that the assistant itself words: what is missing, what failed, what was not found."""

from __future__ import annotations

import re
from collections.abc import Sequence

from specialists.content import Message, Part
from specialists.errors import AntiphonError, DeadlineExceeded, Unavailable

_NOTHING = {
    "no text": "There is no text that I can read in {names}.",
    "no speech": "I hear no speech in {names}.",
    "nothing remembered": "I remember nothing about this from earlier sessions.",
}


def nothing_found(label: str, specialist: str, parts: Sequence[Part]) -> str:
    """What to say when a specialist came back with nothing."""
    names = " and ".join(part.name for part in parts if part.name) or "it"
    return _NOTHING.get(label, "{specialist} found nothing in {names}.").format(
        names=names, specialist=specialist
    )


def could_not(specialist: str, error: AntiphonError) -> str:
    """What to say when a step could not be done."""
    if isinstance(error, Unavailable):
        sentence = f"I cannot use {specialist}: {error.message}."
    elif isinstance(error, DeadlineExceeded):
        sentence = f"{specialist} took too long: {error.message}."
    else:
        sentence = f"{specialist} failed: {error.message.rstrip('.')}."
    return f"{sentence} {error.remedy.rstrip('.')}." if error.remedy else sentence


def refused(error: AntiphonError) -> str:
    """What to say of an attachment that cannot be used."""
    sentence = f"I could not use {error.part or 'an attachment'}: {error.message.rstrip('.')}."
    return f"{sentence} {error.remedy.rstrip('.')}." if error.remedy else sentence


_QUOTED = re.compile(
    "[\"\u201c\u00ab](.+?)[\"\u201d\u00bb]|(?:^|\\s)['\u2018](.+?)['\u2019](?=\\W|$)", re.DOTALL
)


def words_to_say(text: str, history: Sequence[Message], *, reuse: bool) -> str:
    """What to speak when speech is all that is asked for: the words in quotation marks, else what follows a
    colon, else, for "say that", what the assistant said last, else the message itself."""
    if quoted := _QUOTED.search(text):
        return next(group for group in quoted.groups() if group)
    _, _, behind = text.partition(": ")
    if behind.strip():
        return behind.strip()
    said = next((message.text for message in reversed(history) if message.role == "assistant"), "")
    return said if said and reuse else text
