from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.dates import Seen
from memory.time_phrases import phrases, speaks_ahead
from memory.when import LONGEST, beside, when

NOW = datetime(2025, 10, 14, 15, 20)  # a Tuesday
DATA = Path(__file__).parents[3] / "benchmarks" / "data" / "when.jsonl"


def span(text: str, now: datetime = NOW) -> tuple[str, str]:
    found = when(text, now)
    assert found is not None, text
    return found.start.isoformat(" ", "minutes"), found.end.isoformat(" ", "minutes")


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("what did I tell you last Tuesday", "2025-10-07 00:00", "2025-10-08 00:00"),
        ("where was I yesterday evening", "2025-10-13 17:00", "2025-10-14 00:00"),
        ("what was it at 3 pm yesterday", "2025-10-13 14:30", "2025-10-13 15:30"),
        ("who rang at 8 this morning", "2025-10-14 07:30", "2025-10-14 08:30"),
        ("what did we do in March", "2025-03-01 00:00", "2025-04-01 00:00"),
        ("what did we do in November", "2024-11-01 00:00", "2024-12-01 00:00"),
        ("the sign on the 4th of May", "2025-05-04 00:00", "2025-05-05 00:00"),
        ("what have I spent since Christmas", "2024-12-24 00:00", "2025-10-14 15:20"),
        ("what did I think before 2024", "1900-01-01 00:00", "2024-01-01 00:00"),
        ("what was it between March and May", "2025-03-01 00:00", "2025-06-01 00:00"),
        ("what did I eat from Sunday to yesterday", "2025-10-12 00:00", "2025-10-14 00:00"),
        ("what will I do a week on Saturday", "2025-10-25 00:00", "2025-10-26 00:00"),
        ("what did we cook at Easter", "2025-04-18 00:00", "2025-04-22 00:00"),
        ("what did he write on 29 February", "2024-02-29 00:00", "2024-03-01 00:00"),
        ("which music in the nineties", "1990-01-01 00:00", "2000-01-01 00:00"),
    ],
)
def test_a_phrase_means_a_stretch_of_time(text: str, start: str, end: str) -> None:
    assert span(text) == (start, end)


def test_the_time_is_taken_out_of_the_question() -> None:
    found = when("what did I tell you last Tuesday about the boiler", NOW)
    assert found is not None
    assert (found.phrase, found.rest) == ("last Tuesday", "what did I tell you about the boiler")


@pytest.mark.parametrize(
    "text",
    [
        "may I have the soup",
        "give me a second",
        "which chair was it she sat on",
        "what is the march called",
        "the spring in the mattress",
        "who last sat on the sofa",
        "is the summer house insured",
        "on 31 February",
        "the score in 2048",
        "Who sings Ruby Tuesday",
        "what does April eat",
        "give it to June",
        "",
        "99/99/2025",
    ],
)
def test_what_only_looks_like_a_time_is_none(text: str) -> None:
    assert when(text, NOW) is None


def test_a_page_speaks_of_no_one_time() -> None:
    assert when("yesterday " * LONGEST, NOW) is None


@pytest.mark.parametrize(
    ("text", "relation", "event"),
    [
        ("what did we agree on before the meeting", "before", "the meeting"),
        ("After the operation, what was I allowed to eat?", "after", "the operation"),
        ("which shoes did I wear during the marathon", "during", "the marathon"),
        ("what has she said since we moved", "after", "we moved"),
    ],
)
def test_an_event_is_told_from_what_is_asked(text: str, relation: str, event: str) -> None:
    found = beside(text)
    assert found is not None
    assert (found.relation, found.event) == (relation, event)


@pytest.mark.parametrize(
    "text",
    [
        "who looks after the dog",
        "who is she named after",
        "how long after the proposal was it",
        "what was it before?",
        "When did it end?",
        "did she know before or after she was asked",
        "what stood before it",
    ],
)
def test_not_every_after_names_an_event(text: str) -> None:
    assert beside(text) is None


def test_the_questions_of_the_benchmark_stay_understood() -> None:
    from benchmarks.when import is_right, understood

    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    right = sum(is_right(row, understood(row)) for row in rows)
    assert right >= 0.93 * len(rows)


WORDS = """
last next this the on in at since before until from to and between of two 3 31 0 2025 1900 May march Tuesday
Sat weeks months year ago back morning noon pm 12:30 Christmas Easter spring nineties half few couple early
end first week day fortnight yesterday tomorrow now , . / - 04/05/2025 2025-02-30
"""
PHRASES = st.lists(st.sampled_from(WORDS.split()), max_size=12).map(" ".join)


@given(st.one_of(PHRASES, st.text(max_size=80)), st.datetimes())
def test_any_text_at_any_moment_gives_an_ordered_span_or_none(text: str, now: datetime) -> None:
    beside(text)
    found = when(text, now)
    if found is not None:
        assert found.start < found.end
        assert 0 < found.sure <= 1
        assert found.phrase in text


@given(PHRASES, st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)))
def test_phrases_stand_in_order_and_apart(text: str, now: datetime) -> None:
    found = phrases(text, Seen(now, speaks_ahead(text)))
    assert all(one.end <= other.begin for one, other in pairwise(found))
    assert all(one.begin < one.end <= len(text) and one.span.start < one.span.end for one in found)
