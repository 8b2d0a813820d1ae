"""The conformance suite finds each fault it exists for, and none in what keeps the contract."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from specialists.asr import Asr
from specialists.base import Card, Chunk, Parameter, Specialist, Task
from specialists.conformance import Finding, check
from specialists.content import IMAGE, TEXT, Anchor, register_kind
from specialists.embed import Embed
from specialists.errors import BadInput, SpecialistFailed
from specialists.fakes import Scripted, card, words
from specialists.image import ImageGen
from specialists.media import inspect, open_image
from specialists.models import ModelStore
from specialists.registry import Setup
from specialists.runtime import LocalRuntime
from specialists.samples import make_samples
from specialists.tts import Piper


def failures(findings: list[Finding]) -> dict[str, str]:
    return {finding.name: finding.detail for finding in findings if not finding.passed}


def refuse_empty(task: Task) -> None:
    if not task.parts:
        raise BadInput("there is nothing here", part="task")


class Good(Specialist):
    """Says the size of a picture, or a text backwards."""

    def __init__(self, said: Card | None = None) -> None:
        self.card = said or card("good", [TEXT, IMAGE], examples=("turn this round",))

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        refuse_empty(task)
        for part in task.parts:
            if part.blob is None:
                yield Chunk(TEXT, part.text[::-1])
            else:
                picture = open_image(task.blobs.read(part.blob))
                yield Chunk(TEXT, f"{picture.size} {part.blob.digest}")


async def test_one_that_keeps_the_contract_passes() -> None:
    findings = await check(Good())
    assert failures(findings) == {}
    assert len(findings) == 8


@pytest.mark.parametrize("kind", list(make_samples()))
def test_samples_are_what_they_say(kind: str) -> None:
    for sample in make_samples()[kind]:
        found = inspect(sample.data, sample.name, sample.media_type)
        assert (found.kind, found.media_type) == (kind, sample.media_type)
    first, second = make_samples()[kind]
    assert first.data != second.data


async def test_real_specialists_pass(model_store: ModelStore) -> None:
    for make in (Piper, Asr, Embed):
        specialist = make(Setup(make.__name__.lower(), model_store, LocalRuntime()))
        assert failures(await check(specialist)) == {}


async def test_one_that_is_not_available_is_asked_for_its_remedy(model_store: ModelStore) -> None:
    findings = await check(ImageGen(Setup("imagegen", model_store, LocalRuntime())))
    assert failures(findings) == {}
    assert "configuration" in findings[-1].detail
    mute = await check(Good(card("mute", available=False)))
    assert "not what to do" in failures(mute)["it says what is missing"]


@pytest.mark.parametrize(
    ("faulty", "detail"),
    [
        (card("Bad Name"), "its name"),
        (card("a", description=" "), "no description"),
        (card("a", consumes=[]), "consumes nothing"),
        (card("a", produces=[]), "produces nothing"),
        (card("a", version=""), "no version"),
        (card("a", parameters=(Parameter("x", "float", "An x"),)), "type is none of"),
        (card("a", parameters=(Parameter("x", "number", ""),)), "no description"),
        (card("a", parameters=(Parameter("x", "number", "An x", meaning="moon"),)), "meaning is none of"),
        (card("a", parameters=(Parameter("x", "number", "An x"),) * 2), "share a name"),
        (card("a", examples=("do it", "do it")), "stands there twice"),
    ],
)
async def test_an_incomplete_card_fails(faulty: Card, detail: str) -> None:
    findings = await check(Scripted(faulty, words("yes")))
    assert detail in failures(findings)["its card is complete"]


async def test_unknown_kinds_fail_and_known_ones_without_a_sample_are_told() -> None:
    unknown = await check(Good(card("a", ["smell"])))
    assert "smell" in failures(unknown)["its kinds are known"]
    register_kind("point-cloud", ("model/x-points",), (".points",))
    known = await check(Good(card("a", [TEXT, "point-cloud"])))
    assert failures(known) == {}
    assert "not tried on point-cloud" in known[1].detail


@pytest.mark.parametrize(
    ("chunk", "detail"),
    [
        (Chunk(IMAGE, data=b"x", media_type="image/png"), "card does not name"),
        (Chunk(TEXT, data=b"x"), "text as data"),
        (Chunk("audio", data=b"xx"), "without a media type"),
        (Chunk("audio", data=b"xx", media_type="audio/mp3"), "not a PCM"),
        (Chunk("audio", data=b"x", media_type="audio/pcm;rate=16000"), "half a sample"),
        (Chunk(TEXT, "x", score=1.5), "score of 1.5"),
        (Chunk(TEXT, "x", anchor=Anchor(part=3)), "part 3 of 1"),
    ],
)
async def test_a_chunk_that_is_not_what_the_card_says_fails(chunk: Chunk, detail: str) -> None:
    findings = await check(Scripted(card("a", produces=[TEXT, "audio"]), [chunk]))
    assert detail in failures(findings)["it answers with what its card names"]


class Faulty(Specialist):
    """Runs `act` on each task, and says what comes of it."""

    def __init__(self, act: Callable[[Task], str], consumes: tuple[str, ...] = (TEXT,)) -> None:
        self.card = card("faulty", consumes)
        self._act = act

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        yield Chunk(TEXT, self._act(task))


async def test_one_that_takes_anything_fails() -> None:
    found = failures(await check(Faulty(lambda task: "fine")))
    assert found == {"it refuses bad input": "answers a task without any content as if it were sound"}
    found = failures(await check(Faulty(lambda task: refuse_empty(task) or "fine", (IMAGE,))))
    assert found == {"it refuses bad input": "answers garbage that is said to be image as if it were sound"}


async def test_one_that_breaks_on_bad_input_fails() -> None:
    def act(task: Task) -> str:
        return task.parts[0].text

    assert "IndexError" in failures(await check(Faulty(act)))["it refuses bad input"]


async def test_one_that_refuses_what_it_consumes_fails() -> None:
    def act(task: Task) -> str:
        raise BadInput("no, thank you", part="task")

    found = failures(await check(Faulty(act)))
    assert "refuses text, which it consumes" in found["it answers with what its card names"]


async def test_one_that_fails_fails() -> None:
    def act(task: Task) -> str:
        raise SpecialistFailed("out of order", part="faulty")

    found = failures(await check(Faulty(act)))
    assert "out of order" in found["it answers with what its card names"]


class Stubborn(Good):
    """Does not let itself be cancelled."""

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        refuse_empty(task)
        try:
            await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.sleep(2.5))
            raise
        yield Chunk(TEXT, "one")


async def test_one_that_does_not_stop_fails() -> None:
    found = failures(await check(Stubborn(card("stubborn"))))
    assert "has not stopped" in found["it stops when told to"]


class Littering(Good):
    """Leaves a thread behind when it is stopped."""

    def __init__(self, said: Card) -> None:
        super().__init__(said)
        self.leave = threading.Event()

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        refuse_empty(task)
        try:
            yield Chunk(TEXT, "one ")
            await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            threading.Thread(target=self.leave.wait, args=(10,), name="specialist_0", daemon=True).start()
            raise


async def test_one_that_leaves_work_behind_fails() -> None:
    littering = Littering(card("littering"))
    found = failures(await check(littering))
    littering.leave.set()
    assert "threads at work" in found["it stops when told to"]


class Late(Good):
    """Has its pieces early and shows them late."""

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        refuse_empty(task)
        await asyncio.sleep(1.1)
        for piece in words("one ", "two ", "three ", "four"):
            yield piece


async def test_one_that_holds_its_answer_back_fails() -> None:
    found = failures(await check(Late(card("late"))))
    assert list(found) == ["it streams"]


class Shared(Good):
    """Keeps the text of a call where the next call finds it."""

    text = ""

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        refuse_empty(task)
        self.text = task.parts[0].text
        for _ in range(5):
            await asyncio.sleep(0)
        yield Chunk(TEXT, self.text)


async def test_one_whose_calls_mix_fails() -> None:
    found = failures(await check(Shared(card("shared"))))
    assert "gets the answer of another" in found["its calls do not mix"]
