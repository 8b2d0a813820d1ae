"""Retention: what is too old, or too much, is forgotten, the oldest first.

What was derived goes with what it rests on and never before: a fact stays as long as its sources do,
however old it is. Sessions that are open are left alone until they are closed.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from specialists.errors import BadInput

DAY = 86400.0
AT_ONCE = 5000
"""So many records and events are forgotten in one transaction, so that writers get their turn between."""

# What each piece takes beside its text: its row, its places in the indexes, its vector.
_UNITS = """
    SELECT r.time AS moment, 600 + length(r.text) * 2 + length(r.facts) + coalesce(
        (SELECT sum(length(vector)) FROM vectors WHERE record = r.row), 0) + coalesce(
        (SELECT sum(length(states)) FROM tokens WHERE record = r.row), 0) AS bytes
        FROM records r WHERE r.level = ''
    UNION ALL SELECT wall, 150 + length(body) FROM events
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """How long and how much: days, and bytes of the live content of the folder. 0 is no limit."""

    keep_days: float = 0.0
    max_bytes: int = 0

    def __post_init__(self) -> None:
        if not (self.keep_days >= 0 and self.max_bytes >= 0):
            raise BadInput("a limit below 0 keeps nothing", part="retention")

    @property
    def limits(self) -> bool:
        return bool(self.keep_days or self.max_bytes)


@dataclass(frozen=True, slots=True)
class Retained:
    """What a run of retention did, or would do.

    All before `before` (seconds since the epoch) goes, nothing where it is None: so many `records` and
    `events`, from `bytes_before` of live content to `bytes_after`, which a dry run estimates.
    """

    before: float | None
    records: int
    events: int
    bytes_before: int
    bytes_after: int


def cut(
    connection: sqlite3.Connection, policy: Policy, now: float, used: int, blobs: dict[str, int]
) -> tuple[float | None, int]:
    """The moment before which all goes, None for nothing; and about how many bytes that frees.

    `used` is the live content of the folder and `blobs` the sizes of its blobs, in bytes.
    """
    aged = now - policy.keep_days * DAY if policy.keep_days else None
    excess = used - policy.max_bytes if policy.max_bytes else 0
    total = _sum(connection, None)
    text_bytes = max(1, used - sum(blobs.values()))
    scale = text_bytes / max(1, total)
    last_use = _last_uses(connection, blobs)
    crowded = _crowded(connection, excess, scale, last_use) if excess > 0 else None
    moments = [moment for moment in (aged, crowded) if moment is not None]
    if not moments:
        return None, 0
    moment = max(moments)
    freed = int(_sum(connection, moment) * scale) + sum(size for when, size in last_use if when < moment)
    return (moment, freed) if freed else (None, 0)


def steps(connection: sqlite3.Connection, before: float) -> list[float]:
    """Moments up to `before`, in order, between which about AT_ONCE records and events lie each."""
    found = connection.execute(
        "SELECT moment FROM (SELECT moment, row_number() OVER (ORDER BY moment) AS n"
        f" FROM ({_UNITS}) WHERE moment < ?) WHERE n % ? = 0",
        (before, AT_ONCE),
    )
    return sorted({*(moment for (moment,) in found), before})


def _crowded(
    connection: sqlite3.Connection, excess: int, scale: float, last_use: list[tuple[float, int]]
) -> float | None:
    """The moment before which as much lies as is too much."""
    blobs = iter([*sorted(last_use), (float("inf"), 0)])
    when, size = next(blobs)
    freed = 0.0
    for moment, length in connection.execute(f"SELECT moment, bytes FROM ({_UNITS}) ORDER BY moment"):
        if freed >= excess:
            return float(moment)
        freed += length * scale
        while when <= moment:
            freed += size
            when, size = next(blobs)
    return float("inf") if freed else None


def _sum(connection: sqlite3.Connection, before: float | None) -> int:
    where, values = ("", ()) if before is None else (" WHERE moment < ?", (before,))
    return int(
        connection.execute(f"SELECT coalesce(sum(bytes), 0) FROM ({_UNITS}){where}", values).fetchone()[0]
    )


def _last_uses(connection: sqlite3.Connection, blobs: dict[str, int]) -> list[tuple[float, int]]:
    """(when it was used last, bytes) of each blob: then it goes with its user."""
    latest: dict[str, float] = {}
    for select in (
        "SELECT digest, max(time) FROM record_blobs JOIN records ON row = record GROUP BY digest",
        "SELECT digest, max(wall) FROM event_blobs JOIN events USING (session, seq) GROUP BY digest",
    ):
        for digest, when in connection.execute(select):
            latest[digest] = max(when, latest.get(digest, 0.0))
    return [(when, blobs[digest]) for digest, when in latest.items() if digest in blobs]
