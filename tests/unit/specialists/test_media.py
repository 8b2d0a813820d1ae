"""Decoding: what is accepted, what is refused before decoding, and that nothing else ever comes out."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from specialists.content import AUDIO, DOCUMENT, IMAGE, TEXT, VIDEO, register_kind
from specialists.errors import BadInput, LimitExceeded
from specialists.media import (
    Limits,
    encode_wav,
    inspect,
    kind_of_file,
    open_image,
    read_audio,
    read_document,
    read_text,
    safe_name,
    video_frames,
)

SMALL = Limits(
    image_bytes=400_000,
    document_bytes=20_000,
    audio_bytes=400_000,
    video_bytes=500_000,
    text_bytes=1000,
    image_pixels=300_000,
    audio_seconds=5.0,
    video_seconds=5.0,
    document_pages=2,
)


def picture(form: str, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    gradient = Image.linear_gradient("L").resize(size).convert(mode)
    gradient.save(out, form, **options)
    return out.getvalue()


def tone(rate: int, seconds: float = 0.5, hertz: float = 200.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + data + chunk(b"IEND", b"")


def pdf(pages: int = 1, words: str = "Hello page", encrypt: bool = False) -> bytes:
    """A PDF written by hand; `encrypt` asks for a password that nobody knows."""
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(pages))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for i in range(pages):
        stream = f"BT /F1 24 Tf 20 100 Td ({words} {i + 1}) Tj ET" if words else "q Q"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents {5 + 2 * i} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    trailer = "/Root 1 0 R"
    if encrypt:
        objects.append(f"<< /Filter /Standard /V 1 /R 2 /P -4 /O <{'41' * 32}> /U <{'42' * 32}> >>")
        trailer += f" /Encrypt {len(objects)} 0 R /ID [<{'00' * 16}> <{'00' * 16}>]"
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    return out + f"trailer << /Size {len(objects) + 1} {trailer} >>\nstartxref\n{start}\n%%EOF".encode()


def film(form: str = "mp4", *, frames: int = 10, size: tuple[int, int] = (64, 48)) -> bytes:
    import av

    out = io.BytesIO()
    with av.open(out, "w", format=form) as file:
        video = file.add_stream("libvpx" if form == "webm" else "mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        for i in range(frames):
            pixels = np.full((size[1], size[0], 3), i * 20 % 255, np.uint8)
            file.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(video.encode())
    return out.getvalue()


def recording(form: str, codec: str, rate: int = 16_000, seconds: float = 0.5) -> bytes:
    """Sound alone in a container that PyAV writes."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format=form) as file:
        track = file.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(rate, seconds)[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            track.codec_context.format, "mono", rate, frame_size=track.frame_size or 0
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(track.encode(piece))
        file.mux(track.encode())
    return out.getvalue()


# What is accepted


@pytest.mark.parametrize(
    ("name", "kind", "media_type"),
    [
        ("cat.jpg", IMAGE, "image/jpeg"),
        ("page.png", IMAGE, "image/png"),
        ("speech.flac", AUDIO, "audio/flac"),
        ("question.wav", AUDIO, "audio/wav"),
        ("clip.mp4", VIDEO, "video/mp4"),
    ],
)
def test_sample_media_are_what_they_are(media: Path, name: str, kind: str, media_type: str) -> None:
    found = inspect((media / name).read_bytes(), name)
    assert (found.kind, found.media_type) == (kind, media_type)


def test_facts_of_a_film(media: Path) -> None:
    facts = inspect((media / "clip.mp4").read_bytes(), "clip.mp4").facts
    assert (facts["width"], facts["height"], facts["frames_per_second"]) == (480, 320, 25)
    assert facts["seconds"] == pytest.approx(9, abs=0.1)
    assert facts["rate"] > 0
    assert facts["channels"] == 1


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_every_picture_format(form: str) -> None:
    found = inspect(picture(form), f"a.{form.lower()}")
    assert found.facts == {"width": 40, "height": 30}
    assert open_image(picture(form)).size == (40, 30)


def test_the_bytes_count_and_not_the_suffix_within_a_kind() -> None:
    assert inspect(picture("JPEG"), "really.png").media_type == "image/jpeg"


def test_a_file_without_suffix_is_told_by_its_bytes() -> None:
    assert inspect(picture("PNG"), "").kind == IMAGE
    assert inspect(pdf(), "report").kind == DOCUMENT


@pytest.mark.parametrize("rate", [1000, 8000, 11025, 44100, 96000, 384000])
def test_odd_sample_rates_are_resampled(rate: int) -> None:
    data = encode_wav(tone(rate, hertz=100), rate)
    assert inspect(data, "a.wav").facts["rate"] == rate
    samples = read_audio(data)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(8000, abs=80)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.05)


