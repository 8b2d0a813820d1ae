"""What a controller sees of a turn: words, kinds and history; never payloads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.control import neutralise
from specialists.content import Kind, Message

HISTORY = 4
"""How many earlier messages count for routing; follow-ups rarely reach further back."""

MAX_WORDS = 400
"""Words of a message that count for routing: what is asked stands at its beginning or its end."""

MAX_CHARACTERS = 8000
"""The same in characters: not everybody puts spaces between words."""

ANSWERED = "[answer]"
"""What stands for every answer of the assistant before a controller. An answer may repeat a page, a recording
or what a tool gave, and none of them may steer a route."""


@dataclass(frozen=True, slots=True)
class Said:
    """An earlier message: who said it, its words, the kinds attached to it. The assistant's words are
    `ANSWERED`, whatever they were."""

    role: str
    text: str
    attachments: tuple[Kind, ...] = ()

    def __post_init__(self) -> None:
        if self.role == "assistant":
            object.__setattr__(self, "text", ANSWERED)


@dataclass(frozen=True, slots=True)
class Request:
    """The person's words, the kinds attached now, and what was said before.

    `person` is whose request it is, by the prefix of their sessions (empty for the local person): how they
    corrected earlier requests then counts. None for nobody in particular.
    """

    text: str
    attachments: tuple[Kind, ...] = ()
    history: tuple[Said, ...] = ()
    person: str | None = None

    @property
    def earlier_kinds(self) -> frozenset[Kind]:
        """Kinds that were attached to earlier messages."""
        return frozenset(kind for said in self.history for kind in said.attachments)


def request(
    text: str,
    attachments: Sequence[Kind] = (),
    history: Sequence[Message] = (),
    person: str | None = None,
) -> Request:
    """The request of a turn, `inert`."""
    said = tuple(
        Said(message.role, message.text, tuple(part.kind for part in message.media))
        for message in history[-HISTORY:]
    )
    return inert(Request(text, tuple(attachments), said, person))


def inert(asked: Request) -> Request:
    """The request with control syntax made inert, long texts cut, and nothing that no file can hold."""
    history = tuple(replace(said, text=_plain(said.text)) for said in asked.history)
    return replace(asked, text=_plain(asked.text), history=history)


def _plain(text: str) -> str:
    return _cut(neutralise(text.encode("utf-8", "replace").decode()))


def _cut(text: str) -> str:
    if len(text) > MAX_CHARACTERS:
        half = MAX_CHARACTERS // 2
        text = f"{text[:half]} … {text[-half:]}"
    words = text.split()
    if len(words) <= MAX_WORDS:
        return text
    half = MAX_WORDS // 2
    return " ".join([*words[:half], "…", *words[-half:]])
