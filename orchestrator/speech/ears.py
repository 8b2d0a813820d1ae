"""Ears: where in what the microphone hears somebody speaks, and the sound of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.speech.background import Background
from specialists.errors import Unavailable

RATE = 16_000
"""Of everything the ears take, in hertz."""
WINDOW = 512
"""Samples the voice detector takes at a time: 32 ms."""

Samples = NDArray[np.float32]
Vad = Callable[[Samples], float]
"""The probability of speech in one window, 0 to 1; it may depend on the windows before."""


class Boundary(Enum):
    STARTED = "started"
    PAUSED = "paused"
    RESUMED = "resumed"
    """Speech goes on after a pause of the same utterance."""


_CONTEXT = 64
"""Samples before a window that the detector wants to see again."""
_FITTING = "faster-whisper>=1.2,<1.3"
_MODEL = ("faster_whisper", "assets/silero_vad_v6.onnx")
"""The package that carries the detector, and where in it."""


def silero() -> Vad:
    """The Silero voice detector, with a state of its own. Raises Unavailable when it is not there.

    It runs in one thread: several wait for each other, on a busy machine up to 100 ms a window.
    """
    from onnxruntime import InferenceSession, SessionOptions

    package, inside = _MODEL
    found = find_spec(package)
    path = Path(found.origin).parent / inside if found and found.origin else Path(inside)
    if not path.exists():
        raise Unavailable(f"{package} carries no {inside}", part="vad", remedy=f"pip install '{_FITTING}'")
    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    hidden = cell = np.zeros((1, 1, 128), np.float32)
    context = np.zeros(_CONTEXT, np.float32)

    def probability(window: Samples) -> float:
        nonlocal hidden, cell, context
        given = np.concatenate([context, window])[None]
        answer, hidden, cell = session.run(None, {"input": given, "h": hidden, "c": cell})
        context = window[-_CONTEXT:]
        return float(np.asarray(answer).ravel()[0])

    return probability


class Ears:
    """Cuts utterances out of a stream of samples.

    An utterance starts with the first window above `START` and goes on, over pauses, until `close`.
    Places and lengths are counted in samples, from the first that was fed.
    """

    START = 0.4
    """Probability that makes speech out of silence; coughs, typing, music and hiss stay below it."""
    STOP = 0.35
    """Probability below which speech may have stopped: lower, so that a soft vowel does not end it."""
    START_CANCELLED, STOP_CANCELLED = 0.2, 0.15
    """The same while an echo is cancelled, which leaves of a voice what sounds less like one: its first 0.3 s
    reach 0.2 to 0.5 where they had 0.6 to 0.9. Of the assistant alone it leaves less than 0.02."""
    PAUSE_SECONDS = 0.12
    """Silence that makes a pause, four windows; most gaps inside words are shorter."""
    PREROLL_SECONDS = 0.3
    """Sound kept from before the start: the first consonant is often not voiced."""

    def __init__(self, vad: Vad) -> None:
        self._vad = vad
        self._background = Background()
        self._rest: Samples = np.zeros(0, np.float32)
        self._before: deque[Samples] = deque(maxlen=round(self.PREROLL_SECONDS * RATE / WINDOW))
        self._windows: list[Samples] = []
        self._squares = 0.0
        self.clock = 0
        """Samples judged so far."""
        self.onset = 0
        """Where the utterance started; of the last one between utterances."""
        self.last_voiced = 0
        """The sample after the last that held a voice."""
        self.voiced_samples = 0
        """How much of the utterance held a voice."""
        self.cancelled = False
        """Whether an echo was taken out of what comes next."""
        self.open = False
        """Whether there is an utterance."""
        self.speaking = False
        """Whether a voice is heard now, short gaps aside."""

    @property
    def voiced(self) -> float:
        """Seconds of voice in the utterance."""
        return self.voiced_samples / RATE

    @property
    def silence(self) -> float:
        """Seconds since the last voice."""
        return (self.clock - self.last_voiced) / RATE

    @property
    def level(self) -> float:
        """How loud the voice of the utterance is, in dB of full scale."""
        return float(10 * np.log10(self._squares / max(1, self.voiced_samples) + 1e-12))

    def feed(self, samples: Samples) -> list[Boundary]:
        """Listen on. Returns what happened, in order."""
        heard = np.concatenate([self._rest, samples])
        whole = len(heard) - len(heard) % WINDOW
        self._rest = heard[whole:]
        boundaries = [self._judge(heard[at : at + WINDOW]) for at in range(0, whole, WINDOW)]
        return [boundary for boundary in boundaries if boundary is not None]

    def sound(self, since: int = 0) -> Samples:
        """The utterance so far with what came just before it, without what lies before the place `since`."""
        skipped = max(0, len(self._windows) - (self.clock - since) // WINDOW)
        return np.concatenate([np.zeros(0, np.float32), *self._windows[skipped:]])

    def close(self) -> None:
        """End the utterance; the next voice starts another one."""
        self._before.extend(self._windows)
        self._windows = []
        self._squares = 0.0
        self.voiced_samples = 0
        self.open = self.speaking = False

    def _judge(self, window: Samples) -> Boundary | None:
        probability = self._vad(window)
        if self._background.hides(window):
            probability = 0.0
        start = self.clock
        self.clock += WINDOW
        begins = self.START_CANCELLED if self.cancelled else self.START
        if not self.open:
            if probability < begins:
                self._before.append(window)
                return None
            self._windows = [*self._before, window]
            self._before.clear()
            self.onset = start
            self.open = self.speaking = True
            self._voice(window)
            return Boundary.STARTED
        self._windows.append(window)
        goes_on = self.STOP_CANCELLED if self.cancelled else self.STOP
        if probability >= (goes_on if self.speaking else begins):
            resumed = not self.speaking
            self.speaking = True
            self._voice(window)
            return Boundary.RESUMED if resumed else None
        if self.speaking and self.silence >= self.PAUSE_SECONDS:
            self.speaking = False
            return Boundary.PAUSED
        return None

    def _voice(self, window: Samples) -> None:
        self.last_voiced = self.clock
        self.voiced_samples += len(window)
        self._squares += float(np.square(window, dtype=np.float64).sum())
