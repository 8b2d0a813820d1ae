"""What a question says of when and by whom: which records that favours, and by how much."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection

from memory.speakers import LABEL, Speaker, speaker
from memory.when import Beside, When, beside, when
from specialists.errors import BadInput

TIME = 0.2
"""What the time of a record weighs that is the one asked for."""
WHO = 0.1
"""What it weighs that a record is the person's, or the assistant's, where theirs are asked for;"""
NAMED = 0.05
"""and that it begins with the name that is asked for, which matches by itself already.

These are chosen on the first five dialogues of `benchmarks/recall.py`, with a right and a wrong time or
speaker added to the questions: a right one gains more, a wrong time does no harm among the first ten."""
TOLD = 0.8
"""What it counts, beside that of the record, that its words speak of the time asked for."""

DAY = 86400.0
LEAST, MOST = 1 * DAY, 30 * DAY
"""Seconds from a stretch of time over which a record's favour halves: half the length of it, within these."""

EVENT = 0.5
"""How sure the time of an event is that had to be found first."""
AROUND = 30 * DAY
"""Seconds before or after an event that "before" and "after" mean first of all."""
MEANWHILE = 1 * DAY


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time in seconds since the epoch, and how sure (0 to 1) it is the one meant."""

    start: float
    end: float
    sure: float

    def fit(self, moment: float) -> float:
        """1 within it, and less the farther away."""
        apart = max(self.start - moment, moment - self.end, 0.0)
        half = min(MOST, max(LEAST, (self.end - self.start) / 2))
        return float(self.sure * 0.5 ** (apart / half))

    def holds(self, moment: float) -> bool:
        return self.start <= moment < self.end


@dataclass(frozen=True, slots=True)
class Setting:
    """The setting of a question: the `stretch` of time, the `event` beside which it happened, the `speaker`.
    `text` is the question without its time and without what says by whom."""

    text: str
    now: float
    stretch: Stretch | None = None
    event: Beside | None = None
    speaker: Speaker | None = None

    @classmethod
    def of(cls, text: str, now: float) -> Setting:
        """What a question says, asked at `now`, in seconds since the epoch. Raises BadInput for a `now` that
        is no time."""
        found = when(text, moment_of(now))
        who, rest = speaker(found.rest if found else text)
        stretch = stretch_of(found) if found else None
        return cls(rest, now, stretch, None if found else beside(text), who)

    @property
    def plain(self) -> bool:
        """Whether the question says neither when nor by whom."""
        return self.stretch is None and self.speaker is None

    def favour(self, connection: Connection, rows: Sequence[int]) -> dict[int, float]:
        """What each of some records has ahead of others for when and by whom it is."""
        if self.plain:
            return {}
        found = connection.execute(
            f"SELECT row, time, role, substr(text, 1, {LABEL}) FROM json_each(?) AS asked"
            " CROSS JOIN records ON row = asked.value",
            (json.dumps(list(rows)),),
        )
        return {row: self._favour(time, role, label) for row, time, role, label in found}

    def _favour(self, time: float, role: str, label: str) -> float:
        favour = TIME * self.stretch.fit(time) if self.stretch else 0.0
        if self.speaker is not None and self.speaker.spoke(role, label):
            favour += WHO if self.speaker.role else NAMED
        return favour

    def told(self, connection: Connection, rows: Sequence[int]) -> dict[int, float]:
        """What some records have ahead beyond that, whose words speak of the time that is asked for."""
        if self.stretch is None:
            return {}
        found = connection.execute(
            "SELECT row, time, text FROM json_each(?) AS asked CROSS JOIN records ON row = asked.value",
            (json.dumps(list(rows)),),
        )
        more: dict[int, float] = {}
        for row, time, text in found:
            least = TIME * self.stretch.fit(time)
            said = spoken_of(text, time)
            if (
                said is not None
                and said.end - said.start <= MOST
                and (fit := self.stretch.fit((said.start + said.end) / 2))
            ):
                more[row] = max(0.0, TOLD * TIME * fit - least)
        return more


def moment_of(seconds: float) -> datetime:
    """The time on the clock of this place. Raises BadInput where there is none."""
    try:
        return datetime.fromtimestamp(seconds)
    except (ValueError, OverflowError, OSError) as error:
        raise BadInput(f"{seconds!r:.40} is no time", part="query") from error


def stretch_of(found: When) -> Stretch:
    return Stretch(_seconds(found.start), _seconds(found.end), found.sure)


def _seconds(moment: datetime) -> float:
    try:
        return moment.timestamp()
    except (ValueError, OverflowError, OSError):  # years that this machine's clock does not reach
        return math.copysign(math.inf, moment.year - 1970)


def spoken_of(text: str, time: float) -> Stretch | None:
    """The time that a record speaks of, which was said at `time`."""
    try:
        found = when(text, datetime.fromtimestamp(time))
    except (ValueError, OverflowError, OSError):
        return None
    return stretch_of(found) if found else None


def beside_event(event: Beside, time: float, text: str) -> Stretch:
    """The time to look in beside an event that a record of this time and text tells of."""
    said = spoken_of(text, time)
    start, end = (said.start, said.end) if said and said.end - said.start <= DAY else (time, time)
    if event.relation == "before":
        return Stretch(start - AROUND, start, EVENT)
    if event.relation == "after":
        return Stretch(end, end + AROUND, EVENT)
    return Stretch(start - MEANWHILE, end + MEANWHILE, EVENT)
