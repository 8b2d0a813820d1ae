"""A film made of drawn scenes, photographs and spoken sentences, for benchmarks that need to know all of it.

Nothing in it is left to chance: the same scenes give the same pictures and samples on one machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from specialists.models import DEFAULTS, ModelStore
from specialists.pool import ModelPool
from specialists.tts import Voice

if TYPE_CHECKING:
    import av

MEDIA = Path(__file__).parent.parent / "examples" / "media"
WIDTH, HEIGHT = 640, 360
FRAMES = 12
"""A second."""
MARGIN = 24
"""Pixels by which a picture is larger than the frame that wanders over it."""
RATE = 16_000
PITCH = {"man": 1.0, "woman": 1.2, "old man": 0.88}
"""The one voice there is, as three: how much higher each speaks than it does."""
HUM = 0.002
"""Loudness of the noise under everything but scenes that are dark and silent."""

Samples = NDArray[np.float32]
Scene = Mapping[str, Any]


def compose(scenes: Sequence[Scene], path: Path, models: ModelStore) -> None:
    """Write the film: H.264 and AAC in MP4."""
    import av

    sound = soundtrack(scenes, models)
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=FRAMES, options={"preset": "superfast", "crf": "26"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = file.add_stream("aac", rate=RATE, layout="mono")
        at = 0
        for number, frame in enumerate(frames(scenes)):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, FRAMES)
            file.mux(video.encode(picture))
            until = (number + 1) * RATE // FRAMES
            at = _sound(file, audio, sound, at, until)
        _sound(file, audio, sound, at, len(sound) + 1024)
        file.mux(video.encode())
        file.mux(audio.encode())


def starts(scenes: Sequence[Scene]) -> dict[str, float]:
    """The second at which each scene begins, by its name."""
    at, found = 0.0, {}
    for scene in scenes:
        found[scene["scene"]] = at
        at += scene["seconds"]
    return found


def frames(scenes: Sequence[Scene]) -> Iterator[NDArray[np.uint8]]:
    """The pictures of the film, [HEIGHT, WIDTH, 3]: each scene's wanders slowly."""
    for scene in scenes:
        whole = np.asarray(drawn(scene))
        for number in range(int(scene["seconds"] * FRAMES)):
            turn = number / FRAMES / 8
            left = round(MARGIN * (1 + np.sin(turn)))
            top = round(MARGIN * (1 + np.cos(turn)))
            yield np.ascontiguousarray(whole[top : top + HEIGHT, left : left + WIDTH])


def drawn(scene: Scene) -> Image.Image:
    """What a scene shows, with the margin around it: RGB."""
    size = (WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN)
    if "photo" in scene:
        return Image.open(MEDIA / scene["photo"]).convert("RGB").resize(size)
    draw = {"sign": _sign, "slide": _slide, "chart": _chart, "waves": _waves, "dark": _plain}[scene["draw"]]
    image = Image.new("RGB", size, "lightsteelblue" if scene["draw"] == "sign" else _ground(scene))
    draw(ImageDraw.Draw(image), scene, size)
    return image


def soundtrack(scenes: Sequence[Scene], models: ModelStore) -> Samples:
    """What is heard, mono at RATE."""
    chance = np.random.default_rng(7)
    voice = Voice(models, DEFAULTS["tts"][0], ModelPool())
    begins = starts(scenes)
    track = np.zeros(int(sum(scene["seconds"] for scene in scenes) * RATE), np.float32)
    for scene in scenes:
        first, last = (
            int(t * RATE) for t in (begins[scene["scene"]], begins[scene["scene"]] + scene["seconds"])
        )
        said = scene.get("say", [])
        if said or scene.get("draw") != "dark":
            track[first:last] += HUM * chance.standard_normal(last - first).astype(np.float32)
        for line in said:
            _mix(track, first + int(line["at"] * RATE), spoken(voice, line["words"], PITCH[line["voice"]]))
        if "sound" in scene:
            _mix(track, first + 8 * RATE, noise(scene["sound"]))
    return track


