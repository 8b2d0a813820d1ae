"""Recall by a picture and by a sound: which altered ones still find the stored one, among others.

A store is filled with the samples of `examples/media`, with drawn pages, forms, tables, charts and scenes
that are alike among themselves, with a film, with spoken sentences in one voice and with tunes. Then it is
asked by altered ones of some of them: at how many the right one comes first, or among the first five, at how
many another comes first, and how many of pictures and sounds that are not in it find something all the same.
What is confirmed as alike (`memory.senses.LEAST`, `memory.sounds.FEWEST`) was chosen on drawings of other
seeds, on the four photographs and the recordings that are here, and on a dozen photographs that are not.

    python -m benchmarks.by_example            # about ten minutes on two cores
    python -m benchmarks.by_example pictures   # or sounds, or speed
"""

from __future__ import annotations

import io
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image, ImageEnhance, ImageOps

from benchmarks import look_alikes as drawn
from memory import senses, sights
from memory.blobs import digest_of
from memory.database import Database
from memory.looks import BITS, sketch
from memory.records import Query, Record
from memory.sights import WINDOWS
from memory.sounds import RATE
from memory.store import MemoryStore
from specialists.film import video_frames
from specialists.media import encode_wav, read_audio
from specialists.picture import encode_image

SEED = 2027
EACH = 40
"""Drawn pictures of each sort; the first ASKED of them are asked by, the others are there to be confused."""
ASKED = 6
SPOKEN, TUNES = 120, 100
"""Recordings; the first HEARD of each are asked by."""
HEARD = 12
ROWS = 100_000
Pixels = Image.Image


@dataclass(slots=True)
class Tally:
    """What came of one sort of question."""

    ranks: list[int] = field(default_factory=list)
    """Places of the right one, from 0; 99 where it was not found."""
    wrong: int = 0
    """Questions of which the first answer was another one."""

    def add(self, digests: list[str], right: str) -> None:
        self.ranks.append(digests.index(right) if right in digests else 99)
        self.wrong += bool(digests) and digests[0] != right

    def line(self) -> str:
        count = len(self.ranks)
        at = [sum(rank < n for rank in self.ranks) / count for n in (1, 5)]
        return f"{count:4d} {at[0]:8.1%} {at[1]:8.1%} {self.wrong / count:8.1%}"


# --- pictures ---------------------------------------------------------------------------------------------


def _shot(image: Pixels, chosen: random.Random) -> Pixels:
    """Photographed from a hand: a little from the side, on a table, in dimmer light."""
    width, height = image.size

    def near(x: float, y: float) -> tuple[float, float]:
        return x + chosen.uniform(-0.05, 0.05) * width, y + chosen.uniform(-0.05, 0.05) * height

    corners = [near(0, 0), near(0, height), near(width, height), near(width, 0)]
    flat = tuple(value for corner in corners for value in corner)
    turned = Image.Transform.QUAD
    seen = image.transform(image.size, turned, flat, Image.Resampling.BICUBIC, fillcolor="#665544")
    return ImageEnhance.Brightness(seen).enhance(0.85)


def _part(image: Pixels, area: float, chosen: random.Random) -> Pixels:
    """A part with this share of the area, from anywhere."""
    width, height = (round(side * area**0.5) for side in image.size)
    left, top = chosen.randint(0, image.width - width), chosen.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


