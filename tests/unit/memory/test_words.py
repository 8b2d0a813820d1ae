from __future__ import annotations

import pytest

from memory.store import MemoryStore
from memory.words import BUDGET, Frequencies, by_words, rarity, scored_by_words


def stored(store: MemoryStore, *texts: str, session: str = "") -> list[int]:
    """The rows of the texts."""
    with store._database.write() as connection:
        (before,) = connection.execute("SELECT coalesce(max(row), 0) FROM records").fetchone()
        connection.executemany(
            "INSERT INTO records (id, text, kind, role, session, turn, source, key, blobs, media, anchors,"
            " facts, time) VALUES (?, ?, 'text', 'found', ?, 0, '', '', '[]', '[]', '[]', '{}', 0)",
            [(f"r{before + number}", text, session) for number, text in enumerate(texts, 1)],
        )
    return list(range(before + 1, before + 1 + len(texts)))


def found(store: MemoryStore, text: str, depth: int = 10, where: str = "true", *values: object) -> list[int]:
    with store._database.read() as connection:
        return by_words(Frequencies(connection), text, depth, where, values)


def test_the_better_match_comes_first_and_scores_higher(store: MemoryStore) -> None:
    both, one, _ = stored(store, "a red bicycle", "a red boat on the lake", "green tea")
    with store._database.read() as connection:
        scored = scored_by_words(Frequencies(connection), "red bicycle", 10)
    assert [row for row, _ in scored] == [both, one]
    assert scored[0][1] > scored[1][1] > 0


def test_equal_matches_come_newest_first(store: MemoryStore) -> None:
    rows = stored(store, *["the same words"] * 30)
    assert found(store, "same") == rows[:-11:-1]


def test_the_condition_holds_however_far_down_its_records_stand(store: MemoryStore) -> None:
    mine = stored(store, "cat with many other words beside it", session="mine")
    stored(store, *["cat"] * 300, session="other")
    stored(store, *["dog"] * 10_000, session="other")
    assert found(store, "cat", 5, "session = ?", "mine") == mine
    assert len(found(store, "cat", 500, "session != ?", "mine")) == 300
    assert found(store, "cat", 5, "session = ?", "none") == []


def test_what_is_ranked_is_bounded_and_the_rarest_words_stay(store: MemoryStore) -> None:
    # Each of the three is rare enough alone; together they are too many to rank.
    many = BUDGET // 2 - 100
    for word in ("apple", "pear", "plum"):
        stored(store, *[word] * many)
    stored(store, *["filler"] * (BUDGET * 8))
    (quince,) = stored(store, "quince")
    assert found(store, "plum pear quince", 1) == [quince]
    with store._database.read() as connection:
        ranked = scored_by_words(Frequencies(connection), "plum pear apple quince", 4 * BUDGET)
    assert len(ranked) == 1 + 2 * many


def test_words_that_are_all_too_frequent_to_rank_find_the_newest_with_every_one(store: MemoryStore) -> None:
    rows = stored(store, *["we went home", "we stayed", "they went"] * (BUDGET // 2 + 10))
    with store._database.read() as connection:
        scored = scored_by_words(Frequencies(connection), "we went", 3)
    assert scored == [(row, 0.0) for row in rows[-3::-3][:3]]


@pytest.mark.parametrize("text", ["", "...", "\x00"])
def test_without_words_nothing_is_found(store: MemoryStore, text: str) -> None:
    stored(store, "a cat")
    assert found(store, text) == []


def test_how_frequent_a_word_is_is_counted_once_a_question(store: MemoryStore) -> None:
    stored(store, "a red bicycle", "a red boat", "green tea")
    asked: list[str] = []
    with store._database.read() as connection:
        connection.set_trace_callback(asked.append)
        frequencies = Frequencies(connection)
        scored_by_words(frequencies, "red tea, red", 10)
        told = rarity(frequencies, ["red", "tea", "bicycle"])
        connection.set_trace_callback(None)
    assert told["bicycle"] == told["tea"] > told["red"] > 0
    assert sum("count(*)" in statement for statement in asked) == 3
