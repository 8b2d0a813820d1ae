"""What a specialist made: taken for what it is, and not for what it is said to be."""

from __future__ import annotations

from specialists.base import Chunk, pcm_rate
from specialists.content import AUDIO
from specialists.errors import BadInput, SpecialistFailed
from specialists.media import Inspected, Limits, inspect

_RATES = range(1_000, 400_000)
"""Sample rates that sound may have, in hertz."""


def made(chunk: Chunk, specialist: str, limits: Limits) -> Inspected:
    """What the media of a Chunk truly are, by the decoder of their kind. Blocks while it decodes.

    Raises SpecialistFailed for what is empty, broken, or not of the kind it is said to be.
    """
    if chunk.kind == AUDIO and chunk.media_type.startswith("audio/pcm"):
        rate = sound_rate(chunk, specialist)
        return Inspected(
            AUDIO, chunk.media_type, {"rate": float(rate), "seconds": len(chunk.data) / 2 / rate}
        )
    try:
        return inspect(chunk.data, media_type=chunk.media_type, kind=chunk.kind, limits=limits)
    except BadInput as error:
        raise SpecialistFailed(f"made {chunk.kind} that {error.message}", part=specialist) from error


def sound_rate(chunk: Chunk, specialist: str) -> int:
    """The rate in hertz of a Chunk of raw sound. Raises SpecialistFailed for what cannot be played."""
    try:
        rate = pcm_rate(chunk.media_type)
    except ValueError as error:
        told = chunk.media_type or "sound of no type"
        raise SpecialistFailed(
            f"made {told}, where speech is audio/pcm;rate=HERTZ", part=specialist
        ) from error
    if rate not in _RATES:
        raise SpecialistFailed(f"made sound at {rate} hertz", part=specialist)
    if len(chunk.data) % 2:
        raise SpecialistFailed("made sound with half a sample at its end", part=specialist)
    return rate
