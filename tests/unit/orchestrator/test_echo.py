"""The assistant's own voice, heard back by the microphone, and what is left of it."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.speech.devices import FRAME_SAMPLES, MICROPHONE_RATE
from orchestrator.speech.echo import (
    RESERVE,
    EchoCanceller,
    Loudspeaker,
    Samples,
    WebRtcCanceller,
    are_own_words,
    webrtc,
)

RATE = 22_050
DELAY = round(0.06 * MICROPHONE_RATE)


class Plays:
    """A Speaker that plays one line of samples."""

    def __init__(self, samples: Samples) -> None:
        self.samples, self.at, self.skipped = samples, 0, 0

    def render(self, count: int) -> Samples:
        block = np.zeros(count, np.float32)
        piece = self.samples[self.at : self.at + count]
        block[: len(piece)] = piece
        self.at += count
        return block

    def skip(self, count: int) -> None:
        self.skipped += count


class Subtracts:
    """A canceller for a loudspeaker that is heard at once and in full."""

    def cancel(self, heard: Samples, played: Samples) -> Samples:
        return heard - played


def murmur(seconds: float, rate: int, seed: int = 0) -> Samples:
    """Noise with the loudness of syllables: something that is neither steady nor a tone."""
    rng = np.random.default_rng(seed)
    count = round(seconds * rate)
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * np.arange(count) / rate)
    return np.asarray(0.1 * syllables * rng.standard_normal(count), np.float32)


def decibels(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(samples)) + 1e-12))


def listen(loudspeaker: Loudspeaker, microphone: Samples, rate: int = RATE) -> Samples:
    """What is left of the microphone's signal, a frame played before each that is heard."""
    count = round(rate * 0.02)
    heard = []
    for at in range(0, len(microphone) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        loudspeaker.render(count)
        heard.append(loudspeaker.heard(microphone[at : at + FRAME_SAMPLES]))
    return np.concatenate(heard)


def room(played: Samples, rate: int = RATE) -> Samples:
    """The echo: 60 ms late, with some reverberation, 10 dB softer, at the microphone's rate."""
    at_microphone = np.asarray(soxr.resample(played, rate, MICROPHONE_RATE), np.float32)
    taps = np.arange(1, 1600)
    response = np.random.default_rng(1).standard_normal(1599) * np.exp(-taps / 300) * 0.15
    echo = np.convolve(at_microphone, np.concatenate([[1.0], response]))[: len(at_microphone)]
    late = np.concatenate([np.zeros(DELAY), echo])[: len(at_microphone)]
    return np.asarray(late * 10 ** (-10 / 20), np.float32)


@pytest.mark.parametrize("rate", [22_050, 24_000, 16_000, 48_000])
def test_what_is_played_is_not_heard(rate: int) -> None:
    played = murmur(6.0, rate)
    echo = room(played, rate)
    left = listen(Loudspeaker(Plays(played), rate, WebRtcCanceller()), echo, rate)
    settled = slice(2 * MICROPHONE_RATE, None)
    assert decibels(left[settled]) < decibels(echo[settled]) - 20


def test_who_speaks_over_it_is_heard() -> None:
    played = murmur(6.0, RATE)
    echo = room(played)
    person = np.zeros_like(echo)
    person[3 * MICROPHONE_RATE : 5 * MICROPHONE_RATE] = murmur(2.0, MICROPHONE_RATE, seed=5)
    left = listen(Loudspeaker(Plays(played), RATE, WebRtcCanceller()), echo + person)
    spoken = slice(round(3.2 * MICROPHONE_RATE), round(4.8 * MICROPHONE_RATE))
    assert decibels(left[spoken]) > decibels(person[spoken]) - 6
    alone = slice(2 * MICROPHONE_RATE, round(2.9 * MICROPHONE_RATE))
    assert decibels(left[alone]) < decibels(left[spoken]) - 20


@pytest.mark.parametrize("noise", [0.0, 0.001, 0.01])
def test_who_speaks_where_nothing_echoes_is_left_alone(noise: float) -> None:
    """Headphones: with nothing to learn from, the canceller alone would take 40 dB off the person."""
    played = murmur(8.0, RATE)
    person = np.zeros(8 * MICROPHONE_RATE, np.float32)
    person[4 * MICROPHONE_RATE : 6 * MICROPHONE_RATE] = murmur(2.0, MICROPHONE_RATE, seed=5)
    person += np.asarray(noise * np.random.default_rng(3).standard_normal(len(person)), np.float32)
    loudspeaker = Loudspeaker(Plays(played), RATE, WebRtcCanceller())
    assert not loudspeaker.cancels
    left = listen(loudspeaker, person)
    assert not loudspeaker.cancels
    settled = slice(2 * MICROPHONE_RATE, None)
    np.testing.assert_array_equal(left[settled], person[: len(left)][settled])


def test_it_knows_an_echo_from_a_person() -> None:
    played = murmur(6.0, RATE)
    echo = room(played)
    loudspeaker = Loudspeaker(Plays(played), RATE, WebRtcCanceller())
    listen(loudspeaker, echo[: 3 * MICROPHONE_RATE])
    assert loudspeaker.mostly_echo(1.0)
    assert loudspeaker.cancels
    person = murmur(1.0, MICROPHONE_RATE, seed=5)
    listen(loudspeaker, echo[3 * MICROPHONE_RATE : 4 * MICROPHONE_RATE] + person)
    assert not loudspeaker.mostly_echo(1.0)


@given(st.lists(st.integers(1, 1500), min_size=1, max_size=30))
def test_a_loudspeaker_that_asks_for_uneven_blocks_is_cancelled_without_holes(counts: list[int]) -> None:
    """Every sample that was played is taken out once, in order, a while after."""
    played = np.asarray(np.random.default_rng(0).uniform(-0.5, 0.5, sum(counts)), np.float32)
    taken: list[Samples] = []

    class Notes:
        def cancel(self, heard: Samples, played: Samples) -> Samples:
            taken.append(played)
            return heard

    loudspeaker = Loudspeaker(Plays(played), MICROPHONE_RATE, Notes())
    time = 0
    for count in counts:
        loudspeaker.render(count)
        before, time = time, time + count
        for _ in range(time // FRAME_SAMPLES - before // FRAME_SAMPLES):
            loudspeaker.heard(np.zeros(FRAME_SAMPLES, np.float32))
    line = np.concatenate([np.zeros(0, np.float32), *taken])
    given_out = line[np.flatnonzero(line)]
    np.testing.assert_array_equal(given_out, played[: len(given_out)])
    assert len(given_out) >= len(line) - RESERVE


def test_time_that_was_skipped_is_silence() -> None:
    plays = Plays(murmur(1.0, MICROPHONE_RATE))
    loudspeaker = Loudspeaker(plays, MICROPHONE_RATE, Subtracts())
    loudspeaker.skip(FRAME_SAMPLES)
    heard = np.full(FRAME_SAMPLES, 0.25, np.float32)
    np.testing.assert_array_equal(loudspeaker.heard(heard), heard)
    assert plays.skipped == FRAME_SAMPLES


def test_where_nothing_was_played_the_microphone_is_left_as_it_is() -> None:
    loudspeaker = Loudspeaker(Plays(murmur(0.5, RATE)), RATE, WebRtcCanceller())
    person = murmur(3.0, MICROPHONE_RATE)
    left = listen(loudspeaker, person)
    alone = slice(2 * MICROPHONE_RATE, None)
    np.testing.assert_array_equal(left[alone], person[alone])
    begun = slice(0, MICROPHONE_RATE // 4)
    assert not np.array_equal(left[begun], person[begun])


def test_without_a_canceller_everything_is_heard_and_anything_may_be_an_echo() -> None:
    loudspeaker = Loudspeaker(Plays(murmur(1.0, RATE)), RATE, None)
    frame = murmur(0.02, MICROPHONE_RATE)
    loudspeaker.render(441)
    np.testing.assert_array_equal(loudspeaker.heard(frame), frame)
    assert loudspeaker.mostly_echo(1.0)


def test_the_canceller_is_there() -> None:
    made: EchoCanceller | None = webrtc()
    assert isinstance(made, WebRtcCanceller)


SAID = "Once upon a time there was a lighthouse on a rocky island. Every night the keeper lit the lamp."


@pytest.mark.parametrize(
    "text",
    ["the keeper lit the lamp", "Every night the keeper lit the lamb.", "night the keeper let the lamp"],
)
def test_its_own_words_are_known(text: str) -> None:
    assert are_own_words(text, SAID)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "stop",
        "wait, what lamp?",
        "once upon a time",  # long ago: the person takes it up
        "what is the weather in Berlin",
        "lamp the lit keeper the night every",
    ],
)
def test_other_words_are_not(text: str) -> None:
    assert not are_own_words(text, SAID)
