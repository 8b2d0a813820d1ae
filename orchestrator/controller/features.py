"""What two requests have in common, as kernels: their words, their spelling, their sense, their facts.

Each kernel is symmetric, positive and at most 1 for a request with itself, so that weights compare.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

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
    grams.update(f"{a} {b}" for a, b in zip(edged, edged[1:], strict=False))
    grams.update(f"{a} {b} {c}" for a, b, c in zip(words, words[1:], words[2:], strict=False))
    return grams


def char_grams(request: Request) -> Counter[str]:
    """Runs of three to five characters: they survive misspelling and inflection."""
    text = f" {' '.join(request.text.lower().split())} "
    return Counter(text[i : i + n] for n in (3, 4, 5) for i in range(len(text) - n + 1))


def history_grams(request: Request) -> Counter[str]:
    """Words of the last two earlier messages, marked by who said them."""
    return Counter(
        f"{said.role[:1]}:{word}" for said in request.history[-2:] for word in _WORD.findall(said.text.lower())
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


class Vocabulary:
    """Sparse tf-idf over grams: fitted once, then `similarity` of new requests to the fitted ones."""

    def __init__(self, documents: Sequence[Mapping[str, int]]) -> None:
        seen = Counter(gram for document in documents for gram in document)
        self._columns = {gram: i for i, gram in enumerate(seen)}
        self._weights = np.array([math.log(1 + len(documents) / n) for n in seen.values()])
        # Postings by gram: a request touches a few hundred of the many thousand grams.
        rows: list[list[int]] = [[] for _ in seen]
        values: list[list[float]] = [[] for _ in seen]
        for row, document in enumerate(documents):
            for column, value in zip(*self._unit(document), strict=True):
                rows[column].append(row)
                values[column].append(value)
        self._rows = [np.array(r) for r in rows]
        self._values = [np.array(v) for v in values]
        self._size = len(documents)

    def similarity(self, document: Mapping[str, int]) -> np.ndarray:
        """Cosine to every fitted document: float64 [n]."""
        result = np.zeros(self._size)
        for column, value in zip(*self._unit(document), strict=True):
            result[self._rows[column]] += value * self._values[column]
        return result

    def _unit(self, document: Mapping[str, int]) -> tuple[list[int], list[float]]:
        columns = [self._columns[gram] for gram in document if gram in self._columns]
        if not columns:
            return [], []
        counts = np.array([document[gram] for gram in document if gram in self._columns])
        weights = (1 + np.log(counts)) * self._weights[columns]
        return columns, list(weights / np.linalg.norm(weights))


class Similarity:
    """The weighted sum of the kernels between new requests and a fitted set.

    The weights were chosen by six-fold cross-validation over the built-in exemplars; see
    `benchmarks/routing.py`.
    """

    WORDS, CHARS, SENSE, FACTS, HISTORY, SENSE_AND_FACTS = 0.5, 1.5, 1.0, 1.0, 0.3, 0.5

    def __init__(self, requests: Sequence[Request], vectors: np.ndarray | None) -> None:
        self._words = Vocabulary([word_grams(r) for r in requests])
        self._chars = Vocabulary([char_grams(r) for r in requests])
        self._history = Vocabulary([history_grams(r) for r in requests])
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

    def matrix(self, requests: Iterable[Request]) -> np.ndarray:
        """Similarity among the fitted requests themselves: float64 [n, n]."""
        vectors = self._vectors
        rows = [
            self.to_fitted(r, None if vectors is None else vectors[i]) for i, r in enumerate(requests)
        ]
        return np.stack(rows)
