"""Where a film is cut."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialists.content import Span
from specialists.media import video_frames
from specialists.scenes import LONGEST, changes, is_same, scenes


@dataclass(frozen=True)
class Still:
    """A frame that is small and grey already."""

    time: float
    picture: np.ndarray

    def thumb(self) -> np.ndarray:
        return self.picture


def still(seconds: float, step: float = 0.1, **cuts: float) -> list[tuple[float, float]]:
    """A film in which nothing moves but at the given times, such as t30=0.5 for 3.0 s."""
    given = {int(name[1:]): score for name, score in cuts.items()}
    return [(i * step, given.get(i, 0.01)) for i in range(1, int(seconds / step))]


def test_the_example_is_cut_where_its_scenes_begin(media: Path) -> None:
    found = [pair for block in changes(video_frames((media / "clip.mp4").read_bytes())) for pair in block]
    spans = scenes(found, 8.96, 8)
    assert [round(span.start, 1) for span in spans] == [
        0.0,
        pytest.approx(2.28, abs=0.15),
        pytest.approx(5.16, abs=0.15),
    ]
    assert spans[-1].end == 8.96


def test_a_lamp_that_goes_on_is_no_cut() -> None:
    """Frames as `changes` takes them: a room of blocks, the same room in more light, another room."""
    chance = np.random.default_rng(3)
    room, other = (np.kron(chance.integers(20, 150, (12, 16)), np.ones((4, 4))) for _ in range(2))
    shown = [room] * 10 + [room * 1.4] * 10 + [other] * 10
    frames = [Still(n / 10, picture.astype(np.uint8)) for n, picture in enumerate(shown)]
    found = [pair for block in changes(frames) for pair in block]  # type: ignore[arg-type]
    assert [span.start for span in scenes(found, 3, 8)] == [0, pytest.approx(2.0)]


def test_pictures_are_the_same_only_if_they_are_so_everywhere() -> None:
    chance = np.random.default_rng(3)
    slide = np.kron(chance.integers(20, 230, (24, 32)), np.ones((10, 10))).astype(np.uint8)
    noisy = np.clip(slide + chance.normal(0, 2, slide.shape), 0, 255).astype(np.uint8)
    word = slide.copy()
    word[100:112, 60:140:3] = 255
    assert is_same(slide, noisy)
    assert not is_same(slide, word)
    assert not is_same(np.full_like(slide, 100), np.full_like(slide, 110))


def test_a_still_film_is_one_scene() -> None:
    assert scenes(still(9), 9, 8) == [Span(0, 9)]
    assert scenes([], 9, 8) == [Span(0, 9)]


def test_cuts_within_a_second_are_one_and_the_strongest_stays() -> None:
    spans = scenes(still(9, t30=0.4, t34=0.6), 9, 8)
    assert [span.start for span in spans] == [0, pytest.approx(3.4)]


def test_a_shaky_film_has_no_cuts() -> None:
    assert len(scenes([(i / 10, 0.2) for i in range(1, 90)], 9, 8)) == 1


def test_only_the_strongest_cuts_are_kept() -> None:
    spans = scenes(still(60, t100=0.3, t200=0.9, t300=0.5, t400=0.8), 60, 3)
    assert [span.start for span in spans] == [0, pytest.approx(20), pytest.approx(40)]


def test_a_long_scene_is_looked_at_more_than_once() -> None:
    spans = scenes(still(100), 100, 8)
    assert len(spans) == 4
    assert all(span.end - span.start <= LONGEST for span in spans)


@given(
    st.lists(st.tuples(st.floats(0, 500), st.floats(0, 1)), max_size=60),
    st.floats(0, 500),
    st.integers(1, 12),
)
def test_scenes_cover_the_film_without_gaps(
    changed: list[tuple[float, float]], seconds: float, most: int
) -> None:
    spans = scenes(sorted(pair for pair in changed if pair[0] < seconds), seconds, most)
    assert 1 <= len(spans) <= most
    assert (spans[0].start, spans[-1].end) == (0, seconds)
    assert all(one.end == other.start for one, other in pairwise(spans))
    assert len(spans) == 1 or all(span.end > span.start for span in spans)


def test_key_frames_are_cuts_even_if_all_of_them_are() -> None:
    """Encoders put them where the picture changes: their usual change tells nothing of a shaky film."""
    frames = [(20.0, 0.4), (45.0, 0.5), (62.0, 0.4), (80.0, 0.45)]
    assert [span.start for span in scenes(frames, 90, 20) if span.start in dict(frames)] == [20, 45, 62, 80]
    shaky = [(n / 10, 0.4 + n % 5 / 50) for n in range(1, 100)]
    assert len(scenes(shaky, 10, 20)) == 1
