"""Late interaction: how well records answer a question, word by word.

One vector of a whole turn hides the one word that a question is about. So every token of the question looks
for its best match among the tokens of a record, and the matches count by how rare the question's words are
(MaxSim: Khattab and Zaharia, "ColBERT", 2020; here over the frozen states of a sentence encoder, and with
inverse document frequencies). What was said just before and after counts a little less: a question often
shares one word with an answer and another with what was answered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
States = NDArray[np.int8]

BEFORE, AFTER = 0.8, 0.7
"""How much a match counts in what was said just before a record, and just after it."""

LEAST = 0.05
"""What a token that belongs to no word weighs."""

SMALL = 200_000
"""Multiplications in one product of matrices. Bigger ones are handed to several threads, which on a busy
machine wait for one another a hundred times as long as the product takes."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question as its tokens: `directions` are unit rows, float32 [n, w]; `weights` say how much each
    counts and add up to 1, float32 [n]."""

    directions: Floats
    weights: Floats

    @classmethod
    def of(cls, text: str, states: States, spans: NDArray[np.int32], rarity: Mapping[str, float]) -> Question:
        """`rarity` is that of each of `words_of` the text."""
        places = [(match.start(), match.end(), match[0]) for match in re.finditer(r"\w+", text.casefold())]
        weights = [
            next((rarity[word] for begin, end, word in places if begin <= start < end), LEAST)
            for start, _ in spans.tolist()
        ]
        total = np.array(weights, dtype=np.float32)
        return cls(_unit(states), total / max(float(total.sum()), LEAST))


def words_of(text: str) -> list[str]:
    """The different words of a text, as they are looked up."""
    return list(dict.fromkeys(re.findall(r"\w+", text.casefold())))


def matches(question: Question, texts: Sequence[States]) -> Floats:
    """For each text the best match of each token of the question: cosines, float32 [texts, n]; 0 for a text
    without tokens."""
    found = np.zeros((len(texts), len(question.weights)), dtype=np.float32)
    filled = [i for i, states in enumerate(texts) if len(states)]
    if not filled or not len(question.weights):
        return found
    begins = np.cumsum([0, *(len(texts[i]) for i in filled[:-1])])
    cosines = _cosines(np.concatenate([texts[i] for i in filled]), question.directions)
    found[filled] = np.maximum.reduceat(cosines, begins, axis=0)
    return found


def scores(question: Question, own: Floats, before: Floats, after: Floats) -> Floats:
    """How well records answer, from the `matches` in them and in what was said before and after: float32 [n],
    at most 1."""
    best = np.maximum(own, np.maximum(BEFORE * before, AFTER * after))
    return np.asarray(best @ question.weights, dtype=np.float32)


def _cosines(states: States, directions: Floats) -> Floats:
    """Of each of the states with each of the directions, float32 [states, directions]."""
    found = np.empty((len(states), len(directions)), dtype=np.float32)
    step = max(1, SMALL // directions.size)
    for start in range(0, len(states), step):
        rows = states[start : start + step].astype(np.float32)
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        found[start : start + step] = rows @ directions.T / np.maximum(lengths, 1e-9)[:, None]
    return found


def _unit(states: States) -> Floats:
    rows = states.astype(np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
