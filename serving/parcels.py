"""A Task as it travels to a replica: the Task without its blob store, and the bytes it needs beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import ray

from specialists.base import Card, NoBlobs, Task
from specialists.content import BlobRef
from specialists.errors import UnknownName
from specialists.threads import in_thread

INLINE_BYTES = 100_000
"""Blobs smaller than this travel inside the call, larger ones through Ray's object store."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """`blobs` maps digests to bytes, or to a reference into the object store."""

    task: Task
    blobs: Mapping[str, Any]


class CarriedBlobs:
    """Reads the blobs that came with a Task."""

    def __init__(self, blobs: Mapping[str, bytes]) -> None:
        self._blobs = blobs

    def read(self, ref: BlobRef) -> bytes:
        try:
            return self._blobs[ref.digest]
        except KeyError:
            raise UnknownName("the blob did not come with the task", part=ref.digest) from None


async def pack(task: Task, card: Card) -> Parcel:
    """Make the Task fit to travel to the specialist of this Card.

    A blob that the caller's store does not hold stays behind; reading it then fails as it would have here.
    """
    refs = {ref.digest: ref for ref in _needed(task, card)}
    blobs = await in_thread(_read, task, refs) if refs else {}
    return Parcel(replace(task, blobs=NoBlobs(), params=dict(task.params)), blobs)


async def unpack(parcel: Parcel) -> Task:
    """The Task with a reader of the blobs that came with it."""
    blobs = {
        digest: await blob if isinstance(blob, ray.ObjectRef) else blob
        for digest, blob in parcel.blobs.items()
    }
    return replace(parcel.task, blobs=CarriedBlobs(blobs))


def _needed(task: Task, card: Card) -> Iterator[BlobRef]:
    """The blobs of the parts to work on, and those of the context that this specialist can use."""
    for part in task.parts:
        if part.blob is not None:
            yield part.blob
    for message in task.context:
        for part in message.media:
            if part.kind in card.consumes and part.blob is not None:
                yield part.blob


def _read(task: Task, refs: Mapping[str, BlobRef]) -> dict[str, Any]:
    blobs: dict[str, Any] = {}
    for digest, ref in refs.items():
        try:
            data = task.blobs.read(ref)
        except UnknownName:
            continue
        blobs[digest] = data if len(data) < INLINE_BYTES else ray.put(data)
    return blobs
