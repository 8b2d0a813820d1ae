"""Whether anything that recall found answers the question."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from memory.answerable import DOUBTFUL, LOOKED_AT, answerable, signals
from memory.records import Hit, Query, Record
from memory.store import MemoryStore
from specialists.content import TEXT
from specialists.embed import TextEncoder
from specialists.models import ModelStore

SAID = (
    "I parked on level 3 of the multi-storey behind the station, next to a yellow pillar.",
    "My sister's train gets in at ten past six, she's coming from Hull with the baby.",
    "The baby is called Otis and he's allergic to eggs, so no cake.",
    "Remember that I lent my ladder to Ken across the road.",
    "I take 20 mg of citalopram in the morning, and since Monday also a vitamin D.",
    "The boiler man comes on Thursday between eight and noon.",
    "My landlady lives on the ground floor and hates bicycles in the hall.",
    "The key for the cellar hangs behind the picture of the stag.",
    "My contract at the museum runs out at the end of August.",
    "Mum's new knee was done yesterday in Gelsenkirchen, everything went fine.",
    "We saw the house on Mill Lane again, Sam hates the stairs.",
    "Luca's birthday is the 2nd of November and he wants a bread machine.",
    "On Mondays I have judo in Schiedam, with Remco, who broke my toe.",
    "We have two cats, Bas and Griet, and Griet has diabetes.",
)


def hits(*scores: float, text: str = "It rained.") -> list[Hit]:
    return [Hit(Record(text, TEXT, "user"), score) for score in scores]


@pytest.fixture
def store(tmp_path: Path, model_store: ModelStore) -> Iterator[MemoryStore]:
    encoder = TextEncoder(model_store)
    with MemoryStore.open(tmp_path, encoder.encode, encoder.encode_tokens) as opened:
        opened.remember([Record(text, TEXT, "user", session="talk") for text in SAID])
        yield opened


def test_nothing_found_answers_nothing() -> None:
    assert answerable([]) == 0.0


def test_what_stands_out_is_likelier_to_answer() -> None:
    flat = hits(*[0.8] * LOOKED_AT)
    ahead = hits(1.1, *[0.8] * (LOOKED_AT - 1))
    assert 0.0 < answerable(flat) < answerable(ahead) < 1.0


@pytest.mark.parametrize(
    "found", [hits(0.9), hits(*[0.9] * (LOOKED_AT - 1)), hits(*[0.03] * 20), hits(0.9, *[-0.9] * 20)]
)
def test_it_is_not_doubted_where_it_cannot_be_told(found: list[Hit]) -> None:
    assert answerable(found) == 1.0


def test_the_same_question_asked_before_is_no_answer() -> None:
    asked = hits(1.6, text="Hello! Where is my car?") + hits(1.6, text="Where did I park?")
    assert signals(hits(0.9, *[0.7] * 9) + asked[1:]) == pytest.approx((0.9, 0.2))
    # Something was told there before it was asked.
    assert signals(hits(0.9, *[0.7] * 9) + asked[:1]) == pytest.approx((1.6, 0.9))


@pytest.mark.parametrize(
    "question", ["Where is my car?", "Which of my cats is ill?", "Which tablets do I take?"]
)
def test_what_was_told_is_not_doubted(store: MemoryStore, question: str) -> None:
    assert store.answerable(question) >= DOUBTFUL


@pytest.mark.parametrize(
    "question", ["Who won the chess tournament in Reykjavik?", "What is my passport number?"]
)
def test_what_was_never_spoken_of_is_doubted(store: MemoryStore, question: str) -> None:
    assert store.answerable(question) < DOUBTFUL


def test_restrictions_hold(store: MemoryStore) -> None:
    assert store.answerable(Query("Where is my car?", session="another")) == 0.0


def test_without_an_encoder_nothing_is_doubted(tmp_path: Path) -> None:
    with MemoryStore.open(tmp_path, None) as plain:
        plain.remember([Record(text, TEXT, "user", session="talk") for text in SAID])
        assert plain.answerable("Where is my car?") == 1.0
