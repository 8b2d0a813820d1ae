"""File formats by their first bytes, and whether a file is whole.

Only formats listed here reach a decoder, and each reaches the one that is meant for it: a probing decoder
would also accept playlists, which make it open other files and addresses.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from specialists.content import AUDIO, DOCUMENT, IMAGE, VIDEO, Kind


@dataclass(frozen=True, slots=True)
class Container:
    """A file format. `demuxer` is PyAV's name of it, empty where another library reads it."""

    name: str
    kind: Kind
    media_type: str
    demuxer: str = ""


PNG = Container("PNG", IMAGE, "image/png")
JPEG = Container("JPEG", IMAGE, "image/jpeg")
GIF = Container("GIF", IMAGE, "image/gif")
BMP = Container("BMP", IMAGE, "image/bmp")
TIFF = Container("TIFF", IMAGE, "image/tiff")
WEBP = Container("WEBP", IMAGE, "image/webp")
PDF = Container("PDF", DOCUMENT, "application/pdf")
WAV = Container("WAV", AUDIO, "audio/wav", "wav")
FLAC = Container("FLAC", AUDIO, "audio/flac", "flac")
OGG = Container("Ogg", AUDIO, "audio/ogg", "ogg")
MP3 = Container("MP3", AUDIO, "audio/mpeg", "mp3")
AAC = Container("AAC", AUDIO, "audio/aac", "aac")
M4A = Container("M4A", AUDIO, "audio/mp4", "mov")
MP4 = Container("MP4", VIDEO, "video/mp4", "mov")
MOV = Container("QuickTime", VIDEO, "video/quicktime", "mov")
WEBM = Container("WebM", VIDEO, "video/webm", "matroska")
MATROSKA = Container("Matroska", VIDEO, "video/x-matroska", "matroska")
AVI = Container("AVI", VIDEO, "video/x-msvideo", "avi")

_PREFIXES = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"BM", BMP),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"fLaC", FLAC),
    (b"OggS", OGG),
    (b"ID3", MP3),
)
_RIFF = {b"WAVE": WAV, b"WEBP": WEBP, b"AVI ": AVI}
_ISO_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip")


def sniff(data: bytes) -> Container | None:
    """The format of a file, by its first bytes; None when it is none that Antiphon reads."""
    for prefix, container in _PREFIXES:
        if data.startswith(prefix):
            return container
    if data[:4] == b"RIFF":
        return _RIFF.get(data[8:12])
    if data[:4] == b"\x1aE\xdf\xa3":
        return WEBM if b"webm" in data[:64] else MATROSKA
    if data[4:8] in _ISO_BOXES:
        return _iso_brand(data)
    if b"%PDF-" in data[:1024]:
        return PDF
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0:
        layer = data[1] >> 1 & 3  # MPEG audio: 0 is AAC in ADTS frames, 1 is layer III
        return {0: AAC, 1: MP3}.get(layer)
    return None


def _iso_brand(data: bytes) -> Container:
    brand = data[8:12]
    if data[4:8] != b"ftyp" or brand == b"qt  ":
        return MOV
    return M4A if brand in (b"M4A ", b"M4B ") else MP4


def cut_short(data: bytes, container: Container) -> bool:
    """Whether the file ends before the length that its own structure states.

    Formats that state none (MP3, ADTS) and streams of unknown length are taken as whole.
    """
    if data[:4] == b"RIFF":
        return _riff_cut(data)
    if container.demuxer == "mov":
        return _boxes_cut(data)
    if container.demuxer == "matroska":
        return _segment_cut(data)
    if container is OGG:
        return _ogg_cut(data)
    if container is PDF:
        return b"%%EOF" not in data[-4096:]
    return False


def _riff_cut(data: bytes) -> bool:
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        if name in (b"data", b"movi") and size >= 0x7FFFF000:
            return False  # written to a pipe: the length was not known
        if at + 8 + size > len(data):
            return True
        at += 8 + size + size % 2
    return at > len(data) + 1  # the padding byte of the last chunk is often missing


def _boxes_cut(data: bytes) -> bool:
    at, names = 0, set()
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            if at + 16 > len(data):
                return True
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        elif size == 0:
            size = len(data) - at  # this box runs to the end of the file
        if size < head or at + size > len(data):
            return True
        names.add(name)
        at += size
    return at < len(data) or b"moov" not in names


def _segment_cut(data: bytes) -> bool:
    at = 4
    size, at = _vint(data, at)
    at += size or 0
    if data[at : at + 4] != b"\x18\x53\x80\x67":
        return True
    size, at = _vint(data, at + 4)
    return size is not None and at + size > len(data)


def _vint(data: bytes, at: int) -> tuple[int | None, int]:
    """A Matroska length at `at` and the offset after it; None is the code for an unknown length."""
    if at >= len(data) or not data[at]:
        return 0, at + 1
    width = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + width]) & ((1 << 7 * width) - 1)
    return (None if value == (1 << 7 * width) - 1 else value), at + width


def _ogg_cut(data: bytes) -> bool:
    last = data.rfind(b"OggS")
    if last < 0 or last + 27 > len(data):
        return True
    segments = data[last + 26]
    table = data[last + 27 : last + 27 + segments]
    ends = last + 27 + segments + sum(table)
    return len(table) < segments or ends > len(data) or not data[last + 5] & 4  # 4 marks the last page
