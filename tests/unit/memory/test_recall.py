from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from memory.records import Query, Record
from memory.store import MemoryStore
from memory.vectors import BATCH, HURRIED, Embed, Floats
from specialists.errors import BadInput, SpecialistFailed

Reopen = Callable[..., MemoryStore]


def said(text: str, **more: object) -> Record:
    return Record(text, "text", "user", **more)  # type: ignore[arg-type]


def texts(store: MemoryStore, query: str | Query, **more: object) -> list[str]:
    return [hit.record.text for hit in store.recall(query, **more)]  # type: ignore[arg-type]


def test_both_lists_are_fused_and_shown(store: MemoryStore) -> None:
    store.remember([said("a tabby cat sleeps"), said("the invoice is due"), said("cats and invoices")])
    best = store.recall("tabby cat")[0]
    assert best.record.text == "a tabby cat sleeps"
    assert best.ranks == {"lexical": 1, "dense": 1}
    assert best.score == pytest.approx(2 / 61)
    assert best.cosine == pytest.approx(2 / 8**0.5, abs=0.01)


def test_words_are_found_in_any_form(reopen: Reopen) -> None:
    store = reopen(None)
    store.remember([said("Zwei Brücken über den Fluß"), said("she was running for trains")])
    assert texts(store, "brucken") == ["Zwei Brücken über den Fluß"]
    assert texts(store, "run train") == ["she was running for trains"]


INJECTIONS = [
    '"', '""', "'", "a OR", "OR", "AND", "NOT cat", "NEAR(cat dog, 2)", "text:cat", "{text}: cat", "cat*",
    "^cat", "cat -dog", "(cat", "cat)", "cat AND (dog OR", '"cat', 'ca"t', "cat\x00dog", "-- ",
    "; DROP TABLE records; --", "%", "_", "__", "\\", "?", "?1", ":x", "\U0001f63a", "🇩🇪", "\u0301", "ﬁ", "İ",
    "ß" * 300, "word " * 5000,
]  # fmt: skip


@pytest.mark.parametrize("query", INJECTIONS)
def test_no_query_is_syntax(store: MemoryStore, query: str) -> None:
    store.remember([said("cat and dog"), said("or not near text")])
    assert len(store.recall(query)) <= 2
    assert len(store.records()) == 2


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(max_size=60), kind=st.text(max_size=5))
@example(query="a\ud800b", kind="text")
def test_any_text_may_be_asked(store: MemoryStore, query: str, kind: str) -> None:
    store.recall(query)
    store.recall(query, kinds=[kind])


@pytest.mark.parametrize("name", ["session", "kinds"])
def test_half_a_character_is_refused(store: MemoryStore, name: str) -> None:
    with pytest.raises(BadInput, match="half a character"):
        store.recall("cat", **{name: "\ud800"})  # type: ignore[arg-type]


def test_filters_hold_in_both_lists(store: MemoryStore) -> None:
    store.remember(
        [
            said("blue cat", session="one", time=100.0),
            said("blue cat", session="two", time=200.0),
            Record("blue cat", "text", "evidence", session="two", media=("image",), time=300.0),
            Record("blue cat", "audio", "evidence", session="two", time=400.0),
        ]
    )
    assert [hit.record.time for hit in store.recall("cat")] == [400.0, 300.0, 200.0, 100.0]
    assert [hit.record.time for hit in store.recall("cat", session="one")] == [100.0]
    assert [hit.record.time for hit in store.recall("cat", since=300.0)] == [400.0, 300.0]
    assert [hit.record.time for hit in store.recall("cat", kinds=["image"])] == [300.0]
    assert [hit.record.time for hit in store.recall("cat", kinds=["audio", "image"])] == [400.0, 300.0]
    assert [hit.record.time for hit in store.recall("cat", kinds=["text"], session="two")] == [300.0, 200.0]
    assert [hit.record.time for hit in store.recall("cat", k=1, since=150.0, session="two")] == [400.0]
    assert store.recall("cat", kinds=[]) == []
    assert store.recall("cat", session="three") == []
    assert {"lexical", "dense"} == set(store.recall("cat", session="one")[0].ranks)


