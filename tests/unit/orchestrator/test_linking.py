"""Linking the steps of a registry that is not ours."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.linking import Hints, Linker
from orchestrator.plan import PartRef, Plan, ResultRef, Step
from specialists.base import Card
from specialists.content import Kind

TOOLS = {
    card.name: card
    for card in (
        Card("denoise", "", ("image",), ("image",)),
        Card("enlarge", "", ("image",), ("image",)),
        Card("caption", "", ("image",), ("text",)),
        Card("scan", "", ("document",), ("text",)),
        Card("translate", "", ("text",), ("text",)),
        Card("keywords", "", ("text",), ("text",)),
        Card("speak", "", ("text",), ("audio",)),
        Card("dub", "", ("video", "audio"), ("video",)),
        Card("survey", "", ("pointcloud",), ("mesh",)),
    )
}


def linked(
    *names: str,
    parts: tuple[Kind, ...] = (),
    links: dict[tuple[str, str], float] | None = None,
    **asked: float,
) -> dict[str, tuple[str, ...]]:
    """What stands before each specialist."""
    linker = Linker(names, TOOLS, ["text", *parts], len(parts) + 1, Hints(links or {}, asked))
    steps = linker.steps()
    called = {step.id: step.specialist for step in steps}
    return {step.specialist: tuple(called[before] for before in step.after) for step in steps}


def test_a_chain_follows_the_likely_links() -> None:
    links = {("denoise", "enlarge"): 2.0, ("enlarge", "caption"): 1.0, ("denoise", "caption"): -3.0}
    assert linked("denoise", "enlarge", "caption", parts=("image",), links=links) == {
        "denoise": (),
        "enlarge": ("denoise",),
        "caption": ("enlarge",),
    }


def test_without_a_likely_link_both_work_on_the_attachment() -> None:
    links = {("denoise", "caption"): -1.0, ("caption", "denoise"): -9.0}
    assert linked("denoise", "caption", parts=("image",), links=links) == {"denoise": (), "caption": ()}


def test_a_link_that_kinds_forbid_is_not_made() -> None:
    assert linked("caption", "denoise", parts=("image",), links={("caption", "denoise"): 5.0}) == {
        "caption": (),
        "denoise": (),
    }


def test_of_two_links_that_wait_for_each_other_the_likelier_stays() -> None:
    links = {("denoise", "enlarge"): 1.0, ("enlarge", "denoise"): 2.0}
    found = linked("denoise", "enlarge", parts=("image",), links=links)
    assert found == {"enlarge": (), "denoise": ("enlarge",)}


def test_one_step_gives_words_unless_another_is_as_plain() -> None:
    links = {("scan", "translate"): 1.0, ("translate", "speak"): 2.5, ("scan", "speak"): 1.0}
    named = ("scan", "translate", "speak")
    assert linked(*named, parts=("document",), links=links)["speak"] == ("translate",)
    links["scan", "speak"] = 2.0
    assert linked(*named, parts=("document",), links=links)["speak"] == (
        "translate",
        "scan",
    )


def test_what_no_attachment_feeds_takes_the_best_that_fits() -> None:
    found = linked("dub", "speak", parts=("video",), links={("speak", "dub"): -2.0})
    assert found == {"speak": (), "dub": ("speak",)}


def test_an_unnamed_step_between_attachment_and_words_is_found() -> None:
    found = linked("translate", parts=("document",), scan=0.2, keywords=0.1)
    assert found == {"scan": (), "translate": ("scan",)}


def test_words_alone_need_no_step_before() -> None:
    assert linked("translate", scan=0.2) == {"translate": ()}


def test_what_nothing_feeds_is_left_out_and_named() -> None:
    linker = Linker(["survey", "translate"], TOOLS, ["text"], 1, Hints())
    assert [step.specialist for step in linker.steps()] == ["translate"]
    assert linker.unfed == ["survey"]


def test_an_earlier_attachment_serves_only_where_none_came_now() -> None:
    steps = Linker(["caption"], TOOLS, ["text", "image", "image"], 1, Hints()).steps()
    assert steps[0].inputs == (PartRef(1, "image"),)


@given(
    st.lists(st.sampled_from(sorted(TOOLS)), unique=True, min_size=1),
    st.lists(st.sampled_from(["image", "audio", "video", "document"]), max_size=3),
    st.dictionaries(
        st.tuples(st.sampled_from(sorted(TOOLS)), st.sampled_from(sorted(TOOLS))), st.floats(-5, 5)
    ),
    st.dictionaries(st.sampled_from(sorted(TOOLS)), st.floats(0, 1)),
)
def test_any_hints_give_a_legal_plan(
    names: list[str],
    kinds: list[str],
    links: dict[tuple[str, str], float],
    asked: dict[str, float],
) -> None:
    linker = Linker(names, TOOLS, ["text", *kinds], len(kinds) + 1, Hints(links, asked))
    steps: tuple[Step, ...] = Plan(tuple(linker.steps())).steps  # a Plan refuses a step before what it needs
    called = {step.id: TOOLS[step.specialist] for step in steps}
    assert {card.name for card in called.values()} | set(linker.unfed) >= set(names)
    for step in steps:
        for ref in step.inputs:
            assert ref.kind in TOOLS[step.specialist].consumes
            if isinstance(ref, ResultRef):
                assert ref.kind in called[ref.step].produces


def test_a_step_behind_one_that_is_left_out_is_left_out_as_well() -> None:
    cards = {**TOOLS, "measure": Card("measure", "", ("mesh",), ("text",))}
    linker = Linker(["survey", "measure"], cards, ["text"], 1, Hints({("survey", "measure"): 2.0}))
    assert linker.steps() == []
    assert linker.unfed == ["survey", "measure"]


def test_many_steps_that_all_wait_for_each_other_are_linked_at_once() -> None:
    names = [f"step{n}" for n in range(60)]
    cards = {name: Card(name, "", ("text",), ("text",)) for name in names}
    links = {(a, b): 2.0 for i, a in enumerate(names) for b in names[i + 1 :]}
    steps = Linker(names, cards, ["text"], 1, Hints(links)).steps()
    assert [step.specialist for step in steps] == names
    assert len(steps[-1].after) == 59
