"""Plans over the graph of kinds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.controller.exemplars import Decision, built_in
from orchestrator.linking import Hints
from orchestrator.plan import PartRef, Plan, ResultRef, Step
from orchestrator.planner import plan
from specialists.base import Card, Cost
from specialists.errors import Ours

CARDS = (
    Card("chat", "", ("text",), ("text",)),
    Card("vision", "", ("image",), ("text",)),
    Card("ocr", "", ("image", "document"), ("text",)),
    Card("asr", "", ("audio",), ("text",)),
    Card("video", "", ("video",), ("text",)),
    Card("tts", "", ("text",), ("audio",)),
    Card("imagegen", "", ("text",), ("image",), available=False),
    Card("memory", "", ("text",), ("text",)),
)


def names(planned: Plan) -> list[str]:
    return [step.specialist for step in planned.steps]


def test_reading_a_receipt_aloud_needs_no_one_to_name_the_voice() -> None:
    planned = plan(Decision(("ocr",), ("speech",)), ["text", "image"], CARDS)
    assert names(planned) == ["ocr", "tts"]
    assert planned.steps[0].inputs == (PartRef(1, "image"),)
    assert planned.steps[1].inputs == (ResultRef("s1", "text"),)


def test_independent_steps_wait_for_nothing_and_chat_joins_them() -> None:
    planned = plan(Decision(("chat", "vision", "ocr")), ["text", "image"], CARDS)
    assert [(s.specialist, s.after) for s in planned.steps] == [
        ("vision", ()),
        ("ocr", ()),
        ("chat", ("s1", "s2")),
    ]


def test_speech_and_picture_rest_on_the_finished_words() -> None:
    decision = Decision(("chat", "vision", "tts", "imagegen"), ("text", "speech", "image"))
    planned = plan(decision, ["text", "image"], CARDS)
    assert [(s.specialist, s.after) for s in planned.steps][2:] == [("tts", ("s2",)), ("imagegen", ("s2",))]


def test_two_pictures_are_one_step() -> None:
    planned = plan(Decision(("vision",)), ["text", "image", "image"], CARDS)
    assert planned.steps[0].inputs == (PartRef(1, "image"), PartRef(2, "image"))


def test_what_nothing_can_feed_is_said_and_not_invented() -> None:
    planned = plan(Decision(("vision",)), ["text"], CARDS)
    assert planned.steps == ()
    assert "vision needs image" in planned.notes[0]


def test_reuse_holds_only_where_nothing_perceives() -> None:
    assert plan(Decision(("chat",), reuse=True), ["text"], CARDS).reuse
    assert not plan(Decision(("vision",), reuse=True), ["text", "image"], CARDS).reuse


def test_the_cheapest_path_wins_and_live_costs_count() -> None:
    cards = (
        Card("fast", "", ("sketch",), ("image",), cost=Cost(seconds=1)),
        Card("slow", "", ("sketch",), ("image",), cost=Cost(seconds=5)),
    )
    decision = Decision((), ("image",))
    assert names(plan(decision, ["text", "sketch"], cards)) == ["fast"]
    assert names(plan(decision, ["text", "sketch"], cards, costs={"fast": 9.0})) == ["slow"]


def test_a_chain_of_foreign_tools_is_found() -> None:
    cards = (
        Card("scan", "", ("object",), ("mesh",)),
        Card("slice", "", ("mesh",), ("gcode",)),
        Card("print", "", ("gcode",), ("thing",)),
    )
    planned = plan(Decision(("print",), ("thing",)), ["text", "object"], cards)
    assert [(s.specialist, s.after) for s in planned.steps] == [
        ("scan", ()),
        ("slice", ("s1",)),
        ("print", ("s2",)),
    ]


def test_every_exemplar_is_planned_as_labelled() -> None:
    for exemplar in built_in()[::3]:
        asked = exemplar.request
        earlier = [kind for kind in asked.earlier_kinds if kind not in asked.attachments]
        planned = plan(exemplar.decision, ["text", *asked.attachments, *earlier], CARDS)
        assert set(names(planned)) == set(exemplar.decision.steps), asked.text
        assert planned.notes == ()


@given(
    st.lists(st.sampled_from([card.name for card in CARDS]), unique=True),
    st.lists(st.sampled_from(["image", "audio", "video", "document"]), max_size=4),
    st.sets(st.sampled_from(["text", "speech", "image"]), min_size=1),
)
def test_any_decision_gives_a_legal_plan(steps: list[str], kinds: list[str], outputs: set[str]) -> None:
    planned = plan(Decision(tuple(steps), tuple(sorted(outputs))), ["text", *kinds], CARDS)
    parts = ["text", *kinds]
    for step in planned.steps:
        consumed = next(card for card in CARDS if card.name == step.specialist).consumes
        for ref in step.inputs:
            assert ref.kind in consumed
            if isinstance(ref, PartRef):
                assert parts[ref.index] == ref.kind
    assert planned.steps or planned.notes


def test_a_plan_refuses_a_step_before_what_it_needs() -> None:
    with pytest.raises(Ours, match="before they run"):
        Plan((Step("s1", "tts", after=("s2",)), Step("s2", "chat")))


def test_what_a_bridge_called_is_not_called_again() -> None:
    cards = (
        Card("scan", "", ("image",), ("pointcloud",)),
        Card("mesh", "", ("pointcloud",), ("surface",)),
        Card("measure", "", ("surface",), ("text",)),
    )
    planned = plan(Decision(("measure", "mesh")), ["text", "image"], cards)
    assert names(planned) == ["scan", "mesh", "measure"]


def test_a_request_that_no_foreign_tool_serves_is_told_which_came_nearest() -> None:
    nothing = Decision(())
    near = plan(nothing, ["text"], CARDS, hints=Hints(asked={"ocr": 0.04, "vision": 0.11}))
    assert near.steps == ()
    assert near.notes == ("Nothing that is registered serves this request; vision came nearest.",)
    for asked in ({}, {"ocr": 0.001}):
        far = plan(nothing, ["text"], CARDS, hints=Hints(asked=asked))
        assert far.notes == ("Nothing that is registered serves this request.",)
