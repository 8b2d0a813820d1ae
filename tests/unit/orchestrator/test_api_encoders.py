"""Speech in every format, whole and in pieces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.api.encoders import MEDIA_TYPES, encode, encoder
from specialists.errors import BadInput
from specialists.media import inspect, read_audio

RATE = 22_050


def tone(seconds: float) -> bytes:
    """440 hertz."""
    times = np.arange(int(RATE * seconds)) / RATE
    return (np.sin(2 * np.pi * 440 * times) * 16_000).astype("<i2").tobytes()


def pitch(samples: np.ndarray, rate: int) -> float:
    """The strongest frequency, in hertz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * rate / len(samples))


@pytest.mark.parametrize("name", [name for name in MEDIA_TYPES if not name.startswith("pcm")])
def test_a_file_that_decoders_read(name: str) -> None:
    pcm = tone(1.0)
    made = encoder(name, RATE)
    streamed = b"".join([made.feed(pcm[at : at + 5000]) for at in range(0, len(pcm), 5000)] + [made.finish()])
    for data in (streamed, encode(name, pcm, RATE)):
        found = inspect(data, f"speech.{name}")
        assert found.kind == "audio"
        assert found.facts["seconds"] == pytest.approx(1.0, abs=0.1)
        samples = read_audio(data, rate=16_000)
        assert pitch(samples[2000:14000], 16_000) == pytest.approx(440, abs=3)


def test_wav_and_flac_lose_nothing() -> None:
    pcm = tone(0.3)
    for name in ("wav", "flac"):
        samples = read_audio(encode(name, pcm, RATE), rate=RATE)
        assert (np.rint(samples * 32768).astype("<i2") == np.frombuffer(pcm, "<i2")).all()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 400), max_size=8), st.sampled_from([16_000, 22_050, 24_000, 44_100]))
def test_pcm_is_the_same_however_it_is_cut(cuts: list[int], rate: int) -> None:
    pcm = tone(0.1)
    whole = encode("pcm", pcm, rate)
    made, pieces, at = encoder("pcm", rate), [], 0
    for cut in cuts:
        pieces.append(made.feed(pcm[at : at + 2 * cut]))
        at += 2 * cut
    pieces += [made.feed(pcm[at:]), made.finish()]
    # The resampler rounds with a little noise, so that values may differ by the last bits.
    given_pcm, cut_pcm = np.frombuffer(whole, "<i2"), np.frombuffer(b"".join(pieces), "<i2")
    assert len(given_pcm) == len(cut_pcm)
    assert np.abs(given_pcm.astype(int) - cut_pcm).max() <= 3
    assert len(whole) == pytest.approx(len(pcm) * 24_000 / rate, abs=8)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(BadInput, match="wma"):
        encoder("wma", RATE)


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_nothing_said_still_ends(name: str) -> None:
    made = encoder(name, RATE)
    assert isinstance(made.feed(b"") + made.finish(), bytes)
