"""Film: headers checked before decoding, then frames one by one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from specialists.containers import Container, cut_short, sniff
from specialists.content import VIDEO
from specialists.errors import BadInput
from specialists.limits import DEFAULT_LIMITS, Inspected, Limits, check_size, guarded, over, refuse
from specialists.sound import length, scan_length

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

KNOWN = "Film may be MP4, QuickTime, Matroska, WebM or AVI"
THUMB = (64, 48)


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a film. `time` is in seconds from its start."""

    time: float
    _frame: Any

    def image(self) -> Image:
        """The frame in RGB, upright. Raises BadInput."""
        image: Image = self._frame.to_image()
        turn = int(getattr(self._frame, "rotation", 0) or 0)
        return image.rotate(turn, expand=True) if turn % 360 else image

    def thumb(self) -> NDArray[np.uint8]:
        """A small grey copy for comparing frames: [48, 64]."""
        array: NDArray[np.uint8] = self._frame.reformat(*THUMB, format="gray").to_ndarray()
        return array


@guarded("a film")
def inspect_video(data: bytes, limits: Limits = DEFAULT_LIMITS, *, part: str = "film") -> Inspected:
    """Check a film by its header, its structure and its first frame. Raises BadInput and LimitExceeded."""
    import av

    container = _container(data, limits, part)
    with av.open(io.BytesIO(data), "r", format=container.demuxer) as file:
        stream = _picture_track(file, limits, part)
        seconds = length(file, stream)
        first = next(file.decode(stream), None)
        if first is None:
            raise BadInput("holds no frame that can be decoded", part=part)
        if seconds <= 0:
            file.seek(0)
            seconds = scan_length(file, stream)
        _check_seconds(seconds, limits, part)
        turned = int(getattr(first, "rotation", 0) or 0) % 180 != 0
        width, height = (first.height, first.width) if turned else (first.width, first.height)
        facts = {"width": float(width), "height": float(height), "seconds": seconds}
        if stream.average_rate:
            facts["frames_per_second"] = round(float(stream.average_rate), 3)
        if file.streams.audio:
            sound = file.streams.audio[0]
            facts |= {"rate": float(sound.rate or 0), "channels": float(sound.channels or 0)}
        return Inspected(VIDEO, container.media_type, facts)


@guarded("a film")
def has_pictures(data: bytes, limits: Limits = DEFAULT_LIMITS, *, part: str = "film") -> bool:
    """Whether a film's container holds a picture track, and not sound alone. Raises as `inspect_video`."""
    import av

    container = _container(data, limits, part)
    with av.open(io.BytesIO(data), "r", format=container.demuxer) as file:
        return bool(file.streams.video)


def video_frames(
    data: bytes,
    limits: Limits = DEFAULT_LIMITS,
    *,
    part: str = "film",
    start: float = 0.0,
    only_keys: bool = False,
) -> Iterator[Frame]:
    """The frames of a film in order, from `start` seconds on.

    `only_keys` decodes key frames alone, one in some seconds, which is many times faster. Raises BadInput
    and LimitExceeded, also in the middle.
    """
    import av

    try:
        container = _container(data, limits, part)
        with av.open(io.BytesIO(data), "r", format=container.demuxer) as file:
            stream = _picture_track(file, limits, part)
            stream.thread_type = "AUTO"
            if only_keys:
                stream.codec_context.skip_frame = "NONKEY"
            if start > 0:
                file.seek(int(start * 1_000_000), backward=True)
            for frame in file.decode(stream):
                time = float(frame.time or 0.0)
                if time < start:
                    continue
                _check_seconds(time, limits, part)
                if frame.width * frame.height > limits.image_pixels:
                    raise _too_many_pixels(frame.width, frame.height, limits, part)
                yield Frame(time, frame)
    except (av.FFmpegError, ValueError, OSError, MemoryError) as error:
        raise refuse("a film", error, part=part) from error


def _container(data: bytes, limits: Limits, part: str) -> Container:
    check_size(data, limits.video_bytes, part=part, key="video_bytes")
    container = sniff(data)
    if container is None or container.kind != VIDEO:
        what = f"holds {container.name}, not a film" if container else "does not hold a film"
        raise BadInput(what, part=part, remedy=KNOWN)
    if cut_short(data, container):
        raise BadInput("is cut short", part=part, remedy="Send the whole file")
    return container


def _picture_track(file: Any, limits: Limits, part: str) -> Any:
    if not file.streams.video:
        raise BadInput("has no pictures, only sound", part=part, remedy="Send it as a recording")
    stream = file.streams.video[0]
    if stream.codec_context is None:
        raise BadInput("uses a codec that cannot be decoded here", part=part, remedy="Send H.264 in MP4")
    if stream.width * stream.height > limits.image_pixels:
        raise _too_many_pixels(stream.width, stream.height, limits, part)
    return stream


def _too_many_pixels(width: int, height: int, limits: Limits, part: str) -> BadInput:
    return over(
        f"has frames of {width} x {height} pixels, more than the {limits.image_pixels:,} allowed",
        part=part,
        key="image_pixels",
    )


def _check_seconds(seconds: float, limits: Limits, part: str) -> None:
    if seconds > limits.video_seconds:
        raise over(f"is longer than the {limits.video_seconds:.0f} s allowed", part=part, key="video_seconds")
