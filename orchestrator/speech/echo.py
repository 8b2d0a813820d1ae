"""Echo: what the loudspeaker plays is taken out of what the microphone hears."""

from __future__ import annotations

import logging
import threading
from collections import deque
from difflib import SequenceMatcher
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from orchestrator.speech.detector import plain_words
from orchestrator.speech.devices import FRAME_SECONDS, MICROPHONE_RATE, Speaker
from orchestrator.speech.echo_path import EchoPath

log = logging.getLogger("antiphon")

Samples = NDArray[np.float32]

BLOCK = MICROPHONE_RATE // 100
"""Samples a canceller takes at a time: 10 ms."""
MOST_KEPT = MICROPHONE_RATE // 4
"""Played sound that waits for the microphone, in samples: of more, the oldest is late anyway."""
RESERVE = BLOCK
"""Played sound that is always held back, so that blocks of uneven length leave no holes."""
AUDIBLE = 1e-4
ECHO_SECONDS = 0.8
"""How long after the loudspeaker an echo may still be heard; later, the microphone is left as it is."""
REMEMBERED_SECONDS = 10.0
CANCELLED = 6.0
"""Where cancelling took away more than so many dB, most of what was heard was echo."""
OWN_SHARE = 0.75
"""The share of recognised words that have to be the assistant's own, in its order."""
_FULL_SCALE = 32_767.0


class EchoCanceller(Protocol):
    """Takes one signal out of another, 10 ms at a time, and learns by itself how late and loud it is."""

    def cancel(self, heard: Samples, played: Samples) -> Samples:
        """`heard` without what is in it of `played` and of what was played before; 160 samples at 16 kHz."""
        ...


class WebRtcCanceller:
    """The echo canceller of WebRTC (AEC3), out of the livekit package. Raises ImportError without it."""

    def __init__(self) -> None:
        from livekit.rtc import AudioFrame
        from livekit.rtc.apm import AudioProcessingModule

        self._frame = AudioFrame
        self._module = AudioProcessingModule(echo_cancellation=True, high_pass_filter=True)

    def cancel(self, heard: Samples, played: Samples) -> Samples:
        self._module.process_reverse_stream(self._framed(played))
        frame = self._framed(heard)
        # The canceller finds the true delay; it only wants to be told one each time.
        self._module.set_stream_delay_ms(0)
        self._module.process_stream(frame)
        return np.frombuffer(frame.data, np.int16).astype(np.float32) / np.float32(_FULL_SCALE)

    def _framed(self, block: Samples) -> Any:
        pcm = (np.clip(block, -1.0, 1.0) * _FULL_SCALE).astype(np.int16)
        return self._frame(pcm.tobytes(), MICROPHONE_RATE, 1, len(pcm))


def webrtc() -> EchoCanceller | None:
    """The canceller of this installation; None, told in the log, where there is none."""
    try:
        return WebRtcCanceller()
    except ImportError:
        log.warning(
            "echo is not cancelled: use headphones, or install it with: pip install 'antiphon[voice]'"
        )
        return None


def are_own_words(text: str, said: str) -> bool:
    """Whether `text` is what the assistant itself just `said`, give or take what recognition mishears.

    Only the end of `said` counts: as much as `text` is long, and a few words of delay.
    """
    words = plain_words(text)
    recent = plain_words(said)[-(len(words) + 6) :]
    matcher = SequenceMatcher(None, words, recent, autojunk=False)
    same = sum(block.size for block in matcher.get_matching_blocks())
    return bool(words) and same >= OWN_SHARE * len(words)


class Loudspeaker:
    """Stands between a device and what it plays, and keeps what was played for the canceller.

    The device may ask for sound from a thread of its own; `heard` is called by whoever listens.
    """

    def __init__(self, speaker: Speaker, rate: int, canceller: EchoCanceller | None) -> None:
        """`rate` is the device's, in hertz."""
        import soxr

        self._speaker = speaker
        self._canceller = canceller
        # A quick filter, because one that rings longer would give the canceller its echo before its cause.
        self._resampler = soxr.ResampleStream(rate, MICROPHONE_RATE, 1, "float32", quality="LQ")
        self._lock = threading.Lock()
        self._path = EchoPath()
        self._silent = MICROPHONE_RATE  # samples since the loudspeaker was last to be heard
        self._played: Samples = np.zeros(RESERVE, np.float32)
        self._powers: deque[tuple[float, float]] = deque(maxlen=round(REMEMBERED_SECONDS / FRAME_SECONDS))
        """Of each frame: how strong it was heard, and what is left of it."""

    def render(self, count: int) -> Samples:
        block = self._speaker.render(count)
        self._keep(block)
        return block

    def skip(self, count: int) -> None:
        self._speaker.skip(count)
        self._keep(np.zeros(count, np.float32))

    def heard(self, frame: Samples) -> Samples:
        """A frame of the microphone, a multiple of 10 ms at 16 kHz, without the echo of what was played."""
        if self._canceller is None:
            return frame
        played = self._taken(len(frame))
        self._silent = 0 if np.abs(played).max() > AUDIBLE else self._silent + len(played)
        clean = frame
        if self._silent <= ECHO_SECONDS * MICROPHONE_RATE:
            self._path.feed(frame, played)
            cancelled = _cancelled(self._canceller, frame, played)
            # Where there is no echo to learn from, a canceller takes away who speaks over the loudspeaker.
            clean = cancelled if self._path.open else frame
        self._powers.append((float(np.mean(np.square(frame))), float(np.mean(np.square(clean)))))
        return clean

    @property
    def cancels(self) -> bool:
        """Whether an echo is being taken out of what is heard."""
        audible = self._silent <= ECHO_SECONDS * MICROPHONE_RATE
        return self._canceller is not None and audible and self._path.open

    def mostly_echo(self, seconds: float) -> bool:
        """Whether what was heard in the last `seconds` may have been the loudspeaker; True if unknown."""
        if self._canceller is None:
            return True
        recent = list(self._powers)[-max(1, round(seconds / FRAME_SECONDS)) :]
        heard, left = (sum(powers) for powers in zip(*recent, strict=True)) if recent else (0.0, 0.0)
        return heard > left * 10 ** (CANCELLED / 10)

    def _keep(self, block: Samples) -> None:
        if self._canceller is None:
            return
        with self._lock:
            heard = self._resampler.resample_chunk(np.asarray(block, np.float32))
            self._played = np.concatenate([self._played, heard])[-MOST_KEPT:]

    def _taken(self, count: int) -> Samples:
        """The oldest `count` samples that were played and not yet taken; silence where fewer were."""
        with self._lock:
            taken, self._played = self._played[:count], self._played[count:]
        return np.concatenate([np.zeros(count - len(taken), np.float32), taken])


def _cancelled(canceller: EchoCanceller, frame: Samples, played: Samples) -> Samples:
    blocks = [
        canceller.cancel(frame[at : at + BLOCK], played[at : at + BLOCK])
        for at in range(0, len(frame), BLOCK)
    ]
    return np.concatenate(blocks)
