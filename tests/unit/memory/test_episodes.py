"""Turns and stretches of clips, and what belongs together in them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from memory.episodes import LONGEST, SHORTEST, Piece, marked, pieces_of, segments
from memory.records import Query, Record
from memory.store import MemoryStore
from specialists.content import Anchor, Span

FILM = [
    ("A film of 0:20 with 2 scenes.\n", Span(0, 20), "film"),
    ("0:00-0:10 It shows a dog.\n", Span(0, 10), "scene"),
    ("0:01-0:03 Heard: “Look at him.”\n", Span(1, 3), "speech"),
    ("0:10-0:20 It shows a train.\n", Span(10, 20), "scene"),
    ("0:12-0:15 Heard: “It is late.”\n", Span(12, 15), "speech"),
]


def watched(store: MemoryStore, lines: list[tuple[str, Span, str]] = FILM) -> Record:
    film = store.blobs.put(b"film", "video/mp4")
    pieces = marked([(text, Anchor(span=span), label) for text, span, label in lines])
    (record,) = store.remember(
        [
            Record(
                "".join(text for text, _, _ in lines),
                *("video", "evidence", "trip", 3, "video"),
                blobs=(film.digest,),
                media=("video",),
                facts={"pieces": pieces},
            )
        ]
    )
    return record


def test_a_turn_links_question_finding_and_answer(store: MemoryStore) -> None:
    photo = store.blobs.put(b"photo", "image/png")
    store.remember([Record("a cat", "image", "evidence", "trip", 1, blobs=(photo.digest,), media=("image",))])
    store.remember(
        [
            Record("What is this?", "text", "user", "trip", 1),
            Record("A cat.", "text", "assistant", "trip", 1),
            Record("And this?", "text", "user", "trip", 2),
            Record("of no turn", "text", "user", "trip"),
        ]
    )
    first, second = store.episodes("trip")
    assert (first.id, first.turn, first.kinds) == ("trip:1", 1, ("text", "image"))
    assert [record.text for record in store.episode("trip:1")] == ["What is this?", "a cat", "A cat."]
    assert second.start == second.stop >= first.stop >= first.start
    question = store.episode("trip:1")[0]
    assert [record.text for record in store.linked(question)] == ["a cat"]
    (seen,) = store.linked(question)
    assert [record.text for record in store.linked(seen)] == ["What is this?", "A cat."]
    assert store.episodes("trip", limit=1) == [second]
    assert store.episodes(scope="work") == []


def test_a_clip_is_cut_into_episodes_with_all_their_kinds(store: MemoryStore) -> None:
    film = watched(store)
    store.remember([Record("What happens?", "text", "user", "trip", 3)])
    while store.consolidate():
        pass
    _, dog, train = store.episodes("trip")
    assert (dog.span, train.span) == (Span(0, 10), Span(10, 20))
    assert dog.blob == film.blobs[0]
    assert [(r.kind, r.text) for r in store.episode(dog.id)] == [
        ("image", "It shows a dog."),
        ("audio", "Look at him."),
    ]
    heard = store.episode(train.id)[1]
    assert heard.sources == (film.id,)
    assert [r.text for r in store.linked(heard)][:2] == ["It shows a train.", "What happens?"]
    store.forget([film.id])
    assert [episode.id for episode in store.episodes()] == ["trip:3"]
    assert not store.derived("episode")


def test_moments_stay_out_of_recall_unless_asked_for(store: MemoryStore) -> None:
    watched(store)
    store.consolidate()
    assert {hit.record.level for hit in store.recall("train")} == {""}
    found = store.recall(Query("train", levels=("episode",)))
    assert found[0].record.text == "It shows a train."
    assert {hit.record.level for hit in found} == {"episode"}


def test_the_same_picture_goes_on_and_a_long_silence_ends_an_episode() -> None:
    same = [Piece("It shows a man.", Span(n, n + 10.0), "scene") for n in (0, 10, 20)]
    assert segments(same) == [Span(0, 30)]
    said = [Piece("…", Span(n, n + 0.9), "") for n in (0, 1, 2, 3, 9, 10, 11)]
    assert segments(said) == [Span(0, 6.45), Span(6.45, 11.9)]
    slow = [Piece("…", Span(3 * n, 3 * n + 1.0), "") for n in range(8)]
    assert len(segments(slow)) == 1, "pauses that are usual here are no ends"
    endless = [Piece("…", Span(n, n + 0.9), "") for n in range(150)]
    assert all(span.end - span.start <= LONGEST for span in segments(endless))


SPANS = st.builds(lambda start, length: Span(start, start + length), st.floats(0, 500), st.floats(0, 40))


@given(st.lists(st.builds(Piece, st.sampled_from("ab"), SPANS, st.sampled_from(["scene", ""])), max_size=30))
def test_episodes_of_a_clip_cover_it_and_none_is_too_short(pieces: list[Piece]) -> None:
    found = segments(pieces)
    assert bool(found) == bool(pieces)
    for before, after in pairwise(found):
        assert before.end == after.start
    if pieces:
        assert found[0].start == min(piece.span.start for piece in pieces)
        assert found[-1].end == max(piece.span.end for piece in pieces)
        assert len(found) == 1 or all(span.end - span.start >= SHORTEST - 1e-9 for span in found)


def test_words_with_times_are_sentences_again() -> None:
    heard = [("Hello", 0.0), (" there.", 0.5), (" New", 1.0), (" one", 1.5), (" later", 5.0)]
    pieces = marked([(text, Anchor(span=Span(at, at + 0.5)), "word") for text, at in heard])
    record = Record("".join(text for text, _ in heard), "audio", "evidence", facts={"pieces": pieces})
    assert [(piece.text, piece.span) for piece in pieces_of(record)] == [
        ("Hello there.", Span(0, 1.0)),
        ("New one", Span(1.0, 2.0)),
        ("later", Span(5.0, 5.5)),
    ]
