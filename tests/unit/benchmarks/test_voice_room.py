"""The room of the voice benchmarks: one clock, a person who waits for what they hear, and echo."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.voice import loops
from benchmarks.voice.clip import RATE, Clip
from benchmarks.voice.room import ECHO_DB, ECHO_DELAY, Condition, Room, Said

CLICK = Clip("click", "sound", "", "click", np.full(800, 0.5, np.float32), 160, 640)


class Speaks:
    """A loudspeaker that is silent until `begin` and then plays noise."""

    def __init__(self, begin: float, rate: int) -> None:
        self._from = round(begin * rate)
        self._random = np.random.default_rng(1)
        self._clock = 0

    def render(self, count: int) -> np.ndarray:
        places = np.arange(self._clock, self._clock + count)
        self._clock += count
        return (self._random.standard_normal(count) * 0.1 * (places >= self._from)).astype(np.float32)

    def skip(self, count: int) -> None:
        self._clock += count


def listen(room: Room, speaker: Speaks, seconds: float) -> np.ndarray:
    async def main() -> np.ndarray:
        heard = []
        async with aclosing(room.frames(speaker)) as frames:  # type: ignore[type-var]
            async for frame in frames:
                heard.append(frame)
                if len(heard) * 0.02 >= seconds:
                    return np.concatenate(heard)
        raise AssertionError("frames end only when they are closed")

    return loops.run(main())


def test_the_person_waits_for_the_loudspeaker_and_is_heard_where_it_is_said(tmp_path: Path) -> None:
    said: list[Said] = []

    def person(room: Room) -> Generator[Condition, None, None]:
        yield room.sounding(0.0, 5.0)
        yield room.after(0.5)
        said.append(room.say(CLICK))
        yield room.over(said[0])

    room = Room(tmp_path, person)
    heard = listen(room, Speaks(1.0, room.rate), 2.5)
    assert 1.5 <= said[0].first <= 1.6
    first = np.flatnonzero(heard)[0] + CLICK.first
    assert first == round(said[0].first * RATE)
    assert room.exhausted
    own, _ = soundfile.read(tmp_path / "person.wav", dtype="float32")
    assert np.abs(own - heard).max() < 1e-3
    played, rate = soundfile.read(tmp_path / "played.wav", dtype="float32")
    assert np.flatnonzero(played)[0] == rate


def test_the_echo_comes_later_and_softer(tmp_path: Path) -> None:
    def person(room: Room) -> Generator[Condition, None, None]:
        yield room.after(3.0)

    room = Room(tmp_path, person, echo=True)
    heard = listen(room, Speaks(0.5, room.rate), 3.0)
    loud = np.flatnonzero(np.abs(heard) > 1e-4)
    assert abs(loud[0] / RATE - 0.5 - ECHO_DELAY) < 0.005
    played, _ = soundfile.read(tmp_path / "played.wav", dtype="float32")
    power = np.mean(heard[2 * RATE :] ** 2) / np.mean(played[2 * room.rate :] ** 2)
    # What lies above 8 kHz in the played noise does not reach the microphone: 1.4 dB.
    assert abs(10 * np.log10(power) - ECHO_DB) < 2.5


def test_noise_goes_on(tmp_path: Path) -> None:
    def person(room: Room) -> Generator[Condition, None, None]:
        yield room.after(1.0)

    noise = np.linspace(-0.1, 0.1, 1000, dtype=np.float32)
    heard = listen(Room(tmp_path, person, noise=noise), Speaks(9.0, 22_050), 0.2)
    assert np.array_equal(heard, np.resize(noise, len(heard)))
