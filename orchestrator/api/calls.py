"""Calls of one specialist, without a session: nothing of them is remembered."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator

from orchestrator.api.service import Service
from specialists.base import Chunk, Task
from specialists.content import BlobRef, Part
from specialists.errors import UnknownName
from specialists.media import Inspected


class OneBlob:
    """A BlobReader of a single blob that lives as long as the call."""

    def __init__(self, data: bytes, media_type: str) -> None:
        self._data = data
        self.ref = BlobRef(hashlib.sha256(data).hexdigest(), len(data), media_type)

    def read(self, ref: BlobRef) -> bytes:
        if ref.digest != self.ref.digest:
            raise UnknownName("this call carries no such blob", part=ref.digest)
        return self._data


def media_task(specialist: str, data: bytes, name: str, found: Inspected, params: dict[str, object]) -> Task:
    """A Task on one piece of media."""
    blob = OneBlob(data, found.media_type)
    part = Part(found.kind, blob=blob.ref, name=name, facts=found.facts)
    return Task(f"api-{uuid.uuid4().hex}", specialist, parts=(part,), params=params, blobs=blob)


def text_task(specialist: str, parts: tuple[Part, ...], params: dict[str, object]) -> Task:
    """A Task on texts."""
    return Task(f"api-{uuid.uuid4().hex}", specialist, parts=parts, params=params)


def run(service: Service, task: Task) -> AsyncIterator[Chunk]:
    """The answer. Raises what Runtime.run raises, and Unavailable for a specialist that is not there."""
    service.card(task.specialist)
    return service.engine.runtime.run(task)


def known_params(service: Service, specialist: str, **wanted: object) -> dict[str, object]:
    """Those of `wanted` that have a value and that the specialist's Card declares."""
    declared = {parameter.name for parameter in service.card(specialist).parameters}
    return {name: value for name, value in wanted.items() if value is not None and name in declared}
