"""Reuse beyond the exact key: pictures that look the same, in an engine over scripted specialists."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from orchestrator.cli.transcript import how_finished
from orchestrator.engine import Orchestrator
from orchestrator.events import Corrected, Event, StepFinished, StepStarted, from_dict, to_dict
from orchestrator.session import Attachment
from specialists.fakes import Scripted, card, words
from tests.unit.orchestrator.conftest import Open
from tests.unit.orchestrator.test_engine import collect, one
from tests.unit.orchestrator.test_rerun import comes_out_again

CAT = Path(__file__).parents[3] / "examples" / "media" / "cat.jpg"
ASK = "What animal is in this photo?"


def copy(quality: int = 60, share: float = 1.0) -> Attachment:
    """The picture as a messenger passes it on."""
    image = Image.open(CAT)
    return _attached(image.resize((round(image.width * share), round(image.height * share))), quality)


def other() -> Attachment:
    """The picture with a thing in it that was not there."""
    image = Image.open(CAT)
    ImageDraw.Draw(image).ellipse((40, 40, 70, 70), "blue")
    return _attached(image, 90)


def _attached(image: Image.Image, quality: int) -> Attachment:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Attachment(data=out.getvalue(), name="copy.jpg")


def looking(**more: object) -> Scripted:
    return Scripted(card("vision", ["image"], **more), words("A tabby cat, 451 x 300 pixels."))


async def ask(orchestrator: Orchestrator, file: Path | Attachment, text: str = ASK) -> list[Event]:
    return await collect(orchestrator.session("s").send(text, files=[file]))


async def test_a_copy_is_not_looked_at_again_and_the_trace_says_so(open_engine: Open) -> None:
    async with open_engine(vision := looking()) as orchestrator:
        first = one(await ask(orchestrator, CAT), StepFinished)
        events = await ask(orchestrator, copy())
    step = one(events, StepFinished)
    assert not any(isinstance(event, StepStarted) for event in events)
    assert step.reused
    assert step.record == first.record
    assert step.likeness is not None
    assert 0.8 <= step.likeness < 1
    assert first.likeness is None
    assert len(vision.tasks) == 1
    assert from_dict(to_dict(step)) == step
    assert how_finished(to_dict(step)) == f"from memory, of a picture {step.likeness:.0%} alike"


async def test_of_a_smaller_copy_its_own_size_is_told(open_engine: Open) -> None:
    async with open_engine(looking()) as orchestrator:
        await ask(orchestrator, CAT)
        step = one(await ask(orchestrator, copy(90, share=0.5)), StepFinished)
    assert step.reused
    assert step.text == "A tabby cat, 226 x 150 pixels."


async def test_a_picture_that_differs_in_one_place_is_looked_at(open_engine: Open) -> None:
    async with open_engine(vision := looking()) as orchestrator:
        await ask(orchestrator, CAT)
        step = one(await ask(orchestrator, other()), StepFinished)
    assert not step.reused
    assert len(vision.tasks) == 2


@pytest.mark.parametrize("setting", [{"reuse_like": 0}, {"reuse_like": 1.0}, {"reuse": False}])
async def test_the_configuration_switches_it_off(open_engine: Open, setting: dict[str, object]) -> None:
    async with open_engine(vision := looking()) as orchestrator:
        table = orchestrator.config.memory.model_copy(update=setting)
        config = orchestrator.config.model_copy(update={"memory": table})
        async with Orchestrator.open(config, runtime=orchestrator.runtime) as other_one:
            await ask(other_one, CAT)
            assert not one(await ask(other_one, copy()), StepFinished).reused
    assert len(vision.tasks) == 2


@pytest.mark.parametrize("changed", [{"version": "2"}, {"model": "a larger one"}])
async def test_another_version_looks_for_itself(open_engine: Open, changed: dict[str, object]) -> None:
    async with open_engine(looking()) as orchestrator:
        await ask(orchestrator, CAT)
    async with open_engine(newer := looking(**changed)) as orchestrator:
        assert not one(await ask(orchestrator, copy()), StepFinished).reused
    assert len(newer.tasks) == 1


async def test_another_version_of_what_it_calls_looks_for_itself(open_engine: Open) -> None:
    async with open_engine(looking(requires=("ocr",))) as orchestrator:
        await ask(orchestrator, CAT)
    newer = Scripted(card("ocr", ["image", "document"], version="2"), words("no words"))
    async with open_engine(looking(requires=("ocr",)), newer) as orchestrator:
        assert not one(await ask(orchestrator, copy()), StepFinished).reused


@pytest.mark.parametrize("said", ["no, that's another picture", "look again", "look at it again please"])
async def test_a_correction_undoes_it_for_good(open_engine: Open, said: str) -> None:
    async with open_engine(vision := looking()) as orchestrator:
        first = one(await ask(orchestrator, CAT), StepFinished)
        passed_on = copy()
        assert one(await ask(orchestrator, passed_on), StepFinished).reused
        events = await collect(orchestrator.session("s").send(said))
        assert one(events, Corrected).unwanted == (first.record,)
        looked = one(events, StepFinished)
        assert not looked.reused
        assert looked.record != first.record
        # What it says of that picture from now on is what it saw in it.
        again = one(await ask(orchestrator, passed_on), StepFinished)
    assert (again.reused, again.record, again.likeness) == (True, looked.record, None)
    assert len(vision.tasks) == 2


async def test_a_request_for_another_look_is_none_where_nothing_was_reused(open_engine: Open) -> None:
    async with open_engine(looking()) as orchestrator:
        await ask(orchestrator, CAT)
        events = await collect(orchestrator.session("s").send("look again"))
    assert not any(isinstance(event, Corrected) for event in events)


async def test_a_session_that_leaves_nothing_behind_finds_nothing(open_engine: Open) -> None:
    async with open_engine(vision := looking()) as orchestrator:
        await ask(orchestrator, CAT)
        events = await collect(orchestrator.passing().send(ASK, files=[copy()]))
    assert not one(events, StepFinished).reused
    assert len(vision.tasks) == 2


async def test_words_are_read_anew_in_every_other_picture(open_engine: Open) -> None:
    ocr = Scripted(card("ocr", ["image", "document"]), words("Dear Anna"))
    async with open_engine(ocr) as orchestrator:
        await ask(orchestrator, CAT, "What does this say?")
        events = await ask(orchestrator, copy(95), "What does this say?")
    assert not any(event.reused for event in events if isinstance(event, StepFinished))
    assert len(ocr.tasks) == 2


async def test_what_was_reused_for_a_copy_comes_out_again(open_engine: Open, tmp_path: Path) -> None:
    async with open_engine(looking()) as orchestrator:
        await ask(orchestrator, CAT)
        assert one(await ask(orchestrator, copy()), StepFinished).likeness is not None
    assert await comes_out_again(tmp_path / "data") > 10
