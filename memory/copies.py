"""Copies of a session: under another name, and of its records under other ids where theirs are taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from memory.episodes import turn_episode
from memory.ids import new_id
from memory.log import INPUTS, EventDict, session_name
from memory.records import Record
from memory.store import MemoryStore
from specialists.errors import BadInput, UnknownName

DERIVED = "derived"
"""Role of records that consolidation makes of others, and makes again of their copies."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A session as it is copied: its events as they stand in the log, its records, the blobs of both."""

    events: tuple[EventDict, ...]
    records: tuple[Record, ...]


def whole(store: MemoryStore, name: str) -> Whole:
    """A session with all that is its own. Raises UnknownName."""
    store.log.session(name)
    events = store.log.read(name, audio=False, inputs=True)
    return Whole(tuple(events), tuple(r for r in store.records(session_name(name)) if r.role != DERIVED))


def fork(store: MemoryStore, name: str, at: int, to: str) -> int:
    """Begin a session `to` as a copy of `name` through its turn `at`; how many events it begins with.

    It goes on from there by itself: it has the history, the records and the evidence of those turns, and can
    run again. Raises UnknownName for a session or turn that is not there, BadInput for a name that is taken.
    """
    found = whole(store, name)
    events = _through(found.events, at, name)
    records = [record for record in found.records if record.turn <= at]
    place(store, Whole(tuple(events), tuple(records)), to)
    return len(events)


def place(store: MemoryStore, found: Whole, to: str) -> None:
    """Write a copy into the store as the session `to`, all or nothing. Its blobs must be there.

    Records whose id the store has get a new one, in the events as well. Raises BadInput.
    """
    name = session_name(to)
    ids = {record.id: new_id() for record in found.records if _known(store, record.id)}
    records = [_renamed(record, name, ids) for record in found.records]
    store.log.place(name, [_moved(event, name, ids) for event in found.events], records)


def _through(events: Sequence[EventDict], turn: int, name: str) -> list[EventDict]:
    """The events up to the end of a turn, and what was heard of it, before the next one begins."""
    end = 0
    for place, event in enumerate(events, 1):
        if event["type"] == "turn.started" and event["turn"] > turn:
            break
        if event["turn"] == turn and event["type"] in ("turn.finished", "speech.heard"):
            end = place
    if not any(event["type"] == "turn.finished" and event["turn"] == turn for event in events[:end]):
        last = max((event["turn"] for event in events), default=0)
        raise UnknownName(
            f"there is no finished turn {turn}",
            part=f"session {name}",
            remedy=f"Its turns go from 1 to {last}" if last else "",
        )
    return list(events[:end])


def _renamed(record: Record, name: str, ids: Mapping[str, str]) -> Record:
    of_turn = record.episode in ("", turn_episode(record.session, record.turn))
    return replace(
        record,
        id=ids.get(record.id, record.id),
        session=name,
        episode=turn_episode(name, record.turn) if of_turn else record.episode,
        person=record.person if name.startswith(record.person) else "",
        sources=(),
    )


def _moved(event: EventDict, name: str, ids: Mapping[str, str]) -> EventDict:
    moved: EventDict = _with_ids(event, ids) if ids else dict(event)
    if not isinstance(moved.get(INPUTS, []), list):
        raise BadInput("the inputs of an event are damaged", part=f"session {name}")
    return {**moved, "session": name}


def _with_ids(value: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _with_ids(inner, ids) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_ids(inner, ids) for inner in value]
    return ids.get(value, value) if isinstance(value, str) else value


def _known(store: MemoryStore, record: str) -> bool:
    try:
        store.get(record)
    except UnknownName:
        return False
    return True
