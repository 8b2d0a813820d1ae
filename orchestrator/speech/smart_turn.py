"""The end of a turn by its melody: a Smart Turn v3 model, in ONNX form."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.speech.ears import RATE, Samples
from specialists.errors import BadConfig
from specialists.models import ModelStore

if TYPE_CHECKING:
    from faster_whisper.feature_extractor import FeatureExtractor
    from onnxruntime import InferenceSession

SECONDS = 8
"""What the model hears of the end of an utterance."""
_SHAPE = (80, 100 * SECONDS)
"""Of its input: bands, and frames of 10 ms."""


class SmartTurn:
    """A turn detector that hears whether somebody is done, whatever their language.

    The model takes Whisper's log-mel spectrogram of the last 8 s, levelled to a variance of one, and gives
    the probability that the turn is complete (https://github.com/pipecat-ai/smart-turn).
    """

    def __init__(self, models: ModelStore, uri: str) -> None:
        self._models = models
        self._uri = uri
        self._lock = threading.Lock()
        self._session: InferenceSession | None = None
        self._spectrum: FeatureExtractor | None = None

    def load(self) -> None:
        """Get ready. Raises BadConfig when this is no such model, Unavailable when it cannot be had."""
        self._ready()

    def probability(self, samples: Samples, text: str) -> float:
        """How likely it is, 0 to 1, that who said `samples` (16 kHz, up to within a pause) is done."""
        session, spectrum = self._ready()
        heard = samples[-SECONDS * RATE :].astype(np.float32)
        heard = np.pad(heard, (SECONDS * RATE - len(heard), 0))
        levelled = (heard - heard.mean()) / np.sqrt(heard.var() + 1e-7)
        features = spectrum(levelled, padding=0).astype(np.float32)
        (answer,) = session.run(None, {session.get_inputs()[0].name: features[None]})
        return float(np.clip(np.asarray(answer).ravel()[0], 0.0, 1.0))

    def _ready(self) -> tuple[InferenceSession, FeatureExtractor]:
        with self._lock:
            if self._session is None or self._spectrum is None:
                from faster_whisper.feature_extractor import FeatureExtractor

                self._session, self._spectrum = self._read(), FeatureExtractor()
            return self._session, self._spectrum

    def _read(self) -> InferenceSession:
        from onnxruntime import InferenceSession, SessionOptions

        options = SessionOptions()
        options.intra_op_num_threads = 1  # it runs while the words are recognised
        path = self._models.resolve(self._uri)
        try:
            session = InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            shapes = [tuple(given.shape[1:]) for given in session.get_inputs()]
        except Exception as error:
            # onnxruntime has no public error class of its own, so everything that reading raises comes here.
            raise self._unfit(str(error)) from error
        if shapes != [_SHAPE]:
            raise self._unfit(f"it takes {shapes}, not one spectrogram of {_SHAPE}")
        return session

    def _unfit(self, reason: str) -> BadConfig:
        return BadConfig(
            f"not a Smart Turn v3 model: {reason}",
            part=self._uri,
            remedy='Correct turn_detector under [speech], or set it to ""',
        )
