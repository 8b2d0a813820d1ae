"""The benchmark of follow-ups counts right: over scripted specialists, and case by case."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from benchmarks import followups
from benchmarks.followups import Perceived, Seen, Thing, Turn, converse, judge
from specialists.models import ModelStore
from tests.unit.orchestrator.conftest import Open

A, B = frozenset(("a",)), frozenset(("b",))
PAGE = Thing("ocr:a", frozenset(("ocr",)), A)
OTHER = Thing("ocr:b", frozenset(("ocr",)), B)
NOTHING = Seen(0, (), (), recalled=False, held=frozenset())
READ_A, READ_B = Perceived("ocr", A), Perceived("ocr", B)
SEEN_A = Perceived("vision", A)


def looked(*steps: Perceived, held: frozenset[str] = frozenset()) -> Seen:
    return replace(NOTHING, calls=len(steps), looked=steps, held=held)


@pytest.mark.parametrize(
    ("turn", "seen", "expected"),
    [
        (Turn("read it", looks=(PAGE,)), looked(READ_A), {"needed": 1, "made": 1}),
        (Turn("read it", looks=(PAGE,)), NOTHING, {"needed": 1, "wrong": 1}),
        (Turn("read it", looks=(PAGE,)), replace(NOTHING, reused=(READ_B,)), {"needed": 1, "wrong": 1}),
        (Turn("read it", looks=(PAGE,)), looked(READ_B), {"needed": 1, "made": 1, "astray": 1}),
        (Turn("read it", looks=(PAGE,)), looked(SEEN_A), {"needed": 1, "made": 1, "astray": 1}),
        (Turn("again", rests=(PAGE,)), replace(NOTHING, reused=(READ_A,)), {"needed": 1, "avoided": 1}),
        (Turn("again", rests=(PAGE,)), replace(NOTHING, held=A), {"needed": 1, "avoided": 1}),
        (Turn("again", rests=(PAGE,)), replace(NOTHING, recalled=True), {"needed": 1, "avoided": 1}),
        (Turn("again", rests=(PAGE,)), NOTHING, {"needed": 1, "wrong": 1}),
        (Turn("again", rests=(PAGE,)), replace(NOTHING, reused=(READ_B,), held=A), {"needed": 1, "wrong": 1}),
        (Turn("again", rests=(PAGE,)), looked(READ_A, held=A), {"needed": 1, "made": 1, "missed": 1}),
        (Turn("again", rests=(PAGE,)), looked(SEEN_A, held=A), {"needed": 1, "made": 1, "missed": 1}),
        (
            Turn("compare", rests=(PAGE, OTHER)),
            looked(READ_B, held=A | B),
            {"needed": 2, "made": 1, "avoided": 1, "missed": 1},
        ),
        (Turn("and it?", looks=(PAGE,)), replace(NOTHING, asked=True), {"needed": 1, "asked": 1}),
        (Turn("thanks"), looked(READ_A, held=A), {"made": 1, "needless": 1}),
        (Turn("thanks"), replace(NOTHING, reused=(READ_A,), held=A), {"needless": 1}),
        (Turn("thanks"), replace(NOTHING, held=A), {}),
    ],
)
def test_a_turn_is_counted(turn: Turn, seen: Seen, expected: dict[str, int]) -> None:
    assert +judge(turn, seen) == Counter(expected)


LINE = {
    "id": "signs-1",
    "category": "signs",
    "files": {
        "sign.png": {"picture": "Gate 22"},
        "copy.png": {"same as": "sign.png"},
        "other/sign.png": {"picture": "Gate 23"},
    },
    "turns": [
        {"say": "What does this say?", "with": ["sign.png"], "looks": ["ocr:sign.png"]},
        {"say": "What does this say?", "with": ["copy.png"], "rests": ["ocr:sign.png"]},
        {"say": "What does this say?", "with": ["other/sign.png"], "looks": ["ocr:other/sign.png"]},
        {"say": "What does this say?", "with": ["sign.png"], "session": "new", "rests": ["ocr:sign.png"]},
        # Labelled against the truth, so that what must be counted is.
        {"say": "What does this say?", "with": ["sign.png"], "looks": ["ocr:sign.png"]},
    ],
}


async def test_a_conversation_is_counted_from_the_events_of_the_engine(
    open_engine: Open, model_store: ModelStore
) -> None:
    script = followups.Script(model_store)
    async with open_engine() as orchestrator:
        judged = await converse(orchestrator, script.conversation(LINE))
        elsewhere = await converse(orchestrator, script.conversation({**LINE, "id": "signs-2"}))
    assert [+each.counts for each in judged] == [
        {"needed": 1, "made": 1},
        {"needed": 1, "avoided": 1},
        {"needed": 1, "made": 1},
        {"needed": 1, "avoided": 1},
        {"needed": 1, "wrong": 1},
    ]
    # Conversations know nothing of each other: this one has to look for itself.
    assert [each.counts for each in elsewhere] == [each.counts for each in judged]


def test_the_table_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    turn = Turn("read it", looks=(PAGE,))
    conversation = followups.Conversation("c-1", "signs", (turn,))
    judged = [
        followups.Judged(conversation, turn, seen, judge(turn, seen)) for seen in (looked(READ_A), NOTHING)
    ]
    followups.report(judged, errors=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["all", "2", "2", "1", "0", "1", "0", "0", "0", "0"]
    assert "wrong reuses: 1 in 2 things that answers were taken from" in lines
    assert any("c-1: 'read it'" in line for line in lines)


def test_the_script_is_long_and_its_labels_name_files_that_are_there() -> None:
    values = [
        followups.json.loads(line) for line in followups.SCRIPT.read_text(encoding="utf-8").splitlines()
    ]
    assert len(values) >= 40
    assert sum(len(conversation["turns"]) for conversation in values) >= 150
    for conversation in values:
        for turn in conversation["turns"]:
            for label in (*turn.get("looks", ()), *turn.get("rests", ())):
                for name in label.partition(":")[2].split(","):
                    assert name in conversation.get("files", {}) or (followups.SAMPLES / name).is_file()
