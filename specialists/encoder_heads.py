"""A fitted router network in use, without torch: texts in; decisions, what is asked for and offered out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from specialists.errors import BadConfig

if TYPE_CHECKING:
    import numpy as np
    from tokenizers import Encoding, Tokenizer

OUTPUTS = ("logits", "asks", "link_tokens", "offers", "link_offers")
"""What the network gives: logits [rows, heads]; what each token asks for [rows, tokens, width] and its share
of a link [rows, tokens, 2 x link]; what a text offers [rows, width] and its share [rows, 2 x link]."""

SPECIAL = 103
"""BERT's vocabularies keep the ids below this for marks such as [CLS]; no words have them."""

TEXTS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Offers:
    """What is offered, read once. `vectors` is float32 [texts, width], `first` the place of each offer's
    first text, int [offers], `links` float32 [offers, 2 x link]."""

    vectors: np.ndarray
    first: np.ndarray
    links: np.ndarray


@dataclass(frozen=True, slots=True)
class Matched:
    """What a request asks for. `share` is float32 [offers] in 0..1, `at` the token that asks for it,
    `words` the piece of the request around that token, `links` float32 [offers, offers]: log-odds that the
    column's offer works on the result of the row's."""

    share: np.ndarray
    at: np.ndarray
    words: tuple[str, ...]
    links: np.ndarray


class EncoderHeads:
    """A model that `encoder_training` wrote, with its tokenizer. Calls may come from several threads."""

    def __init__(self, weights: Path, constants: Path, vocabulary: Path, tokens: int) -> None:
        """Raises BadConfig when the files are not such a model."""
        import numpy as np
        from onnxruntime import InferenceSession, SessionOptions

        options = SessionOptions()
        # For one request a second thread costs more than it brings.
        options.intra_op_num_threads = 1
        options.enable_mem_pattern = False  # every length of request would be laid out, and kept
        try:
            self._session = InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
            self._tokenizer = pair_tokenizer(vocabulary, tokens)
            with np.load(constants, allow_pickle=False) as arrays:
                self._none, self._bilinear = float(arrays["none"]), arrays["bilinear"]
        except Exception as error:
            # Neither library has a public error class of its own.
            raise BadConfig(f"not a fitted encoder: {error}", part=str(weights)) from error

    def logits(self, first: str, second: str) -> np.ndarray:
        """The decisions: float32 [heads]. Without a second segment the first stands alone."""
        import numpy as np

        inputs = encode_pairs(self._tokenizer, [(first, second)])
        return np.asarray(self._session.run(["logits"], inputs)[0][0])

    def offers(self, offers: Sequence[Sequence[str]]) -> Offers:
        """Read offers of one text or several each; the first describes it."""
        import numpy as np

        texts = [text for offer in offers for text in offer]
        first = np.cumsum([0, *(len(offer) for offer in offers[:-1])])
        found = []
        for at in range(0, len(texts), TEXTS_AT_ONCE):
            inputs = encode_pairs(self._tokenizer, [(text, "") for text in texts[at : at + TEXTS_AT_ONCE]])
            found.append(self._session.run(["offers", "link_offers"], inputs))
        vectors, links = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
        return Offers(vectors, first, links[first])

    def match(self, first: str, second: str, offers: Offers) -> Matched:
        """Which of the offers a request asks for: every token chooses among them and none."""
        import numpy as np

        row = encode(self._tokenizer, [(first, second)])[0]
        inputs = as_arrays([row])
        asks, link_tokens = (found[0] for found in self._session.run(["asks", "link_tokens"], inputs))
        scores = asks @ offers.vectors.T
        every = np.concatenate([np.full((len(scores), 1), self._none, scores.dtype), scores], axis=1)
        top = every.max(axis=1, keepdims=True)
        shares = np.exp(scores - top) / np.exp(every - top).sum(axis=1, keepdims=True)
        shares = np.add.reduceat(shares, offers.first, axis=1)
        shares = np.where(may_ask(inputs)[0][:, None], shares, 0.0)
        at = shares.argmax(axis=0)
        return Matched(
            shares.max(axis=0),
            at,
            tuple(_around(clean(first), row, token) for token in at),
            self._links(link_tokens[at] + offers.links),
        )

    def _links(self, sides: np.ndarray) -> np.ndarray:
        import numpy as np

        source, target = np.split(np.maximum(sides, 0), 2, axis=1)
        ones = np.ones((len(sides), 1), sides.dtype)
        return np.asarray(np.hstack([source, ones]) @ self._bilinear @ np.hstack([target, ones]).T)


def pair_tokenizer(path: Path, tokens: int) -> Tokenizer:
    """The tokenizer of two segments: no longer than `tokens`, the longer one is cut first."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(tokens, strategy="longest_first")
    tokenizer.enable_padding()
    return tokenizer


def encode_pairs(tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]]) -> dict[str, np.ndarray]:
    """What a BERT-like model takes: three int64 arrays [pairs, tokens]."""
    return as_arrays(encode(tokenizer, pairs))


def encode(tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]]) -> list[Encoding]:
    return list(
        tokenizer.encode_batch(
            [(clean(first), clean(second)) if second else clean(first) for first, second in pairs]
        )
    )


def as_arrays(rows: Sequence[Encoding]) -> dict[str, np.ndarray]:
    import numpy as np

    return {
        "input_ids": np.array([row.ids for row in rows], dtype=np.int64),
        "attention_mask": np.array([row.attention_mask for row in rows], dtype=np.int64),
        "token_type_ids": np.array([row.type_ids for row in rows], dtype=np.int64),
    }


def may_ask(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The tokens that ask for something, the words of the first segment: bool [rows, tokens]."""
    words = arrays["input_ids"] >= SPECIAL
    asking = (arrays["attention_mask"] == 1) & (arrays["token_type_ids"] == 0)
    # A row without a word of its own still asks, by its marks.
    return asking & (words | ~(asking & words).any(axis=1, keepdims=True))


def clean(text: str) -> str:
    """A tokenizer takes no lone surrogates, which broken file names and logs may contain."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _around(text: str, row: Encoding, token: int) -> str:
    """The word that a token belongs to, with a word on either side."""
    start, end = row.offsets[token]
    before = (
        text[:start].split()[-1:] if start == 0 or text[start - 1].isspace() else text[:start].split()[-2:]
    )
    left = text.rfind(before[0], 0, start) if before else start
    behind = text[end:].split()
    right = text.find(behind[0], end) + len(behind[0]) if behind else end
    return text[left:right].strip()
