"""Recall by a picture and by a sound: what is like them, where in a clip, and what was beside it."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

from memory import archive
from memory.blobs import digest_of
from memory.episodes import marked
from memory.forgetting import Forget
from memory.records import Hit, Query, Record
from memory.sounds import RATE, SoundIndex, asked_marks, marks
from memory.store import MemoryStore
from specialists.content import Anchor, Span
from specialists.errors import BadInput, UnknownName
from specialists.media import encode_wav, open_image, read_audio, video_frames

MEDIA = Path(__file__).parents[3] / "examples" / "media"
PHOTOS = ("cat.jpg", "coffee.jpg", "rocket.jpg", "astronaut.jpg")
SEEN = ("a cat", "a cup of coffee", "a rocket", "an astronaut")


def data(name: str) -> bytes:
    return (MEDIA / name).read_bytes()


@cache
def photo(name: str) -> Image.Image:
    return open_image(data(name))


def jpeg(image: Image.Image, quality: int = 70) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def cropped(image: Image.Image, share: float) -> Image.Image:
    width, height = round(image.width * share), round(image.height * share)
    left, top = round(image.width * 0.6 * (1 - share)), round(image.height * 0.4 * (1 - share))
    return image.crop((left, top, left + width, top + height))


@cache
def heard(name: str) -> np.ndarray:
    return read_audio(data(name), rate=RATE)


def piece(name: str, start: float, seconds: float, noise: float = 0.0) -> bytes:
    """A stretch of a sample, quieter, with noise of that strength."""
    samples = heard(name)[int(start * RATE) : int((start + seconds) * RATE)] * 0.5
    rustle = np.random.default_rng(1).normal(0, noise * float(samples.std()), len(samples))
    return encode_wav((samples + rustle).astype(np.float32), RATE)


def keep(store: MemoryStore, name: str, kind: str, text: str, turn: int, session: str = "s") -> Record:
    """Evidence about a sample, with what was asked."""
    ref = store.blobs.put(data(name), "application/octet-stream")
    found, _ = store.remember(
        [
            Record(text, kind, "evidence", session, turn, "sense", blobs=(ref.digest,), media=(kind,)),
            Record(f"What is number {turn}?", "text", "user", session, turn),
        ]
    )
    return found


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryStore]:
    """The same samples in a store that no test changes."""
    with MemoryStore.open(tmp_path_factory.mktemp("shelf"), None) as opened:
        yield fill(opened)


@pytest.fixture
def album(store: MemoryStore) -> MemoryStore:
    return fill(store)


def fill(store: MemoryStore) -> MemoryStore:
    for turn, (name, text) in enumerate(zip(PHOTOS, SEEN, strict=True), 1):
        keep(store, name, "image", text, turn)
    for turn, name in enumerate(("note.flac", "speech.flac"), 5):
        keep(store, name, "audio", name, turn)
    return store


def found(store: MemoryStore, *like: bytes | str, **more: object) -> list[Hit]:
    return store.recall(Query(like=like, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("number", range(len(PHOTOS)))
@pytest.mark.parametrize(
    "alter",
    [
        lambda image: image,
        lambda image: cropped(image, 0.8),
        lambda image: ImageEnhance.Brightness(image).enhance(1.3),
        lambda image: image.resize((image.width // 2, image.height // 2)),
        lambda image: image.rotate(4, fillcolor="grey"),
        ImageOps.mirror,
    ],
    ids=["recompressed", "cropped", "brighter", "smaller", "turned", "mirrored"],
)
def test_a_picture_is_found_by_what_looks_like_it(shelf: MemoryStore, number: int, alter: object) -> None:
    (first, *rest) = found(shelf, jpeg(alter(photo(PHOTOS[number]))))  # type: ignore[operator]
    assert first.record.text == SEEN[number]
    assert first.ranks["look"] == 1
    assert first.likeness is not None
    assert 0.4 <= first.likeness <= 1
    assert not rest


def test_the_same_file_is_wholly_like_itself_also_by_its_digest(shelf: MemoryStore) -> None:
    (by_bytes,) = found(shelf, data("cat.jpg"))
    (by_digest,) = found(shelf, by_bytes.record.blobs[0])
    assert by_bytes.likeness == by_digest.likeness == 1.0


def test_nothing_is_found_by_what_nothing_is_like(shelf: MemoryStore) -> None:
    assert found(shelf, data("receipt.png")) == []
    assert found(shelf, piece("question.wav", 0, 3)) == []
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    assert found(shelf, jpeg(Image.fromarray(noise))) == []
    assert found(shelf, jpeg(Image.new("RGB", (200, 300), "white"))) == []
    assert found(shelf, encode_wav(np.zeros(4 * RATE, np.float32), RATE)) == []


@pytest.mark.parametrize(("start", "noise"), [(0.7, 0.0), (4.03, 0.1), (6.5, 0.3)])
@pytest.mark.parametrize("name", ["note.flac", "speech.flac"])
def test_a_sound_is_found_by_a_piece_of_it_and_where(
    shelf: MemoryStore, name: str, start: float, noise: float
) -> None:
    (hit,) = found(shelf, piece(name, start, 4.0, noise))
    assert hit.record.text == name
    assert hit.ranks["sound"] == 1
    assert hit.where is not None
    assert hit.where.span is not None
    assert start - 0.2 <= hit.where.span.start < hit.where.span.end <= start + 4.4


def test_words_choose_among_the_records_of_one_picture(album: MemoryStore) -> None:
    keep(album, "cat.jpg", "image", "brown fur and white paws", 9)
    like = jpeg(cropped(photo("cat.jpg"), 0.85))
    assert found(album, like, text="what colour is the fur")[0].record.text == "brown fur and white paws"
    assert {hit.record.text for hit in found(album, like)} == {"a cat", "brown fur and white paws"}
    later = found(album, like, text="rocket")
    assert [hit.likeness is not None for hit in later[:3]] == [True, True, False]


def test_what_a_caller_may_not_see_is_not_found(shelf: MemoryStore) -> None:
    like = jpeg(photo("cat.jpg"))
    assert found(shelf, like, scope="other.") == []
    assert found(shelf, like, kinds=("audio",)) == []
    assert len(found(shelf, like, scope="s")) == 1


def test_what_is_neither_seen_nor_heard_is_refused(shelf: MemoryStore) -> None:
    with pytest.raises(BadInput, match="neither a picture"):
        found(shelf, b"plain words")
    with pytest.raises(UnknownName):
        found(shelf, "0" * 64)


def test_a_file_that_cannot_be_decoded_is_gone_through_once(store: MemoryStore) -> None:
    ref = store.blobs.put(data("cat.jpg")[:500], "image/jpeg")
    store.remember([Record("x", "image", "evidence", blobs=(ref.digest,), media=("image",))])
    assert store.sense_pending() == 1
    assert store.sense_pending() == 0


def test_what_waits_is_done_until_it_is_stopped(album: MemoryStore) -> None:
    assert album.sense_pending(lambda: True) == 0
    assert found(album, jpeg(photo("cat.jpg")), hurried=True) == []
    assert album.sense_pending() == 6
    assert len(found(album, jpeg(photo("cat.jpg")), hurried=True)) == 1


FILM = (
    ("0:00-0:04 It shows a harbour.\n", Span(0, 2.5), "scene"),
    ("0:00-0:02 Heard: “The boats are in.”\n", Span(0.5, 2), "speech"),
    ("0:05-0:07 It shows a street.\n", Span(5.5, 8), "scene"),
    ("0:05-0:07 Heard: “Mind the tram.”\n", Span(6, 7.5), "speech"),
)


def film(store: MemoryStore, name: str, kind: str) -> Record:
    """A clip of which these things were seen and heard."""
    ref = store.blobs.put(data(name), "application/octet-stream")
    pieces = marked([(text, Anchor(span=span), label) for text, span, label in FILM])
    text = "".join(text for text, _, _ in FILM)
    record = Record(
        *(text, kind, "evidence", "s", 1, "video"),
        blobs=(ref.digest,),
        media=(kind,),
        facts={"pieces": pieces},
    )
    return store.remember([record, Record("What happens here?", "text", "user", "s", 1)])[0]


@pytest.mark.parametrize("consolidated", [True, False])
def test_a_frame_leads_to_what_was_said_when_it_was_shown(store: MemoryStore, consolidated: bool) -> None:
    film(store, "clip.mp4", "video")
    if consolidated:
        store.consolidate()
    frames = list(video_frames(data("clip.mp4")))
    late = max(frame.time for frame in frames) - 0.5
    frame = next(frame for frame in frames if frame.time >= late)
    (hit,) = found(store, jpeg(cropped(frame.image(), 0.9)))
    assert hit.where is not None
    assert hit.where.span is not None
    assert hit.where.span.start > 3
    said = [record.text for record in store.complete(hit)]
    assert said == ["Mind the tram.", "What happens here?"]
    assert not any("boats" in text for text in said)


def test_a_sound_leads_to_what_was_seen_when_it_was_heard(store: MemoryStore) -> None:
    film(store, "speech.flac", "audio")
    store.consolidate()
    for start, seen in ((0.2, "harbour"), (5.6, "street")):
        (hit,) = found(store, piece("speech.flac", start, 2.5))
        shown = [record.text for record in store.complete(hit) if record.kind == "image"]
        assert len(shown) == 1
        assert seen in shown[0]
    moments = found(store, piece("speech.flac", 5.6, 2.5), levels=("episode",))
    assert {hit.record.level for hit in moments} == {"episode"}
    assert all("tram" in hit.record.text or "street" in hit.record.text for hit in moments)


def test_a_forgotten_picture_is_not_found_and_nothing_of_it_is_left(album: MemoryStore) -> None:
    album.sense_pending()
    (hit,) = found(album, jpeg(photo("cat.jpg")))
    (sound,) = found(album, piece("note.flac", 1, 4))
    looks, sounds = kept(album)
    erased = album.erase(Forget(ids=(hit.record.id, sound.record.id)))
    assert erased.proof.clean, erased.proof.left
    assert kept(album) == (looks - 1, sounds - 1)
    assert found(album, jpeg(photo("cat.jpg"))) == []
    assert found(album, piece("note.flac", 1, 4)) == []
    assert len(found(album, piece("speech.flac", 1, 4))) == 1


def test_the_proof_tells_when_how_a_picture_looks_is_still_there(album: MemoryStore) -> None:
    album.sense_pending()
    (hit,) = found(album, jpeg(photo("cat.jpg")))
    with sqlite3.connect(album.path / "memory.db") as direct:
        (kept_of_it,) = direct.execute(
            "SELECT features FROM sights WHERE digest = ?", (hit.record.blobs[0],)
        ).fetchone()
    (album.path / "left.bin").write_bytes(b"xyz" + kept_of_it[:64])
    erased = album.erase(Forget(ids=(hit.record.id,)))
    assert any("left.bin" in sentence for sentence in erased.proof.left)


def test_what_is_damaged_is_found_by_the_audit_and_made_anew(album: MemoryStore) -> None:
    album.sense_pending()
    cat = digest_of(data("cat.jpg"))
    with sqlite3.connect(album.path / "memory.db") as direct:
        direct.execute("UPDATE sights SET features = x'00' WHERE digest = ?", (cat,))
        direct.execute("UPDATE sounds SET marks = x'0000' WHERE id = 1")
    assert [finding.count for finding in album.audit() if finding.check == "senses"] == [2]
    assert found(album, jpeg(photo("cat.jpg"))) == []
    assert [finding.check for finding in album.audit(repair=True) if finding.repaired] == ["senses"]
    assert len(found(album, jpeg(photo("cat.jpg")))) == 1
    assert len(found(album, piece("note.flac", 1, 4))) == 1


def test_an_imported_session_is_found_by_its_pictures(album: MemoryStore, tmp_path: Path) -> None:
    album.log.append("s", [{"type": "mine", "turn": 1, "seq": 1, "time": 0.0}])
    archive.export(album, "s", tmp_path / "s.antiphon")
    with MemoryStore.open(tmp_path / "other", None) as other:
        archive.restore(other, tmp_path / "s.antiphon")
        assert [hit.record.text for hit in found(other, jpeg(photo("rocket.jpg")))] == ["a rocket"]
        assert [hit.record.text for hit in found(other, piece("note.flac", 2, 4))] == ["note.flac"]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 60_000), st.integers(1, 40))
def test_every_piece_of_a_sound_is_where_it_is(start: int, more: int) -> None:
    """Whatever the length and the beginning: silence and short sounds have no marks."""
    samples = heard("speech.flac")
    index = SoundIndex()
    index.add([(1, marks(heard("note.flac"))), (2, marks(samples))])
    asked = samples[start : start + more * 1000]
    for place in index.find(asked_marks(asked))[:1]:
        if place.votes >= 8:
            assert place.sound == 2
            assert (
                start / RATE - 0.2
                <= place.seconds[0]
                <= place.seconds[1]
                <= (start + len(asked)) / RATE + 0.4
            )


def kept(store: MemoryStore) -> tuple[int, int]:
    with sqlite3.connect(store.path / "memory.db") as direct:
        return tuple(
            direct.execute("SELECT (SELECT count(*) FROM sights), (SELECT count(*) FROM sounds)").fetchone()
        )
