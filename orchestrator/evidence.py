"""Evidence: what specialists found about media, looked up before a call and kept after it."""

from __future__ import annotations

import logging
from collections.abc import Collection

from memory.records import Record, evidence_key
from orchestrator.context import TurnContext
from orchestrator.run import Run
from specialists.base import Card, Task
from specialists.errors import AntiphonError

log = logging.getLogger("antiphon")


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
        required = [other for other in self._context.services.cards() if other.name in card.requires]
        return evidence_key(card, task, required)

    async def known(self, key: str) -> Record | None:
        """The answer that memory holds; None where it holds none or is not to be used."""
        services = self._context.services
        if not key or not services.config.memory.reuse or not self._context.keep:
            return None
        try:
            record = await services.door(services.memory.evidence, key, self._context.scope)
        except AntiphonError as error:
            log.warning("evidence cannot be looked up: %s", error)
            return None
        return None if record is not None and record.id in self._unwanted else record

    async def keep(self, run: Run, card: Card, task: Task, label: str) -> str:
        """Write what a step found; the id of its record, or nothing where there is none to keep."""
        context, key = self._context, self.key(card, task)
        if not key or not context.keep:
            return ""
        chunks = run.chunks.items
        scores = [chunk.score for chunk in chunks if chunk.score is not None]
        media = [part for part in task.parts if part.blob]
        record = Record(
            text=run.found,
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
            facts={"label": label},
        )
        try:
            (stored,) = await context.services.door(context.services.memory.remember, [record])
        except AntiphonError as error:
            log.error("what %s found is not remembered: %s", card.name, error)
            return ""
        return str(stored.id)
