"""The speech of a reply: collected while it arrives, then played or saved."""

from __future__ import annotations

import wave
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from orchestrator.events import SpeechDelta
from specialists.errors import BadInput, Unavailable

_BYTES = 2  # a sample
_BLOCK = 2048  # bytes written at once: what is left to hear after a stop


class Speech:
    """The sound of one reply, in the order of its pieces."""

    def __init__(self) -> None:
        self._pieces: dict[int, SpeechDelta] = {}

    def add(self, piece: SpeechDelta) -> None:
        self._pieces[piece.index] = piece

    def __bool__(self) -> bool:
        return bool(self._pieces)

    @property
    def pieces(self) -> Sequence[SpeechDelta]:
        return [self._pieces[index] for index in sorted(self._pieces)]

    @property
    def seconds(self) -> float:
        return sum(len(piece.pcm) / _BYTES / piece.rate for piece in self._pieces.values())

    def save(self, path: Path) -> None:
        """Write a WAV file, 16 bit mono. Raises BadInput when it cannot be written or is there already."""
        pieces = self.pieces
        try:
            with path.open("xb") as file, wave.open(file, "wb") as out:
                out.setnchannels(1)
                out.setsampwidth(_BYTES)
                out.setframerate(pieces[0].rate)
                for piece in pieces:
                    out.writeframes(piece.pcm)
        except FileExistsError:
            raise BadInput("is there already", part=path.name, remedy="Choose another name") from None
        except (OSError, ValueError) as error:
            raise BadInput(f"cannot be written: {error}", part=path.name) from error

    def play(self, stopped: Callable[[], bool]) -> None:
        """Play through the sound card, until the end or until `stopped` says so. Blocks.

        Raises Unavailable without a sound card or the library for it.
        """
        try:
            import sounddevice
        except (ImportError, OSError) as error:  # OSError: PortAudio itself is missing
            raise Unavailable(
                "no sound can be played here",
                part="sound card",
                remedy="Install sounddevice and PortAudio, or save it: /speech PATH.wav",
            ) from error
        try:
            for piece in self.pieces:
                with sounddevice.RawOutputStream(samplerate=piece.rate, channels=1, dtype="int16") as stream:
                    for start in range(0, len(piece.pcm), _BLOCK):
                        if stopped():
                            stream.abort()
                            return
                        stream.write(piece.pcm[start : start + _BLOCK])
        except sounddevice.PortAudioError as error:
            raise Unavailable(
                f"does not play: {error}", part="sound card", remedy="Save it: /speech PATH.wav"
            ) from error


def can_play() -> bool:
    """Whether the library for the sound card is installed; it is not loaded to find out."""
    return find_spec("sounddevice") is not None
