"""The `memory` specialist: the step that recalls. It lives beside the store, on any runtime."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace

from memory.answerable import DOUBTFUL
from memory.episodes import span_of
from memory.records import Hit, Query, Record
from memory.store import MemoryStore
from orchestrator.door import Door
from orchestrator.wording import NOT_REMEMBERED
from specialists.base import Card, Chunk, Cost, Specialist, Task
from specialists.content import AUDIO, TEXT
from specialists.timeline import clock

SHOWN = 4
"""So many records of what is like a picture or a sound of the turn are told."""

CARD = Card(
    name="memory",
    description="Fetches what was seen, heard, read or said in earlier sessions",
    consumes=(TEXT,),
    produces=(TEXT,),
    cost=Cost(seconds=0.02),
    examples=("what did I tell you about the boiler last week", "find the receipt I showed you in March"),
)


class Memory(Specialist):
    """Recalls by the person's words and tells each hit on a line, with where it comes from: moments of clips
    with their times, and where the two paths of recall differ, what the other one found as well. Where
    nothing seems to answer, it says so before the nearest.

    The parameter `scope` says whose sessions count; without it nothing is told. What rests on pictures or
    sounds that are like those in `like` (digests) comes first, with what was said about them.
    """

    card = CARD

    def __init__(self, store: MemoryStore, door: Door) -> None:
        self._store = store
        self._door = door

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        k = int(str(task.params.get("k", 5)))
        hits: list[Hit] = []
        doubted = False
        if "scope" in task.params:
            query = Query(task.instruction, k=k, scope=str(task.params["scope"]), hurried=True)
            found = await self._door(self._store.recollect, replace(query, k=k + 1))
            hits = list(found.hits[: k if found.agree else k + 1])
            doubted = found.path != "fast" and await self._door(self._store.answerable, query) < DOUBTFUL
        shown = await self._shown(task)
        if not hits and not shown:
            yield Chunk(TEXT, label="nothing remembered")
        for line, likeness in shown:
            yield Chunk(TEXT, text=line + "\n", score=likeness, label="hit")
        if doubted and hits and not shown:
            yield Chunk(TEXT, text=NOT_REMEMBERED + "\n", label="doubt")
        for hit in hits:
            yield Chunk(TEXT, text=describe(hit) + "\n", score=hit.score, label="hit")

    async def _shown(self, task: Task) -> list[tuple[str, float]]:
        """Lines about earlier pictures and sounds that are like those of this turn, and how like they are."""
        like = tuple(str(digest) for digest in task.params.get("like", ()))  # type: ignore[attr-defined]
        if not like or "scope" not in task.params:
            return []
        query = Query(like=like, k=SHOWN, scope=str(task.params["scope"]), hurried=True)
        found = await self._door(self._store.recognise, query)
        lines: dict[str, float] = {}
        for hit in found:
            # What was found in this very turn is nothing that is remembered.
            if task.id.startswith(f"{hit.record.session}-{hit.record.turn}-"):
                continue
            around = await self._door(self._store.complete, hit)
            for record in (hit.record, *(other for other in around if other.role == "user")):
                lines.setdefault(_told(record, hit), hit.likeness or 0.0)
        return list(lines.items())


def describe(hit: Hit) -> str:
    """A hit in one line: when, who or what said it, and its words."""
    return _line(hit.record)


def _told(record: Record, hit: Hit) -> str:
    what = "sounds" if "sound" in hit.ranks else "looks"
    at = f" at {clock(hit.where.span.start)} of it" if hit.where and hit.where.span else ""
    return f"{_line(record)} (of what {what} {round(100 * (hit.likeness or 0.0))} % like this{at})"


def _line(record: Record) -> str:
    day = time.strftime("%Y-%m-%d", time.localtime(record.time))
    return f"{day}, {_who(record)}: {' '.join(record.text.split())}"


def _who(record: Record) -> str:
    if record.level == "episode" and (span := span_of(record)) is not None:
        return f"{'heard' if record.kind == AUDIO else 'seen'} at {clock(span.start)} of a clip"
    if record.level:
        return "the person stated" if record.level == "fact" else "in short"
    return {"user": "the person said", "assistant": "the assistant said"}.get(
        record.role, f"{record.source} found"
    )
