"""What the voice benchmarks read off a played file, against sound that was put together by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.voice.measure import (
    DUCKED,
    first_sound,
    last_sound,
    lost_words,
    said_of,
    track,
)

RATE = 22_050
SILENT = 0.03


@pytest.fixture
def piece() -> np.ndarray:
    """Four seconds of noise that swells and fades three times a second, with a pause in the third."""
    random = np.random.default_rng(1)
    time = np.arange(4 * RATE) / RATE
    sound = random.standard_normal(4 * RATE) * (0.15 + 0.1 * np.sin(2 * np.pi * 3 * time))
    sound[round(2.5 * RATE) : round(2.7 * RATE)] = 0
    return sound.astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def at(piece: np.ndarray, start: float, end: float) -> np.ndarray:
    return piece[round(start * RATE) : round(end * RATE)]


def test_a_voice_that_is_ducked_and_stopped(piece: np.ndarray) -> None:
    played = np.concatenate([silence(1.0), at(piece, 0, 1.5), at(piece, 1.5, 1.7) * 0.25, silence(2.0)])
    found = track(played, piece, RATE, 0.5)
    assert found is not None
    assert found.start == pytest.approx(1.0, abs=0.01)
    soft, gone = found.below(DUCKED, 2.0), found.below(SILENT, 2.0)
    assert soft is not None
    assert soft.at == pytest.approx(2.5, abs=0.01)
    assert gone is not None
    assert gone.at == pytest.approx(2.7, abs=0.01)
    assert soft.sharp
    assert found.missing == pytest.approx(4.0 - 1.7 - 0.2, abs=0.02)
    assert found.left(2.0) == pytest.approx(4.0 - 1.0 - 0.2, abs=0.02)


def test_a_stop_in_a_pause_counts_from_the_last_sound(piece: np.ndarray) -> None:
    played = np.concatenate([silence(1.0), at(piece, 0, 2.6), silence(2.0)])
    found = track(played, piece, RATE, 0.5)
    assert found is not None
    gone = found.below(SILENT, 3.0)
    assert gone is not None
    assert gone.at == pytest.approx(3.5, abs=0.01)
    assert not gone.sharp


def test_a_piece_that_ends_in_silence_sounds_until_its_last_sound(piece: np.ndarray) -> None:
    spoken = np.concatenate([piece, silence(0.4)])
    found = track(np.concatenate([silence(1.0), spoken, silence(1.0)]), spoken, RATE, 0.5)
    assert found is not None
    assert found.end == pytest.approx(5.4, abs=0.01)
    assert found.sounded == pytest.approx(5.0, abs=0.01)


def test_a_hold_and_a_resume_from_a_little_earlier_lose_nothing(piece: np.ndarray) -> None:
    played = np.concatenate([silence(0.5), at(piece, 0, 1.5), silence(0.8), at(piece, 1.3, 4.0)])
    found = track(played, piece, RATE, 0.0)
    assert found is not None
    assert found.missing == 0
    ((stopped, seconds),) = found.jumps
    assert stopped == pytest.approx(2.0, abs=0.01)
    assert seconds == pytest.approx(0.8, abs=0.02)
    assert found.below(DUCKED, 3.5) is None


def test_what_a_resume_swallows_is_missing(piece: np.ndarray) -> None:
    played = np.concatenate([silence(0.5), at(piece, 0, 1.5), silence(0.8), at(piece, 1.8, 4.0)])
    found = track(played, piece, RATE, 0.0)
    assert found is not None
    assert found.missing == pytest.approx(0.3, abs=0.02)


def test_other_sound_is_not_the_piece(piece: np.ndarray) -> None:
    other = np.random.default_rng(2).standard_normal(4 * RATE).astype(np.float32) * 0.1
    assert track(other, piece, RATE, 0.0) is None


def test_first_and_last_sound(piece: np.ndarray) -> None:
    played = np.concatenate(
        [silence(1.0), at(piece, 0, 1.0), silence(0.1), at(piece, 1.0, 2.0), silence(1.0)]
    )
    assert first_sound(played, RATE, 0.2) == pytest.approx(1.0, abs=0.01)
    assert first_sound(played, RATE, 3.2) is None
    assert last_sound(played, RATE, 1.5, 0.3) == pytest.approx(3.1, abs=0.01)
    assert last_sound(played, RATE, 1.5, 0.05) == pytest.approx(2.0, abs=0.01)


def test_words_heard_are_counted_in_the_text_though_some_are_misheard() -> None:
    text = "Once there was a lighthouse. It was very old and tall."
    assert said_of(text, "once there was a light house it was fairy") == 8
    assert said_of(text, "") == 0
    assert said_of(text, text) == 11
    assert lost_words(text, "once there was a lighthouse it very old and tall") == ["was"]
