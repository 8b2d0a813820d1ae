"""Traces: what stands behind a decision, and what its plan is expected to take."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import control
from orchestrator.budget import Estimate
from orchestrator.cli.plan_view import show
from orchestrator.controller.exemplar import ExemplarController
from orchestrator.controller.request import Request, Said
from orchestrator.controller.route import Route
from orchestrator.events import HitSummary
from orchestrator.latency import Latency
from orchestrator.linking import Hints
from orchestrator.plan import PartRef, Plan, ResultRef, Step
from orchestrator.trace import (
    Trace,
    critical_path,
    decided_by,
    exemplar_controls,
    in_words,
    input_names,
    schedule,
    stages,
    step_estimates,
    sureness,
    to_dict,
    trace,
)
from specialists.base import Card, Cost
from specialists.fakes import card

CARDS = (
    card("ocr", ["image"], cost=Cost(2.0, 0.01)),
    card("asr", ["audio"], cost=Cost(0.5)),
    card("chat", cost=Cost(1.5)),
    card("tts", ["text"], ["audio"], cost=Cost(0.3)),
    card("imagegen", ["text"], ["image"], available=False, remedy="Configure a model"),
)
SOURCES = (ResultRef("s1", "text"), ResultRef("s2", "text"))
FORK = Plan(
    (
        Step("s1", "ocr", (PartRef(1, "image"),)),
        Step("s2", "asr", (PartRef(2, "audio"),)),
        Step(
            "s3", "chat", (PartRef(0, "text"), ResultRef("s1", "text"), ResultRef("s2", "text")), ("s1", "s2")
        ),
        Step("s4", "tts", (ResultRef("s3", "text"),), ("s3",)),
    ),
    ("text", "speech"),
    notes=("What it cannot do.",),
    estimate=Estimate(4.1, 0.01),
)
LATENCIES = {"ocr": Latency(7, 1.0, 3.0)}
ASKED = Request("compare them aloud", ("image", "audio"))
ROUTE = Route(
    (control.call("ocr"), control.call("asr"), control.call("chat"), control.SAY, control.ANSWER),
    "hybrid: llm",
    0.4,
    (((control.call("ocr"), control.ANSWER), 0.6), ((control.call("asr"), control.ANSWER), 0.005)),
    ("Read it to me.", "nobody ever said this"),
    ("<|call:nothing|>",),
    emitted=("call:ocr", "answer"),
    repaired=True,
)


def traced(plan: Plan = FORK, *, timed: bool = True, route: Route = ROUTE) -> Trace:
    hit = HitSummary(record="r", text="the red bicycle", kind="text", source="user", score=0.8)
    names = ("page.png", "")
    return trace(ASKED, names, route, plan, CARDS, LATENCIES, hits=(hit,), timed=timed)


def test_a_step_is_expected_to_take_what_its_calls_took_lately() -> None:
    ocr, asr, *_ = step_estimates(FORK, CARDS, LATENCIES)
    assert (ocr.p50, ocr.p95, ocr.price, ocr.calls) == (1.0, 3.0, 0.01, 7)
    assert (asr.p50, asr.p95, asr.calls) == (0.5, 0.5, 0)


def test_what_cannot_run_takes_nothing_and_says_what_to_do() -> None:
    plan = Plan((Step("s1", "imagegen", (PartRef(0, "text"),)),), ("image",))
    (estimate,) = step_estimates(plan, CARDS, {"imagegen": Latency(3, 9.0, 9.0)})
    assert estimate.p50 == estimate.price == 0.0
    assert to_dict(traced(plan))["missing"] == [{"specialist": "imagegen", "remedy": "Configure a model"}]


def test_steps_that_need_nothing_of_each_other_overlap() -> None:
    times = schedule(FORK, step_estimates(FORK, CARDS, LATENCIES))
    assert times == {"s1": (0.0, 1.0), "s2": (0.0, 0.5), "s3": (1.0, 2.5), "s4": (2.5, 2.8)}
    assert critical_path(FORK, times) == ("s1", "s3", "s4")
    assert [[step.id for step in stage] for stage in stages(FORK)] == [["s1", "s2"], ["s3"], ["s4"]]


@st.composite
def graphs(draw: st.DrawFn) -> Plan:
    steps: list[Step] = []
    names = st.sampled_from(["ocr", "asr", "chat"])
    for number in range(draw(st.integers(0, 8))):
        before = draw(st.sets(st.sampled_from([s.id for s in steps]))) if steps else set()
        steps.append(Step(f"s{number}", draw(names), (), tuple(sorted(before))))
    return Plan(tuple(steps))


@given(graphs())
def test_the_longest_chain_is_a_chain_and_takes_the_whole_time(plan: Plan) -> None:
    times = schedule(plan, step_estimates(plan, CARDS, LATENCIES))
    path = critical_path(plan, times)
    steps = {step.id: step for step in plan.steps}
    for earlier, later in pairwise(path):
        assert earlier in steps[later].after
        assert times[earlier][1] == times[later][0]
    if plan.steps:
        assert times[path[0]][0] == 0.0
        assert times[path[-1]][1] == max(end for _, end in times.values())
    numbered = {step.id: n for n, stage in enumerate(stages(plan)) for step in stage}
    assert set(numbered) == set(steps)
    assert all(numbered[before] < numbered[step.id] for step in plan.steps for before in step.after)


def test_inputs_have_the_names_that_people_know() -> None:
    names = input_names(FORK, ["page.png", ""])
    assert names["s1"] == ("page.png",)
    assert names["s2"] == ("audio 2",)
    assert names["s3"] == ("your words", "text of ocr", "text of asr")
    assert input_names(FORK, [])["s1"] == ("earlier image",)
    twice = Plan((Step("s1", "chat"), Step("s2", "chat", (ResultRef("s1", "text"),), ("s1",))))
    assert input_names(twice, [])["s2"] == ("text of chat s1",)
    assert input_names(Plan((Step("a", "ocr"), Step("b", "chat", (), ("a",)))), [])["b"] == ("after ocr",)


@pytest.mark.parametrize(("margin", "word"), [(0.9, "sure"), (0.3, "fairly sure"), (0.29, "doubtful")])
def test_a_margin_in_words(margin: float, word: str) -> None:
    assert sureness(margin) == word


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hybrid: fitted", "the fitted router"),
        ("exemplar", "examples"),
        ("fitted: cards", "what the specialists say they do"),
        ("llm, replaced by fitted: too slow", "the fitted router, in place of the chat model: too slow"),
        (
            "hybrid: llm, replaced by fitted: cards: too slow",
            "what the specialists say they do, in place of the chat model: too slow",
        ),
        ("corrected: 0.82 alike", "your own correction (0.82 alike)"),
        ("asked for by name", "asked for by name"),
    ],
)
def test_a_controller_in_words(name: str, words: str) -> None:
    assert decided_by(name) == words


@pytest.mark.parametrize(
    ("controls", "words"),
    [
        ("<|call:ocr|> <|answer|>", "ocr"),
        ("<|call:ocr|> <|say|> <|answer|>", "ocr + tts → text, speech"),
        ("<|recall:text|> <|call:tts|> <|answer|>", "what is known + tts → speech"),
        ("<|recall|> <|answer|>", "memory"),
        ("<|answer|>", "no specialist"),
        ("<|wait|>", "wait"),
        ("no control at all", "no specialist"),
    ],
)
def test_controls_in_words(controls: str, words: str) -> None:
    assert in_words(controls.split(" ")) == words


def test_exemplars_come_with_what_serves_them() -> None:
    """Of several of one text, the one like the request; those of a new Card come from the Card."""
    tool = Card("barcode", "Reads barcodes", ("image",), ("text",), examples=("what is the price code",))
    asked = Request("what is the price code", ("image",), (Said("user", "hi"),))
    found = exemplar_controls(("what is the price code", "nobody ever said this"), asked, (*CARDS, tool))
    assert found == ("<|call:barcode|> <|answer|>", "")


async def test_every_built_in_exemplar_is_found_again() -> None:
    chosen = await ExemplarController().route(Request("read this to me", ("image",)), CARDS)
    assert all(exemplar_controls(chosen.exemplars, ASKED, CARDS))


def test_the_whole_trace_is_plain_json() -> None:
    values = json.loads(json.dumps(to_dict(traced())))
    assert values["request"]["attachments"][0] == {"kind": "image", "name": "page.png"}
    assert values["sureness"] == "fairly sure"
    assert values["candidates"][0] == {"controls": ["<|call:ocr|>", "<|answer|>"], "score": 0.6}
    assert values["exemplars"][1] == {"text": "nobody ever said this", "controls": []}
    assert values["memory"][0]["text"] == "the red bicycle"
    assert (values["emitted"], values["repaired"], values["invalid"]) == (
        ["call:ocr", "answer"],
        True,
        ["<|call:nothing|>"],
    )
    chat = values["steps"][2]
    assert chat["inputs"] == ["your words", "text of ocr", "text of asr"]
    assert (chat["begins"], chat["ends"], chat["critical"]) == (1.0, 2.5, True)
    assert values["stages"] == [["s1", "s2"], ["s3"], ["s4"]]
    assert values["typical_seconds"] == pytest.approx(2.8)
    assert values["estimate"] == {"seconds": 4.1, "price": 0.01}


def test_foreign_tools_come_with_the_words_that_ask_for_them(capsys: pytest.CaptureFixture[str]) -> None:
    hints = Hints(asked={"asr": 0.2, "ocr": 0.9}, words={"ocr": "compare them"})
    found = traced(route=replace(ROUTE, hints=hints))
    assert to_dict(found)["asked"] == [
        {"specialist": "ocr", "score": 0.9, "words": "compare them"},
        {"specialist": "asr", "score": 0.2, "words": ""},
    ]
    show(found)
    assert "Asked for   90 %  ocr  compare them" in capsys.readouterr().out


def test_nobody_says_how_long_foreign_tools_take() -> None:
    values = to_dict(traced(timed=False))
    assert values["typical_seconds"] is values["estimate"] is values["steps"][0]["p50"] is None


def test_a_person_sees_what_runs_side_by_side_and_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    show(traced())
    lines = capsys.readouterr().out.splitlines()
    rows = {line[:10].strip(): line[10:] for line in lines if line[:10].strip()}
    assert rows["Decision"].startswith("fairly sure (margin 0.40), by the chat model")
    plan = lines[next(n for n, line in enumerate(lines) if line.startswith("Plan")) :]
    ocr, asr, chat, tts = (next(row for row in plan if name in row) for name in ("ocr", "asr", "chat", "tts"))
    assert "1 ┌ ocr" in ocr
    assert "page.png" in ocr
    assert "1.0 to 3.0 s, price 0.01" in ocr
    assert "  └ asr" in asr
    assert "~0.5 s" in asr
    assert "2   chat" in chat
    assert chat.index("█") >= ocr.rindex("█")
    assert tts.index("█") > chat.index("█")
    assert rows["Gives"] == "text, speech; in about 2.8 s, 4.1 s when slow; price 0.01"
    assert rows["Missing"] == "What it cannot do."
    assert rows["Memory"] == "user: the red bicycle"
    assert not [line for line in lines if line != line.rstrip()]


def test_what_cannot_run_is_plain_to_see(capsys: pytest.CaptureFixture[str]) -> None:
    show(
        traced(
            Plan((Step("s1", "imagegen", (PartRef(0, "text"),)),), ("image",), estimate=Estimate(0.0, 0.0))
        )
    )
    shown = capsys.readouterr().out
    assert "cannot run" in shown
    assert "imagegen is not available. Configure a model" in shown
    assert "0.0 s" not in shown


def test_waiting_has_no_plan(capsys: pytest.CaptureFixture[str]) -> None:
    show(traced(route=Route((control.WAIT,), "llm")))
    assert "it waits for you" in capsys.readouterr().out


def test_nothing_that_was_typed_commands_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b[2J[red]now[/red]"
    hostile = Route((control.ANSWER,), evil, exemplars=(evil,), emitted=(evil,), invalid=(evil,))
    asked = Request(evil, ("image",))
    plan = Plan((Step("s1", evil, (PartRef(1, "image"),)),), notes=(evil,))
    show(trace(asked, (evil,), hostile, plan, CARDS, {}))
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[red]now[/red]" in shown
