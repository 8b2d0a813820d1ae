"""The player: hands out what was recorded, each piece when the log has come to the place where it came in.

Nothing here waits for time. Whoever asks for a piece gets it once all that came in before was handed out
and the log holds as many events as it held then; so what runs side by side meets in the same order again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from orchestrator.rerun import tape
from orchestrator.rerun.codec import unpack
from orchestrator.rerun.tape import Entry, Tape

HOPS = 16
"""Rounds of the event loop that a piece is held back for another one that came in beside it."""


class Player:
    """Plays one tape. `act` does what people and time did: it answers False when that is not yet possible.

    `position` counts the events of the log that is being written. `ahead` is by how many it is longer than
    the tape's at the same place: none until a turn deviates.
    """

    def __init__(self, recorded: Tape, act: Callable[[Entry], bool]) -> None:
        self.tape = recorded
        self.position = 0
        self.ahead = 0
        self.turn = 0
        self.setup: dict[str, Any] = {}
        self.silent = False
        """True while a session is put away as a process that died left it."""
        self.deviating = False
        self.changed = asyncio.Event()
        self._act = act
        self._head = 0
        self._waiting: dict[str, asyncio.Future[Entry | None]] = {}
        self._begun: Counter[str] = Counter()
        self._open: set[str] = set()
        self._used: set[int] = set()
        self._held = 0
        self._advancing = False
        self._read: Counter[tuple[int, str]] = Counter()

    @property
    def place(self) -> int:
        """How many of the tape's events are over."""
        return self.position - self.ahead

    @property
    def over(self) -> bool:
        return self._head == len(self.tape.entries)

    # What the graph asks for.

    def begin(self, key: str) -> None:
        """A call begins."""
        self._begun[key] += 1
        self._open.add(key)
        self.advance()

    async def arrival(self, key: str) -> Entry | None:
        """The next piece for a call; None where the tape has no more of it, once the turn deviates."""
        if self.silent or self.deviating:
            return self._unordered(key)
        future: asyncio.Future[Entry | None] = asyncio.get_running_loop().create_future()
        self._waiting[key] = future
        self._held = 0
        self.advance()
        if future.done():  # at once, as it was: nothing else gets its turn in between
            return future.result()
        try:
            return await future
        finally:
            if self._waiting.get(key) is future:
                del self._waiting[key]

    def reading(self, name: str) -> Any:
        """The next reading of a clock or figure in this turn; None where there is no more."""
        known = self.tape.readings.get(self.turn, {}).get(name, ())
        index = self._read[self.turn, name]
        self._read[self.turn, name] += 1
        return known[index] if index < len(known) else None

    def cards(self) -> Any:
        """The Cards as they were at this place."""
        self.advance()
        return self.settings()["cards"]

    def settings(self) -> dict[str, Any]:
        """The Cards and the settings at this place, or the first ones after it."""
        if not self.setup:
            self.setup = self.next_setup()
        return self.setup

    def next_setup(self) -> dict[str, Any]:
        """The Cards and settings that come next on the tape; none where nothing was done any more."""
        found = (entry for entry in self.tape.entries[self._head :] if entry.kind == tape.SETUP)
        first = next(found, None)
        return dict(unpack(first.value)) if first is not None else self.setup

    def asked(self, key: str) -> Any:
        """What was noted of a call when it began in this turn; None where it did not."""
        return next((e.value for e in self._rest_of_turn() if e.kind == tape.BEGIN and e.key == key), None)

    # What happens.

    def saw(self) -> None:
        """Another event stands in the log."""
        self.position += 1
        self._held = 0
        self.changed.set()
        self.advance()

    def deviate(self) -> None:
        """From here to its end the turn goes its own way: recorded pieces come as they are asked for."""
        if self.deviating:
            return
        self.deviating = True
        for key, future in list(self._waiting.items()):
            if not future.done():
                future.set_result(self._unordered(key))

    def rejoin(self, place: int) -> None:
        """The turn that went its own way is over; on the tape it is at `place`."""
        while not self.over and self.tape.entries[self._head].at < place:
            if (entry := self.tape.entries[self._head]).kind == tape.SETUP:
                self.setup = dict(unpack(entry.value))
            self._head += 1
        self.ahead = self.position - place
        self.deviating = False
        self._used.clear()
        self._forget_calls()
        self.changed.set()
        self.advance()

    def reopened(self) -> None:
        """Another process took the session up."""
        while not self.over and self.tape.entries[self._head].at < self.place:
            self._head += 1
        self.silent = False
        self._forget_calls()

    def silence(self) -> None:
        """The process is dead: whoever still asks gets nothing, and waits for nothing."""
        self.silent = True
        for future in list(self._waiting.values()):
            if not future.done():
                future.set_result(None)

    def skip(self) -> bool:
        """Pass over a call that nobody makes any more, while others wait for what came after it; False where
        that is not so."""
        if self.deviating or self.over or not self._waiting:
            return False
        entry = self.tape.entries[self._head]
        if entry.kind not in (tape.BEGIN, *tape.ARRIVALS) or entry.key in self._open:
            return False
        self._head += 1
        self.advance()
        return True

    def advance(self) -> None:
        """Hand out all that is due."""
        if self._advancing or self.deviating or self.silent:
            return
        self._advancing = True
        try:
            while not self.over and not self.deviating and not self.silent:
                entry = self.tape.entries[self._head]
                given = self._head in self._used
                if not given and (entry.at > self.place or not self._give(entry)):
                    return
                self._used.discard(self._head)
                self._head += 1
        finally:
            self._advancing = False

    def _give(self, entry: Entry) -> bool:
        if entry.kind == tape.SETUP:
            self.setup = dict(unpack(entry.value))
            return True
        if entry.kind == tape.BEGIN:
            if not self._begun[entry.key]:
                return False
            self._begun[entry.key] -= 1
            return True
        if entry.kind not in tape.ARRIVALS:
            if entry.kind == tape.SEND:
                self.turn = int(entry.key)
            return self._act(entry)
        future = self._waiting.get(entry.key)
        if future is None or future.done():
            return False
        beside = self._beside(entry)
        if self._held < HOPS and any(self.tape.entries[index].key not in self._waiting for index in beside):
            self._held += 1  # another call got its piece at this place too, and is on its way to it
            asyncio.get_running_loop().call_soon(self.advance)
            return False
        # Together, so that all go on in the same round of the loop, in this order.
        for index in (self._head, *beside):
            found = self.tape.entries[index]
            waiting = self._waiting.pop(found.key, None)
            if waiting is not None and not waiting.done():
                if found.kind != tape.CHUNK:
                    self._open.discard(found.key)
                waiting.set_result(found)
                self._used.add(index)
        return True

    def _beside(self, entry: Entry) -> list[int]:
        """The first pieces that other open calls got at the place of this one."""
        found, seen = [], {entry.key}
        for index in range(self._head + 1, len(self.tape.entries)):
            other = self.tape.entries[index]
            if other.at > entry.at or other.kind not in tape.ARRIVALS:
                break
            if other.key not in seen and other.key in self._open and index not in self._used:
                found.append(index)
            seen.add(other.key)
        return found

    def _unordered(self, key: str) -> Entry | None:
        if self.silent:
            return None
        for index, entry in self._numbered():
            if entry.key == key and entry.kind in tape.ARRIVALS and index not in self._used:
                self._used.add(index)
                return entry
        return None

    def _rest_of_turn(self) -> Iterator[Entry]:
        return (entry for _, entry in self._numbered())

    def _numbered(self) -> Iterator[tuple[int, Entry]]:
        for index in range(self._head, len(self.tape.entries)):
            entry = self.tape.entries[index]
            if entry.kind == tape.SEND and index > self._head:
                return
            yield index, entry

    def _forget_calls(self) -> None:
        self._begun.clear()
        self._open.clear()