def test_stereo_becomes_mono() -> None:
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, np.stack([tone(16000), -tone(16000)], 1), 16000, format="WAV")
    assert np.abs(read_audio(out.getvalue())).max() < 1e-3
    assert inspect(out.getvalue(), "a.wav").facts["channels"] == 2


def test_float_sound_with_nan_and_loud_values_stays_in_range() -> None:
    import soundfile

    values = tone(16000) * 8
    values[100:200] = np.nan
    values[300] = np.inf
    out = io.BytesIO()
    soundfile.write(out, values, 16000, format="WAV", subtype="FLOAT")
    samples = read_audio(out.getvalue())
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1.0


@pytest.mark.parametrize(
    ("form", "codec", "name"),
    [
        ("ogg", "libopus", "a.ogg"),
        ("mp3", "libmp3lame", "a.mp3"),
        ("adts", "aac", "a.aac"),
        ("ipod", "aac", "a.m4a"),
        ("webm", "libopus", "note.webm"),
        ("mp4", "aac", "note.mp4"),
    ],
)
def test_every_sound_format(form: str, codec: str, name: str) -> None:
    rate = 48_000 if codec == "libopus" else 16_000
    data = recording(form, codec, rate)
    found = inspect(data, name)
    assert found.kind == AUDIO  # also where the container is one of film
    assert found.media_type.startswith("audio/")
    assert found.facts["seconds"] == pytest.approx(0.5, abs=0.15)
    assert len(read_audio(data)) == pytest.approx(8000, abs=2000)


@pytest.mark.parametrize(
    ("form", "name"), [("mp4", "a.mp4"), ("matroska", "a.mkv"), ("avi", "a.avi"), ("webm", "a.webm")]
)
def test_every_film_format(form: str, name: str) -> None:
    data = film(form)
    found = inspect(data, name)
    assert (found.kind, found.facts["width"], found.facts["height"]) == (VIDEO, 64, 48)
    assert found.facts["seconds"] == pytest.approx(1.0, abs=0.15)
    frames = list(video_frames(data))
    assert len(frames) == 10
    assert frames[0].image().size == (64, 48)
    assert [frame.time for frame in frames] == sorted(frame.time for frame in frames)
    assert next(video_frames(data, start=0.5)).time == pytest.approx(0.5, abs=0.11)


def test_film_without_sound_is_no_recording() -> None:
    with pytest.raises(BadInput, match="holds no sound"):
        read_audio(film())


def test_documents_have_text_and_pictures() -> None:
    pages = [(page.number, page.text, page.image().size) for page in read_document(pdf(2))]
    assert [(number, text) for number, text, _ in pages] == [(1, "Hello page 1"), (2, "Hello page 2")]
    assert pages[0][2] == (625, 417)  # 300 x 200 points at 150 dots an inch
    assert inspect(pdf(2), "a.pdf").facts == {"pages": 2}


def test_exif_orientation_turns_a_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = picture("JPEG", (40, 30), exif=exif)
    assert inspect(data, "a.jpg").facts == {"width": 30, "height": 40}
    assert open_image(data).size == (30, 40)


def test_transparency_becomes_white_and_deep_grey_is_scaled() -> None:
    clear = io.BytesIO()
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(clear, "PNG")
    assert open_image(clear.getvalue()).getpixel((0, 0)) == (255, 255, 255)
    deep = io.BytesIO()
    Image.fromarray(np.array([[1000, 3000]], np.uint16)).save(deep, "PNG")
    assert [open_image(deep.getvalue()).getpixel((x, 0))[0] for x in (0, 1)] == [0, 255]


