"""Where a conversation hears and is heard: the sound card, or a pair of WAV files on one timeline.

Both ends of a device share one clock, which starts at zero with the first frame: frame k of the microphone
was heard while the loudspeaker played block k.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from specialists.errors import BadInput, SpecialistFailed, Unavailable

MICROPHONE_RATE = 16_000
"""Hertz."""
FRAME_SECONDS = 0.02
FRAME_SAMPLES = 320

Samples = NDArray[np.float32]


class Speaker(Protocol):
    """What a device plays; it may ask from any thread."""

    def render(self, count: int) -> Samples:
        """The next `count` samples to play, mono within -1..1."""
        ...

    def skip(self, count: int) -> None:
        """Time passed in which `count` samples should have been played, and were not."""
        ...


class AudioDevice(Protocol):
    """A microphone and a loudspeaker."""

    @property
    def rate(self) -> int:
        """Hertz at which the loudspeaker plays; the microphone always gives 16 kHz."""
        ...

    @property
    def latency(self) -> float:
        """Seconds from the moment that samples are asked for to the moment that they are heard."""
        ...

    @property
    def exhausted(self) -> bool:
        """Whether the microphone will never hear anything again. It then gives silence."""
        ...

    def frames(self, speaker: Speaker) -> AsyncIterator[Samples]:
        """Run both ends in real time: play what `speaker` gives, yield what is heard, 20 ms at a time.

        Ends only when it is closed. Raises SpecialistFailed when the hardware fails.
        """
        ...


class WavPair:
    """Hears `heard` and writes what is played to `played`, in real time; both files start at time zero.

    The loudspeaker is a real one in that it does not wait: a block for which nobody had the time within
    `PATIENCE` is silent, and counts in `dropouts`. Raises BadInput when `heard` cannot be read as sound.
    """

    PATIENCE = 0.06
    """Seconds: what the buffers of a sound card usually forgive."""

    latency = 0.0

    def __init__(self, heard: Path, played: Path, *, rate: int = 22_050) -> None:
        self.rate = rate
        self.dropouts = 0
        self._heard = _read(heard)
        self._played = played
        self._at = 0

    @property
    def exhausted(self) -> bool:
        return self._at >= len(self._heard)

    async def frames(self, speaker: Speaker) -> AsyncIterator[Samples]:
        import soundfile

        loop = asyncio.get_running_loop()
        count = round(self.rate * FRAME_SECONDS)
        try:
            file = soundfile.SoundFile(self._played, "w", self.rate, 1, subtype="PCM_16", format="WAV")
        except (OSError, soundfile.LibsndfileError) as error:
            raise BadInput(f"cannot be written: {error}", part=str(self._played)) from error
        with file:
            start = loop.time()
            tick = 0
            while True:
                late = loop.time() - start - tick * FRAME_SECONDS > self.PATIENCE
                if late:
                    self.dropouts += 1
                    speaker.skip(count)
                block = np.zeros(count, np.float32) if late else speaker.render(count)
                file.write(np.clip(block, -1.0, 1.0))
                tick += 1
                await asyncio.sleep(max(0.0, start + tick * FRAME_SECONDS - loop.time()))
                yield self._next()

    def _next(self) -> Samples:
        frame = np.zeros(FRAME_SAMPLES, np.float32)
        piece = self._heard[self._at : self._at + FRAME_SAMPLES]
        frame[: len(piece)] = piece
        self._at += FRAME_SAMPLES
        return frame


class SoundCard:
    """The microphone and loudspeaker of this machine, by name or number; empty for the system's defaults.

    Raises Unavailable where there is no sound hardware or no library for it.
    """

    exhausted = False

    def __init__(self, microphone: str = "", loudspeaker: str = "", *, rate: int = 24_000) -> None:
        self.rate = rate
        self.latency = 0.1
        self._sound = _sounddevice()
        self._microphone = _number_or_name(microphone)
        self._loudspeaker = _number_or_name(loudspeaker)
        try:
            self._sound.check_input_settings(self._microphone, 1, "float32", samplerate=MICROPHONE_RATE)
            self._sound.check_output_settings(self._loudspeaker, 1, "float32", samplerate=rate)
            device = self._sound.query_devices(self._loudspeaker, "output")
        except (self._sound.PortAudioError, ValueError) as error:
            raise Unavailable(
                f"no usable microphone and loudspeaker: {error}",
                part="sound card",
                remedy="Connect one, name it in [speech] device_in and device_out, or use --in and --out",
            ) from error
        self.latency = float(device["default_low_output_latency"])

    async def frames(self, speaker: Speaker) -> AsyncIterator[Samples]:
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Samples | None] = asyncio.Queue()

        def heard(data: NDArray[np.float32], *_: object) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, data[:, 0].copy())

        def played(out: NDArray[np.float32], count: int, *_: object) -> None:
            out[:, 0] = speaker.render(count)

        def ended() -> None:
            loop.call_soon_threadsafe(queue.put_nowait, None)

        try:
            with (
                self._sound.OutputStream(
                    self.rate, round(self.rate * FRAME_SECONDS), self._loudspeaker, 1, "float32", "low",
                    callback=played,
                ),
                self._sound.InputStream(
                    MICROPHONE_RATE, FRAME_SAMPLES, self._microphone, 1, "float32", "low",
                    callback=heard, finished_callback=ended,
                ),
            ):  # fmt: skip
                while (frame := await queue.get()) is not None:
                    yield frame
        except self._sound.PortAudioError as error:
            raise SpecialistFailed(str(error), part="sound card", remedy="Check the device") from error
        raise SpecialistFailed("the microphone stopped", part="sound card", remedy="Check the device")


@dataclass(frozen=True, slots=True)
class SoundDevice:
    """A microphone, a loudspeaker, or both, as `SoundCard` takes it by number or name."""

    number: int
    name: str
    hears: bool
    speaks: bool


def sound_devices() -> list[SoundDevice]:
    """Those of this machine. Raises Unavailable where there is no library for sound, or no device."""
    sound = _sounddevice()
    found = [
        SoundDevice(number, str(d["name"]), d["max_input_channels"] > 0, d["max_output_channels"] > 0)
        for number, d in enumerate(sound.query_devices())
    ]
    if not found:
        raise Unavailable(
            "there is no sound device", part="sound card", remedy="Connect one, or use --in and --out"
        )
    return found


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise Unavailable(
            "the sound library is not installed",
            part="sound card",
            remedy="Install it with: pip install 'antiphon[sound]', or use --in and --out",
        ) from error
    except OSError as error:  # the Python part is there, the system library is not
        raise Unavailable(
            str(error),
            part="sound card",
            remedy="Install PortAudio (Debian: apt install libportaudio2), or use --in and --out",
        ) from error
    return sounddevice


def _number_or_name(device: str) -> int | str | None:
    return int(device) if device.isdigit() else device or None


def _read(path: Path) -> Samples:
    import soundfile
    import soxr

    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise BadInput(
            f"cannot be read as sound: {error}", part=str(path), remedy="Give a WAV or FLAC file"
        ) from error
    if len(samples) == 0:
        raise BadInput("holds no sound", part=str(path))
    mono = np.nan_to_num(samples.mean(axis=1, dtype=np.float32))
    return np.asarray(soxr.resample(mono, rate, MICROPHONE_RATE), np.float32)
