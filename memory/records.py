"""What memory keeps and how it is asked: Records, Queries, Hits, and the Evidence key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from specialists.base import Card, Task
from specialists.content import IMAGE, Anchor, Kind


@dataclass(frozen=True, slots=True)
class Record:
    """One piece of stored experience.

    `role` is what it is: "user" and "assistant" for words that were said (heard, in the assistant's case),
    "evidence" for what a specialist found. `source` names the specialist. `key` is the evidence key, empty
    for words; of a fact what it is about. `blobs` are the digests of the media it rests on, `media` the kinds
    of those media. `time` is in seconds since the epoch. `id` is empty until the store assigns one.

    `person` is the prefix of the sessions of whom it is from, empty for the local one. `episode` names the
    stretch of experience it belongs to, a turn where nothing else is said (`memory.episodes`).

    `level` is empty for what was said or found. What is made of that has the role "derived", the ids of what
    it rests on in `sources`, and goes when one of them goes: "episode" is one thing seen or heard in a clip,
    with its span; "summary" sums up a stretch of a session; "theme" names what several summaries share;
    "fact" is something the person stated. A fact holds from `valid_from` to `valid_to`, in seconds since the
    epoch, None while it still holds; `superseded_by` is then the id of the fact in its place.
    """

    text: str
    kind: Kind
    role: str
    session: str = ""
    turn: int = 0
    source: str = ""
    key: str = ""
    blobs: tuple[str, ...] = ()
    media: tuple[Kind, ...] = ()
    anchors: tuple[Anchor, ...] = ()
    score: float | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    time: float = 0.0
    id: str = ""
    person: str = ""
    episode: str = ""
    level: str = ""
    sources: tuple[str, ...] = ()
    valid_from: float | None = None
    valid_to: float | None = None
    superseded_by: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A question to memory. None means no restriction; `since`, `until` (itself not in it) and `now` are in
    seconds since the epoch.

    What the text says of when ("last Tuesday", "before the meeting") and by whom ("what did you tell me")
    favours records and restricts nothing; it is read from `now`, None for the present moment.

    A record is of a kind when it is of that kind itself or rests on media of it. `blobs` restricts
    nothing: records that rest on one of these digests come first. Without text and blobs the newest
    records answer.
    """

    text: str = ""
    k: int = 10
    kinds: tuple[Kind, ...] | None = None
    since: float | None = None
    session: str | None = None
    blobs: tuple[str, ...] = ()
    scope: str = ""
    """Only sessions whose names begin with this: what belongs to one caller of a shared store."""
    hurried: bool = False
    """Do not wait for the vectors of what was written just now, where that takes more than a moment: the
    first question after thousands of records otherwise does."""
    levels: tuple[str, ...] = ("",)
    """The levels of the records that may answer (see Record.level): by default what was said or found."""
    until: float | None = None
    now: float | None = None
    like: tuple[str | bytes, ...] = ()
    """Pictures, sounds or films, as digests of stored files or as the bytes of files: records that rest on
    what looks or sounds like one of them come first, after those of `blobs`, the most alike foremost."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A Record that answers a Query.

    `score` is the fused score, good for ordering alone; `ranks` the 1-based rank in each list that holds
    the record: "blob", "look", "sound", "lexical", "dense", "recent", "when" for the time a question speaks
    of. `cosine` says how near its meaning is to the query's (-1 to 1), None where meanings were not compared.
    """

    record: Record
    score: float
    ranks: Mapping[str, int] = field(default_factory=dict)
    cosine: float | None = None
    likeness: float | None = None
    """Of what the record rests on and the most alike of `Query.like`: 0 to 1. The ranks "look" and "sound"
    tell by which sense."""
    where: Anchor | None = None
    """Where in the film or recording it is alike."""


@dataclass(frozen=True, slots=True)
class Alike:
    """Evidence about a picture that looks the same as another: how far it holds for that one, 0 to 1."""

    record: Record
    likeness: float


def evidence_key(card: Card, task: Task, required: Sequence[Card] = ()) -> str:
    """The exact key of a specialist's answer: same content, specialist, version and parameters, same key.

    For a specialist that takes an instruction with media (a question about a picture) the words count too
    where its Card declares the parameter `instruction`; a classifier that ignores them is reused for any.
    """
    parts = [part.key or hashlib.sha256(part.text.encode()).hexdigest() for part in task.parts]
    return _key(card, task, required, parts)


def asked_key(card: Card, task: Task, required: Sequence[Card] = ()) -> str:
    """What was asked of a picture, whichever it was: the same as the evidence key, but for the picture.

    Empty unless the Task is about exactly one picture and nothing else.
    """
    if [part.kind for part in task.parts] != [IMAGE] or not task.parts[0].blob:
        return ""
    return _key(card, task, required, [IMAGE])


def _key(card: Card, task: Task, required: Sequence[Card], parts: Sequence[str]) -> str:
    fields: dict[str, object] = {
        "specialist": card.name,
        "version": card.version,
        "model": card.model,
        "parts": parts,
        "required": [(other.name, other.version, other.model) for other in required],
        "params": {name: task.params[name] for name in sorted(task.params)},
    }
    if any(parameter.name == "instruction" for parameter in card.parameters):
        fields["instruction"] = " ".join(task.instruction.split()).casefold()
    return hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode()).hexdigest()
