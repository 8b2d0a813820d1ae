"""The fitted router: what it claims, where it decides, and that it needs no torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from orchestrator.config import ControllerTable
from orchestrator.controller import catalogues as worlds
from orchestrator.controller.build import by_example
from orchestrator.controller.decoding import Decoder
from orchestrator.controller.exemplar import NEAREST, ExemplarController
from orchestrator.controller.exemplars import Decision, Exemplar, built_in, core, digest, read
from orchestrator.controller.fit import _surprise, kept_back, remeasure
from orchestrator.controller.measure import measure, right
from orchestrator.controller.request import Request, Said
from orchestrator.controller.route import Route, controls_of, decision_of
from orchestrator.controller.router import CLAIMS, FOLDER, WEIGHTS, Claims, FittedController, FittedRouter
from orchestrator.controller.text_form import segments
from specialists.base import Card
from specialists.errors import BadConfig, BadInput
from tests.unit.orchestrator.test_planner import CARDS

LOADS_AND_DECIDES = """
import sys
from orchestrator.controller.router import FittedRouter
from orchestrator.controller.request import Request
scores = FittedRouter().scores(Request("What does this page say?", ("image",)))
assert scores["ocr"] > 0 > scores["imagegen"], scores
print(sorted({"torch", "transformers"} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def router() -> FittedRouter:
    return FittedRouter()


@pytest.fixture(scope="module")
def controller(router: FittedRouter) -> FittedController:
    return FittedController(router, ExemplarController(core()))


def decided(controller: FittedController, asked: Request) -> set[str]:
    return set(decision_of(controller.decide(asked, CARDS).controls).steps)


@pytest.mark.parametrize(
    ("text", "attachments", "expected"),
    [
        ("What is the capital of France?", (), {"chat"}),
        ("What does this page say?", ("image",), {"ocr"}),
        ("What animal is this?", ("image",), {"vision"}),
        ("Transcribe this recording", ("audio",), {"asr"}),
        ("What happens in this clip?", ("video",), {"video"}),
        ("Draw a red fox in the snow", (), {"imagegen"}),
        ("", ("image",), {"vision"}),
        ("", ("audio",), {"asr", "chat"}),
    ],
)
def test_plain_requests_find_their_specialists(
    controller: FittedController, text: str, attachments: tuple[str, ...], expected: set[str]
) -> None:
    route = controller.decide(Request(text, attachments), CARDS)
    assert set(decision_of(route.controls).steps) == expected
    assert route.controller == "fitted"


def test_no_route_needs_a_medium_that_is_not_there(controller: FittedController) -> None:
    for text in ("What animal is this?", "read the page", "transcribe it", "what happens in the clip"):
        assert not decided(controller, Request(text)) & {"vision", "ocr", "asr", "video"}


def test_a_decision_shows_its_reasons(controller: FittedController) -> None:
    route = controller.decide(Request("What animal is this?", ("image",)), CARDS)
    shares = [share for _, share in route.candidates]
    assert shares == sorted(shares, reverse=True)
    assert route.margin == pytest.approx(shares[0] - shares[1])
    assert len(route.exemplars) == NEAREST


def test_a_new_card_works_at_once_and_the_known_ones_go_on(controller: FittedController) -> None:
    barcode = Card(
        "barcode",
        "Reads QR codes and barcodes in a picture",
        ("image",),
        ("text",),
        examples=("what does this QR code say", "scan the barcode", "where does this qr code lead"),
    )
    scan = controller.decide(Request("scan this QR code please", ("image",)), (*CARDS, barcode))
    assert decision_of(scan.controls).steps == ("barcode",)
    animal = controller.decide(Request("What animal is this?", ("image",)), (*CARDS, barcode))
    assert animal.controller == "fitted"
    assert "barcode" not in decision_of(animal.controls).steps


def test_the_nearest_card_is_called_though_chat_has_many_more_exemplars(controller: FittedController) -> None:
    weather = Card(
        "weather",
        "Tells the weather forecast of a place",
        ("text",),
        ("text",),
        examples=("will it rain in Oslo tomorrow", "weather in Rome"),
    )
    route = controller.decide(Request("weather forecast for the weekend in Kyiv"), (*CARDS, weather))
    assert decision_of(route.controls).steps == ("weather",)
    assert route.margin >= 0
    chat = controller.decide(Request("how do i get red wine out of a carpet"), (*CARDS, weather))
    assert decision_of(chat.controls).steps == ("chat",)


def test_a_specialist_that_is_not_registered_is_never_called(controller: FittedController) -> None:
    without = tuple(card for card in CARDS if card.name != "ocr")
    route = controller.decide(Request("What does this page say?", ("image",)), without)
    assert "ocr" not in decision_of(route.controls).steps


def test_a_foreign_catalogue_is_decided_by_its_cards(controller: FittedController) -> None:
    tools = (
        Card("weather_lookup", "Tells the weather forecast of a place", ("text",), ("text",)),
        Card("currency_converter", "Converts an amount of money between currencies", ("text",), ("text",)),
    )
    route = controller.decide(Request("convert 20 dollars of money into euros"), tools)
    assert decision_of(route.controls).steps == ("currency_converter",)
    assert route.controller == "fitted: cards"


def test_the_router_loads_and_decides_without_torch() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LOADS_AND_DECIDES], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "[]"), ran.stderr


def test_the_router_was_fitted_to_these_exemplars(router: FittedRouter) -> None:
    assert router.claims.exemplars == digest(built_in()), "run `antiphon router fit`"
    assert router.claims.catalogues == worlds.digest(worlds.built_in()), "run `antiphon router fit`"


