"""The ears without the rest: an utterance is heard frame by frame, in virtual time, until its turn ends.

What recognition and the turn detector compute takes the processor time that it used, as if on one core and
nothing beside it: more than on an idle machine with two, and the same on a busy one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from benchmarks.voice import loops
from benchmarks.voice.clip import RATE, Samples
from orchestrator.speech.ears import Ears, silero
from orchestrator.speech.endpoint import TurnDetector, patience
from orchestrator.speech.listener import Guess, Listener
from orchestrator.speech.recognition import Words
from specialists.recogniser import Recogniser

FRAME = 320
"""Samples of a device's frame: 20 ms."""
BEFORE, AFTER = 0.5, 3.0
"""Seconds of silence around an utterance."""
WAIT = 0.6
"""`end_of_turn_seconds` as it comes."""
NEVER = 1e9

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Partial:
    """What was shown at a second of the utterance, and how many characters of it were confirmed."""

    at: float
    text: str
    confirmed: int


@dataclass(frozen=True, slots=True)
class Hearing:
    """What the ears made of an utterance. Times are in seconds from its first sample, without the silence.

    `ended` is when its turn was taken to end, `text` what was taken for its words then. `started` is when the
    ears said that somebody speaks.
    """

    started: float
    ended: float
    text: str
    partials: tuple[Partial, ...]
    computed: float
    """Processor seconds of recognition."""


def hear(
    samples: Samples,
    recogniser: Recogniser,
    *,
    noise: Samples | None = None,
    detector: TurnDetector | None = None,
    ends: Callable[[str], float] | None = None,
    until: float = 0.0,
    live: bool = True,
) -> Hearing:
    """Hear an utterance until its turn ends, however often it would have ended before the second `until`.

    `ends` tells how likely a text is all there is, as the chat model does in a conversation. Without `live`
    words are recognised at pauses alone, which is quicker and ends turns at the same time.
    """
    return loops.run(_hear(in_a_room(samples, noise), recogniser, detector, ends, until, live))


def in_a_room(samples: Samples, noise: Samples | None) -> Samples:
    """What a microphone hears of it: silence before and after, and noise or hardly any."""
    line = np.concatenate([np.zeros(round(BEFORE * RATE)), samples, np.zeros(round(AFTER * RATE))])
    random = np.random.default_rng(len(samples))
    line += random.normal(0, 3e-4, len(line)) if noise is None else np.resize(noise, len(line))
    return line.astype(np.float32)


async def _hear(
    line: Samples,
    recogniser: Recogniser,
    detector: TurnDetector | None,
    ends: Callable[[str], float] | None,
    until: float,
    live: bool,
) -> Hearing:
    spent = 0.0
    clock = asyncio.get_running_loop().time
    began = clock()

    async def takes_its_time(call: Callable[[], T]) -> T:
        nonlocal spent
        used = time.process_time()
        answer = call()
        used = time.process_time() - used
        spent += used
        await asyncio.sleep(used)
        return answer

    async def recognise(heard: Samples) -> Words:
        found = await takes_its_time(lambda: recogniser.quick(heard))
        return Words(" ".join(s.text for s in found), min((s.score for s in found), default=1.0))

    async def judge(heard: Samples, text: str) -> float:
        assert detector is not None
        return await takes_its_time(lambda: detector.probability(heard, text))

    async def foretell(text: str) -> float:
        assert ends is not None
        return await takes_its_time(lambda: ends(text))

    ears = Ears(silero())
    listener = Listener(
        ears,
        recognise,
        live=lambda: live,
        judge=judge if detector else None,
        foretell=foretell if ends else None,
    )
    partials: list[Partial] = []
    started, now = NEVER, 0.0

    def told(guess: Guess) -> None:
        partials.append(Partial(clock() - began - BEFORE, guess.text, guess.confirmed))

    task = asyncio.create_task(listener.run(told))
    try:
        for at in range(0, len(line), FRAME):
            listener.feed(line[at : at + FRAME])
            await asyncio.sleep(began + (at + FRAME) / RATE - clock())
            now = clock() - began - BEFORE
            started = min(started, now) if ears.open else started
            if now >= until and (text := _ended(listener)) is not None:
                return Hearing(started, now, text, tuple(partials), spent)
        return Hearing(started, NEVER, listener.guess.text if listener.guess else "", tuple(partials), spent)
    finally:
        task.cancel()


def _ended(listener: Listener) -> str | None:
    """The words of the turn when it is taken to be over, as a conversation decides it."""
    guess = listener.guess
    if guess is None or not listener.covers_all or not listener.ears.open:
        return None
    over = listener.ears.silence >= patience(guess.text, WAIT, guess.complete, guess.whole)
    return guess.text if over else None
