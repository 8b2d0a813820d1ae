"""Texts into vectors, so that memory and the controller can compare meanings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from specialists.base import Card, Chunk, Cost, Resources, Specialist, Task
from specialists.content import TEXT, Anchor, register_kind
from specialists.errors import BadConfig, BadInput, LimitExceeded
from specialists.models import DEFAULTS, ModelStore, default_folder
from specialists.pool import ModelPool
from specialists.registry import Setup
from specialists.threads import in_thread

if TYPE_CHECKING:
    import numpy as np
    from onnxruntime import InferenceSession
    from tokenizers import Encoding, Tokenizer

VECTOR = "vector"
MEDIA_TYPE = "application/x-f32"
"""A vector as its float32 values, little endian, one after the other."""

register_kind(VECTOR, (MEDIA_TYPE,), ())

_TOKENS = 256
"""Longest text the model looks at, in tokens; the rest of a longer one does not count."""

_BATCH = 4
"""Texts encoded at once. On one thread 32 took 1.4 times as long a text, because all are filled up to the
longest, and 400 MB more, which onnxruntime then keeps."""

AXES = Path(__file__).parent / "embed_axes.npy"
"""The axes for the default model's token states, float16 [384, 64]; `benchmarks/axes.py` fits them."""

_DRAWN = 128


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text in vectors: one for all of it, and the direction of each of its tokens.

    `vector` is a float32 unit vector [d]. `states` are int8 [n, w], of which only the directions count;
    `spans` are the characters that each token covers, int32 [n, 2]. Markers of begin and end are left out.
    """

    vector: np.ndarray
    states: np.ndarray
    spans: np.ndarray


class TextEncoder:
    """A sentence encoder in ONNX, loaded on first use. Calls may come from several threads at once.

    `uris` names the weights and the tokenizer, or one folder that holds `model.onnx` (or `onnx/model.onnx`)
    and `tokenizer.json`. Encoders that are given the same `pool` share one loaded model.
    """

    def __init__(
        self, models: ModelStore, uris: Sequence[str] = DEFAULTS["embed"], pool: ModelPool | None = None
    ) -> None:
        self._models = models
        self._uris = tuple(uris)
        self._pool = pool or ModelPool()

    @property
    def model(self) -> str:
        """The URI of the model, which names the space its vectors lie in."""
        return self._uris[0]

    def installed(self) -> bool:
        """Whether the model is here, so that encoding will not fetch it first."""
        return all(self._models.has(uri) for uri in self._uris)

    def load(self) -> tuple[Tokenizer, InferenceSession]:
        """Get ready. Raises BadConfig when these are not an encoder, Unavailable when it cannot be had."""
        return self._pool.lend(("text encoder", self._uris), self._read)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, float32, shape (number of texts, 384 with the default model)."""
        import numpy as np

        starts = range(0, max(len(texts), 1), _BATCH)
        return np.concatenate([self._encode(texts[at : at + _BATCH]) for at in starts])

    def encode_tokens(self, texts: Sequence[str]) -> list[Encoded]:
        """The same vectors, and those of the texts' tokens as far as the model looks.

        Tokens lie in fewer dimensions: those fitted for the default model's states (`AXES`), 128 directions
        drawn at random for any other's.
        """
        import numpy as np

        found: list[Encoded] = []
        for at in range(0, len(texts), _BATCH):
            rows, states, vectors = self._states(texts[at : at + _BATCH])
            axes = self._axes(states.shape[-1])
            for row, state, vector in zip(rows, states, vectors, strict=True):
                kept = np.array(row.attention_mask, bool) & ~np.array(row.special_tokens_mask, bool)
                spans = np.array(row.offsets, dtype=np.int32).reshape(-1, 2)
                found.append(Encoded(vector, _directions(state[kept] @ axes), spans[kept]))
        return found

    def _axes(self, width: int) -> np.ndarray:
        import numpy as np

        if self._uris == DEFAULTS["embed"]:
            return np.load(AXES).astype(np.float32)
        drawn = np.random.default_rng(0).standard_normal((width, min(width, _DRAWN)))
        return np.linalg.qr(drawn)[0].astype(np.float32)

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        return self._states(texts)[2]

    def _states(self, texts: Sequence[str]) -> tuple[list[Encoding], np.ndarray, np.ndarray]:
        """The texts as tokens, the states of these [n, tokens, width], and unit vectors of the whole."""
        import numpy as np

        tokenizer, session = self.load()
        # Without texts one is encoded and dropped, so that the result has its proper width.
        rows = tokenizer.encode_batch([_clean(text) for text in texts] or [""])
        ids = np.array([row.ids for row in rows], dtype=np.int64)
        mask = np.array([row.attention_mask for row in rows], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        wanted = {entry.name for entry in session.get_inputs()}
        states = session.run(None, {name: value for name, value in inputs.items() if name in wanted})[0]
        weights = mask[..., None].astype(np.float32)
        means = (states * weights).sum(axis=1) / weights.sum(axis=1)
        vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
        n = len(texts)
        return rows[:n], states[:n], vectors[:n].astype(np.float32)

    def _read(self) -> tuple[Tokenizer, InferenceSession]:
        from onnxruntime import InferenceSession, SessionOptions
        from tokenizers import Tokenizer

        weights, vocabulary = self._files()
        options = SessionOptions()
        # For short texts a second thread costs more than it brings.
        options.intra_op_num_threads = 1
        options.enable_mem_pattern = False  # every length of text would be laid out, and kept
        try:
            session = InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
            tokenizer = Tokenizer.from_file(str(vocabulary))
        except Exception as error:
            # Neither library has a public error class of its own.
            raise BadConfig(
                f"not a text encoder: {error}",
                part=self._uris[0],
                remedy="Name a sentence encoder's ONNX file and its tokenizer.json",
            ) from error
        if len(session.get_outputs()[0].shape) != 3:
            raise BadConfig("its first output is not one state a token", part=self._uris[0])
        tokenizer.enable_truncation(_TOKENS)
        tokenizer.enable_padding()
        return tokenizer, session

    def _files(self) -> tuple[Path, Path]:
        first = self._models.resolve(self._uris[0])
        if first.is_file() and len(self._uris) > 1:
            return first, self._models.resolve(self._uris[1])
        for weights in (first / "model.onnx", first / "onnx" / "model.onnx"):
            if weights.is_file():
                return weights, first / "tokenizer.json"
        raise BadConfig(
            "holds no model.onnx", part=self._uris[0], remedy="Name the ONNX file and the tokenizer.json"
        )


def _directions(states: np.ndarray) -> np.ndarray:
    """Rows in eight bits: each is scaled to its own largest value."""
    import numpy as np

    largest = np.abs(states).max(axis=1, keepdims=True, initial=1e-9)
    return np.asarray(np.round(states * (127 / largest)), dtype=np.int8)


def _clean(text: str) -> str:
    """The tokenizer takes no lone surrogates, which broken file names and logs may contain."""
    return text.encode("utf-8", "replace").decode("utf-8")


class Embed(Specialist):
    """One Chunk a text part: its unit vector."""

    def __init__(self, setup: Setup) -> None:
        setup.check_options("model", "tokenizer")
        self._encoder = encoder(setup.models, setup.options, setup.pool)
        self._limits = setup.limits
        self.card = Card(
            name=setup.name,
            description="Turns texts into vectors whose closeness is closeness of meaning; for programs.",
            consumes=(TEXT,),
            produces=(VECTOR,),
            cost=Cost(seconds=0.01),
            resources=Resources(cpus=1, memory_mb=150),
            model=self._encoder.model,
        )

    async def load(self) -> None:
        await in_thread(self._encoder.load)

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        texts = self._texts(task)
        for start in range(0, len(texts), _BATCH):
            vectors = await in_thread(self._encoder.encode, texts[start : start + _BATCH])
            for index, vector in enumerate(vectors, start):
                yield Chunk(
                    VECTOR,
                    data=vector.astype("<f4").tobytes(),
                    media_type=MEDIA_TYPE,
                    anchor=Anchor(part=index),
                )

    def _texts(self, task: Task) -> list[str]:
        for part in task.parts:
            if part.kind != TEXT:
                raise BadInput(f"cannot encode {part.kind}, only text", part=part.name or part.kind)
        texts = [part.text for part in task.parts] or [task.instruction]
        if not any(texts):
            raise BadInput("there is no text to encode", part=self.card.name)
        if sum(map(len, texts)) > self._limits.text_bytes:
            raise LimitExceeded(f"longer than {self._limits.text_bytes} characters", part="text")
        return texts


def encoder(
    models: ModelStore, options: Mapping[str, object] | None = None, pool: ModelPool | None = None
) -> TextEncoder:
    """The encoder that a `[specialists.embed]` table names: the default one where it names none.

    Memory and the controller use the same as the specialist, so that one model serves all three.
    """
    options = options or {}
    model, tokenizer = options.get("model"), options.get("tokenizer")
    if model is None and tokenizer is None:
        return TextEncoder(models, DEFAULTS["embed"], pool)
    if model is None:
        raise BadConfig("names a tokenizer but no model", part="specialists.embed")
    return TextEncoder(models, (str(model),) if tokenizer is None else (str(model), str(tokenizer)), pool)


def default_encoder() -> TextEncoder:
    """The built-in encoder, with its model in the user's cache."""
    return TextEncoder(ModelStore(default_folder()))


def create(setup: Setup) -> Specialist:
    return Embed(setup)