def test_text_is_utf8() -> None:
    assert inspect("grün".encode(), "a.txt").facts == {"characters": 4}
    assert inspect(b"# hi", "a.md").media_type == "text/markdown"
    assert read_text(b"\xef\xbb\xbfhi") == "hi"


@pytest.mark.parametrize("name", ["table.csv", "data.json", "page.html", "code.py", "words.srt", "a.log"])
def test_texts_of_many_names(name: str) -> None:
    assert inspect(b"a,b\n", name).kind == TEXT


@pytest.mark.parametrize(
    "text", ["Gr\u00fc\u00dfe", "BMW is a make", "the free lunch", "ID3 and OggS", "see %PDF-1.4"]
)
@pytest.mark.parametrize("name", ["README", "notes.xyz"])
def test_a_text_of_unknown_name_is_told_by_its_bytes(name: str, text: str) -> None:
    assert inspect(text.encode(), name).kind == TEXT


@pytest.mark.parametrize("sample", ["cat.jpg", "page.png", "speech.flac", "question.wav", "clip.mp4"])
def test_media_of_unknown_name_are_told_by_their_bytes(media: Path, tmp_path: Path, sample: str) -> None:
    path = tmp_path / "thing.xyz"
    path.write_bytes((media / sample).read_bytes())
    assert inspect(path.read_bytes(), path.name).kind == kind_of_file(media / sample)
    assert kind_of_file(path) == kind_of_file(media / sample)


def test_a_text_cut_at_the_limit_within_a_character_is_too_large_and_no_riddle() -> None:
    with pytest.raises(LimitExceeded):
        inspect("\u00fc".encode() * 1000, "notes", limits=replace(SMALL, text_bytes=1001))


@pytest.mark.parametrize("data", [b"\0\1\2", b"caf\xe9", b"a\0b"])
def test_bytes_of_unknown_name_that_are_nothing_known_are_refused(data: bytes) -> None:
    with pytest.raises(BadInput, match="cannot tell what kind") as caught:
        inspect(data, "thing.xyz")
    assert caught.value.part == "thing.xyz"


def test_a_kind_that_a_package_added_is_taken_as_it_is() -> None:
    register_kind("pointcloud", ("model/ply",), (".ply",))
    assert inspect(b"ply\n", "a.ply").kind == "pointcloud"
    with pytest.raises(LimitExceeded):
        inspect(b"p" * 20_001, "a.ply", limits=SMALL)


# What is refused


@pytest.mark.parametrize("name", ["a.png", "a.wav", "a.mp4", "a.pdf", "a.txt"])
def test_empty_files(name: str) -> None:
    with pytest.raises(BadInput, match="is empty"):
        inspect(b"", name)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.wav", "a.mp3", "a.mp4", "a.pdf"])
def test_text_under_another_name(name: str) -> None:
    with pytest.raises(BadInput) as caught:
        inspect(b"This is only text, whatever its name says.", name)
    assert caught.value.part == name


def test_one_kind_under_the_name_of_another() -> None:
    with pytest.raises(BadInput, match="said to be a picture but holds PDF"):
        inspect(pdf(), "a.png")
    with pytest.raises(BadInput, match="said to be a document but holds PNG"):
        inspect(picture("PNG"), "a.pdf")
    with pytest.raises(BadInput, match="said to be sound but holds JPEG"):
        inspect(picture("JPEG"), "a.jpg", kind=AUDIO)
    with pytest.raises(BadInput, match="only sound"):
        inspect(recording("mp4", "aac"), "a.mp4", kind=VIDEO)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.98])
@pytest.mark.parametrize(
    "name",
    ["cat.jpg", "page.png", "question.wav", "speech.flac", "clip.mp4", "x.webp", "x.ogg", "x.mkv", "x.pdf"],
)
def test_files_that_are_cut_short(media: Path, name: str, share: float) -> None:
    made: dict[str, Callable[[], bytes]] = {
        "x.webp": lambda: picture("WEBP", (400, 300)),
        "x.ogg": lambda: recording("ogg", "libopus", 48_000, 3),
        "x.mkv": lambda: film("matroska"),
        "x.pdf": pdf,
    }
    data = made[name]() if name in made else (media / name).read_bytes()
    inspect(data, name)
    with pytest.raises(BadInput):
        inspect(data[: int(len(data) * share)], name)


