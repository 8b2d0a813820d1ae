"""Sound: headers checked before decoding, then mono samples at the rate that is asked for."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from specialists.containers import AAC, FLAC, OGG, WAV, Container, cut_short, sniff
from specialists.content import AUDIO, VIDEO
from specialists.errors import BadInput
from specialists.limits import DEFAULT_LIMITS, Inspected, Limits, check_size, guarded, over

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATES = (1_000, 384_000)
CHANNELS = 64
BLOCK = 1 << 16
SNDFILE = (WAV, FLAC, OGG)
"""What libsndfile reads; of MP3 it would write notes on broken files to the terminal."""
KNOWN = "Sound may be WAV, FLAC, MP3, Ogg, Opus, M4A, AAC or WebM"
_AUDIO_TYPES = {"video/mp4": "audio/mp4", "video/webm": "audio/webm", "video/x-matroska": "audio/x-matroska"}


@guarded("sound")
def inspect_audio(data: bytes, limits: Limits = DEFAULT_LIMITS, *, part: str = "sound") -> Inspected:
    """Check sound by its header and its end. Raises BadInput and LimitExceeded."""
    check_size(data, limits.audio_bytes, part=part, key="audio_bytes")
    container = _container(data, part)
    facts = _by_soundfile(data, container, part) or _by_av(data, container, part)
    _check_facts(facts, limits, part)
    return Inspected(AUDIO, _AUDIO_TYPES.get(container.media_type, container.media_type), facts)


@guarded("sound")
def read_audio(
    data: bytes, limits: Limits = DEFAULT_LIMITS, rate: int = 16_000, *, part: str = "sound"
) -> Samples:
    """Decode sound, or the sound of a film, to float32 mono samples in -1..1 at `rate` hertz: [samples].

    Raises BadInput (nothing to decode, broken, cut short) and LimitExceeded.
    """
    import numpy as np
    import soxr

    container = _container(data, part)
    film = container.kind == VIDEO
    most = limits.video_bytes if film else limits.audio_bytes
    check_size(data, most, part=part, key="video_bytes" if film else "audio_bytes")
    seconds = limits.video_seconds if film else limits.audio_seconds
    resampler, pieces, total = None, [], 0
    for found, block in _blocks(data, container, part):
        total += len(block)
        if total > seconds * found:
            key = "video_seconds" if film else "audio_seconds"
            raise over(f"is longer than {seconds:.0f} s", part=part, key=key)
        resampler = resampler or soxr.ResampleStream(found, rate, 1, dtype="float32")
        pieces.append(resampler.resample_chunk(block))
    if resampler is None:
        raise BadInput("holds no sound", part=part)
    pieces.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    # Float files may hold values that are no sound at all.
    return np.clip(np.nan_to_num(np.concatenate(pieces)), -1.0, 1.0)


def encode_wav(pcm: NDArray[Any] | bytes, rate: int) -> bytes:
    """A WAV file of mono sound: float samples in -1..1, int16 samples, or bytes of 16 bit PCM."""
    import wave

    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm if isinstance(pcm, bytes) else to_pcm(pcm))
    return out.getvalue()


def encode_flac(samples: Samples, rate: int) -> bytes:
    """A FLAC file, 16 bit, of mono samples in -1..1: what a film's sound travels in, at half a WAV's size."""
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, samples, rate, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def to_pcm(samples: NDArray[Any]) -> bytes:
    """Float samples in -1..1, or int16 samples, as 16 bit signed little endian PCM."""
    import numpy as np

    if samples.dtype.kind == "f":
        samples = np.rint(np.clip(np.nan_to_num(samples), -1.0, 1.0) * 32767)
    return samples.astype("<i2").tobytes()


def _container(data: bytes, part: str) -> Container:
    container = sniff(data)
    if container is None or not container.demuxer:
        what = f"holds {container.name}, not sound" if container else "does not hold sound"
        raise BadInput(what, part=part, remedy=KNOWN)
    if cut_short(data, container):
        raise BadInput("is cut short", part=part, remedy="Send the whole file")
    return container


def _by_soundfile(data: bytes, container: Container, part: str) -> dict[str, float] | None:
    """The facts as libsndfile reads them; None for formats that it does not know."""
    import soundfile

    if container not in SNDFILE:
        return None
    try:
        file = soundfile.SoundFile(io.BytesIO(data))
    except soundfile.LibsndfileError:
        return None
    with file:
        if file.frames > 0 and not _reaches(file, file.frames - 1):
            raise BadInput("is cut short", part=part, remedy="Send the whole file")
        seconds = file.frames / file.samplerate
        return {"seconds": seconds, "rate": float(file.samplerate), "channels": float(file.channels)}


def _reaches(file: Any, last: int) -> bool:
    """Whether the last sample can be decoded; in a file that is cut short it cannot."""
    import soundfile

    try:
        file.seek(last)
        return len(file.read(1)) == 1
    except soundfile.LibsndfileError:
        return False


def _by_av(data: bytes, container: Container, part: str) -> dict[str, float]:
    import av

    with av.open(io.BytesIO(data), "r", format=container.demuxer) as file:
        if not file.streams.audio:
            raise BadInput("holds no sound", part=part)
        stream = file.streams.audio[0]
        if next(file.decode(stream), None) is None:
            raise BadInput("holds no sound", part=part)
        seconds = length(file, stream)
        if container is AAC or seconds <= 0:
            file.seek(0)
            seconds = scan_length(file, stream)
        return {"seconds": seconds, "rate": float(stream.rate), "channels": float(stream.channels)}


def length(file: Any, stream: Any) -> float:
    """The length in seconds that a file or stream states; 0 when neither does."""
    if file.duration:
        return float(file.duration) / 1_000_000
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return 0.0


def scan_length(file: Any, stream: Any) -> float:
    """The end in seconds of the last packet, for streams that state no length (raw AAC, recorded WebM)."""
    end = 0.0
    for packet in file.demux(stream):
        if packet.pts is not None:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return end


def _check_rate(rate: float, part: str) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise BadInput(
            f"has a sample rate of {rate:.0f} Hz",
            part=part,
            remedy=f"Rates from {RATES[0]:,} to {RATES[1]:,} Hz are accepted",
        )


def _check_facts(facts: dict[str, float], limits: Limits, part: str) -> None:
    _check_rate(facts["rate"], part)
    if not 1 <= facts["channels"] <= CHANNELS:
        raise BadInput(f"has {facts['channels']:.0f} channels; up to {CHANNELS} are accepted", part=part)
    if facts["seconds"] <= 0:
        raise BadInput("holds no sound", part=part)
    if facts["seconds"] > limits.audio_seconds:
        raise over(
            f"is {facts['seconds']:.0f} s long, more than the {limits.audio_seconds:.0f} s allowed",
            part=part,
            key="audio_seconds",
        )


def _blocks(data: bytes, container: Container, part: str) -> Iterator[tuple[int, Samples]]:
    """Pairs of sample rate and mono samples, block by block, so that a long file never stands whole."""
    import soundfile

    if container in SNDFILE:
        try:
            file = soundfile.SoundFile(io.BytesIO(data))
        except soundfile.LibsndfileError:
            pass  # a codec that libsndfile does not know: PyAV may
        else:
            with file:
                _check_rate(file.samplerate, part)
                for block in file.blocks(BLOCK, dtype="float32", always_2d=True):
                    yield file.samplerate, block.mean(axis=1)
            return
    yield from _av_blocks(data, container, part)


def _av_blocks(data: bytes, container: Container, part: str) -> Iterator[tuple[int, Samples]]:
    import av

    with av.open(io.BytesIO(data), "r", format=container.demuxer) as file:
        if not file.streams.audio:
            return
        stream = file.streams.audio[0]
        _check_rate(stream.rate, part)
        mono = av.AudioResampler(format="flt", layout="mono", rate=stream.rate)
        for frame in file.decode(stream):
            for piece in mono.resample(frame):
                yield stream.rate, piece.to_ndarray()[0]
        for piece in mono.resample(None):
            yield stream.rate, piece.to_ndarray()[0]
