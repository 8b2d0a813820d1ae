"""Live latencies: how long the specialists' finished calls took lately, kept over restarts.

The first call of a process usually loads a model. It is kept apart, so that it neither hides how fast the
next calls are nor is forgotten when a new process plans its own first call.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from specialists.base import Card

WINDOW = 64
"""Calls of each kind that count; older ones are forgotten."""

AGE_SECONDS = 7 * 86400.0
"""A call longer ago says nothing: without this, a specialist that was slow once and is therefore avoided
would never be timed again."""

WRITE_CALLS = 16
"""So many new calls are worth a write; the rest is written when the engine closes."""

LOCK_SECONDS = 1.0
"""How long to wait for another process that writes just now."""

_log = logging.getLogger("antiphon")


@dataclass(frozen=True, slots=True)
class Latency:
    """What `calls` finished calls took, in seconds from the call to its last piece.

    `first_p50` and `first_p95` are the same for the first piece, 0 where no call gave one.
    """

    calls: int
    p50: float
    p95: float
    first_p50: float = 0.0
    first_p95: float = 0.0


@dataclass(frozen=True, slots=True)
class Call:
    """One finished call. `ended` is wall time, `first` None where no piece came, `cold` the first of its
    process; a Card of another version or model is another specialist."""

    name: str
    version: str
    model: str
    ended: float
    seconds: float
    first: float | None
    cold: bool

    def __post_init__(self) -> None:
        figures = (self.ended, self.seconds, self.first or 0.0)
        if not all(math.isfinite(figure) and figure >= 0 for figure in figures):
            raise ValueError(f"no duration: {self.seconds}, {self.first}, ended {self.ended}")

    @property
    def key(self) -> Key:
        return (self.name, self.version, self.model, self.cold)


Key = tuple[str, str, str, bool]
"""Name, version and model of a Card, and whether its first calls are meant."""

_CALLS = TypeAdapter(list[Call])


class Latencies:
    """The recent calls of every specialist. Any thread may use it; `load` and `save` touch the disk.

    The file is shared: each process adds its own calls to what is there. Figures are a help, so no trouble
    with the file is an error: a damaged one is set aside with a warning, one that cannot be written is tried
    again later.
    """

    FILE = "latencies.json"
    """Its name in the folder of an engine's data."""

    def __init__(self, path: Path | None = None, *, now: Callable[[], float] = time.time) -> None:
        """`path` is None for figures that die with the process; `now` is wall time."""
        self._path = path
        self._now = now
        self._mutex = threading.Lock()
        self._calls: dict[Key, list[Call]] = {}
        self._unsaved: list[Call] = []
        self._warm: set[tuple[str, str, str]] = set()

    def note(self, card: Card, seconds: float, first: float | None = None) -> None:
        """A call that finished. Those that failed or were stopped say nothing, and are not to be told."""
        with self._mutex:
            warm = _identity(card) in self._warm
            self._warm.add(_identity(card))
            call = Call(*_identity(card), self._now(), seconds, first, cold=not warm)
            self._unsaved.append(call)
            alike = self._calls.setdefault(call.key, [])
            alike.append(call)
            del alike[:-WINDOW]

    def warmed(self, card: Card) -> None:
        """Its model is loaded: its next call is not the slow first one."""
        with self._mutex:
            self._warm.add(_identity(card))

    def of(self, card: Card) -> Latency | None:
        """What its calls took, leaving out the first of each process where it can; None before any."""
        return self._figures(card, cold=False)

    def expected(self, cards: Iterable[Card]) -> Mapping[str, Latency]:
        """What the next call of each is like, by name: one that this process has not called begins cold."""
        with self._mutex:
            warm = set(self._warm)
        found = {card.name: self._figures(card, cold=_identity(card) not in warm) for card in cards}
        return {name: latency for name, latency in found.items() if latency is not None}

    @property
    def due(self) -> bool:
        """Whether a write is worth it now."""
        return self._path is not None and len(self._unsaved) >= WRITE_CALLS

    def load(self) -> None:
        """Read what earlier processes saw."""
        if self._path is None:
            return
        try:
            with _locked(self._path):
                known = self._read(self._path)
        except (OSError, Timeout) as error:
            _log.warning("live latencies start empty, %s cannot be read: %s", self._path, error)
            return
        with self._mutex:
            self._calls = _by_key([*known, *self._unsaved], self._now())

    def save(self) -> None:
        """Add the new calls to the file: whole or not at all."""
        if self._path is None or not self._unsaved:
            return
        with self._mutex:
            new, self._unsaved = self._unsaved, []
        try:
            with _locked(self._path):
                known = _recent([*self._read(self._path), *new], self._now())
                _write(self._path, known)
        except (OSError, Timeout) as error:
            _log.warning("live latencies are not saved in %s: %s", self._path, error)
            with self._mutex:
                self._unsaved = _recent([*new, *self._unsaved], self._now())
            return
        with self._mutex:
            self._calls = _by_key([*known, *self._unsaved], self._now())

    def _figures(self, card: Card, *, cold: bool) -> Latency | None:
        now = self._now()
        for kind in (cold, not cold):
            with self._mutex:
                calls = [call for call in self._calls.get((*_identity(card), kind), ()) if _fresh(call, now)]
            if calls:
                return _latency(calls)
        return None

    def _read(self, path: Path) -> list[Call]:
        try:
            return _CALLS.validate_json(path.read_bytes())
        except FileNotFoundError:
            return []
        except (ValidationError, ValueError) as error:
            aside = path.with_suffix(".damaged")
            path.replace(aside)
            _log.warning("live latencies start anew: %s is damaged, now %s (%s)", path, aside.name, error)
            return []


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest figure that `share` (0 to 1) of the ordered figures do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _latency(calls: Sequence[Call]) -> Latency:
    whole = sorted(call.seconds for call in calls)
    first = sorted(call.first for call in calls if call.first is not None) or [0.0]
    return Latency(
        len(calls),
        percentile(whole, 0.5),
        percentile(whole, 0.95),
        percentile(first, 0.5),
        percentile(first, 0.95),
    )


def _identity(card: Card) -> tuple[str, str, str]:
    return (card.name, card.version, card.model)


def _fresh(call: Call, now: float) -> bool:
    """Not too old, and not dated far ahead by a clock that was wrong."""
    return abs(now - call.ended) <= AGE_SECONDS


def _by_key(calls: Iterable[Call], now: float) -> dict[Key, list[Call]]:
    """The last calls of each kind, in the order in which they ended."""
    kept: dict[Key, list[Call]] = {}
    for call in sorted(calls, key=lambda call: call.ended):
        if _fresh(call, now):
            kept.setdefault(call.key, []).append(call)
    return {key: alike[-WINDOW:] for key, alike in kept.items()}


def _recent(calls: Iterable[Call], now: float) -> list[Call]:
    return [call for alike in _by_key(calls, now).values() for call in alike]


def _locked(path: Path) -> FileLock:
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_suffix(".lock"), timeout=LOCK_SECONDS)


def _write(path: Path, calls: list[Call]) -> None:
    partial = path.with_suffix(".partial")  # one name: only the holder of the lock writes
    partial.write_bytes(_CALLS.dump_json(calls))
    partial.replace(path)