ALTERED: dict[str, Callable[[Pixels, random.Random], Pixels]] = {
    "recompressed (JPEG 40)": lambda image, chosen: image,
    "crop, 90 % of the area": lambda image, chosen: _part(image, 0.9, chosen),
    "crop, 80 %": lambda image, chosen: _part(image, 0.8, chosen),
    "crop, 70 %": lambda image, chosen: _part(image, 0.7, chosen),
    "crop, 50 %": lambda image, chosen: _part(image, 0.5, chosen),
    "turned by 3 degrees": lambda image, chosen: image.rotate(3, Image.Resampling.BICUBIC, fillcolor="grey"),
    "turned by 8 degrees": lambda image, chosen: image.rotate(-8, Image.Resampling.BICUBIC, fillcolor="grey"),
    "brighter by 30 %": lambda image, chosen: ImageEnhance.Brightness(image).enhance(1.3),
    "darker by 40 %": lambda image, chosen: ImageEnhance.Brightness(image).enhance(0.6),
    "scaled to a half": lambda image, chosen: image.resize((image.width // 2, image.height // 2)),
    "scaled to a third": lambda image, chosen: image.resize((image.width // 3, image.height // 3)),
    "another shot": _shot,
    "mirrored": lambda image, chosen: ImageOps.mirror(image),
}


def drawings(chosen: random.Random) -> Iterator[tuple[str, Pixels]]:
    for _ in range(EACH):
        yield "form", drawn._receipt(drawn._bill(chosen))
        yield "page", drawn._page(drawn._lines(chosen))
        yield "chart", drawn._chart(drawn._bars(chosen))
        yield "scene", drawn._scene(drawn._things(chosen))
        yield "table", drawn._table(drawn._figures(chosen), "black")


def pictures() -> None:
    chosen = random.Random(SEED)
    asked: list[tuple[str, str, Pixels]] = []
    with tempfile.TemporaryDirectory() as folder, MemoryStore.open(Path(folder), None) as store:
        named = [("photo", drawn._sample(name)) for name in drawn.PHOTOS]
        named += [("scan", drawn._sample(name)) for name in drawn.SCANS]
        seen: dict[str, int] = {}
        for sort, image in (*named, *drawings(chosen)):
            data = encode_image(image, "PNG")
            keep(store, data, "image")
            seen[sort] = seen.get(sort, 0) + 1
            if seen[sort] <= ASKED:
                asked.append((sort, digest_of(data), image))
        film = (drawn.SAMPLES / "clip.mp4").read_bytes()
        keep(store, film, "video")
        began = time.perf_counter()
        count = store.sense_pending()
        print(f"{count} files gone through in {time.perf_counter() - began:.0f} s", flush=True)
        took: list[float] = []
        by_sort: dict[str, Tally] = {}
        print(f"{'picture':28}    n     at 1     at 5    wrong")
        for how, alter in ALTERED.items():
            tally = Tally()
            for sort, right, image in asked:
                found = ask(store, drawn._jpeg(alter(image, chosen), 40), took)
                tally.add(found, right)
                by_sort.setdefault(sort, Tally()).add(found, right)
            print(f"{how:28} {tally.line()}", flush=True)
        frames = [frame.image() for frame in video_frames(film)][7::11]
        tally = Tally()
        for frame in frames:
            tally.add(ask(store, drawn._jpeg(_part(frame, 0.9, chosen), 60), took), digest_of(film))
        print(f"{'cropped frame of a film':28} {tally.line()}")
        for sort, tally in by_sort.items():
            print(f"  all of sort {sort:14} {tally.line()}")
        others = list(drawings(random.Random(SEED + 1)))[: 5 * 12]
        told = [bool(ask(store, drawn._jpeg(image, 80), took)) for _, image in others]
        print(f"{'not there: drawn likewise':28} {len(told):4d} found something: {statistics.mean(told):.1%}")
        print(f"a recall takes {1000 * statistics.median(took):.0f} ms (p50)")


# --- sounds -----------------------------------------------------------------------------------------------


def _piece(samples: np.ndarray, seconds: float, chosen: random.Random) -> np.ndarray:
    length = min(len(samples), round(seconds * RATE))
    start = chosen.randint(0, len(samples) - length)
    return samples[start : start + length]


def _noisy(samples: np.ndarray, decibels: float, chosen: random.Random) -> np.ndarray:
    noise = np.random.default_rng(chosen.randrange(2**32)).normal(0, 1, len(samples))
    level = float(np.sqrt((samples**2).mean())) * 10 ** (-decibels / 20)
    return np.asarray(samples + level * noise, dtype=np.float32)


def _coded(samples: np.ndarray, form: str, subtype: str) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, RATE, format=form, subtype=subtype)
    return out.getvalue()


def _wav(samples: np.ndarray) -> bytes:
    return encode_wav(np.clip(samples, -1, 1).astype(np.float32), RATE)


SOUNDS: dict[str, Callable[[np.ndarray, random.Random], bytes]] = {
    "Ogg Vorbis": lambda sound, chosen: _coded(sound, "OGG", "VORBIS"),
    "MP3": lambda sound, chosen: _coded(sound, "MP3", "MPEG_LAYER_III"),
    "12 dB quieter": lambda sound, chosen: _wav(sound * 0.25),
    "6 dB louder, clipped": lambda sound, chosen: _wav(sound * 2),
    "noise at 20 dB": lambda sound, chosen: _wav(_noisy(sound, 20, chosen)),
    "noise at 10 dB": lambda sound, chosen: _wav(_noisy(sound, 10, chosen)),
    "10 s of it": lambda sound, chosen: _wav(_piece(sound, 10, chosen)),
    "5 s": lambda sound, chosen: _wav(_piece(sound, 5, chosen)),
    "3 s": lambda sound, chosen: _wav(_piece(sound, 3, chosen)),
    "5 s, MP3, noise at 20 dB": lambda sound, chosen: _coded(
        _noisy(_piece(sound, 5, chosen), 20, chosen), "MP3", "MPEG_LAYER_III"
    ),
    "3 s, noise at 10 dB": lambda sound, chosen: _wav(_noisy(_piece(sound, 3, chosen), 10, chosen)),
}


def spoken(chosen: random.Random) -> Iterator[np.ndarray]:
    """Sentences in the default voice, some of whose words they share."""
    from benchmarks.media import Speaker
    from orchestrator.config import load
    from specialists.models import ModelStore

    speaker = Speaker(ModelStore(load().engine.models))
    for number in range(SPOKEN):
        count = 40 if number < HEARD else 12
        words = " ".join(chosen.choice(drawn.WORDS) for _ in range(count))
        yield read_audio(speaker.say(f"{words.capitalize()}."), rate=RATE)


def tunes(chosen: random.Random) -> Iterator[np.ndarray]:
    """Tunes of 15 s in one scale, each at its own pitch and tempo and on its own instrument."""
    for _ in range(TUNES):
        base, beat = chosen.uniform(180, 280), chosen.uniform(0.15, 0.25)
        overtones = [chosen.uniform(0.1, 1.0) / n for n in (1, 2, 3, 4, 5)]
        notes: list[np.ndarray] = []
        while sum(map(len, notes)) < 15 * RATE:
            at = np.arange(round(chosen.choice((1, 1, 2)) * beat * RATE)) / RATE
            pitch = base * 2 ** (chosen.choice((0, 2, 4, 5, 7, 9, 11, 12, 14, 16)) / 12)
            waves = [loud * np.sin(2 * np.pi * pitch * n * at) for n, loud in enumerate(overtones, 1)]
            notes.append(0.2 * np.sum(waves, axis=0) * np.exp(-4 * at))
        yield np.concatenate(notes).astype(np.float32)


def sounds() -> None:
    chosen = random.Random(SEED)
    asked: list[tuple[str, np.ndarray]] = []
    with tempfile.TemporaryDirectory() as folder, MemoryStore.open(Path(folder), None) as store:
        for name in ("note.flac", "speech.flac", "interrupt.wav"):
            data = (drawn.SAMPLES / name).read_bytes()
            keep(store, data, "audio")
            if name.endswith("flac"):
                asked.append((digest_of(data), read_audio(data, rate=RATE)))
        for make in (spoken, tunes):
            for number, samples in enumerate(make(chosen)):
                data = _wav(samples)
                keep(store, data, "audio")
                if number < HEARD:
                    asked.append((digest_of(data), samples))
        began = time.perf_counter()
        count = store.sense_pending()
        print(f"{count} files gone through in {time.perf_counter() - began:.0f} s", flush=True)
        took: list[float] = []
        print(f"{'sound':28}    n     at 1     at 5    wrong")
        for how, alter in SOUNDS.items():
            tally = Tally()
            for right, samples in asked:
                tally.add(ask(store, alter(samples, chosen), took), right)
            print(f"{how:28} {tally.line()}", flush=True)
        print(f"{'where in it, 5 s':28} {_where(store, asked, chosen)}")
        for name, make in (("tunes", tunes), ("sentences", spoken)):
            others = [_piece(samples, 5, chosen) for samples in islice(make(random.Random(SEED + 1)), 50)]
            told = [bool(ask(store, _wav(other), took)) for other in others]
            print(
                f"{f'not there: other {name}':28} {len(told):4d} found something: {statistics.mean(told):.1%}"
            )
        print(f"a recall takes {1000 * statistics.median(took):.0f} ms (p50)")


def _where(store: MemoryStore, asked: list[tuple[str, np.ndarray]], chosen: random.Random) -> str:
    away = []
    for _, samples in asked:
        start = chosen.randint(0, max(0, len(samples) - 5 * RATE))
        hits = store.recall(Query(like=(_wav(samples[start : start + 5 * RATE]),)))
        span = hits[0].where.span if hits and hits[0].where else None
        away.append(
            99.0 if span is None else max(start / RATE - span.start, span.end - start / RATE - 5, 0.0)
        )
    return f"{len(away):4d} at most {max(away):.2f} s outside of the piece"


# --- speed ------------------------------------------------------------------------------------------------


def speed() -> None:
    """The search alone among ROWS pictures whose sketches are random."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "memory.db")
        among = senses._Sights(database)
        chance = np.random.default_rng(SEED)
        among._windows = chance.integers(0, 2**63, (WINDOWS, ROWS), dtype=np.uint64)
        among._wholes = chance.integers(0, 2**63, (BITS // 64, ROWS), dtype=np.uint64)
        among._numbers = np.arange(1, ROWS + 1)
        image = drawn._sample("cat.jpg")
        window, whole = sights.outer(image), np.frombuffer(sketch(image), dtype=np.uint64)
        took = []
        for _ in range(50):
            # Of this thread alone: what other programs take is not counted.
            began = time.thread_time()
            among._near(window, whole)
            took.append(time.thread_time() - began)
        database.close()
    held = (among._windows.nbytes + among._wholes.nbytes + among._numbers.nbytes) / ROWS
    kept = sights.sight(image)
    began = time.process_time()
    for _ in range(5):
        asked = sights.features(image, sights.ASKED)
    making = (time.process_time() - began) / 5
    began = time.process_time()
    for _ in range(20):
        sights.fitting(kept.features, asked)
    fitting = (time.process_time() - began) / 20
    low, middle = 1000 * min(took), 1000 * statistics.median(took)
    print(
        f"search among {ROWS:,} pictures: {middle:.1f} ms (p50), {low:.1f} ms (least), {held:.0f} bytes each"
    )
    print(
        f"features of a picture: {1000 * making:.0f} ms; one compared with another: {1000 * fitting:.1f} ms"
    )
    print(f"on disk a picture takes {len(kept.windows) + len(kept.whole) + len(kept.features):,} bytes")


def keep(store: MemoryStore, data: bytes, kind: str) -> None:
    ref = store.blobs.put(data, "application/octet-stream")
    store.remember([Record("", kind, "evidence", source="sense", blobs=(ref.digest,), media=(kind,))])


def ask(store: MemoryStore, data: bytes, took: list[float]) -> list[str]:
    """Digests of what is like this, the most alike first."""
    began = time.perf_counter()
    hits = store.recall(Query(like=(data,)))
    took.append(time.perf_counter() - began)
    return [hit.record.blobs[0] for hit in hits]


def main() -> None:
    wanted = sys.argv[1:] or ["speed", "pictures", "sounds"]
    for name in wanted:
        {"pictures": pictures, "sounds": sounds, "speed": speed}[name]()


if __name__ == "__main__":
    main()
