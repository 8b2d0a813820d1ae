"""A room with a person in it: an audio device in real time whose microphone also hears the loudspeaker.

It behaves like `orchestrator.speech.devices.WavPair` and has the same clock, but what the person does is a
script that may wait for what it hears. Three files come out, all from the same time zero:

    played.wav        the loudspeaker
    microphone.wav    what the microphone heard: the person, noise, the loudspeaker's echo
    person.wav        the person alone

Needs numpy, soxr and soundfile, and nothing of the project.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.voice.clip import RATE, Clip, Samples

FRAME_SECONDS = 0.02
FRAME = 320
AUDIBLE = 10 ** (-50 / 20)
"""Above -50 dB of full scale the loudspeaker is heard."""
ECHO_DB = -10.0
"""How loud the echo is, against what is played."""
ECHO_DELAY = 0.06
"""Seconds from the loudspeaker to the microphone, buffers of a sound card included."""

Condition = Callable[[], bool]
Script = Callable[["Room"], Generator[Condition, None, None]]
"""What the person does; goes on when what it yielded is true."""


class Speaker(Protocol):
    def render(self, count: int) -> Samples: ...

    def skip(self, count: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Said:
    """When a clip was heard: seconds of its first and last voiced sample, on the room's clock."""

    clip: str
    kind: str
    text: str
    voice: str
    first: float
    last: float


class Room:
    """`noise` (at 16 kHz, repeated) is heard throughout; `echo` lets the loudspeaker be heard too.

    A block for which nobody had the time within `PATIENCE` is silent, and counts in `dropouts`.
    """

    PATIENCE = 0.06
    latency = 0.0

    def __init__(
        self,
        folder: Path,
        script: Script,
        *,
        rate: int = 22_050,
        echo: bool = False,
        noise: Samples | None = None,
        seed: int = 1,
    ) -> None:
        self.rate = rate
        self.dropouts = 0
        self.said: list[Said] = []
        self.idle: Condition = lambda: True
        """Whether the assistant has nothing to do; whoever runs it may know."""
        self.exhausted = False
        self.folder = folder
        self._script = script
        self._random = np.random.default_rng(seed)
        self._noise = noise
        self._response = _response(self._random) if echo else None
        self._tick = 0
        self._person: Samples = np.zeros(0, np.float32)  # from the frame of this tick on
        self._sounded = -1.0
        self._was_silent = 0.0

    # For scripts.

    @property
    def now(self) -> float:
        """Seconds since time zero."""
        return self._tick * FRAME_SECONDS

    def say(self, clip: Clip) -> Said:
        """Make a sound from now on, up to a frame later: people know nothing of frames."""
        shift = int(self._random.integers(FRAME))
        line = np.zeros(max(len(self._person), shift + len(clip.samples)), np.float32)
        line[: len(self._person)] = self._person
        line[shift : shift + len(clip.samples)] += clip.samples
        self._person = line
        start = self._tick * FRAME + shift
        said = Said(
            clip.id, clip.kind, clip.text, clip.voice, (start + clip.first) / RATE, (start + clip.last) / RATE
        )
        self.said.append(said)
        return said

    def after(self, seconds: float) -> Condition:
        """That long from now."""
        end = self.now + seconds
        return lambda: self.now >= end

    def over(self, said: Said) -> Condition:
        return lambda: self.now > said.last

    def sounding(self, since: float, at_most: float) -> Condition:
        """The loudspeaker was heard after `since`; gives up after `at_most` seconds."""
        end = self.now + at_most
        return lambda: self._sounded > since or self.now >= end

    def settled(self, silence: float, at_most: float) -> Condition:
        """The loudspeaker was silent for so long and the assistant is idle; gives up after `at_most`."""
        end = self.now + at_most
        start = self.now
        return lambda: (self.idle() and self.now - max(start, self._sounded) >= silence) or self.now >= end

    @property
    def sounded(self) -> float:
        """When the loudspeaker was last heard."""
        return self._sounded

    # The device.

    async def frames(self, speaker: Speaker) -> AsyncIterator[Samples]:
        """Play what `speaker` gives and yield what the microphone hears, 20 ms at a time, until closed."""
        loop = asyncio.get_running_loop()
        count = round(self.rate * FRAME_SECONDS)
        echo = _Echo(self._response, self.rate) if self._response is not None else None
        script = self._script(self)
        condition: Condition | None = next(script, None)
        with ExitStack() as files:
            played, microphone, person = (files.enter_context(f) for f in self._files())
            files.callback(self._keep)
            start = loop.time()
            while True:
                behind = loop.time() - start - self.now
                if behind > self.PATIENCE:
                    self.dropouts += 1
                    speaker.skip(count)
                    block = np.zeros(count, np.float32)
                else:
                    block = np.clip(speaker.render(count), -1.0, 1.0)
                played.write(block)
                while condition is not None and condition():
                    condition = next(script, None)
                self.exhausted = condition is None and not len(self._person)
                own = np.zeros(FRAME, np.float32)
                own[: len(self._person)] = self._person[:FRAME]
                self._person = self._person[FRAME:]
                heard = own + (echo.of(block) if echo else 0) + self._noise_now()
                if float(np.abs(block).max()) > AUDIBLE:
                    self._sounded = self.now + FRAME_SECONDS
                person.write(own)
                microphone.write(np.clip(heard, -1.0, 1.0))
                self._tick += 1
                await asyncio.sleep(max(0.0, start + self.now - loop.time()))
                yield np.clip(heard, -1.0, 1.0).astype(np.float32)

    def _noise_now(self) -> Samples | float:
        if self._noise is None:
            return 0.0
        places = np.arange(self._tick * FRAME, (self._tick + 1) * FRAME) % len(self._noise)
        return np.asarray(self._noise[places], np.float32)

    def _files(self) -> list[Any]:
        import soundfile

        self.folder.mkdir(parents=True, exist_ok=True)
        names = (("played", self.rate), ("microphone", RATE), ("person", RATE))
        return [soundfile.SoundFile(self.folder / f"{n}.wav", "w", r, 1, subtype="PCM_16") for n, r in names]

    def _keep(self) -> None:
        said = [asdict(one) for one in self.said]
        (self.folder / "said.json").write_text(json.dumps(said, indent=1), encoding="utf-8")


