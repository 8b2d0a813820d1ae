"""How well each of some records answers a question: by its tokens, and by what was said around it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from sqlite3 import Connection

import numpy as np

from memory import late
from memory.late import Floats, Question
from memory.vectors import tokens_of, vectors_of
from memory.words import Frequencies, rarity
from specialists.embed import Encoded

GAP = 3600.0
"""Seconds after which a record no longer belongs to what was said before it."""

SHORTLIST = 60
"""So many records are looked at with what was said around them."""

AROUND: Mapping[int, float] = {-2: 0.5, -1: 0.7, 0: 1.0, 1: 0.3}
"""What a record and its neighbours weigh in the sense of the conversation at that point."""

SENSE = 0.4
"""What the sense of the conversation weighs beside the match of the tokens. This and the other weights are
chosen on the first five dialogues of `benchmarks/recall.py`, where they change little within a third."""


def answering(
    connection: Connection,
    space: int,
    text: str,
    asked: Encoded,
    rows: Sequence[int],
    favour: Mapping[int, float],
    frequencies: Frequencies,
) -> dict[int, float]:
    """Row to score, higher for better, of the `SHORTLIST` whose own words answer best; without those that
    have no tokens yet. What some rows have ahead for other reasons is their `favour`."""
    tokens = tokens_of(connection, space, rows)
    known = [row for row in rows if row in tokens]
    if not known or tokens[known[0]].shape[1] != asked.states.shape[1]:
        return {}
    question = Question.of(text, asked.states, asked.spans, rarity(frequencies, late.words_of(text)))
    own = late.matches(question, [tokens[row] for row in known])
    ahead = np.array([favour.get(row, 0.0) for row in known], dtype=np.float32)
    best = np.argsort(-(own @ question.weights + ahead), kind="stable")[:SHORTLIST]
    short = [known[i] for i in best]
    beside = _beside(connection, short)
    around = {near for by in beside.values() for offset, near in by.items() if offset in (-1, 1)}
    tokens |= tokens_of(connection, space, sorted(around - tokens.keys()))

    def of_neighbour(offset: int) -> Floats:
        nothing = np.zeros((0, asked.states.shape[1]), dtype=np.int8)
        near = (beside[row].get(offset) for row in short)
        return late.matches(question, [tokens.get(row, nothing) if row else nothing for row in near])

    scores = late.scores(question, own[best], of_neighbour(-1), of_neighbour(1))
    sense = _sense(connection, space, asked.vector, short, beside)
    return dict(zip(short, (scores + SENSE * sense + ahead[best]).tolist(), strict=True))


def _beside(connection: Connection, rows: Sequence[int]) -> dict[int, dict[int, int]]:
    """For each row itself (0) and its neighbours in the conversation, by how far they stand from it."""
    near = {row + offset for row in rows for offset in AROUND}
    found = {
        row: (session, time)
        for row, session, time in connection.execute(
            "SELECT row, session, time FROM json_each(?) AS asked CROSS JOIN records ON row = asked.value"
            " WHERE level = ''",
            (json.dumps(sorted(near)),),
        )
    }

    def belongs(row: int, other: int) -> bool:
        if row not in found or other not in found:
            return row == other
        (session, time), (their_session, their_time) = found[row], found[other]
        return session == their_session and abs(time - their_time) <= GAP

    return {row: {offset: row + offset for offset in AROUND if belongs(row, row + offset)} for row in rows}


def _sense(
    connection: Connection,
    space: int,
    asked: Floats,
    rows: Sequence[int],
    beside: Mapping[int, Mapping[int, int]],
) -> Floats:
    """Cosines of the question and the sense of the conversation at each row: float32 [n]."""
    around = np.array(sorted({near for row in rows for near in beside[row].values()}), dtype=np.int64)
    found, vectors = vectors_of(connection, space, around)
    at = {int(row): vector for row, vector in zip(found, vectors, strict=True)}
    means = np.zeros((len(rows), len(asked)), dtype=np.float32)
    for i, row in enumerate(rows):
        for offset, near in beside[row].items():
            if near in at:
                means[i] += AROUND[offset] * at[near]
    lengths = np.maximum(np.linalg.norm(means, axis=1), 1e-9)
    return np.asarray(means @ asked / lengths, dtype=np.float32)
