"""A turn that asks what is meant instead of guessing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.config import Config
from orchestrator.controller.exemplars import Decision
from orchestrator.controller.request import Request
from orchestrator.controller.route import Route, controls_of
from orchestrator.engine import Orchestrator
from orchestrator.events import Event, MediaReady, Planned, SpeechDelta, StepStarted, TurnFinished
from specialists.base import Card
from specialists.runtime import LocalRuntime
from tests.unit.orchestrator.conftest import cast
from tests.unit.orchestrator.test_engine import collect, one

MEANINGS = (Decision(("vision",)), Decision(("ocr",)))


class Torn:
    """A controller that cannot tell two meanings apart."""

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        candidates = tuple((controls_of(decision), 0.5) for decision in MEANINGS)
        return Route(candidates[0][0], "torn", 0.0, candidates)


async def turns(
    tmp_path: Path, picture: Path, *, speak: bool = False, below: float = 0.1, answer: str = "hm"
) -> list[list[Event]]:
    """Two turns about a picture."""
    config = Config.model_validate(
        {"engine": {"data": tmp_path / "data", "models": tmp_path}, "controller": {"ask_below": below}}
    )
    runtime = LocalRuntime(cast().values())
    async with Orchestrator.open(config, runtime=runtime, controller=Torn()) as orchestrator:
        session = orchestrator.session("s")
        first = await collect(session.send("the sign", images=[picture], speak=speak))
        return [first, await collect(session.send(answer, speak=speak))]


async def test_a_toss_up_is_asked_back_and_nothing_runs(tmp_path: Path, picture: Path) -> None:
    first, second = await turns(tmp_path, picture)
    finished = one(first, TurnFinished)
    assert finished.text == (
        "I am not sure what you mean: shall I look at what the picture shows, or read the words in it?"
    )
    assert (finished.outcome, finished.calls) == ("answered", ())
    assert one(first, Planned).plan.question == finished.text
    assert not [event for event in first if isinstance(event, StepStarted)]
    # Nobody is asked twice in a row: the better guess is tried.
    assert one(second, TurnFinished).calls == ("vision",)


@pytest.mark.parametrize(
    ("answer", "calls"),
    [("the second one", {"ocr"}), ("The first!", {"vision"}), ("both please", {"vision", "ocr"})],
)
async def test_an_answer_by_its_place_serves_the_request_before(
    tmp_path: Path, picture: Path, answer: str, calls: set[str]
) -> None:
    _, second = await turns(tmp_path, picture, answer=answer)
    assert set(one(second, TurnFinished).calls) == calls


async def test_where_speech_is_wanted_the_question_is_spoken(tmp_path: Path, picture: Path) -> None:
    first, _ = await turns(tmp_path, picture, speak=True)
    assert [event for event in first if isinstance(event, SpeechDelta | MediaReady)]


async def test_who_wants_no_questions_gets_the_better_guess(tmp_path: Path, picture: Path) -> None:
    first, _ = await turns(tmp_path, picture, below=0.0)
    assert one(first, TurnFinished).calls == ("vision",)


@pytest.mark.parametrize("margin", [-0.1, 1.1])
def test_a_margin_is_a_share(margin: float) -> None:
    with pytest.raises(ValueError, match="ask_below"):
        Config.model_validate({"controller": {"ask_below": margin}})
