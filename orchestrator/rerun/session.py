"""A whole session again: the same (`rerun`), or with one part replaced by a live one (`swap`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from memory.log import INPUTS
from memory.store import MemoryStore
from orchestrator.events import from_dict
from orchestrator.rerun.compare import Difference
from orchestrator.rerun.diff import TurnDiff, diff
from orchestrator.rerun.drive import driven
from orchestrator.rerun.playing import Live, LiveCall
from orchestrator.rerun.tape import Tape, parse
from specialists.threads import in_thread


@dataclass(frozen=True, slots=True)
class Rerun:
    """What came of a rerun: so many turns and events of the log, and where the new log parts from it."""

    session: str
    turns: int
    events: int
    difference: Difference | None = None

    @property
    def identical(self) -> bool:
        """Whether every event came out again, bit for bit but for times."""
        return self.difference is None


@dataclass(frozen=True, slots=True)
class Swap:
    """What came of a swap: the calls that were made and not played, and every turn before and after."""

    session: str
    calls: tuple[LiveCall, ...]
    turns: tuple[TurnDiff, ...]

    @property
    def changed(self) -> tuple[TurnDiff, ...]:
        """The turns in which something came out otherwise."""
        return tuple(turn for turn in self.turns if turn.changes)


async def rerun(store: MemoryStore, name: str) -> Rerun:
    """Execute a session again with everything from outside as it was recorded; the store stays as it is.

    Raises UnknownName for a session that is not there, BadInput for one whose log does not hold what a rerun
    needs.
    """
    recorded = await in_thread(tape_of, store, name)
    async with driven(recorded, name, store.blobs) as drive:
        turns = sum(event["type"] == "turn.started" for event in recorded.events)
        return Rerun(name, turns, len(drive.events), drive.difference)


async def swap(store: MemoryStore, name: str, live: Live) -> Swap:
    """Execute a session again with the live part in place of the recorded one.

    What the others are asked decides: the same as before is answered as before, anything else by calling
    them. Raises what `rerun` does.
    """
    recorded = await in_thread(tape_of, store, name)
    async with driven(recorded, name, store.blobs, live) as drive:
        return Swap(name, drive.calls, diff(recorded.events, drive.events, drive.calls))


def check_logged(event: Mapping[str, Any]) -> None:
    """Raise ValueError unless this is an event as a log holds it, its sound apart."""
    plain = {name: value for name, value in event.items() if name != INPUTS}
    if isinstance(plain.get("pcm"), dict):
        plain["pcm"] = ""
    from_dict(plain)


def tape_of(store: MemoryStore, name: str) -> Tape:
    """The tape of a session in this store. Raises UnknownName, BadInput."""
    store.log.session(name)
    return parse(store.log.read(name, inputs=True), name)
