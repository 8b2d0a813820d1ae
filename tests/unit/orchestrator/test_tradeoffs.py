"""Fitting plans to budgets: what stands in, what is left out, and in which order."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.budget import Budget, Estimate, Tradeoff
from orchestrator.controller.exemplars import Decision
from orchestrator.latency import Latency
from orchestrator.plan import PartRef, Plan, ResultRef, Step, answering
from orchestrator.planner import plan
from orchestrator.tradeoffs import alternatives, first_choices, fit_to_budget, nice_to_have, without
from orchestrator.wording import describe, gave_up
from specialists.base import Card, Cost
from specialists.errors import BadInput


def made(
    name: str,
    takes: Sequence[str] = ("text",),
    gives: Sequence[str] = ("text",),
    seconds: float = 1.0,
    **more: object,
) -> Card:
    """A Card of this name; `price` is that of its cost."""
    cost = Cost(seconds, float(str(more.pop("price", 0.0))))
    return replace(Card(name, "", tuple(takes), tuple(gives), cost=cost), **more)  # type: ignore[arg-type]


CHAT = made("chat", seconds=2.0, price=0.02, purpose="chat", quality=0.8)
CHAT_SMALL = made("chat-small", seconds=0.5, price=0.001, purpose="chat", quality=0.3)
CHAT_FAIR = made("chat-fair", seconds=1.0, price=0.01, purpose="chat", quality=0.6)
VISION = made("vision", ["image"], seconds=3.0, price=0.01)
OCR = made("ocr", ["image", "document"], seconds=6.0, purpose="ocr")
OCR_FAST = made("ocr-fast", ["image", "document"], seconds=0.5, purpose="ocr", quality=0.4)
TTS = made("tts", gives=["audio"], seconds=1.0)
IMAGEGEN = made("imagegen", gives=["image"], seconds=20.0, price=0.04)
ONES = (CHAT, VISION, OCR, TTS, IMAGEGEN)
ALL = (*ONES, CHAT_SMALL, CHAT_FAIR, OCR_FAST)
BY_NAME = {card.name: card for card in ALL}

POEM = plan(Decision(("chat", "tts", "imagegen"), ("text", "speech", "image")), ["text"], ONES)
BOTH = plan(Decision(("vision", "ocr", "chat")), ["text", "image"], ONES)


def fitted(
    planned: Plan, cards: Sequence[Card], seconds: float | None = None, price: float | None = None
) -> Plan:
    return fit_to_budget(planned, cards, {}, Budget(seconds, price))


def names(planned: Plan) -> list[str]:
    return [step.specialist for step in planned.steps]


def said(planned: Plan, took: float | None = None) -> str:
    return gave_up(planned.tradeoffs, took)


@pytest.mark.parametrize(
    ("planned", "cards", "seconds", "price", "left", "sentence"),
    [
        (POEM, ONES, None, None, ["chat", "tts", "imagegen"], ""),
        (POEM, ONES, 22.0, None, ["chat", "tts", "imagegen"], ""),
        (POEM, ONES, 5.0, None, ["chat", "tts"], "I left out the picture to answer within 5 seconds."),
        (
            POEM,
            ONES,
            2.5,
            None,
            ["chat"],
            "I left out the speech and the picture to answer within 2.5 seconds.",
        ),
        (
            POEM,
            ALL,
            2.5,
            None,
            ["chat-fair", "tts"],
            "I left out the picture and used chat-fair instead of chat to answer within 2.5 seconds.",
        ),
        (POEM, ONES, 1.0, None, ["chat"], "I left out the speech and the picture, and it still takes "),
        (POEM, ONES, None, 0.03, ["chat", "tts"], "I left out the picture to spend at most 0.03."),
        (
            POEM,
            ALL,
            None,
            0.05,
            ["chat-fair", "tts", "imagegen"],
            "I used chat-fair instead of chat to spend",
        ),
        (POEM, ONES, 5.0, 0.03, ["chat", "tts"], "I left out the picture to answer within 5 seconds for at "),
        (BOTH, ALL, 6.0, None, ["vision", "ocr-fast", "chat"], "I used ocr-fast instead of ocr to answer"),
        (BOTH, ONES, 6.0, None, ["vision", "chat"], "I left out what ocr would have added to answer within"),
        (POEM, ONES, None, 0.0, [], "I cannot answer this for at most 0: the cheapest way costs 0.02."),
    ],
)
def test_what_is_given_up(
    planned: Plan,
    cards: Sequence[Card],
    seconds: float | None,
    price: float | None,
    left: list[str],
    sentence: str,
) -> None:
    fit = fitted(planned, cards, seconds, price)
    assert names(fit) == left
    assert said(fit).startswith(sentence) and bool(said(fit)) == bool(sentence)


def test_speech_goes_before_a_picture_and_a_picture_before_a_source() -> None:
    cards = tuple(replace(card, cost=Cost(1.0, 0.25)) for card in ONES)
    steps = ("vision", "ocr", "chat", "tts", "imagegen")
    planned = plan(Decision(steps, ("text", "speech", "image")), ["text", "image"], cards)
    lost = [[t.output for t in fitted(planned, cards, None, price).tradeoffs] for price in (1.0, 0.75, 0.5)]
    assert lost == [["speech"], ["speech", "image"], ["speech", "image", ""]]


def test_live_figures_go_before_those_of_the_cards() -> None:
    quick = {"imagegen": Latency(9, 1.0, 1.5)}
    assert names(fit_to_budget(POEM, ONES, quick, Budget(5.0))) == ["chat", "tts", "imagegen"]
    slow = {"tts": Latency(9, 1.0, 9.0)}
    fit = fit_to_budget(POEM, ONES, slow, Budget(5.0))
    assert names(fit) == ["chat"]
    assert fit.outputs == ("text",)


def test_steps_side_by_side_take_as_long_as_the_longest_and_cost_their_sum() -> None:
    fit = fit_to_budget(BOTH, ONES, {}, Budget(), spent=0.5)
    assert fit.estimate == Estimate(0.5 + 6.0 + 2.0, pytest.approx(0.03))
    assert fit.steps == BOTH.steps


def test_each_tradeoff_carries_the_estimates_around_it() -> None:
    drop, swap = fitted(POEM, ALL, 2.5).tradeoffs
    assert (drop.action, drop.step, drop.output, drop.reason) == ("drop", "s3", "image", "seconds")
    assert (drop.before.seconds, drop.after.seconds) == (22.0, 3.0)
    assert (swap.specialist, swap.instead) == ("chat", "chat-fair")
    assert (swap.before.seconds, swap.after.seconds) == (3.0, 2.0)
    assert swap.after.price == pytest.approx(0.01)
    assert describe(drop) == "without imagegen: 22.0 → 3.0 s of 2.5"
    assert describe(swap) == "chat-fair instead of chat: 3.0 → 2.0 s of 2.5"


def test_who_only_listens_is_not_left_without_speech() -> None:
    fit = fit_to_budget(POEM, ONES, {}, Budget(2.5), keep=("speech",))
    assert names(fit) == ["chat", "tts"]
    assert fit.tradeoffs[-1].action == "late"


def test_speech_is_not_left_out_where_it_is_all_that_was_asked_for() -> None:
    aloud = plan(Decision(("ocr", "tts"), ("speech",)), ["text", "image"], ONES)
    assert names(fitted(aloud, ONES, 1.0)) == ["ocr", "tts"]


def test_a_late_answer_is_told_as_it_turned_out() -> None:
    late = fitted(plan(Decision(("chat",)), ["text"], ONES), ONES, 1.0)
    assert names(late) == ["chat"]
    assert said(late) == "This takes longer than the 1 second allowed."
    assert said(late, took=1.7) == "This took longer than the 1 second allowed."
    assert said(late, took=0.8) == ""


def test_where_only_what_is_late_is_cheap_enough_it_runs_and_says_so() -> None:
    slow = made("chat-slow", seconds=9.0, purpose="chat")
    fit = fitted(plan(Decision(("chat",)), ["text"], ONES), (*ONES, slow), 1.0, 0.0)
    assert names(fit) == ["chat-slow"]
    assert [tradeoff.action for tradeoff in fit.tradeoffs] == ["replace", "late"]


def test_what_only_prepared_the_dropped_output_goes_with_it() -> None:
    cards = (CHAT, made("sketch", gives=["outline"]), made("paint", ["outline"], ["image"], 30.0))
    planned = plan(Decision(("chat", "sketch", "paint"), ("text", "image")), ["text"], cards)
    assert names(planned) == ["chat", "sketch", "paint"]
    assert names(fitted(planned, cards, 5.0)) == ["chat"]


def test_a_source_is_not_dropped_where_nothing_of_its_kind_is_left_to_work_on() -> None:
    both = (made("mix", ["image", "sound"], ["text"]), made("see", gives=["image"], seconds=9.0))
    step = Step("s2", "mix", (PartRef(0, "text"), ResultRef("s1", "image")), ("s1",))
    planned = Plan((Step("s1", "see", (PartRef(0, "text"),)), step))
    assert nice_to_have(planned, {card.name: card for card in both}) == ()


def test_equal_kinds_alone_make_no_stand_in() -> None:
    barcode = made("barcode", ["image"], seconds=0.01)
    looked = plan(Decision(("vision",)), ["text", "image"], ONES)
    assert alternatives(VISION, (barcode,)) == ()
    assert names(fitted(looked, (*ONES, barcode), 1.0)) == ["vision"]


def test_the_better_stand_in_comes_first_and_only_where_it_is_needed() -> None:
    asked = plan(Decision(("chat",)), ["text"], ONES)
    assert [card.name for card in alternatives(CHAT, ALL)] == ["chat-fair", "chat-small"]
    assert names(fitted(asked, ALL, 2.0)) == ["chat"]
    assert names(fitted(asked, ALL, 1.9)) == ["chat-fair"]
    assert names(fitted(asked, ALL, 0.7)) == ["chat-small"]
    better = made("chat-best", seconds=1.0, purpose="chat", quality=1.0)
    assert names(fitted(asked, (*ALL, better), 1.9)) == ["chat-best"]


def test_an_unavailable_specialist_is_replaced_without_any_limit() -> None:
    gone = tuple(replace(card, available=card.name != "ocr") for card in ALL)
    fit = fitted(plan(Decision(("ocr",)), ["text", "image"], gone), gone)
    assert names(fit) == ["ocr-fast"]
    assert describe(fit.tradeoffs[0]) == "ocr-fast instead of ocr, which is not available"
    assert said(fit) == ""


def test_what_is_unavailable_takes_no_time_so_that_its_remedy_is_told() -> None:
    gone = tuple(replace(card, available=card.name != "imagegen") for card in ONES)
    assert names(fitted(POEM, gone, 5.0)) == ["chat", "tts", "imagegen"]


def test_stand_ins_are_not_routed_to() -> None:
    assert [card.name for card in first_choices(ALL)] == [card.name for card in ONES]
    assert first_choices((OCR_FAST, VISION)) == (OCR_FAST, VISION)


@pytest.mark.parametrize(
    ("seconds", "price"),
    [(0.0, None), (-1.0, None), (float("nan"), None), (None, -0.1), (None, float("inf"))],
)
def test_limits_that_cannot_be_are_refused(seconds: float | None, price: float | None) -> None:
    with pytest.raises(BadInput, match="budget"):
        Budget(seconds, price)


def test_a_request_may_ask_for_less_never_for_more() -> None:
    assert Budget(5.0).tighter(Budget(120.0, 0.1)) == Budget(5.0, 0.1)
    assert Budget(500.0, 1.0).tighter(Budget(120.0, 0.1)) == Budget(120.0, 0.1)


cards_of_any_cost = st.fixed_dictionaries(
    {
        card.name: st.tuples(st.floats(0.01, 30), st.floats(0, 1), st.floats(0, 1), st.booleans())
        for card in ALL
    }
).map(
    lambda drawn: tuple(
        replace(
            card,
            cost=Cost(drawn[card.name][0], drawn[card.name][1]),
            quality=drawn[card.name][2],
            available=drawn[card.name][3] or card.name == "chat",
        )
        for card in ALL
    )
)


@given(
    cards_of_any_cost,
    st.lists(st.sampled_from([card.name for card in ONES]), unique=True, min_size=1),
    st.lists(st.sampled_from(["image", "document"]), max_size=2),
    st.none() | st.floats(0.1, 40),
    st.none() | st.floats(0, 3),
    st.booleans(),
)
def test_any_plan_fits_or_says_why_not(
    cards: tuple[Card, ...],
    steps: list[str],
    kinds: list[str],
    seconds: float | None,
    price: float | None,
    listens: bool,
) -> None:
    outputs = ("text", *(["speech"] * ("tts" in steps)), *(["image"] * ("imagegen" in steps)))
    planned = plan(Decision(tuple(steps), outputs), ["text", *kinds], first_choices(cards))
    budget, keep = Budget(seconds, price), ("speech",) if listens else ()
    fit = fit_to_budget(planned, cards, {}, budget, keep=keep)
    by_name = {card.name: card for card in cards}
    actions = [tradeoff.action for tradeoff in fit.tradeoffs]
    assert fit.estimate is not None
    assert fit == fit_to_budget(planned, cards, {}, budget, keep=keep)
    assert price is None or fit.estimate.price <= price
    assert (seconds is not None and fit.estimate.seconds > seconds) == ("late" in actions)
    if "refuse" in actions:
        assert fit.steps == ()
        return
    ids = {step.id for step in fit.steps}
    assert ids <= {step.id for step in planned.steps}
    assert bool(answering(fit, by_name)) == bool(answering(planned, by_name))
    assert not listens or ("speech" in fit.outputs) == ("speech" in planned.outputs)
    # Every change is told, once, with the step it was made to.
    swapped = {step.id for step in fit.steps if step.specialist not in names(planned)}
    assert {t.step for t in fit.tradeoffs if t.action == "replace"} >= swapped
    dropped = [t for t in fit.tradeoffs if t.action == "drop"]
    assert {t.step for t in dropped} <= {step.id for step in planned.steps} - ids
    assert bool(dropped) == (len(fit.steps) < len(planned.steps))
    # Nothing is dropped for nothing: with any one of the dropped steps back, the plan would not fit.
    if "late" not in actions:
        for tradeoff in dropped:
            others = {t.step for t in dropped} - {tradeoff.step}
            back = without(planned, others, by_name) if others else planned
            assert back is not None
            again = fit_to_budget(back, cards, {}, budget, keep=keep)
            assert {t.action for t in again.tradeoffs} & {"drop", "late", "refuse"}


def test_a_plan_that_is_all_choices_is_fitted_at_once() -> None:
    every = tuple(
        made(f"tool{n}{kind}", ["image"], seconds=seconds, price=0.01, purpose=f"p{n}")
        for n in range(12)
        for kind, seconds in (("", 9.0), ("-b", 5.0), ("-c", 1.0))
    )
    cards = (*every, CHAT)
    tools = tuple(f"tool{n}" for n in range(12))
    planned = plan(Decision((*tools, "chat")), ["text", "image"], cards)
    fit = fitted(planned, cards, 3.0)
    assert fit.estimate == Estimate(3.0, pytest.approx(0.14))
    assert all(name.endswith("-c") for name in names(fit)[:-1])


def test_a_tradeoff_survives_the_log() -> None:
    from orchestrator.events import Planned, from_dict, to_dict

    event = Planned(plan=fitted(POEM, ALL, 2.5))
    assert from_dict(to_dict(event)) == event
    assert isinstance(event.plan.tradeoffs[0], Tradeoff)


@pytest.mark.parametrize("price", [0.0, 3.0])
def test_too_dear_a_plan_of_many_choices_is_fitted_at_once(price: float) -> None:
    letters = ("", "-b", "-c", "-d", "-e")
    tools = tuple(f"tool{n}" for n in range(8))
    every = tuple(made(f"{t}{x}", ["image"], price=1.0, purpose=t) for t in tools for x in letters)
    planned = plan(Decision((*tools, "chat")), ["text", "image"], (*every, made("chat", price=1.0)))
    began = time.perf_counter()
    fit = fitted(planned, (*every, made("chat", price=1.0)), 1.5, price)
    assert time.perf_counter() - began < 3
    assert [t.action for t in fit.tradeoffs][-1] == ("late" if price else "refuse")
    assert fit.estimate is not None
    assert fit.estimate.price <= price
