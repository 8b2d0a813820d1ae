"""Evidence: what specialists found about media, looked up before a call and kept after it."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from memory.episodes import marked
from memory.records import Alike, Record, asked_key, evidence_key
from orchestrator.begun import Begun, Clip, how_far, key_of
from orchestrator.context import TurnContext
from orchestrator.run import Run
from specialists.base import Card, Chunk, Task
from specialists.content import IMAGE, Part
from specialists.errors import AntiphonError

log = logging.getLogger("antiphon")


AGAIN = "Ask again, and I go on from there."

READS = "ocr"
"""The specialist whose findings are the words themselves: those are read anew in every other picture. Of two
tables that differ in one digit, `python -m benchmarks.reuse` takes one pair in twenty for copies."""


class Evidence:
    """The evidence of one turn. Memory that cannot be used costs a call, never an answer."""

    def __init__(self, context: TurnContext, unwanted: Collection[str] = ()) -> None:
        """Records of the ids in `unwanted` are not reused."""
        self._context = context
        self._unwanted = frozenset(unwanted)

    def key(self, card: Card, task: Task) -> str:
        """What the answer is known by; empty for a Task without media, which leaves no evidence."""
        if not any(part.blob for part in task.parts):
            return ""
        return evidence_key(card, task, self._required(card))

    async def known(self, card: Card, task: Task) -> Alike | None:
        """The answer that memory holds, with how far it holds: below 1, it is about a picture that looks the
        same. None where memory holds none or it is not to be used."""
        services, key = self._context.services, self.key(card, task)
        settings = services.config.memory
        if not key or not settings.reuse or not self._context.reads:
            return None
        try:
            record = await services.door(services.memory.evidence, key, self._context.scope)
            if record is not None:
                return None if record.id in self._unwanted else Alike(record, 1.0)
            asked = "" if READS in (card.name, card.purpose) else asked_key(card, task, self._required(card))
            if not settings.reuse_like or not asked:
                return None
            found = await services.door(
                services.memory.alike,
                asked,
                task.parts[0].key,
                self._context.scope,
                settings.reuse_like,
                tuple(sorted(self._unwanted)),
            )
        except AntiphonError as error:
            log.warning("evidence cannot be looked up: %s", error)
            return None
        return found and replace(found, record=_sized(found.record, task.parts[0]))

    async def begun(self, card: Card, task: Task) -> Begun | None:
        """What an earlier step found in a first piece of the same clip, before it was ended."""
        services, key = self._context.services, self.key(card, task)
        if not key or not services.config.memory.reuse or not self._context.reads:
            return None
        if Clip.of(card, task) is None:
            return None
        try:
            record = await services.door(services.memory.begun, key, self._context.scope)
            return None if record is None or record.id in self._unwanted else Begun.told(record)
        except (AntiphonError, KeyError, TypeError, ValueError) as error:
            log.warning("what was found before cannot be used: %s", error)
            return None

    async def keep_begun(self, run: Run, card: Card, task: Task) -> str:
        """Write what a step had found in a first piece of a clip when it ended before its time; a sentence
        that says how far it came, empty where it did not come far."""
        clip, before = Clip.of(card, task), run.begun
        if clip is None:
            return ""
        begun = Begun.of(clip, run.chunks.items, before)
        if begun is None:
            return f"{how_far(clip, before)} {AGAIN}" if before is not None else ""
        told, key = how_far(clip, begun), self.key(card, task)
        if not key or not self._context.keep:
            return told
        record = replace(
            self._record(card, task, key, begun.chunks),
            text=f"{begun.text.rstrip()}\n{told}",
            facts={"label": begun.chunks[-1].label, **begun.facts},
        )
        stored = await self._stored(replace(record, key=key_of(key, clip, begun)), before)
        return f"{told} {AGAIN}" if stored else told

    def _required(self, card: Card) -> list[Card]:
        return [other for other in self._context.services.cards() if other.name in card.requires]

    async def keep(self, run: Run, card: Card, task: Task, label: str) -> str:
        """Write what a step found; the id of its record, or nothing where there is none to keep."""
        context, key = self._context, self.key(card, task)
        if not key or not context.keep:
            return ""
        chunks = run.chunks.items
        media = [part for part in task.parts if part.blob]
        pieces = marked([(chunk.text, chunk.anchor, chunk.label) for chunk in chunks])
        size = {"size": _size(media[0])} if media[0].kind == IMAGE else {}
        facts = {"label": label, **({"pieces": pieces} if pieces else {}), **size}
        record = replace(self._record(card, task, key, chunks), facts=facts)
        stored = await self._stored(record, run.begun)
        asked = asked_key(card, task, self._required(card))
        if stored and asked and READS not in (card.name, card.purpose):
            await self._keep_asked(stored, asked, media[0].key)
        return stored

    def _record(self, card: Card, task: Task, key: str, chunks: Sequence[Chunk]) -> Record:
        context = self._context
        scores = [chunk.score for chunk in chunks if chunk.score is not None]
        media = [part for part in task.parts if part.blob]
        return Record(
            text="".join(chunk.text for chunk in chunks),
            kind=media[0].kind,
            role="evidence",
            session=context.session,
            turn=context.number,
            source=card.name,
            key=key,
            blobs=tuple(part.key for part in media),
            media=tuple(part.kind for part in media),
            anchors=tuple(chunk.anchor for chunk in chunks if chunk.anchor is not None),
            score=sum(scores) / len(scores) if scores else None,
            person=context.scope,
        )

    async def _stored(self, record: Record, before: Begun | None) -> str:
        """The id of the record as stored, in place of what was kept of the beginning; empty where it cannot
        be."""
        services = self._context.services
        try:
            (stored,) = await services.door(services.memory.remember, [record])
            if before is not None:
                await services.door(services.memory.forget, [before.record])
        except AntiphonError as error:
            log.error("what %s found is not remembered: %s", record.source, error)
            return ""
        return str(stored.id)

    async def _keep_asked(self, record: str, asked: str, digest: str) -> None:
        services = self._context.services
        try:
            await services.door(services.memory.keep_asked, record, asked, digest)
        except AntiphonError as error:
            log.warning("a picture is not found again by its likeness: %s", error)


def _sized(record: Record, part: Part) -> Record:
    """The record with the size of this picture where it tells that of the one it is about: a copy that looks
    the same may be smaller, and how large it is we know."""
    told = " x ".join(str(side) for side in record.facts.get("size", ()))  # type: ignore[attr-defined]
    if not told:
        return record
    return replace(record, text=re.sub(rf"\b{told}\b", " x ".join(map(str, _size(part))), record.text))


def _size(part: Part) -> list[int]:
    """Width and height of a picture in pixels, where it says them."""
    return [int(part.facts[side]) for side in ("width", "height") if side in part.facts]
