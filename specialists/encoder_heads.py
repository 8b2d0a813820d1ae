"""The heads of a fitted encoder in use: two segments of text in, one logit a decision out, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from specialists.errors import BadConfig

if TYPE_CHECKING:
    import numpy as np
    from tokenizers import Tokenizer


class EncoderHeads:
    """A model that `encoder_training` wrote, with its tokenizer. Calls may come from several threads."""

    def __init__(self, weights: Path, vocabulary: Path, tokens: int) -> None:
        """Raises BadConfig when the files are not such a model."""
        from onnxruntime import InferenceSession, SessionOptions

        options = SessionOptions()
        # For one request a second thread costs more than it brings.
        options.intra_op_num_threads = 1
        try:
            self._session = InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
            self._tokenizer = pair_tokenizer(vocabulary, tokens)
        except Exception as error:
            # Neither library has a public error class of its own.
            raise BadConfig(f"not a fitted encoder: {error}", part=str(weights)) from error

    def logits(self, first: str, second: str) -> np.ndarray:
        """Float32 [heads]. Without a second segment the first stands alone."""
        import numpy as np

        inputs = encode_pairs(self._tokenizer, [(first, second)])
        return np.asarray(self._session.run(["logits"], inputs)[0][0])


def pair_tokenizer(path: Path, tokens: int) -> Tokenizer:
    """The tokenizer of two segments: no longer than `tokens`, the longer one is cut first."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(tokens, strategy="longest_first")
    tokenizer.enable_padding()
    return tokenizer


def encode_pairs(tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]]) -> dict[str, np.ndarray]:
    """What a BERT-like model takes: three int64 arrays [pairs, tokens]."""
    import numpy as np

    rows = tokenizer.encode_batch(
        [(clean(first), clean(second)) if second else clean(first) for first, second in pairs]
    )
    return {
        "input_ids": np.array([row.ids for row in rows], dtype=np.int64),
        "attention_mask": np.array([row.attention_mask for row in rows], dtype=np.int64),
        "token_type_ids": np.array([row.type_ids for row in rows], dtype=np.int64),
    }


def clean(text: str) -> str:
    """A tokenizer takes no lone surrogates, which broken file names and logs may contain."""
    return text.encode("utf-8", "replace").decode("utf-8")