def test_the_claims_hold_when_they_are_measured_again(router: FittedRouter) -> None:
    found = remeasure(router, built_in(), CARDS)
    # Other processors round 8-bit products otherwise, so that a close call may fall the other way.
    assert found.requests == router.claims.held_out
    assert found.right == pytest.approx(router.claims.right, abs=0.03)
    assert found.steps == pytest.approx(router.claims.steps, abs=0.03)


def test_a_router_is_small() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 25_000_000


def test_a_router_for_another_form_of_requests_is_refused(tmp_path: Path) -> None:
    values = json.loads((FOLDER / CLAIMS).read_text())
    (tmp_path / CLAIMS).write_text(json.dumps({**values, "text_form": 0}))
    with pytest.raises(BadConfig, match="another form") as raised:
        Claims.read(tmp_path)
    assert "router fit" in raised.value.remedy


def test_weights_that_are_none_are_refused(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    (tmp_path / WEIGHTS).write_bytes(b"not a model")
    with pytest.raises(BadConfig, match="not a fitted encoder"):
        FittedRouter(tmp_path)


def test_without_a_router_exemplars_decide_unless_one_was_asked_for(tmp_path: Path) -> None:
    assert isinstance(by_example(ControllerTable(), None), FittedController)
    assert isinstance(by_example(ControllerTable(kind="exemplar"), None), ExemplarController)
    assert isinstance(by_example(ControllerTable(), None, tmp_path), ExemplarController)
    with pytest.raises(BadConfig, match="no fitted router"):
        by_example(ControllerTable(kind="fitted"), None, tmp_path)


def test_segments_tell_what_is_attached_and_what_was_said() -> None:
    asked = Request(
        "which  one is newer?",
        ("image", "image"),
        (Said("user", " ".join(["listen"] * 99), ("audio",)), Said("assistant", "speak")),
    )
    first, second = segments(asked)
    assert first == "[image x2] earlier: [audio] which one is newer?"
    assert second.startswith("user [audio]: listen listen")
    assert second.endswith("assistant: [answer]")
    assert len(second.split()) < 50
    assert segments(Request("")) == ("[nothing] [no words]", "")


def test_the_digest_depends_on_what_exemplars_say() -> None:
    some = built_in()[:5]
    assert digest(some) == digest(list(some))
    assert digest(some) != digest(some[:4]) != digest(some[1:])


def test_the_part_that_is_kept_back_is_about_one_in_twelve() -> None:
    assert 0.05 < sum(map(kept_back, built_in())) / len(built_in()) < 0.12


def test_measuring_counts_what_was_missed_and_what_was_wrongly_done() -> None:
    asked = [e for e in built_in() if e.decision.steps == ("ocr",)][:4]

    def always_ocr(request: Request) -> Route:
        return Route(controls_of(Decision(("ocr",))), "test", 0.5)

    assert measure(always_ocr, asked).right == 1.0
    wrong = [e for e in built_in() if e.decision.steps == ("vision",)][:4]
    found = measure(always_ocr, wrong)
    assert (found.right, found.wrong) == (0.0, (0, 1, 2, 3))
    assert found.errors["ocr"] == (4, 0)
    assert found.errors["vision"] == (0, 4)


def test_optional_specialists_may_be_called_and_may_be_left() -> None:
    exemplar = next(e for e in built_in() if "chat" in e.optional and e.decision.steps == ("ocr",))
    assert right(exemplar.decision, exemplar)
    assert right(Decision(("ocr", "chat")), exemplar)
    assert not right(Decision(("chat",)), exemplar)


@pytest.mark.parametrize("line", ["{", "[]", '{"text": "hello"}'])
def test_a_line_that_is_no_exemplar_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(BadInput, match="line 1"):
        read(path)


def test_a_new_card_that_is_plainly_asked_for_is_not_doubted(controller: FittedController) -> None:
    barcode = Card("barcode", "Reads QR codes and barcodes in a picture", ("image",), ("text",))
    route = controller.decide(Request("scan this QR code please", ("image",)), (*CARDS, barcode))
    assert "barcode" in decision_of(route.controls).steps
    assert route.margin > 0.1
    assert sum(share for _, share in route.candidates) <= 1.001


def test_requests_that_come_together_read_the_cards_once(
    router: FittedRouter, controller: FittedController
) -> None:
    tools = tuple(Card(f"tool_{n}", f"Does the thing number {n}", ("text",), ("text",)) for n in range(40))
    before = router._read.cache_info().misses  # type: ignore[attr-defined]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: controller.decide(Request("hello"), tools), range(4)))
    gone = (replace(tools[0], available=False), *tools[1:])
    controller.decide(Request("hello"), gone)
    assert router._read.cache_info().misses == before + 1  # type: ignore[attr-defined]


def test_memory_beside_a_new_attachment_rests_on_what_is_known_as_well() -> None:
    alone, beside = Decision(("memory", "chat"), reuse=True), Decision(("memory", "vision", "chat"))
    decoder = Decoder((alone, beside), CARDS)
    asked_for = {"memory": 2.0, "vision": 1.0, "chat": 2.0, "output:text": 2.0, "reuse": 2.5}
    scores = np.array([asked_for.get(name, -2.0) for name in decoder.columns])
    (best, _), *_ = decoder.rank(scores, Request("is it the ring I lost?", ("image",)))
    assert best == beside


def test_a_needless_step_is_worth_less_than_none() -> None:
    look = Exemplar(Request("", ("image",)), Decision(("vision",)), optional=("chat",))
    lean, rich, wrong = (Decision(steps) for steps in (("vision",), ("vision", "chat"), ("ocr",)))
    found = [_surprise([(decision, 1.0)], look) for decision in (lean, rich, wrong)]
    assert found[0] == 0 < found[1] < found[2]