def test_too_many_bytes() -> None:
    with pytest.raises(LimitExceeded, match="400,001 bytes, more than the 400,000") as caught:
        inspect(b"\0" * 400_001, "a.png", limits=SMALL)
    assert "image_bytes" in caught.value.remedy


def test_a_bomb_is_refused_by_its_header() -> None:
    bomb = png_header(20_000, 10_000)
    assert len(bomb) < 200
    for refuse in (lambda: inspect(bomb, "bomb.png"), lambda: open_image(bomb)):
        with pytest.raises(LimitExceeded, match=r"pixels, more than|more pixels than"):
            refuse()
    with pytest.raises(LimitExceeded):
        inspect(png_header(65_000, 65_000), "bomb.png")


def test_pixels_and_seconds_and_pages_beyond_the_limit() -> None:
    with pytest.raises(LimitExceeded, match="1000 x 301 pixels"):
        inspect(picture("PNG", (1000, 301)), "a.png", limits=SMALL)
    long = encode_wav(tone(8000, 6), 8000)
    with pytest.raises(LimitExceeded, match="6 s long"):
        inspect(long, "a.wav", limits=SMALL)
    with pytest.raises(LimitExceeded, match="longer than 5 s"):
        read_audio(long, SMALL)
    with pytest.raises(LimitExceeded, match="longer than"):
        inspect(film(frames=60), "a.mp4", limits=SMALL)
    with pytest.raises(LimitExceeded, match="longer than"):
        list(video_frames(film(frames=60), SMALL))
    with pytest.raises(LimitExceeded, match="640 x 480"):
        inspect(film(frames=2, size=(640, 480)), "a.mp4", limits=SMALL)
    with pytest.raises(LimitExceeded, match="3 pages"):
        inspect(pdf(3), "a.pdf", limits=SMALL)


@pytest.mark.parametrize("rate", [999, 400_000])
def test_sample_rates_out_of_reason(rate: int) -> None:
    data = encode_wav(tone(16000), rate)
    for call in (lambda: inspect(data, "a.wav"), lambda: read_audio(data)):
        with pytest.raises(BadInput, match="sample rate"):
            call()


def test_sound_without_samples() -> None:
    data = encode_wav(b"", 16000)
    for call in (lambda: inspect(data, "a.wav"), lambda: read_audio(data)):
        with pytest.raises(BadInput, match="no sound"):
            call()


def test_encrypted_and_broken_documents() -> None:
    with pytest.raises(BadInput, match="is encrypted"):
        inspect(pdf(encrypt=True), "a.pdf")
    with pytest.raises(BadInput, match="cannot be read as a PDF"):
        inspect(b"%PDF-1.4\nnothing here\n%%EOF", "a.pdf")
    with pytest.raises(BadInput):
        inspect(pdf(0), "a.pdf")


def test_text_that_is_none() -> None:
    with pytest.raises(BadInput, match="not valid UTF-8"):
        inspect(b"caf\xe9", "a.txt")
    with pytest.raises(BadInput, match="binary"):
        inspect(b"a\0b", "a.txt")
    with pytest.raises(LimitExceeded):
        inspect(b"a" * 1001, "a.txt", limits=SMALL)


def test_a_playlist_reaches_no_decoder(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(encode_wav(tone(16000), 16000))
    playlist = f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n".encode()
    for name in ("a.mp4", "a.wav"):
        with pytest.raises(BadInput):
            inspect(playlist, name)
    with pytest.raises(BadInput):
        read_audio(playlist)


# Names


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("cat.jpg", "cat.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\cat.jpg", "cat.jpg"),
        ("a\x1b[31mred\x07.png", "a_[31mred_.png"),
        ("line\nbreak\u2028.txt", "line_break_.txt"),
        ("exe\u202egnp.png", "exe_gnp.png"),
        ("\ud800.png", "_.png"),
        ("Grüße 猫.png", "Grüße 猫.png"),
        ("..", "attachment"),
        ("", "attachment"),
        ("/", "attachment"),
    ],
)
def test_safe_names(name: str, shown: str) -> None:
    assert safe_name(name) == shown


