"""What was found in an earlier picture suffices, or another sense has to look: over a scripted controller."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator import control
from orchestrator.config import Config
from orchestrator.controller.features import Embed
from orchestrator.controller.request import Request
from orchestrator.controller.route import Route
from orchestrator.engine import Orchestrator
from orchestrator.events import Event, Planned, Routed
from orchestrator.sufficiency import NEARLY, NOT_TOLD, OVERLAP
from specialists.base import Card
from specialists.fakes import Scripted, card, words
from specialists.runtime import LocalRuntime
from tests.unit.orchestrator.conftest import cast
from tests.unit.orchestrator.test_engine import collect, one

READ, LOOK, REST = ("<|call:ocr|>",), ("<|call:vision|>",), ("<|recall:text|>", "<|call:chat|>")


class Says:
    """Rests on what is there for the question, with another candidate beside it; anything else is read."""

    def __init__(self, question: str, rests: Sequence[str], other: Sequence[str], share: float) -> None:
        self._question = question
        self._candidates = ((_controls(rests), 1.0), (_controls(other), share))

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        if request.text != self._question:
            return Route(_controls(READ), "script")
        return Route(self._candidates[0][0], "script", candidates=self._candidates)


def _controls(tokens: Sequence[str]) -> tuple[control.Control, ...]:
    return control.parse(" ".join((*tokens, "<|answer|>"))).controls


def meaning(near: float) -> Embed:
    """An encoder for which questions are so near to what was found."""

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        asks = np.array([near, (1 - near**2) ** 0.5], dtype=np.float32)
        rows = [asks if text.endswith("?") else np.array([1.0, 0.0]) for text in texts]
        return np.array(rows, dtype=np.float32)

    return embed


async def follow_up(
    tmp_path: Path,
    picture: Path,
    *,
    near: float = 0.0,
    rests: Sequence[str] = REST,
    other: Sequence[str] = LOOK,
    share: float = NEARLY,
    requires: Sequence[str] = (),
) -> list[Event]:
    """Have a picture read, and ask a question about it; the events of the question."""
    text = "what colour is it?"
    ocr = Scripted(card("ocr", ["image"], requires=tuple(requires)), words("Open from seven to three."))
    config = Config.model_validate({"engine": {"data": tmp_path / "data", "models": tmp_path}})
    runtime = LocalRuntime((cast() | {"ocr": ocr}).values())
    async with Orchestrator.open(
        config, runtime=runtime, controller=Says(text, rests, other, share), embed=meaning(near)
    ) as orchestrator:
        session = orchestrator.session("s")
        await collect(session.send("Read it.", images=[picture]))
        return await collect(session.send(text))


def steps(events: list[Event]) -> list[str]:
    return [step.specialist for step in one(events, Planned).plan.steps]


@pytest.mark.parametrize("rests", [REST, READ], ids=["what is there", "the sense that has looked"])
async def test_another_sense_looks_where_what_was_found_does_not_tell(
    tmp_path: Path, picture: Path, rests: Sequence[str]
) -> None:
    events = await follow_up(tmp_path, picture, rests=rests)
    assert steps(events) == ["vision"]
    assert one(events, Routed).controller == NOT_TOLD


@pytest.mark.parametrize(
    "told",
    [{"near": OVERLAP + 0.05}, {"share": NEARLY - 0.05}, {"other": READ}, {"requires": ["vision"]}],
    ids=["its meaning is near", "the controller is sure", "that sense has looked", "it was called"],
)
async def test_nothing_looks_where_what_was_found_suffices(
    tmp_path: Path, picture: Path, told: dict[str, object]
) -> None:
    events = await follow_up(tmp_path, picture, **told)  # type: ignore[arg-type]
    assert steps(events) == ["chat"]
    assert one(events, Routed).controller == "script"
