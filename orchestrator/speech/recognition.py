"""Recognition of an utterance while it is still being spoken, through any runtime."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from specialists.base import Chunk, Task
from specialists.content import AUDIO, BlobRef, Part
from specialists.errors import SpecialistFailed, UnknownName
from specialists.media import encode_wav
from specialists.runtime import Runtime

SPECIALIST = "asr"

LIVE = "live"
"""The parameter by which a recogniser says that it may be asked again and again while somebody speaks."""


@dataclass(frozen=True, slots=True)
class Words:
    """What was recognised. `score` is that of its least certain stretch, 0 to 1."""

    text: str
    score: float


@dataclass(frozen=True, slots=True)
class _OneBlob:
    """Carries the sound with the Task: an utterance does not enter the blob store."""

    ref: BlobRef
    data: bytes

    def read(self, ref: BlobRef) -> bytes:
        if ref.digest != self.ref.digest:
            raise UnknownName("this task carries one recording", part=ref.digest)
        return self.data


def hears_live(runtime: Runtime) -> bool:
    """Whether the recogniser is quick enough to be asked for words that are still being spoken."""
    return any(
        parameter.name == LIVE
        for card in runtime.cards()
        if card.name == SPECIALIST
        for parameter in card.parameters
    )


async def recognise(
    runtime: Runtime, task_id: str, samples: NDArray[np.float32], rate: int, deadline: float
) -> Words:
    """The words in mono `samples` at `rate` hertz; no words where nobody speaks.

    Raises what `Runtime.run` raises, DeadlineExceeded after `deadline` seconds among it.
    """
    data = encode_wav(samples, rate)
    ref = BlobRef(hashlib.sha256(data).hexdigest(), len(data), "audio/wav")
    part = Part(AUDIO, blob=ref, name="utterance.wav", facts={"seconds": len(samples) / rate})
    params = {LIVE: True} if hears_live(runtime) else {}
    blobs = _OneBlob(ref, data)
    task = Task(task_id, SPECIALIST, parts=(part,), params=params, deadline=deadline, blobs=blobs)
    chunks: list[Chunk] = []
    answer = runtime.run(task)
    async with aclosing(answer) as heard:  # type: ignore[type-var]
        async for chunk in heard:
            chunks.append(chunk)
    scores = [chunk.score for chunk in chunks if chunk.score is not None]
    return Words("".join(chunk.text for chunk in chunks).strip(), min(scores, default=1.0))


async def hedged(call: Callable[[], Awaitable[Words]], patience: float) -> Words:
    """What the first of two calls answers, the second made when the first fails or takes longer than
    `patience` seconds; raises what it raises (Dean and Barroso, "The tail at scale", 2013)."""
    calls = {first := asyncio.ensure_future(call())}
    try:
        done, running = await asyncio.wait(calls, timeout=patience)
        if not done or isinstance(first.exception(), SpecialistFailed):
            calls.add(second := asyncio.ensure_future(call()))
            done, _ = await asyncio.wait({second, *running}, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        for one in calls:
            one.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
