"""How well each of some records answers a question: by its tokens, and by what was said around it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from sqlite3 import Connection

import numpy as np

from memory import late
from memory.late import Floats, Question
from memory.vectors import tokens_of, vectors_of
from memory.words import rarity
from specialists.embed import Encoded

GAP = 3600.0
"""Seconds after which a record no longer belongs to what was said before it."""

AROUND: Mapping[int, float] = {-2: 0.5, -1: 0.7, 0: 1.0, 1: 0.3}
"""What a record and its neighbours weigh in the sense of the conversation at that point."""

SENSE = 0.4
"""What the sense of the conversation weighs beside the match of the tokens. This and the other weights are
chosen on the first five dialogues of `benchmarks/recall.py`, where they change little within a third."""


def answering(
    connection: Connection, space: int, text: str, asked: Encoded, rows: Sequence[int]
) -> dict[int, float]:
    """Row to score, higher for better; those of the rows that have no tokens yet are missing."""
    beside = _beside(connection, rows)
    tokens = tokens_of(connection, space, sorted({near for by in beside.values() for near in by.values()}))
    known = [row for row in rows if row in tokens]
    if not known or tokens[known[0]].shape[1] != asked.states.shape[1]:
        return {}
    question = Question.of(text, asked.states, asked.spans, rarity(connection, late.words_of(text)))
    order = sorted(tokens)
    matched = late.matches(question, [tokens[row] for row in order])
    at = {row: i for i, row in enumerate(order)}

    def of_neighbour(offset: int) -> Floats:
        found = np.zeros((len(known), matched.shape[1]), dtype=np.float32)
        for i, row in enumerate(known):
            if (near := beside[row].get(offset)) in at:
                found[i] = matched[at[near]]
        return found

    scores = late.scores(question, of_neighbour(0), of_neighbour(-1), of_neighbour(1))
    sense = _sense(connection, space, asked.vector, known, beside)
    return dict(zip(known, (scores + SENSE * sense).tolist(), strict=True))


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
