"""Speech in the formats that clients ask for, encoded while it is being made."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import Any, Protocol

from specialists.errors import BadInput

OPENAI_RATE = 24_000
"""Hertz of `pcm` and `pcm16` wherever OpenAI defines them; compressed formats are made at it too."""

MEDIA_TYPES: Mapping[str, str] = {
    "wav": "audio/wav",
    "pcm": f"audio/pcm;rate={OPENAI_RATE}",
    "pcm16": f"audio/pcm;rate={OPENAI_RATE}",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "opus": "audio/ogg",
    "aac": "audio/aac",
}
"""Every format and its media type. `pcm` and `pcm16` are the same: 16 bit signed little endian, mono."""

_CODECS = {"mp3": ("mp3", "mp3"), "opus": ("ogg", "libopus"), "aac": ("adts", "aac")}
_UNKNOWN_SIZE = 0xFFFFFFFF


class Encoder(Protocol):
    """Takes 16 bit mono PCM piece by piece; what it returns, joined, is the file."""

    def feed(self, pcm: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


def encoder(name: str, rate: int) -> Encoder:
    """An encoder to format `name` for PCM at `rate` hertz. Raises BadInput for an unknown format."""
    if name in ("pcm", "pcm16"):
        return _Pcm(rate)
    if name == "wav":
        return _Wav(rate)
    if name == "flac":
        return _Flac(rate)
    if name in _CODECS:
        return _Compressed(*_CODECS[name], rate)
    raise BadInput(f"unknown audio format {name!r}", part="format", remedy=f"Known: {', '.join(MEDIA_TYPES)}")


def encode(name: str, pcm: bytes, rate: int) -> bytes:
    """A whole file. Blocks."""
    if name == "wav":  # known length: the header can say it
        from specialists.media import encode_wav

        return encode_wav(pcm, rate)
    made = encoder(name, rate)
    return made.feed(pcm) + made.finish()


class _Wav:
    """A WAV file of a length that is not known yet; its header says the largest one, as players expect."""

    def __init__(self, rate: int) -> None:
        size = struct.pack("<I", _UNKNOWN_SIZE)
        layout = struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * 2, 2, 16)
        self._header = b"RIFF" + size + b"WAVEfmt " + layout + b"data" + size

    def feed(self, pcm: bytes) -> bytes:
        header, self._header = self._header, b""
        return header + pcm

    def finish(self) -> bytes:
        return self.feed(b"")


class _Pcm:
    """PCM at OPENAI_RATE."""

    def __init__(self, rate: int) -> None:
        import soxr

        self._resampler = (
            soxr.ResampleStream(rate, OPENAI_RATE, 1, dtype="int16") if rate != OPENAI_RATE else None
        )

    def feed(self, pcm: bytes) -> bytes:
        return self._convert(pcm, last=False)

    def finish(self) -> bytes:
        return self._convert(b"", last=True)

    def _convert(self, pcm: bytes, *, last: bool) -> bytes:
        import numpy as np

        if self._resampler is None:
            return pcm
        made: bytes = self._resampler.resample_chunk(np.frombuffer(pcm, "<i2"), last=last).tobytes()
        return made


class _Flac:
    """A FLAC file, whole at the end: readers take one whose header was not completed for a cut one."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._pcm = bytearray()

    def feed(self, pcm: bytes) -> bytes:
        self._pcm += pcm
        return b""

    def finish(self) -> bytes:
        import numpy as np
        import soundfile

        out = io.BytesIO()
        soundfile.write(out, np.frombuffer(self._pcm, "<i2"), self._rate, format="FLAC")
        return out.getvalue()


class _Compressed:
    """Anything that FFmpeg writes without seeking back."""

    def __init__(self, container: str, codec: str, rate: int) -> None:
        import av

        self._out = io.BytesIO()
        self._pcm = _Pcm(rate)
        self._file = av.open(_Pipe(self._out), "w", format=container)
        self._stream: Any = self._file.add_stream(codec, rate=OPENAI_RATE, layout="mono")
        self._samples = 0

    def feed(self, pcm: bytes) -> bytes:
        self._write(self._pcm.feed(pcm))
        return self._taken()

    def finish(self) -> bytes:
        self._write(self._pcm.finish())
        self._file.mux(self._stream.encode(None))
        self._file.close()
        return self._taken()

    def _write(self, pcm: bytes) -> None:
        import av
        import numpy as np

        if not pcm:
            return
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2")[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = OPENAI_RATE, self._samples
        self._samples += frame.samples
        self._file.mux(self._stream.encode(frame))

    def _taken(self) -> bytes:
        made = self._out.getvalue()
        self._out.seek(0)
        self._out.truncate()
        return made


class _Pipe:
    """The part of a file that a stream has: it can be written to."""

    def __init__(self, out: io.BytesIO) -> None:
        self._out = out

    def write(self, data: bytes) -> int:
        return self._out.write(data)
