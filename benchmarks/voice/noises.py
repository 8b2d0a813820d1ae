"""Sounds that are no speech, made of arithmetic: what a room puts into a microphone beside the person."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.voice.clip import RATE, Samples

Random = np.random.Generator


def white(seconds: float, random: Random) -> Samples:
    return random.standard_normal(round(seconds * RATE)).astype(np.float32)


def pink(seconds: float, random: Random) -> Samples:
    """Noise of a room: as much power in every octave, above 50 Hz."""
    count = round(seconds * RATE)
    spectrum = np.fft.rfft(random.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(hertz, 50.0)), count).astype(np.float32)


def typing(seconds: float, random: Random) -> Samples:
    """A keyboard: six to ten keys a second, each a click on the way down and a softer one on the way up."""
    line = np.zeros(round(seconds * RATE), np.float32)
    at = 0.0
    while at < seconds - 0.15:
        for delay, loud in ((0.0, 1.0), (random.uniform(0.06, 0.1), 0.4)):
            click = _burst(0.012, 0.002, (2000.0, 6000.0), random)
            _lay(line, click * loud * random.uniform(0.5, 1.0), at + delay)
        at += random.uniform(0.1, 0.17)
    return line


def knock(random: Random, count: int = 3) -> Samples:
    """Knuckles on a door."""
    line = np.zeros(round((0.25 * count + 0.2) * RATE), np.float32)
    for number in range(count):
        _lay(line, _burst(0.12, 0.02, (80.0, 500.0), random), 0.22 * number + random.uniform(0, 0.03))
    return line


def cough(random: Random) -> Samples:
    """Two bursts of coarse noise through a throat, each with a sharp start and a breath after it."""
    line = np.zeros(round(1.1 * RATE), np.float32)
    for at, usual in ((0.0, 0.32), (0.45, 0.42)):
        length = usual * random.uniform(0.8, 1.2)
        burst = _burst(length, length / 4, (300.0, 3500.0), random)
        voice = _glottis(np.full(len(burst), random.uniform(90, 160)))
        voice *= np.exp(-np.arange(len(burst)) / (0.06 * RATE))
        _lay(line, burst / np.abs(burst).max() + 0.3 * voice / np.abs(voice).max(), at)
    return line


def throat(random: Random) -> Samples:
    """Somebody clears the throat: a rough, low voice of half a second."""
    count = round(0.55 * RATE)
    hertz = random.uniform(70, 110) * (1 + 0.25 * random.standard_normal(count).cumsum() / np.sqrt(count))
    rough = _glottis(hertz) + 0.4 * _band(random.standard_normal(count), 300, 2500)
    return (_formants(rough, ((500, 150), (1100, 200), (2400, 300))) * np.hanning(count)).astype(np.float32)


def music(seconds: float, random: Random) -> Samples:
    """Chords of six partials a note, one every half second, from a loudspeaker somewhere."""
    line = np.zeros(round(seconds * RATE), np.float32)
    for number in range(int(seconds / 0.5)):
        root = 220.0 * 2 ** (random.choice([0, 2, 4, 5, 7, 9]) / 12)
        time = np.arange(round(0.9 * RATE)) / RATE
        chord = sum(
            np.sin(2 * np.pi * root * step * partial * time) / partial
            for step in (1.0, 2 ** (4 / 12), 2 ** (7 / 12))
            for partial in range(1, 7)
        )
        _lay(
            line, (chord * np.exp(-time / 0.4) * np.minimum(1, time / 0.01)).astype(np.float32), 0.5 * number
        )
    return line


def hum(random: Random, syllables: int = 2) -> Samples:
    """A voice through the nose with closed lips, the last syllable higher, a breath between: mm-hmm."""
    base = random.uniform(95, 230)
    pieces = []
    for number in range(syllables):
        count = round(random.uniform(0.16, 0.26) * RATE)
        rise = np.linspace(0.95, 1.1, count) if number == syllables - 1 else np.linspace(1.0, 0.9, count)
        tone = _formants(
            _glottis(base * rise * (1.15 if number else 1.0)), ((250, 60), (1000, 150), (2200, 250))
        )
        edge = np.minimum(1, np.minimum(np.arange(count), np.arange(count)[::-1]) / (0.03 * RATE))
        pieces.append(tone / np.abs(tone).max() * edge)
        if number < syllables - 1:
            pieces.append(0.02 * _band(random.standard_normal(round(0.05 * RATE)), 300, 3000))
    return np.concatenate(pieces).astype(np.float32)


BEDS: dict[str, Callable[[float, Random], Samples]] = {
    "white": white,
    "pink": pink,
    "typing": typing,
    "music": music,
}
"""Noises that can go on for ever, by name; babble needs voices and is in the corpus."""


def _burst(seconds: float, decay: float, band: tuple[float, float], random: Random) -> Samples:
    count = round(seconds * RATE)
    return (_band(random.standard_normal(count), *band) * np.exp(-np.arange(count) / (decay * RATE))).astype(
        np.float32
    )


def _band(samples: np.ndarray, low: float, high: float) -> np.ndarray:
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum[(hertz < low) | (hertz > high)] = 0
    return np.fft.irfft(spectrum, len(samples))


def _glottis(hertz: np.ndarray) -> np.ndarray:
    """The buzz of vocal cords at `hertz`, a value a sample: partials that fall by 12 dB an octave."""
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    most = int(4000 / float(np.max(hertz)))
    return sum(np.sin(partial * phase) / partial**2 for partial in range(1, most + 1))  # type: ignore[return-value]


def _formants(samples: np.ndarray, formants: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Resonances at (hertz, width)."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    gain = sum(1 / (1 + ((hertz - centre) / width) ** 2) for centre, width in formants)
    return np.fft.irfft(spectrum * gain, len(samples))


def _lay(line: Samples, piece: Samples, at: float) -> None:
    first = round(at * RATE)
    piece = piece[: max(0, len(line) - first)]
    line[first : first + len(piece)] += piece
