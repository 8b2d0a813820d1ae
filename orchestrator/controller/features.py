"""What two requests have in common, as kernels: their words, their spelling, their sense, their facts.

Each kernel is symmetric, positive and at most 1 for a request with itself, so that weights compare.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from orchestrator.controller.request import Request
from specialists.content import AUDIO, DOCUMENT, IMAGE, VIDEO

Embed = Callable[[Sequence[str]], np.ndarray]
"""Texts to unit vectors: float32 [n, d]."""

_WORD = re.compile(r"[a-z0-9']+|[?!]")
_KINDS = (IMAGE, AUDIO, VIDEO, DOCUMENT)


def word_grams(request: Request) -> Counter[str]:
    """Words, pairs and triples of words of the request."""
    words = _WORD.findall(request.text.lower())
    edged = ["^", *words, "$"]
    grams = Counter(words)
    grams.update(f"{a} {b}" for a, b in pairwise(edged))
    grams.update(f"{a} {b} {c}" for a, b, c in zip(words, words[1:], words[2:], strict=False))
    return grams


def char_grams(request: Request) -> Counter[str]:
    """Runs of three to five characters: they survive misspelling and inflection."""
    text = f" {' '.join(request.text.lower().split())} "
    return Counter(text[i : i + n] for n in (3, 4, 5) for i in range(len(text) - n + 1))


def history_grams(request: Request) -> Counter[str]:
    """Words of the last two earlier messages, marked by who said them."""
    return Counter(
        f"{said.role[:1]}:{word}"
        for said in request.history[-2:]
        for word in _WORD.findall(said.text.lower())
    )


def facts(request: Request) -> np.ndarray:
    """Plain facts of a request: float64 [16]."""
    now, before = Counter(request.attachments), request.earlier_kinds
    values: list[float] = []
    for kind in _KINDS:
        values += [float(now[kind] > 0), 0.5 * (now[kind] > 1), float(kind in before)]
    values.append(float(not request.attachments))
    values.append(float(bool(request.history)))
    values.append(float(not request.text.strip()))
    values.append(min(len(request.text.split()), 40) / 40)
    return np.array(values)


class Hashed:
    """Tf-idf over hashed grams: fitted once, then the cosine of new requests to the fitted ones.

    Grams share `BUCKETS` columns by their CRC-32 (feature hashing, Weinberger et al. 2009), so a fit is one
    small dense matrix and a question one product with it.
    """

    BUCKETS = 1 << 12

    def __init__(self, documents: Sequence[Mapping[str, int]]) -> None:
        counts = np.zeros((len(documents), self.BUCKETS), np.float32)
        for row, document in enumerate(documents):
            for gram, count in document.items():
                counts[row, self._bucket(gram)] += count
        seen = (counts > 0).sum(axis=0)
        self._weights = np.log1p(len(documents) / np.maximum(seen, 1)).astype(np.float32)
        # Bucket by bucket, because a question touches a few hundred of them.
        self._columns = np.ascontiguousarray(self._unit(counts).T)

    def similarity(self, document: Mapping[str, int]) -> np.ndarray:
        """Cosine to every fitted document: float32 [n]."""
        counts = np.zeros(self.BUCKETS, np.float32)
        for gram, count in document.items():
            counts[self._bucket(gram)] += count
        touched = np.flatnonzero(counts)
        return self._unit(counts)[touched] @ self._columns[touched]

    def matrix(self) -> np.ndarray:
        """Cosines among the fitted documents: float32 [n, n]."""
        return self._columns.T @ self._columns

    def _bucket(self, gram: str) -> int:
        return zlib.crc32(gram.encode()) % self.BUCKETS

    def _unit(self, counts: np.ndarray) -> np.ndarray:
        weighted = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * self._weights
        norms = np.linalg.norm(weighted, axis=-1, keepdims=True)
        return np.divide(weighted, norms, out=np.zeros_like(weighted), where=norms > 0)


class Similarity:
    """The weighted sum of the kernels between new requests and a fitted set.

    The weights were chosen by six-fold cross-validation over the first thousand exemplars;
    `benchmarks/routing.py --cross-validate` repeats it over those there are now.
    """

    WORDS, CHARS, SENSE, FACTS, HISTORY, SENSE_AND_FACTS = 0.5, 1.5, 1.0, 1.0, 0.3, 0.5

    def __init__(self, requests: Sequence[Request], vectors: np.ndarray | None) -> None:
        self._words = Hashed([word_grams(r) for r in requests])
        self._chars = Hashed([char_grams(r) for r in requests])
        self._history = Hashed([history_grams(r) for r in requests])
        self._facts = np.stack([facts(r) for r in requests])
        self._vectors = vectors

    def to_fitted(self, request: Request, vector: np.ndarray | None) -> np.ndarray:
        """Similarity of one request to every fitted one: float64 [n]."""
        fact = np.exp(-0.5 * ((self._facts - facts(request)) ** 2).sum(axis=1))
        total = (
            self.WORDS * self._words.similarity(word_grams(request))
            + self.CHARS * self._chars.similarity(char_grams(request))
            + self.HISTORY * self._history.similarity(history_grams(request))
            + self.FACTS * fact
        )
        if self._vectors is not None and vector is not None:
            sense = np.exp(-(2 - 2 * (self._vectors @ vector)))
            total += self.SENSE * sense + self.SENSE_AND_FACTS * sense * fact
        return total

    def matrix(self) -> np.ndarray:
        """Similarity among the fitted requests themselves: float64 [n, n]."""
        squared = (self._facts**2).sum(axis=1)
        fact = np.exp(-0.5 * (squared[:, None] + squared - 2 * self._facts @ self._facts.T))
        total = (
            self.WORDS * self._words.matrix()
            + self.CHARS * self._chars.matrix()
            + self.HISTORY * self._history.matrix()
            + self.FACTS * fact
        )
        if self._vectors is not None:
            sense = np.exp(-(2 - 2 * (self._vectors @ self._vectors.T)))
            total += self.SENSE * sense + self.SENSE_AND_FACTS * sense * fact
        return np.asarray(total, dtype=float)
