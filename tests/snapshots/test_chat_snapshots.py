"""Pictures of the terminal, each held still at a gate or at its end. No clock runs in them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from textual.pilot import Pilot
from textual.widgets import Markdown

from orchestrator.events import (
    Candidate,
    Event,
    Failed,
    HitSummary,
    PartRejected,
    Planned,
    Recalled,
    Routed,
    StepEstimate,
    StepFinished,
    StepStarted,
    TextDelta,
    TurnFinished,
)
from orchestrator.plan import PartRef, Plan, ResultRef, Step
from specialists.fakes import card
from specialists.runtime import Health
from tests.stage import Gate, Line, Stage, until
from tui.app import AntiphonApp
from tui.attachments import attach
from tui.widgets.composer import Composer
from tui.widgets.prompt import Prompt
from tui.widgets.status import StatusLine
from tui.widgets.transcript import Transcript

Compare = Callable[..., bool]
Act = Callable[[Pilot[None]], Awaitable[None]]

PLAN = Plan(
    steps=(
        Step("s1", "ocr", inputs=(PartRef(1, "image"),)),
        Step("s2", "vision", inputs=(PartRef(1, "image"),)),
        Step("s3", "chat", inputs=(ResultRef("s1", "text"),), after=("s1", "s2")),
        Step("s4", "tts", inputs=(ResultRef("s3", "text"),), after=("s3",)),
    ),
    outputs=("text", "speech"),
)
EXPECTED = (
    StepEstimate(step="s1", p50=2.4, p95=3.1, calls=12),
    StepEstimate(step="s2", p50=0.3, p95=0.4),
    StepEstimate(step="s3", p50=1.5, p95=1.5),
    StepEstimate(step="s4", p50=0.08, p95=0.2, calls=3),
)
ROUTED = Routed(
    controls=("<|call:ocr|>", "<|call:vision|>", "<|say|>", "<|answer|>"),
    controller="hybrid: llm",
    margin=0.23,
    candidates=(
        Candidate(control="<|call:ocr|>", score=0.81),
        Candidate(control="<|call:vision|>", score=0.58),
        Candidate(control="<|call:asr|>", score=0.04),
    ),
    exemplars=("read this receipt to me", "what does the sign say?"),
    exemplar_controls=("<|call:ocr|> <|call:tts|> <|answer|>", "<|call:ocr|> <|answer|>"),
    invalid=("<|call:nothing|>",),
    emitted=("call:ocr", "call:vision", "call:nothing", "say", "answer"),
    repaired=True,
    seconds=0.0123,
)
HIT = HitSummary(record="r1", text="a striped flag", kind="image", source="vision", score=0.92, exact=True)
REPLY = """The receipt is from **Cafe Antiphon**:

| item | price |
|---|---|
| Coffee | 3.50 |
| Cake | 4.20 |

