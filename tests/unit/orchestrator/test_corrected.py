"""The controller with a person's corrections before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from memory.corrections import Correction
from orchestrator import control
from orchestrator.controller.corrected import Alike, CorrectedController, nearest
from orchestrator.controller.request import Request, Said
from orchestrator.controller.route import Route
from specialists.base import Card
from specialists.errors import SpecialistFailed, Unavailable
from tests.unit.memory.conftest import hashed
from tests.unit.orchestrator.test_planner import CARDS

OCR = ("<|call:ocr|>", "<|answer|>")
VISION = ("<|call:vision|>", "<|answer|>")
PLAIN = Route((control.call("chat"), control.ANSWER), "plain")


class Plain:
    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        return PLAIN


def counted(texts: Sequence[str]) -> np.ndarray:
    """Word counts: the third of three words is another, so the cosine is 2/3."""
    return hashed(texts)


def controller(*corrections: Correction, embed: object = counted) -> CorrectedController:
    async def of(person: str) -> list[Correction]:
        return [c for c in corrections if c.person == person]

    return CorrectedController(Plain(), of, embed)  # type: ignore[arg-type]


def page(text: str = "tell me about this", person: str | None = "", *kinds: str) -> Request:
    return Request(text, kinds or ("image",), person=person)


KEPT = Correction("", "tell me about this", OCR, ("image",), id="1")


async def test_the_same_request_goes_the_corrected_way() -> None:
    found = await controller(KEPT).route(page("Tell me  about this, ?"), CARDS)
    assert tuple(map(str, found.controls)) == OCR
    assert found.controller == "corrected: 1.00 alike"
    assert found.exemplars == ("corrected: tell me about this",)


@pytest.mark.parametrize(
    "request_",
    [
        page(person=None),
        page("tell me about this", "", "document"),
        page("what is the time"),
        Request("tell me about this", person=""),
        page("tell me about this", "another."),
    ],
)
async def test_any_other_goes_the_usual_way(request_: Request) -> None:
    assert await controller(KEPT).route(request_, CARDS) is PLAIN


async def test_what_cannot_be_done_now_goes_the_usual_way() -> None:
    without = [card for card in CARDS if card.name != "ocr"]
    assert await controller(KEPT).route(page(), without) is PLAIN
    reuse = Correction(
        "", "tell me about this", ("<|call:chat|>", "<|recall:text|>", "<|answer|>"), ("image",)
    )
    assert await controller(reuse).route(page(), CARDS) is PLAIN
    strange = Correction("", "tell me about this", ("rm -rf", "<|call:|>"), ("image",))
    assert await controller(strange).route(page(), CARDS) is PLAIN


async def test_what_was_attached_before_tells_follow_ups_apart() -> None:
    kept = Correction("", "and this line", OCR, earlier=("image",))
    before = (Said("user", "look", ("image",)), Said("assistant", "A page."))
    assert (await controller(kept).route(Request("and this line", (), before, ""), CARDS)).controls[
        0
    ].argument == "ocr"
    sound = (Said("user", "listen", ("audio", "image")), Said("assistant", "A song."))
    assert await controller(kept).route(Request("and this line", (), sound, ""), CARDS) is PLAIN


async def test_the_nearest_wins_and_the_margin_says_by_how_much() -> None:
    other = Correction("", "tell me about the cat here", VISION, ("image",), id="2")
    found = await controller(KEPT, other).route(page("tell me about this here"), CARDS)
    assert tuple(map(str, found.controls)) == OCR
    (_, best), (_, second) = found.candidates
    assert found.margin == pytest.approx(best - second)
    assert best >= 0.85 > second > 0


def test_below_the_threshold_there_is_none() -> None:
    alike = Alike(counted)
    (score,) = alike("tell me about that", ["tell me about this"])
    assert nearest(page("tell me about that"), [KEPT], alike, alike=score - 0.01) is not None
    assert nearest(page("tell me about that"), [KEPT], alike, alike=score + 0.01) is None


async def test_without_an_encoder_or_while_it_fails_the_very_words_count() -> None:
    def broken(texts: Sequence[str]) -> np.ndarray:
        raise SpecialistFailed("no model", part="embed")

    for embed in (None, broken):
        routed = controller(KEPT, embed=embed)
        assert (await routed.route(page(), CARDS)).controller.startswith("corrected")
        assert await routed.route(page("tell me about this one"), CARDS) is PLAIN


async def test_a_request_without_words_is_like_another_such() -> None:
    silent = Correction("", "", OCR, ("image",))
    assert (await controller(silent).route(page(""), CARDS)).controller == "corrected: 1.00 alike"
    assert await controller(silent).route(page("what is the time"), CARDS) is PLAIN
    assert await controller(KEPT).route(page(""), CARDS) is PLAIN


async def test_corrections_that_cannot_be_read_stop_nothing() -> None:
    async def unreadable(person: str) -> list[Correction]:
        raise Unavailable("the disk is gone", part="memory")

    assert await CorrectedController(Plain(), unreadable, None).route(page(), CARDS) is PLAIN


def test_vectors_of_corrections_are_made_once() -> None:
    asked: list[str] = []

    def noting(texts: Sequence[str]) -> np.ndarray:
        asked.extend(texts)
        return hashed(texts)

    alike = Alike(noting)
    others = ["one page", "two pages"]
    first = alike("a page", others)
    assert alike("a page", others) == first
    assert asked == ["a page", *others, "a page"]
    alike.KEPT = 2
    assert len(alike("a page", ["three", "one page"])) == 2
    assert asked[-2:] == ["three", "one page"]


async def test_a_request_of_stops_alone_is_compared_at_once() -> None:
    assert await controller(KEPT).route(page("!" * 100_000 + "x"), CARDS) is PLAIN
