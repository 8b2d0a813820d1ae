"""Recall by what was made of experience, and by its details where that is not sure."""

from __future__ import annotations

import pytest

from memory.episodes import marked
from memory.records import Query, Record
from memory.store import MemoryStore
from memory.two_speed import Recollection
from specialists.content import Anchor, Span

FILM = [
    ("A film of 1:20 with 4 scenes.\n", Span(0, 80), "film"),
    ("0:00-0:20 The words in it: “PIER 7 TICKETS”.\n", Span(0, 20), "scene"),
    ("0:05-0:09 Heard: “The ferry sails at noon.”\n", Span(5, 9), "speech"),
    ("0:20-0:40 It shows a cat.\n", Span(20, 40), "scene"),
    ("0:28-0:31 Heard: “Nobody dares to wake him.”\n", Span(28, 31), "speech"),
    ("0:40-1:00 The words in it: “LIBRARY”.\n", Span(40, 60), "scene"),
    ("0:48-0:51 Heard: “Please return the novels.”\n", Span(48, 51), "speech"),
    ("1:00-1:20 It shows a rocket.\n", Span(60, 80), "scene"),
]


@pytest.fixture
def watched(store: MemoryStore) -> MemoryStore:
    keep(store, FILM)
    store.consolidate()
    return store


def keep(store: MemoryStore, lines: list[tuple[str, Span, str]], person: str = "") -> None:
    pieces = marked([(text, Anchor(span=span), label) for text, span, label in lines])
    film = Record(
        "".join(text for text, _, _ in lines),
        *("video", "evidence", f"{person}film", 1, "video"),
        media=("video",),
        facts={"pieces": pieces},
        person=person,
    )
    store.remember([film])


def texts(found: Recollection) -> list[str]:
    return [hit.record.text for hit in found.hits]


def test_where_a_moment_tells_all_that_is_asked_it_is_enough(watched: MemoryStore) -> None:
    found = watched.recollect("when does the ferry sail?")
    assert (found.path, found.agree) == ("fast", True)
    assert texts(found)[0] == "The ferry sails at noon."
    assert found.confidence > 0.9
    assert [hit.ranks["fast"] for hit in found.hits] == list(range(1, len(found.hits) + 1))


def test_from_what_was_heard_to_what_was_seen(watched: MemoryStore) -> None:
    found = watched.recollect("What was on the sign when they spoke about the ferry?")
    assert found.path == "both"
    assert texts(found)[0] == "The words in it: “PIER 7 TICKETS”."


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What was said after the cat appeared?", "Nobody dares to wake him."),
        ("What was said while the cat was shown?", "Nobody dares to wake him."),
        ("What was said before the library sign came up?", "Nobody dares to wake him."),
        ("What is shown after the library sign?", "It shows a rocket."),
        ("What is shown before the rocket appears?", "The words in it: “LIBRARY”."),
    ],
)
def test_along_the_timeline(watched: MemoryStore, question: str, answer: str) -> None:
    found = watched.recollect(question)
    assert found.path == "both"
    assert "detail" in found.hits[0].ranks
    assert texts(found)[0] == answer


def test_paths_that_differ_are_both_given_and_marked(watched: MemoryStore) -> None:
    found = watched.recollect("What was said after the cat appeared?")
    assert not found.agree
    first, second = found.hits[:2]
    assert first.ranks["detail"] == 1
    assert second.ranks["fast"] == 1
    assert len({hit.record.id for hit in found.hits}) == len(found.hits)


def test_what_was_said_in_a_conversation_is_found_by_detail(watched: MemoryStore) -> None:
    watched.remember([Record("My aunt Gerda collects stamps from Peru.", "text", "user", "trip", 1)])
    found = watched.recollect("what does aunt Gerda collect?")
    assert found.path == "both"
    assert texts(found)[0] == "My aunt Gerda collects stamps from Peru."


def test_what_is_not_there_has_little_confidence(watched: MemoryStore) -> None:
    found = watched.recollect("What did the elephant trumpet in Nairobi?")
    assert (found.path, found.confidence < 0.2) == ("both", True)


def test_whole_clips_are_told_by_their_moments(watched: MemoryStore) -> None:
    found = watched.recollect(Query("What was shown while the novels were mentioned?", k=20))
    assert not [hit for hit in found.hits if hit.record.facts.get("pieces")]


def test_another_person_s_clip_is_not_walked_into(store: MemoryStore) -> None:
    keep(store, FILM, "anna.")
    keep(store, [("0:00-0:09 It shows a cat.\n", Span(0, 9), "scene")], "bert.")
    store.consolidate()
    query = Query("What was said after the cat appeared?", scope="bert.")
    assert {hit.record.person for hit in store.recollect(query).hits} <= {"bert."}


def test_an_empty_store_has_no_answer(store: MemoryStore) -> None:
    assert store.recollect("anything?").hits == ()