class _Echo:
    """The loudspeaker as the microphone hears it, frame by frame."""

    def __init__(self, response: Samples, rate: int) -> None:
        import soxr

        self._stream = soxr.ResampleStream(rate, RATE, 1, dtype="float32", quality="HQ")
        self._response = response
        # Ends with what was resampled so far; what the resampler holds back is less than the delay.
        self._played: Samples = np.zeros(len(response) + FRAME, np.float32)
        self._ahead = 0
        """Samples at the end of `_played` that belong to later frames than this one; negative: too few."""

    def of(self, block: Samples) -> Samples:
        fresh = np.asarray(self._stream.resample_chunk(block), np.float32)
        self._played = np.concatenate([self._played, fresh])
        self._ahead += len(fresh) - FRAME
        # The response begins with the delay, and what is missing lies within it.
        missing = max(0, -self._ahead)
        if missing > round(ECHO_DELAY * RATE):
            raise RuntimeError("the resampler holds back more than the echo's delay")
        line = np.concatenate([self._played, np.zeros(missing, np.float32)])
        end = len(line) - max(0, self._ahead)
        piece = line[end - FRAME - len(self._response) + 1 : end]
        self._played = self._played[-(len(self._response) + 4 * FRAME) :]
        return np.asarray(np.convolve(piece, self._response, "valid"), np.float32)


def _response(random: np.random.Generator) -> Samples:
    """A small room: the direct sound after the delay, and reflections that fall by 60 dB in 0.3 s."""
    tail = random.standard_normal(round(0.15 * RATE)) * 10 ** (
        -3 * np.arange(round(0.15 * RATE)) / (0.3 * RATE)
    )
    tail[0] = 0.0
    tail *= 0.7 / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    tail *= 10 ** (ECHO_DB / 20) / np.sqrt(np.sum(tail**2))
    return np.concatenate([np.zeros(round(ECHO_DELAY * RATE)), tail]).astype(np.float32)