- the total is `7.70`
- there is a *flag* beside it
"""


def up_to_the_answer() -> list[Event]:
    return [
        Recalled(hits=(HIT,), seconds=0.004),
        ROUTED,
        Planned(plan=PLAN, estimates=EXPECTED, seconds=0.001),
        StepStarted(step="s1", specialist="ocr"),
        StepFinished(step="s1", specialist="ocr", text="CAFE ANTIPHON\nCoffee 3.50\nCake 4.20", seconds=2.51),
        StepFinished(step="s2", specialist="vision", text="a striped flag", reused=True),
        StepStarted(step="s3", specialist="chat"),
        TextDelta(text=REPLY[:64]),
    ]


def whole_turn() -> list[Line]:
    return [
        *up_to_the_answer(),
        TextDelta(text=REPLY[64:]),
        StepFinished(step="s3", specialist="chat", text=REPLY, seconds=1.234),
        StepStarted(step="s4", specialist="tts"),
        StepFinished(step="s4", specialist="tts", seconds=0.07),
        TurnFinished(
            outcome="answered",
            text=REPLY,
            calls=("ocr", "chat", "tts"),
            reused=("vision",),
            timings={"total": 3.9, "own": 0.0142, "first_text": 2.61},
        ),
    ]


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    """A picture small enough to be shown pixel by pixel."""
    picture = Image.new("RGB", (12, 8), "#2f6f8f")
    picture.paste("#d8b07a", (0, 0, 4, 8))
    picture.save(tmp_path / "flag.png")
    return tmp_path / "flag.png"


@pytest.fixture
def picture(snap_compare: Compare) -> Iterator[Callable[..., bool]]:
    """Compare the screen once `act` has done its part."""
    apps: list[AntiphonApp] = []

    def compare(stage: Stage, act: Act, size: tuple[int, int] = (100, 30), *, ready: bool = True) -> bool:
        app = AntiphonApp(stage.opener, "trip", clock=lambda: 0.0)
        apps.append(app)

        async def before(pilot: Pilot[None]) -> None:
            if ready:
                await until(pilot, lambda: app.query_one(StatusLine).status.engine == "ready")
            await act(pilot)
            await pilot.pause()

        return snap_compare(app, terminal_size=size, run_before=before)

    yield compare
    for app in apps:
        app.bridge.stop()
        app.bridge.join()


async def nothing(pilot: Pilot[None]) -> None:
    await pilot.pause()


def say(text: str, *files: Path) -> Act:
    """Send a message, and wait until its turn has come as far as its script lets it."""

    async def act(pilot: Pilot[None]) -> None:
        for file in files:
            pilot.app.query_one(Composer).add(attach(str(file)))
        pilot.app.query_one(Prompt).insert(text)
        await pilot.press("enter")
        transcript = pilot.app.query_one(Transcript)

        def held() -> bool:
            return bool(transcript.traces and (transcript.traces[0].text or transcript.traces[0].over))

        await until(pilot, held)
        reply = pilot.app.query(".reply").last(Markdown)
        await until(pilot, lambda: reply.source == transcript.traces[0].text)
        await until(pilot, lambda: all(shown.display for shown in pilot.app.query("Picture")))

    return act


def then(*acts: Act) -> Act:
    async def act(pilot: Pilot[None]) -> None:
        for one in acts:
            await one(pilot)

    return act


def press(*keys: str) -> Act:
    async def act(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: not pilot.app.query_one(Transcript).busy)
        await pilot.press(*keys)
        await pilot.pause()

    return act


def test_empty_start(picture: Compare) -> None:
    assert picture(Stage(), nothing)


def test_loading_with_a_message_that_waits(picture: Compare) -> None:
    async def act(pilot: Pilot[None]) -> None:
        pilot.app.query_one(Prompt).insert("hello")
        await pilot.press("enter")

    assert picture(Stage(curtain=Gate()), act, ready=False)


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (140, 45)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_streaming_answer_with_running_plan(picture: Compare, flag: Path, size: tuple[int, int]) -> None:
    stage = Stage({"trip": [[*up_to_the_answer(), Gate()]]})
    assert picture(stage, say("Read this receipt to me", flag), size)


def test_finished_answer_with_reused_step(picture: Compare, flag: Path) -> None:
    act = then(say("Read this receipt to me", flag), press())
    assert picture(Stage({"trip": [whole_turn()]}), act)


def test_rejected_attachment(picture: Compare) -> None:
    script = [
        PartRejected(part="evil[b].png", reason="the file ends in the middle", code="bad_input"),
        Failed(code="unavailable", part="imagegen", reason="is not configured", remedy="Set its model"),
        TextDelta(text="I could not read the picture."),
        TurnFinished(outcome="partial", text="I could not read the picture."),
    ]
    assert picture(Stage({"trip": [script]}), then(say("Read this"), press()))


def test_interrupted_answer(picture: Compare) -> None:
    stage = Stage({"trip": [[*up_to_the_answer(), Gate()]]})

    async def stop(pilot: Pilot[None]) -> None:
        await pilot.press("escape")
        await until(pilot, lambda: not pilot.app.query_one(Transcript).busy)

    assert picture(stage, then(say("Read this"), stop))


def test_attachments_and_two_lines(picture: Compare, media: Path) -> None:
    async def act(pilot: Pilot[None]) -> None:
        for name in ("cat.jpg", "speech.flac", "clip.mp4"):
            pilot.app.query_one(Composer).add(attach(str(media / name)))
        pilot.app.query_one(Prompt).insert("Compare these\nin two lines")
        await pilot.pause()

    assert picture(Stage(), act)


def test_commands_while_typing_one(picture: Compare) -> None:
    assert picture(Stage(), press("slash", "s"))


def test_help(picture: Compare) -> None:
    assert picture(Stage(), press("f1"), (100, 46))


def test_trace(picture: Compare, flag: Path) -> None:
    stage = Stage({"trip": [whole_turn()]})
    assert picture(stage, then(say("Read this receipt to me", flag), press("ctrl+t")), (100, 50))


def test_specialists(picture: Compare) -> None:
    remedy = "Set specialists.imagegen.model"
    cards = [
        card("vision", ("image",)),
        card("imagegen", ("text",), ("image",), available=False, remedy=remedy),
    ]
    health = {
        "vision": Health("ready", calls=12, failures=1, seconds=0.12),
        "imagegen": Health("unavailable"),
    }
    act = then(press("f2"), press("down"))
    assert picture(Stage(cards=cards, health=health), act)
