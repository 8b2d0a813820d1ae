"""Late interaction, and what it is given by the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.late import Question, States, matches, scores, words_of
from memory.records import Query, Record
from memory.store import MemoryStore
from memory.vectors import EncodeTokens
from specialists.content import TEXT
from specialists.embed import Encoded, TextEncoder
from specialists.models import ModelStore

E = np.eye(4, dtype=np.int8) * 127


def question(*rows: int, weights: Sequence[float] | None = None) -> Question:
    plain = [1 / len(rows)] * len(rows) if weights is None else weights
    return Question(E[list(rows)].astype(np.float32) / 127, np.array(plain, dtype=np.float32))


def test_every_token_finds_its_best_match() -> None:
    found = matches(question(0, 1), [E[[0, 2]], E[[3]], np.zeros((0, 4), np.int8), E[[1, 0]]])
    np.testing.assert_allclose(found, [[1, 0], [0, 0], [0, 0], [1, 1]], atol=1e-6)


def test_what_was_said_around_counts_a_little_less() -> None:
    asked = question(0, 1)
    none, half = np.zeros((1, 2), np.float32), np.array([[1, 0]], np.float32)
    other = np.array([[0, 1]], np.float32)
    alone, with_before, with_after = (
        float(scores(asked, half, before, after)[0])
        for before, after in ((none, none), (other, none), (none, other))
    )
    assert alone < with_after < with_before < 1


def test_rare_words_count_more() -> None:
    text = "the Ferry"
    spans = np.array([[0, 3], [4, 7], [7, 9]], np.int32)
    asked = Question.of(text, E[:3], spans, {"the": 0.1, "ferry": 2.0})
    assert asked.weights[1] == asked.weights[2] > 10 * asked.weights[0]
    assert asked.weights.sum() == pytest.approx(1)
    assert words_of("The ferry, the FERRY?") == ["the", "ferry"]


@given(st.lists(st.integers(0, 3), max_size=6), st.lists(st.lists(st.integers(0, 3), max_size=5), max_size=6))
def test_any_texts_have_a_match_for_any_question(asked: list[int], texts: list[list[int]]) -> None:
    weights = np.ones(len(asked), np.float32)
    found = matches(Question(E[asked].astype(np.float32), weights), [E[text] for text in texts])
    assert found.shape == (len(texts), len(asked))
    for i, text in enumerate(texts):
        for j, token in enumerate(asked):
            assert bool(found[i, j] > 0) == (token in text)


SAID = (
    "We took the ferry over to Bergen in June.",
    "The oven is broken again.",
    "Nice, was the water calm?",
    "My sister has a new job at the clinic.",
    "I finally handed in my notice.",
)


@pytest.fixture
def store(tmp_path: Path, model_store: ModelStore) -> MemoryStore:
    encoder = TextEncoder(model_store)
    opened = MemoryStore.open(tmp_path, encoder.encode, encoder.encode_tokens)
    opened.remember([Record(text, TEXT, "user", session="talk") for text in SAID])
    return opened


@pytest.mark.parametrize(
    ("asked", "place"), [("Which boat trip did we make?", 0), ("what stopped working in the kitchen", 1)]
)
def test_the_record_that_answers_comes_first(store: MemoryStore, asked: str, place: int) -> None:
    hits = store.recall(Query(asked, k=3))
    assert hits[0].record.text == SAID[place]
    assert all(before.score >= after.score for before, after in pairwise(hits))


def test_what_is_forgotten_has_no_tokens_left(store: MemoryStore) -> None:
    store.embed_pending()
    (record,) = [record for record in store.records() if "ferry" in record.text]
    store.forget([record.id])
    with store._database.read() as connection:
        assert connection.execute("SELECT count(*) FROM tokens").fetchone()[0] == len(SAID) - 1
    assert all("ferry" not in hit.record.text for hit in store.recall("the ferry to Bergen"))


def test_records_embedded_without_tokens_are_embedded_again(tmp_path: Path, model_store: ModelStore) -> None:
    encoder = TextEncoder(model_store)
    with MemoryStore.open(tmp_path, encoder.encode) as plain:
        plain.remember([Record(text, TEXT, "user", session="talk") for text in SAID])
        plain.embed_pending()
    with MemoryStore.open(tmp_path, encoder.encode, encoder.encode_tokens) as store:
        assert store.recall("Which boat trip did we make?")[0].record.text == SAID[0]
        assert states_of(store) == len(SAID)
    with MemoryStore.open(tmp_path, encoder.encode) as plain:
        assert plain.embed_pending() == 0


def changed(encoder: TextEncoder, change: Callable[[States], States]) -> EncodeTokens:
    """The encoder with something done to its tokens."""

    def encode(texts: Sequence[str]) -> list[Encoded]:
        found = encoder.encode_tokens(texts)
        return [Encoded(text.vector, change(text.states), text.spans) for text in found]

    return encode


@pytest.mark.parametrize(
    "change", [lambda states: np.hstack([states, states]), lambda states: np.roll(states, 7, axis=1)]
)
def test_other_vectors_of_tokens_are_made_anew(
    tmp_path: Path, model_store: ModelStore, change: Callable[[States], States]
) -> None:
    encoder = TextEncoder(model_store)
    with MemoryStore.open(tmp_path, encoder.encode, encoder.encode_tokens) as store:
        store.remember([Record(text, TEXT, "user", session="talk") for text in SAID])
        store.embed_pending()
    with MemoryStore.open(tmp_path, encoder.encode, changed(encoder, change)) as store:
        assert store.recall("Which boat trip did we make?")[0].record.text == SAID[0]
        assert states_of(store) == 2 * len(SAID)
    with MemoryStore.open(tmp_path, encoder.encode, encoder.encode_tokens) as store:
        assert store.recall("Which boat trip did we make?")[0].record.text == SAID[0]
        assert store.embed_pending() == 0 and states_of(store) == 2 * len(SAID)


def test_vectors_of_tokens_that_differ_by_rounding_are_the_same(
    tmp_path: Path, model_store: ModelStore
) -> None:
    encoder = TextEncoder(model_store)

    def rounded(states: States) -> States:
        return np.where(states > 0, states - 1, states).astype(np.int8)

    for encode in (encoder.encode_tokens, changed(encoder, rounded)):
        with MemoryStore.open(tmp_path, encoder.encode, encode) as store:
            store.remember([Record(SAID[0], TEXT, "user", session="talk")])
            assert store.embed_pending() == 1


def states_of(store: MemoryStore) -> int:
    """How many records have vectors of their tokens, counted once for each space."""
    with store._database.read() as connection:
        return int(connection.execute("SELECT count(*) FROM tokens").fetchone()[0])


def test_by_default_the_built_in_encoder_answers(tmp_path: Path, model_store: ModelStore) -> None:
    with MemoryStore.open(tmp_path) as store:
        store.remember([Record(text, TEXT, "user", session="talk") for text in SAID])
        assert store.recall("Which boat trip did we make?")[0].record.text == SAID[0]
        assert store.index_state().mode == "words and meaning"
