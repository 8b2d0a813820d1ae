"""What people attach: checked, named, stored."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import pytest

from memory.blobs import BlobStore
from orchestrator.intake import accept, accept_all, attachments
from orchestrator.session import Attachment
from specialists.errors import BadInput, LimitExceeded
from specialists.media import Limits


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def huge_png() -> bytes:
    """A header that promises 200 megapixels, and next to nothing behind it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def test_a_picture_becomes_a_part_that_points_to_its_bytes(media: Path, blobs: BlobStore) -> None:
    (given,) = attachments(images=[media / "cat.jpg"])
    part = accept(given, Limits(), blobs)
    assert (part.kind, part.name) == ("image", "cat.jpg")
    assert (part.facts["width"], part.facts["height"]) == (451, 300)
    assert part.blob is not None
    assert blobs.read(part.blob) == (media / "cat.jpg").read_bytes()


def test_files_are_told_apart_by_what_they_are(media: Path, blobs: BlobStore) -> None:
    given = attachments(files=[media / "clip.mp4", media / "note.flac", media / "page.png"])
    parts, refused = accept_all(given, Limits(), blobs)
    assert [part.kind for part in parts] == ["video", "audio", "image"]
    assert refused == []


@pytest.mark.parametrize(
    ("name", "data"),
    [("lie.png", b"this is text"), ("empty.png", b""), ("cut.wav", b"RIFF\x24\x00\x00\x00WAVEfmt ")],
)
def test_what_is_not_what_it_says_is_refused_by_name(name: str, data: bytes, blobs: BlobStore) -> None:
    with pytest.raises(BadInput) as refused:
        accept(Attachment(data=data, name=name), Limits(), blobs)
    assert refused.value.part == name
    assert refused.value.message


def test_a_picture_too_large_is_refused_from_its_header(blobs: BlobStore) -> None:
    with pytest.raises(LimitExceeded) as refused:
        accept(Attachment(data=huge_png(), name="bomb.png"), Limits(), blobs)
    assert refused.value.part == "bomb.png"


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path: Path, blobs: BlobStore) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as out:
        out.truncate(50_000_000)
    with pytest.raises(LimitExceeded, match="50,000,000"):
        accept(Attachment(path=path), Limits(), blobs)


def test_a_missing_path_is_named(tmp_path: Path, blobs: BlobStore) -> None:
    with pytest.raises(BadInput, match="no such file") as refused:
        accept(Attachment(path=tmp_path / "nowhere.png"), Limits(), blobs)
    assert refused.value.part == "nowhere.png"


def test_a_file_of_unknown_name_is_taken_for_what_it_is(
    media: Path, tmp_path: Path, blobs: BlobStore
) -> None:
    (tmp_path / "NOTES").write_bytes(b"\xef\xbb\xbfbuy milk")
    (tmp_path / "thing.xyz").write_bytes((media / "cat.jpg").read_bytes())
    (tmp_path / "odd.bin").write_bytes(b"\0\1")
    given = attachments(files=[tmp_path / name for name in ("NOTES", "thing.xyz", "odd.bin")])
    (text, picture), (error,) = accept_all(given, Limits(), blobs)
    assert (text.kind, text.text) == ("text", "buy milk")
    assert (picture.kind, picture.name) == ("image", "thing.xyz")
    assert error.part == "odd.bin"


def test_a_file_of_unknown_name_beyond_every_limit_is_not_read(tmp_path: Path, blobs: BlobStore) -> None:
    path = tmp_path / "thing"
    with path.open("wb") as out:
        out.truncate(2_000_000_001)
    with pytest.raises(LimitExceeded, match="2,000,000,001"):
        accept(Attachment(path=path), Limits(), blobs)


@pytest.mark.parametrize("name", ["folder.png", "folder", "folder.xyz"])
def test_a_folder_is_no_file(name: str, tmp_path: Path, blobs: BlobStore) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with pytest.raises(BadInput, match="is a folder, not a file"):
        accept(Attachment(path=folder), Limits(), blobs)


def test_a_hostile_name_is_shown_harmless(blobs: BlobStore) -> None:
    with pytest.raises(BadInput) as refused:
        accept(Attachment(data=b"x", name="../../etc/\x1b[31mpasswd.png"), Limits(), blobs)
    assert os.sep not in refused.value.part
    assert "\x1b" not in refused.value.part
