"""Voices in the background, and the one that stands out."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.speech.background import REMEMBERED, Background

WINDOW = 512


def noise(level: float, windows: int, seed: int = 0) -> list[np.ndarray]:
    """Windows of noise at so many dB of full scale."""
    rng = np.random.default_rng(seed)
    samples = 10 ** (level / 20) * rng.standard_normal((windows, WINDOW))
    return list(samples.astype(np.float32))


def hidden(background: Background, windows: list[np.ndarray]) -> list[bool]:
    return [background.hides(window) for window in windows]


def test_a_voice_above_the_background_stands_out_and_the_background_does_not() -> None:
    background = Background()
    assert all(hidden(background, noise(-33, 2 * REMEMBERED))[REMEMBERED:])
    assert sum(hidden(background, noise(-23, 40, 1))) <= 3, "but for the windows in which it rises"
    after = hidden(background, noise(-33, 40, 2))
    assert all(after[5:])


def test_in_quiet_nothing_is_hidden() -> None:
    background = Background()
    assert not any(hidden(background, noise(-60, REMEMBERED)))
    assert not any(hidden(background, noise(-58, 10, 1)))
    assert not any(hidden(background, [np.zeros(WINDOW, np.float32)] * 5))


def test_who_speaks_at_once_is_not_hidden() -> None:
    assert not any(hidden(Background(), noise(-20, 60)))


def test_what_was_loud_is_forgotten() -> None:
    background = Background()
    hidden(background, noise(-20, REMEMBERED))
    hidden(background, noise(-70, REMEMBERED, 1))
    assert not any(hidden(background, noise(-45, 10, 2)))


@given(st.lists(st.floats(-120, 0), min_size=1, max_size=200))
def test_any_levels_are_taken(levels: list[float]) -> None:
    background = Background()
    for level in levels:
        assert background.hides(np.full(WINDOW, 10 ** (level / 20), np.float32)) in (True, False)
