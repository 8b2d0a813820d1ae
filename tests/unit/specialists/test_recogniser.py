"""What of a recording is listened to, and that nothing behind a silence is lost."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from specialists.content import Span
from specialists.media import read_audio
from specialists.models import ModelStore
from specialists.recogniser import RATE, Recogniser, _stretches

SPANS = st.lists(st.tuples(st.floats(0.0, 20.0), st.floats(0.1, 40.0)), min_size=1, max_size=20)


@given(SPANS)
def test_every_voice_is_in_one_stretch_without_long_silences(lengths: list[tuple[float, float]]) -> None:
    voiced, at = [], 0.0
    for silence, voice in lengths:
        start = at + silence
        at = start + voice
        voiced.append(Span(start, at))
    found = _stretches(voiced)
    for stretch in found:
        inside = [span for span in voiced if stretch.start <= span.start and span.end <= stretch.end]
        assert (inside[0].start, inside[-1].end) == (stretch.start, stretch.end)
        assert all(after.start - before.end < 6.0 for before, after in pairwise(inside))
        assert len(inside) == 1 or stretch.end - stretch.start <= 30.0
    edges = [edge for span in found for edge in (span.start, span.end)]
    assert edges == sorted(edges)


def test_what_is_said_in_one_go_is_heard_in_one_piece() -> None:
    spans = [Span(1.0, 3.0), Span(4.0, 9.0), Span(16.0, 18.0), Span(19.0, 40.0), Span(40.5, 48.0)]
    assert _stretches(spans) == [Span(1.0, 9.0), Span(16.0, 40.0), Span(40.5, 48.0)]


def test_nothing_behind_a_silence_is_lost(model_store: ModelStore, media: Path) -> None:
    parts: list[np.ndarray] = []
    for name in ("question.wav", "note.flac", "question.wav", "speech.flac"):
        parts += [read_audio((media / name).read_bytes(), rate=RATE), np.zeros(9 * RATE, np.float32)]
    found = Recogniser(model_store).transcribe(np.concatenate(parts))
    text = " ".join(segment.text for segment in found)
    assert text.count("capital of France") == 2
    assert "blue folder" in text
    assert "ask what you can do for your country" in text
    starts = [segment.span.start for segment in found]
    assert starts == sorted(starts)
    again = next(segment for segment in found[1:] if "France" in segment.text)
    assert 35.0 < again.span.start < 36.5