@pytest.mark.parametrize(
    "restrictions",
    [
        {"kinds": ("image",)},
        {"kinds": ("image", "audio")},
        {"kinds": ("image",), "session": "one.1"},
        {"kinds": ("image",), "scope": "one."},
        {"kinds": ("audio",), "since": 300.0},
        {"kinds": ("text",), "scope": "two."},
    ],
)
def test_the_few_of_a_kind_are_found_among_many(store: MemoryStore, restrictions: dict[str, Any]) -> None:
    stored = store.remember(
        [
            Record(
                f"cat number {n}",
                "text",
                "user",
                session=f"{'one' if n % 3 else 'two'}.{n % 2}",
                media=("image",) if n % 70 == 1 else ("audio",) if n % 90 == 2 else (),
                time=1.0 + n,
            )
            for n in range(400)
        ]
    )

    def meets(record: Record) -> bool:
        return (
            bool({record.kind, *record.media}.intersection(restrictions["kinds"]))
            and record.session == restrictions.get("session", record.session)
            and record.session.startswith(restrictions.get("scope", ""))
            and record.time >= restrictions.get("since", 0.0)
        )

    wanted = {record.id for record in stored if meets(record)}
    assert 0 < len(wanted) < 400
    assert {hit.record.id for hit in store.recall(Query("cat", k=400, **restrictions))} == wanted


def test_records_of_the_asked_blobs_come_first(store: MemoryStore) -> None:
    photo = store.blobs.put(b"a photo", "image/jpeg")
    store.remember(
        [
            Record("something else entirely", "text", "evidence", blobs=(photo.digest,)),
            Record("a red bicycle", "text", "evidence", blobs=(photo.digest,)),
            said("a red bicycle is mine"),
        ]
    )
    hits = store.recall(Query("red bicycle", blobs=(photo.digest,)))
    assert [hit.record.text for hit in hits] == [
        "a red bicycle",
        "something else entirely",
        "a red bicycle is mine",
    ]
    assert ["blob" in hit.ranks for hit in hits] == [True, True, False]
    assert len(store.recall(Query(blobs=(photo.digest,)))) == 2


def test_without_a_question_the_newest_answer(store: MemoryStore) -> None:
    store.remember([said("old", time=1.0), said("newest", time=3.0), said("newer", time=2.0)])
    assert texts(store, "", k=2) == ["newest", "newer"]
    assert texts(store, "  ") == ["newest", "newer", "old"]


def test_k_is_respected(store: MemoryStore) -> None:
    store.remember([said(f"cat number {n}") for n in range(30)])
    assert len(store.recall("cat", k=7)) == 7
    assert len(store.recall("cat", k=100)) == 30
    assert store.recall("cat", k=0) == []
    with pytest.raises(BadInput, match="negative"):
        store.recall("cat", k=-1)


def test_equal_records_come_newest_first_every_time(store: MemoryStore) -> None:
    stored = store.remember([said("the same words") for _ in range(20)])
    newest_first = [record.id for record in reversed(stored)]
    for _ in range(3):
        assert [hit.record.id for hit in store.recall("same words", k=20)] == newest_first


def test_a_frequent_word_does_not_outvote_a_rare_one(reopen: Reopen) -> None:
    store = reopen(None)
    store.remember([said(f"the weather report number {n}") for n in range(3000)])
    store.remember([said("the zebra")])
    assert texts(store, "the weather and the zebra") == ["the zebra"]
    # All of them frequent: then only what holds every one counts.
    assert len(store.recall("the weather")) == 10
    assert store.recall("weather zeppelin") == []


def test_without_an_encoder_recall_goes_by_words_and_says_so(reopen: Reopen) -> None:
    store = reopen(None)
    store.remember([said("a tabby cat"), said("an invoice")])
    (hit,) = store.recall("cat")
    assert (hit.ranks, hit.cosine) == ({"lexical": 1}, None)
    assert store.embed_pending() == 0
    assert (store.stats().index.mode, store.stats().index.pending) == ("words only", 2)


