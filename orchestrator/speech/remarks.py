"""Remarks: what the conversation itself says aloud when there is no reply to say it.

They are made ahead, so that they can be said when the voice is gone as well.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from orchestrator.events import Failed
from orchestrator.made import sound_rate
from specialists.base import Task
from specialists.content import text_part
from specialists.errors import AntiphonError
from specialists.runtime import Runtime

log = logging.getLogger("antiphon")

Samples = NDArray[np.float32]

VOICE = "tts"
HEARING = "asr"
MAKING_SECONDS = 10.0
"""How long the making of one remark may take."""
NOTHING_HEARD = "nothing_heard"
"""The code of the problem that no words were recognised."""


class Remark(Enum):
    """The words of each."""

    BRIDGE = "One moment, please."
    NOT_CAUGHT = "I did not catch that. Please say it again."
    HEARS_NOTHING = "I cannot make out any words just now. Please try again."
    TOO_LATE = "Sorry, that took too long. Please ask me again."
    NO_VOICE = "I have written the answer, but I cannot speak it."
    VOICE_LOST = "I cannot speak the rest. It is written in full."
    WENT_WRONG = "Sorry, something went wrong. I cannot answer that."


def remark_on(problem: Failed, *, sounded: bool) -> Remark:
    """What to say of a problem; `sounded` tells whether some of the reply was spoken."""
    if problem.code == NOTHING_HEARD:
        return Remark.NOT_CAUGHT
    if problem.part == HEARING:
        return Remark.HEARS_NOTHING
    if problem.part == VOICE:
        return Remark.VOICE_LOST if sounded else Remark.NO_VOICE
    if problem.code == "deadline_exceeded":
        return Remark.TOO_LATE
    return Remark.WENT_WRONG


class Remarks:
    """The sound of each remark, at `rate` hertz: spoken once they are loaded, else two falling tones."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._spoken: dict[Remark, Samples] = {}

    async def load(self, runtime: Runtime) -> None:
        """Have them spoken by the voice that speaks replies. Without one they stay tones."""
        for remark in Remark:
            try:
                name = f"remark-{remark.name.lower()}"
                self._spoken[remark] = await spoken(runtime, name, remark.value, self._rate)
            except (AntiphonError, TimeoutError) as error:
                log.warning("what cannot be answered will be said by a tone, not in words: %s", error)
                return

    def sound(self, remark: Remark) -> Samples:
        return self._spoken[remark] if remark in self._spoken else tones(self._rate)


async def spoken(runtime: Runtime, name: str, text: str, rate: int) -> Samples:
    """The sound of a text, mono at `rate` hertz. Raises what the runtime raises, and TimeoutError."""
    import soxr

    pieces: list[Samples] = []
    async with asyncio.timeout(MAKING_SECONDS), aclosing(runtime.run(_task(name, text))) as chunks:  # type: ignore[type-var]
        async for chunk in chunks:
            if chunk.data:
                made = sound_rate(chunk, VOICE)
                samples = np.frombuffer(chunk.data, "<i2").astype(np.float32) / np.float32(32_768)
                pieces.append(samples if made == rate else soxr.resample(samples, made, rate))
    return np.concatenate([np.zeros(0, np.float32), *pieces]).astype(np.float32)


def _task(name: str, text: str) -> Task:
    return Task(name, VOICE, parts=(text_part(text),))


def tones(rate: int) -> Samples:
    """Two soft tones, the second lower: something did not work."""
    seconds, fade = 0.16, 0.02
    time = np.arange(round(seconds * rate)) / rate
    shape = np.clip(np.minimum(time, seconds - time) / fade, 0.0, 1.0)
    tones = [0.2 * shape * np.sin(2 * np.pi * pitch * time) for pitch in (440.0, 330.0)]
    return np.concatenate(tones).astype(np.float32)
