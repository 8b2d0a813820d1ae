"""Long clips: time that grows with them, and what stays of a step that was ended before its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.records import Record
from orchestrator.begun import Begun, Clip, how_far, key_of
from orchestrator.context import later
from orchestrator.conversation import EngineSession
from orchestrator.engine import Orchestrator
from orchestrator.events import Event, StepFinished, TurnFinished
from orchestrator.latency import Latency
from orchestrator.lengths import MARGIN, by_length, extra, factor
from specialists.base import Chunk, Cost, Specialist, Task
from specialists.content import AUDIO, IMAGE, TEXT, VIDEO, Anchor, BlobRef, Part, Span
from specialists.errors import SpecialistFailed
from specialists.fakes import card
from specialists.piece import STRETCH_PARAMETERS, stretch
from tests.unit.orchestrator.conftest import Open

LENGTH = 60.0
WATCHER = card(
    "video", [VIDEO], parameters=STRETCH_PARAMETERS, cost=Cost(1.0, per_second=0.01), purpose="video"
)


def line(start: float, end: float, text: str, label: str = "scene") -> Chunk:
    return Chunk(TEXT, f"{start:g}-{end:g} {text}\n", anchor=Anchor(span=Span(start, end)), label=label)


class Watcher(Specialist):
    """Tells of every ten seconds of a film, and of a sentence that is heard from 14 to 22 s; after so many
    lines it waits for the gate, or fails."""

    def __init__(self, lines: int = 100, *, fails: bool = False) -> None:
        self.card = WATCHER
        self.tasks: list[Task] = []
        self.waits = asyncio.Event()
        self.lines = lines
        self.fails = fails

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        self.tasks.append(task)
        piece = stretch(task).within(LENGTH, "film")
        whole = [line(at, at + 10.0, f"scene {at:g}") for at in range(0, 60, 10)]
        whole.insert(2, line(14.0, 22.0, "a long sentence", "speech"))
        wanted = [chunk for chunk in whole if chunk.anchor.span.start >= piece.start]  # type: ignore[union-attr]
        header = Chunk(TEXT, "A film.\n", anchor=Anchor(span=piece), label="film")
        for number, chunk in enumerate([header, *wanted]):
            if number == self.lines:
                self.waits.set()
                if self.fails:
                    raise SpecialistFailed("lost its reel", part="video")
                await asyncio.Event().wait()
            yield chunk


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A film of 60 seconds in one frame a second."""
    import av
    import numpy as np

    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=1)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for number in range(int(LENGTH)):
            picture = np.full((32, 32, 3), number, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
    return path


async def ask(orchestrator: Orchestrator, film: Path, session: str = "s") -> list[Event]:
    sent = orchestrator.session(session).send("What happens in this film?", video=[film])
    return [event async for event in sent]


def evidence(orchestrator: Orchestrator) -> list[Record]:
    return [record for record in orchestrator.store.records() if record.role == "evidence"]


def reply(events: Sequence[Event]) -> str:
    return next(event.text for event in events if isinstance(event, TurnFinished))


async def test_a_step_that_is_given_up_keeps_what_it_told_and_goes_on_from_there(
    open_engine: Open, film: Path
) -> None:
    watcher = Watcher(5, fails=True)  # the film's line, 0, 10, the sentence and 20
    async with open_engine(watcher) as orchestrator:
        told = reply(await ask(orchestrator, film))
        assert "lost its reel" in told
        assert "I have watched the first 0:10 of 1:00 of film.mp4. Ask again, and I go on from there." in told
        (kept,) = evidence(orchestrator)
        # Not up to 20: the sentence that began at 14 goes on then.
        assert "scene 0" in kept.text
        assert "scene 10" not in kept.text
        assert "first 0:10 of 1:00" in kept.text
        assert kept.key.endswith("@0.000-10.000")
        watcher.lines = 100
        events = await ask(orchestrator, film)
        assert [task.params.get("start") for task in watcher.tasks[-1:]] == [10.0]
        finished = next(event for event in events if isinstance(event, StepFinished))
        assert not finished.reused
        assert [f"scene {at}" in finished.text for at in range(0, 60, 10)] == [True] * 6
        assert finished.text.count("scene 0\n") == 1
        (whole,) = evidence(orchestrator)  # in place of the piece
        assert "@" not in whole.key
        assert [row[2] for row in whole.facts["pieces"] if row[4] == "scene"] == [0, 10, 20, 30, 40, 50]  # type: ignore[attr-defined]
        calls = len(watcher.tasks)
        again = await ask(orchestrator, film)
        assert len(watcher.tasks) == calls
        assert next(event for event in again if isinstance(event, StepFinished)).reused


async def test_what_a_cancelled_step_told_is_kept_too(open_engine: Open, film: Path) -> None:
    watcher = Watcher(6)
    async with open_engine(watcher) as orchestrator:
        session = orchestrator.session("s")
        turn = asyncio.create_task(ask(orchestrator, film))
        await watcher.waits.wait()
        await session.interrupt()
        await turn
        (kept,) = evidence(orchestrator)
        assert kept.key.endswith("@0.000-30.000")
        assert "a long sentence" in kept.text
        watcher.lines = 2  # the line of the film and that of 30: nothing new is complete
        watcher.fails = True
        assert "the first 0:30 of 1:00" in reply(await ask(orchestrator, film))
        assert [record.id for record in evidence(orchestrator)] == [kept.id]
        watcher.lines = 3
        assert "the first 0:40 of 1:00" in reply(await ask(orchestrator, film))
        (longer,) = evidence(orchestrator)
        assert longer.key.endswith("@0.000-40.000")
        assert longer.text.count("a long sentence") == 1


async def test_a_session_that_went_on_where_it_stopped_comes_out_again(open_engine: Open, film: Path) -> None:
    watcher = Watcher(6)
    async with open_engine(watcher) as orchestrator:
        session = orchestrator.session("s")
        turn = asyncio.create_task(ask(orchestrator, film))
        await watcher.waits.wait()
        await session.interrupt()
        await turn
        watcher.fails = True
        watcher.lines = 3
        await ask(orchestrator, film)
        watcher.lines = 100
        await ask(orchestrator, film)
        await session.close()
        again = await orchestrator.rerun("s")
        assert again.difference is None
        assert again.turns == 3


async def test_of_a_piece_only_that_piece_is_known(open_engine: Open, film: Path) -> None:
    watcher = Watcher(6, fails=True)
    async with open_engine(watcher) as orchestrator:
        await ask(orchestrator, film)
        watcher.lines = 100
        sent = orchestrator.session("s").send("What happens from 0:30 to 0:50 in this film?", video=[film])
        async for _ in sent:
            pass
        assert watcher.tasks[-1].params["start"] == 30
        assert len(evidence(orchestrator)) == 2


async def test_what_leaves_nothing_behind_keeps_no_piece(open_engine: Open, film: Path) -> None:
    async with open_engine(Watcher(6, fails=True)) as orchestrator:
        events = [e async for e in orchestrator.passing().send("What happens here?", video=[film])]
        assert "I have watched the first 0:30" in reply(events)
        assert "Ask again" not in reply(events)
        assert evidence(orchestrator) == []


async def test_a_long_film_has_more_time(open_engine: Open, film: Path) -> None:
    watcher = Watcher()
    async with open_engine(watcher, step_seconds=2.0, turn_seconds=3.0) as orchestrator:
        await ask(orchestrator, film)
        deadline = watcher.tasks[0].deadline or 0.0
        assert 2.0 < deadline <= 2.0 + MARGIN * 0.01 * LENGTH
        assert deadline > 4.0, "more than a whole turn has otherwise"


async def test_a_turn_does_not_end_before_its_long_step(open_engine: Open, film: Path) -> None:
    limits: list[float] = []

    def timer(seconds: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        limits.append(seconds)
        return later(seconds, act)

    async with open_engine(Watcher(), turn_seconds=100.0) as orchestrator:
        services = replace(orchestrator._services, timer=timer)
        session = EngineSession("s", services, orchestrator._graph, keep=True)
        async for _ in session.send("What happens in this film?", video=[film]):
            pass
        await session.close()
    assert limits == pytest.approx([100.0, 100.0 + MARGIN * 0.01 * LENGTH])


def test_length_counts_for_those_that_work_on_it() -> None:
    parts = [Part(TEXT, text="what happens?"), Part(VIDEO, facts={"seconds": 1800.0})]
    watcher = card("video", [VIDEO], cost=Cost(8.0, per_second=0.05))
    eyes = card("vision", [IMAGE], cost=Cost(1.0, per_second=0.05))
    assert extra(watcher, parts) == pytest.approx(MARGIN * 90)
    assert (extra(eyes, parts), factor(eyes, parts)) == (0.0, 1.0)
    latencies = {"video": Latency(3, 4.0, 8.0, 1.0, 2.0), "gone": Latency(1, 1.0, 1.0)}
    cards, expected = by_length([watcher, eyes], latencies, parts)
    assert [found.cost.seconds for found in cards] == pytest.approx([98.0, 1.0])
    assert expected["video"].p95 == pytest.approx(98.0)
    assert expected["gone"] == latencies["gone"]
    assert by_length([watcher], latencies, parts[:1])[1] == latencies


@given(
    cuts=st.lists(st.floats(0, 100), min_size=1, max_size=8, unique=True).map(sorted),
    speech=st.lists(st.tuples(st.floats(0, 100), st.floats(0.1, 20)), max_size=6),
    shown=st.integers(0, 20),
)
def test_a_piece_holds_all_that_begins_in_it_and_nothing_that_goes_on(
    cuts: list[float], speech: list[tuple[float, float]], shown: int
) -> None:
    scenes = [line(a, b, "scene") for a, b in zip(cuts, [*cuts[1:], 120.0], strict=True)]
    said = [line(start, start + length, "said", "speech") for start, length in speech]
    every = sorted([*scenes, *said], key=lambda chunk: chunk.anchor.span.start)  # type: ignore[union-attr]
    clip = Clip(VIDEO, "film", Span(0.0, 120.0))
    begun = Begun.of(clip, every[:shown])
    if begun is None:
        return
    inside = [c for c in every if c.anchor.span.start < begun.until]  # type: ignore[union-attr]
    assert list(begun.chunks) == inside
    assert all(c.anchor.span.end <= begun.until + 0.5 for c in inside)  # type: ignore[union-attr]
    record = Record(begun.text.rstrip() + "\nSo far.", VIDEO, "evidence", facts=begun.facts, id="r")
    back = Begun.told(record)
    assert back.until == begun.until
    assert [c.text.strip() for c in back.chunks] == [c.text.strip() for c in begun.chunks]
    assert [c.anchor for c in back.chunks] == [c.anchor for c in begun.chunks]
    assert key_of("k", clip, back) == f"k@0.000-{begun.until:.3f}"


def test_only_one_clip_is_known_in_part() -> None:
    blob = BlobRef("0" * 64, 1, "video/mp4")
    one = Part(VIDEO, blob=blob, name="a.mp4", facts={"seconds": 60.0})
    assert Clip.of(WATCHER, Task("t", "video", (one,))) == Clip(VIDEO, "a.mp4", Span(0.0, 60.0))
    assert Clip.of(WATCHER, Task("t", "video", (one, one))) is None
    assert Clip.of(replace(WATCHER, parameters=()), Task("t", "video", (one,))) is None
    assert Clip.of(WATCHER, Task("t", "video", (one,), params={"start": 99.0})) is None
    heard = Clip(AUDIO, "call.wav", Span(30.0, 90.0))
    assert how_far(heard, Begun(60.0, ())) == "I have heard 0:30 to 1:00 of 0:30 to 1:30 of call.wav."