def test_records_written_without_an_encoder_get_their_vectors_later(reopen: Reopen) -> None:
    reopen(None).remember([said("a tabby cat"), said("")])
    store = reopen()
    assert store.recall("cat")[0].ranks == {"lexical": 1, "dense": 1}
    assert (store.stats().index.embedded, store.stats().index.pending) == (1, 0)


class Fickle:
    """An encoder that fails while `broken` holds, and always on one text."""

    def __init__(self, embed: Embed) -> None:
        self.embed = embed
        self.broken = False

    def __call__(self, texts: Sequence[str]) -> Floats:
        if self.broken or "poison" in texts:
            raise RuntimeError("the model is gone")
        return self.embed(texts)


def test_a_failing_encoder_costs_meaning_only_and_is_named(reopen: Reopen, embed: Embed) -> None:
    encoder = Fickle(embed)
    store = reopen(encoder)
    store.remember([said("a tabby cat")])
    encoder.broken = True
    assert store.recall("cat")[0].ranks == {"lexical": 1}
    assert store.stats().index.mode == "words only"
    assert "the model is gone" in store.stats().index.problem
    with pytest.raises(SpecialistFailed, match="the model is gone"):
        store.embed_pending()
    encoder.broken = False
    assert store.recall("cat")[0].ranks == {"lexical": 1, "dense": 1}
    assert store.stats().index.problem == ""


def test_one_text_the_encoder_cannot_take_does_not_hold_back_the_rest(reopen: Reopen, embed: Embed) -> None:
    store = reopen(Fickle(embed))
    store.remember([said("poison"), *(said(f"cat {n}") for n in range(5))])
    for _ in range(7):
        store.recall("cat")
    assert (store.stats().index.embedded, store.stats().index.pending) == (5, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda texts: np.zeros((len(texts), 8), np.float32),
        lambda texts: np.full((len(texts), 8), np.nan, np.float32),
        lambda texts: np.ones((1 + len(texts), 1), np.float32),
        lambda texts: np.ones(len(texts), np.float32),
        lambda texts: [["a"]] * len(texts),
    ],
)
def test_what_is_not_unit_vectors_is_not_kept(reopen: Reopen, wrong: Embed) -> None:
    store = reopen(wrong)
    store.remember([said("a tabby cat")])
    assert store.recall("cat")[0].ranks == {"lexical": 1}
    assert store.stats().index.problem
    assert store.stats().index.embedded == 0


def test_another_encoder_has_a_space_of_its_own(reopen: Reopen, embed: Embed) -> None:
    def other(texts: Sequence[str]) -> Floats:
        return np.roll(embed(texts), 7, axis=1)

    first = reopen(embed)
    first.remember([said("a tabby cat"), said("an invoice")])
    first.recall("cat")
    first.close()
    second = reopen(other)
    assert second.recall("tabby cat")[0].ranks == {"lexical": 1, "dense": 1}
    assert second.stats().index.embedded == 2
    second.close()
    third = reopen(embed)
    assert third.recall("tabby cat")[0].ranks == {"lexical": 1, "dense": 1}
    assert third.stats().index.pending == 0


def test_a_big_backlog_does_not_hold_up_a_hurried_question(reopen: Reopen, embed: Embed) -> None:
    reopen(None).remember([said(f"cat number {n}") for n in range(HURRIED + 100)])
    store = reopen(embed)
    store.recall(Query("cat", hurried=True))
    assert store.stats().index.embedded == BATCH
    store.recall("cat")
    assert store.stats().index.pending == 0


def test_evidence_is_found_by_its_exact_key(store: MemoryStore) -> None:
    store.remember([Record("old", "text", "evidence", key="k"), Record("new", "text", "evidence", key="k")])
    store.remember([Record("talk", "text", "user", key="u"), Record("keyless", "text", "evidence")])
    assert store.evidence("k") == store.records()[1]
    assert store.evidence("") is None
    assert store.evidence("u") is None
    assert store.evidence("K") is None


def test_the_folder_is_private(store: MemoryStore, tmp_path: Path) -> None:
    assert (tmp_path / "memory").stat().st_mode & 0o077 == 0
