"""Summaries and themes without a model that writes: the most central sentences, the most telling words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from memory.records import Record
from memory.sentences import content, sentences, stem, words
from memory.statements import statements
from memory.vectors import Floats

Meanings = Callable[[Sequence[str]], Floats | None]
"""Unit vectors of texts [n, d], None while there is no encoder that works."""

SENTENCES = 4
LENGTH = 480
"""At most so many sentences and characters in a summary; one sentence may be longer."""
CANDIDATES = 120
"""So many sentences are weighed against each other, the newest."""
OF_ONE = 6
"""So many of the first sentences of one record count: a page that was read must not drown what was said."""

FROM_ONE = 2
"""Sentences of one record in a summary."""

FOUND = 0.7
"""The weight of what was found, asked for or answered, against 1 for what the person stated."""
NEW = 0.4
"""How much it counts that a sentence says something else than those already chosen."""

NEAR, NEAR_WORDS = 0.5, 0.2
"""A summary belongs to a theme whose mean it is so near to, by meaning or by words alone (cosine)."""
TELLING = 4
"""Words that name a theme."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    text: str
    weight: float
    record: int


def summarised(records: Sequence[Record], meanings: Meanings) -> str:
    """The most central sentences of what was told and found, in their order; without any, of the rest.

    Empty when nothing is said that a summary could hold. Questions and the assistant's own words serve only
    where the person told nothing and nothing was found.
    """
    candidates = _candidates(records)[-CANDIDATES:]
    if not candidates:
        return ""
    likeness = _likeness([candidate.text for candidate in candidates], meanings)
    chosen = _chosen(candidates, likeness)
    return " ".join(_ended(candidates[index].text) for index in sorted(chosen))


def themes(summaries: Sequence[str], meanings: Meanings) -> list[tuple[str, tuple[int, ...]]]:
    """(name, places in `summaries`) of the groups of two and more summaries that are about the same."""
    vectors = meanings(summaries) if len(summaries) > 1 else None
    near = NEAR
    if vectors is None:
        vectors, near = by_words(summaries), NEAR_WORDS
    groups = [group for group in _grouped(vectors, near) if len(group) > 1]
    frequency = Counter(word for text in summaries for word in set(content(text)))
    named = [(_name([summaries[n] for n in group], frequency, len(summaries)), group) for group in groups]
    return [(name, group) for name, group in named if name]


def by_words(texts: Sequence[str]) -> Floats:
    """Unit vectors [n, d] of the texts over their content words, rare ones weighing more; 0 without any."""
    counted = [Counter(content(text)) for text in texts]
    frequency = Counter(word for counts in counted for word in counts)
    place = {word: n for n, word in enumerate(frequency)}
    rows = np.zeros((len(texts), max(1, len(place))), np.float32)
    for row, counts in zip(rows, counted, strict=True):
        for word, count in counts.items():
            row[place[word]] = (1 + math.log(count)) * math.log(1 + len(texts) / frequency[word])
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=rows, where=lengths > 0)


def _candidates(records: Sequence[Record]) -> list[_Candidate]:
    told: dict[str, _Candidate] = {}
    rest: dict[str, _Candidate] = {}
    for number, record in enumerate(records):
        stated = set(statements(record.text)) if record.role == "user" else set()
        for sentence in sentences(record.text)[:OF_ONE]:
            if len(words(sentence)) < 3 or not content(sentence):
                continue
            key = " ".join(words(sentence))
            if any(text in sentence for text in stated):
                told.setdefault(key, _Candidate(sentence, 1.0, number))
            elif record.role == "evidence" or (record.role == "user" and not sentence.endswith("?")):
                told.setdefault(key, _Candidate(sentence, FOUND, number))
            else:
                rest.setdefault(key, _Candidate(sentence, 1.0 if record.role == "user" else FOUND, number))
    return list((told or rest).values())


def _likeness(texts: Sequence[str], meanings: Meanings) -> Floats:
    """How alike the texts are, by words and, where that can be told, by meaning: [n, n], 0 to 1."""
    lexical = by_words(texts)
    alike = lexical @ lexical.T
    vectors = meanings(texts)
    return alike if vectors is None else (alike + np.clip(vectors @ vectors.T, 0, 1)) / 2


def _chosen(candidates: Sequence[_Candidate], likeness: Floats) -> list[int]:
    weights = np.array([candidate.weight for candidate in candidates], np.float32)
    central = (likeness @ weights - likeness.diagonal() * weights) / max(1, len(candidates) - 1) * weights
    central = central / max(float(central.max()), 1e-6)
    chosen: list[int] = []
    length = 0
    while len(chosen) < min(SENTENCES, len(candidates)):
        known = likeness[:, chosen].max(1) if chosen else np.zeros(len(candidates), np.float32)
        scores = (1 - NEW) * central - NEW * known
        taken = Counter(candidates[index].record for index in chosen)
        full = [n for n, other in enumerate(candidates) if n in chosen or taken[other.record] >= FROM_ONE]
        if len(full) == len(candidates):
            break
        scores[full] = -np.inf
        best = int(scores.argmax())
        length += len(candidates[best].text)
        if chosen and length > LENGTH:
            break
        chosen.append(best)
    return chosen


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?", "…", "”", '"', ")")) else f"{sentence}."


def _grouped(vectors: Floats, near: float) -> list[tuple[int, ...]]:
    """Rows by the first group whose mean direction is near enough, the nearest one of them."""
    sums: list[Floats] = []
    groups: list[list[int]] = []
    for row, vector in enumerate(vectors):
        if sums:
            means = np.stack(sums)
            cosines = means @ vector / np.maximum(np.linalg.norm(means, axis=1), 1e-6)
            best = int(cosines.argmax())
            if cosines[best] >= near:
                groups[best].append(row)
                sums[best] = sums[best] + vector
                continue
        groups.append([row])
        sums.append(vector.copy())
    return [tuple(group) for group in groups]


def _name(texts: Sequence[str], frequency: Counter[str], total: int) -> str:
    """The words that several of the texts share and few others have, as they are most often written."""
    shared = Counter(word for text in texts for word in set(content(text)))
    scores = {
        word: count * math.log(1 + total / frequency[word]) for word, count in shared.items() if count > 1
    }
    telling = sorted(scores, key=lambda word: (-scores[word], word))[:TELLING]
    written: dict[str, Counter[str]] = {word: Counter() for word in telling}
    for text in texts:
        for word in words(text):
            if stem(word) in written:
                written[stem(word)][word] += 1
    return ", ".join(min(forms, key=lambda form: (-forms[form], form)) for forms in written.values() if forms)