@given(st.text())
def test_safe_names_are_always_safe(name: str) -> None:
    shown = safe_name(name)
    assert shown
    assert len(shown) <= 80
    assert "/" not in shown
    assert "\\" not in shown
    shown.encode("utf-8")
    assert all(c.isprintable() or c.isspace() for c in shown)
    assert not set(shown) & set("\n\r\t\x1b\u202e\u2028")


def test_errors_carry_the_safe_name() -> None:
    with pytest.raises(BadInput) as caught:
        inspect(b"no picture at all", "../\x1b[2Jevil.png")
    assert caught.value.part == "_[2Jevil.png"
    assert "\x1b" not in str(caught.value)


# Nothing but BadInput ever comes out

KINDS = [
    "a.png",
    "a.jpg",
    "a.gif",
    "a.tif",
    "a.wav",
    "a.mp3",
    "a.flac",
    "a.mp4",
    "a.mkv",
    "a.pdf",
    "a.txt",
    "a",
]


def swallow(call: Callable[[], object]) -> None:
    try:
        call()
    except BadInput as error:
        assert error.part


def everything(data: bytes, name: str) -> None:
    swallow(lambda: inspect(data, name, limits=SMALL))
    swallow(lambda: open_image(data, SMALL))
    swallow(lambda: read_audio(data, SMALL))
    swallow(lambda: [page.image() for page in read_document(data, SMALL)])
    swallow(lambda: [frame.thumb() for frame in video_frames(data, SMALL)])


@given(st.binary(max_size=300), st.sampled_from(KINDS))
@settings(max_examples=150, deadline=None)
def test_random_bytes(data: bytes, name: str) -> None:
    everything(data, name)


HEADS = [
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\x00", b"%PDF-1.4\n"),
    *(b"RIFF\0\0\0\0" + name for name in (b"WAVE", b"WEBP", b"AVI ")),
    *(b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf1", b"\x1aE\xdf\xa3", b"\0\0\0\x10ftyp"),
]


@given(st.sampled_from(HEADS), st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_random_bytes_after_a_true_beginning(head: bytes, data: bytes) -> None:
    everything(head + data, "a.bin")


@pytest.fixture(scope="module")
def seeds() -> dict[str, bytes]:
    return {
        "a.png": picture("PNG"),
        "a.jpg": picture("JPEG"),
        "a.gif": picture("GIF"),
        "a.tif": picture("TIFF"),
        "a.webp": picture("WEBP"),
        "a.bmp": picture("BMP"),
        "a.wav": encode_wav(tone(8000, 0.1), 8000),
        "a.mp3": recording("mp3", "libmp3lame", seconds=0.2),
        "a.ogg": recording("ogg", "libopus", 48_000, 0.2),
        "a.m4a": recording("ipod", "aac", seconds=0.2),
        "a.aac": recording("adts", "aac", seconds=0.2),
        "a.mp4": film(frames=3),
        "a.mkv": film("matroska", frames=3),
        "a.avi": film("avi", frames=3),
        "a.pdf": pdf(),
    }


PICTURES = ["a.png", "a.jpg", "a.gif", "a.tif", "a.webp", "a.bmp"]
SOUNDS = ["a.wav", "a.mp3", "a.ogg", "a.m4a", "a.aac"]
MUTATED = [*PICTURES, *SOUNDS, "a.mp4", "a.mkv", "a.avi", "a.pdf"]


@pytest.mark.parametrize("name", MUTATED)
def test_mutated_files(seeds: dict[str, bytes], name: str) -> None:
    chance = random.Random(name)
    for _ in range(40):
        data = bytearray(seeds[name])
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if chance.random() < 0.2:
            del data[chance.randrange(len(data)) :]
        swallow(lambda data=bytes(data): inspect(data, name, limits=SMALL))  # type: ignore[misc]
        everything(bytes(data), name)