def spoken(voice: Voice, words: str, pitch: float) -> Samples:
    """The words in a voice that is so many times higher, mono at RATE; the same each time."""
    import soxr
    from piper import SynthesisConfig

    plain = SynthesisConfig(length_scale=pitch, noise_scale=0.0, noise_w_scale=0.0)
    pieces = [piece.audio_int16_array for piece in voice.load().synthesize(words, plain)]
    samples = np.concatenate(pieces).astype(np.float32) / 32768
    higher: Samples = soxr.resample(samples, voice.rate * pitch, RATE)
    return higher


def noise(name: str) -> Samples:
    """Four seconds of a bell, a siren or a melody."""
    time = np.arange(4 * RATE) / RATE
    if name == "bell":
        tones = sum(np.sin(2 * np.pi * f * time) / n for n, f in enumerate((660, 1320, 1990), 1))
        return np.asarray(0.3 * tones * np.exp(-2 * (time % 1.0)), np.float32)
    if name == "siren":
        return np.asarray(0.3 * np.sin(2 * np.pi * (700 * time - 60 * np.cos(2 * np.pi * time))), np.float32)
    notes = np.array([294, 349, 440, 349, 392, 330, 294, 220])[(time * 2).astype(int)]
    return np.asarray(0.3 * np.sin(2 * np.pi * notes * time) * np.exp(-3 * (time % 0.5)), np.float32)


def _ground(scene: Scene) -> str:
    return {"slide": scene["colour"], "chart": "white", "waves": scene["colour"]}.get(scene["draw"], "black")


def _plain(draw: ImageDraw.ImageDraw, scene: Scene, size: tuple[int, int]) -> None:
    """Nothing is drawn on the ground."""


def _waves(draw: ImageDraw.ImageDraw, scene: Scene, size: tuple[int, int]) -> None:
    draw.rectangle((0, 0, size[0], size[1] // 3), "lightblue")
    for row in range(size[1] // 3, size[1], 24):
        for column in range(0, size[0], 48):
            draw.arc((column, row, column + 48, row + 20), 180, 360, "white", 3)


def _sign(draw: ImageDraw.ImageDraw, scene: Scene, size: tuple[int, int]) -> None:
    draw.rectangle((0, size[1] * 3 // 4, *size), "darkseagreen")
    draw.rectangle((size[0] // 2 - 8, size[1] // 2, size[0] // 2 + 8, size[1] - 40), "dimgray")
    draw.rounded_rectangle((90, 80, size[0] - 90, 270), 12, scene["colour"], "white", 4)
    _words(draw, scene["words"], (size[0] / 2, 175), 34, _ink(scene["colour"]))


def _slide(draw: ImageDraw.ImageDraw, scene: Scene, size: tuple[int, int]) -> None:
    _words(draw, scene["words"], (size[0] / 2, size[1] / 2), 36, _ink(scene["colour"]))


def _chart(draw: ImageDraw.ImageDraw, scene: Scene, size: tuple[int, int]) -> None:
    _words(draw, scene["words"], (size[0] / 2, 80), 30, "black")
    heights = [110 + 13 * ((len(scene["words"]) + step * step) % 9) for step in range(6)]
    for number, height in enumerate(heights):
        left = 110 + number * 85
        draw.rectangle((left, size[1] - 50 - height, left + 64, size[1] - 50), scene["colour"])
    draw.line((90, size[1] - 50, size[0] - 70, size[1] - 50), "black", 3)


def _words(draw: ImageDraw.ImageDraw, words: str, middle: tuple[float, float], size: int, ink: str) -> None:
    font = ImageFont.load_default(size)
    draw.multiline_text(middle, words, ink, font, anchor="mm", align="center", spacing=12)


def _ink(ground: str) -> str:
    red, green, blue = Image.new("RGB", (1, 1), ground).getpixel((0, 0))  # type: ignore[misc]
    return "black" if 0.3 * red + 0.6 * green + 0.1 * blue > 140 else "white"


def _mix(track: Samples, at: int, sound: Samples) -> None:
    piece = sound[: max(0, len(track) - at)]
    track[at : at + len(piece)] += piece


def _sound(file: av.container.OutputContainer, audio: Any, sound: Samples, at: int, until: int) -> int:
    """Encode blocks of samples from `at` up to `until`; where the next one begins."""
    import av

    while at < until and at < len(sound):
        block = np.clip(sound[at : at + 1024], -1, 1)
        frame = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
        file.mux(audio.encode(frame))
        at += len(block)
    return at
