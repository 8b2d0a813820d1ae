"""A scripted conversation over the sample media: every kind of request once, with plan and timings.

Run it with `make demo`, or `python examples/demo.py [--keep DIR]`. It is also the Python API in use:
`Orchestrator.open`, `session.send`, `session.interrupt`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
import wave
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.cli.models import ensure
from orchestrator.config import load
from orchestrator.conversation import EngineSession
from orchestrator.engine import Orchestrator
from orchestrator.events import (
    Failed,
    PartRejected,
    Planned,
    SpeechDelta,
    StepFinished,
    TextDelta,
    TurnFinished,
)

MEDIA = Path(__file__).parent / "media"


@dataclass(frozen=True)
class Request:
    """What the script sends; `stop_after` interrupts once so many characters were written."""

    text: str
    images: Sequence[str] = ()
    audio: Sequence[str] = ()
    video: Sequence[str] = ()
    stop_after: int = 0
    note: str = ""

    def files(self, names: Sequence[str]) -> list[Path]:
        return [MEDIA / name for name in names]


SCRIPT = (
    Request("What is the capital of France?"),
    Request("What animal is this?", images=["cat.jpg"]),
    Request(
        "What colours are in this picture?", images=["cat.jpg"], note="same picture: memory spares the model"
    ),
    Request("What does this page say? Read it to me.", images=["page.png"]),
    Request("Summarise this voice note", audio=["note.flac"]),
    Request("What happens in this clip?", video=["clip.mp4"]),
    Request("Draw a red fox in the snow", note="no such model is configured: the reply says what to do"),
    Request("Tell me a long story about a lighthouse.", stop_after=120, note="interrupted on purpose"),
)


@dataclass
class Shown:
    """One turn as it is shown: its plan, its words, its sound, its end."""

    pcm: bytearray = field(default_factory=bytearray)
    rate: int = 0
    written: int = 0
    finished: TurnFinished | None = None


async def show(session: EngineSession, request: Request, folder: Path) -> TurnFinished:
    attached = ", ".join([*request.images, *request.audio, *request.video])
    print(f"\n\033[1m› {request.text}\033[0m{f'  [{attached}]' if attached else ''}")
    if request.note:
        print(f"  ({request.note})")
    shown = Shown()
    events = session.send(
        request.text,
        images=request.files(request.images),
        audio=request.files(request.audio),
        video=request.files(request.video),
    )
    async for event in events:
        match event:
            case Planned():
                print("  plan     " + (" → ".join(step.specialist for step in event.plan.steps) or "nothing"))
            case StepFinished():
                how = "from memory" if event.reused else f"{event.seconds:.2f} s"
                print(
                    f"\n  {event.specialist:8} {how}" if shown.written else f"  {event.specialist:8} {how}",
                    flush=True,
                )
            case TextDelta():
                sys.stdout.write(("" if shown.written else "  ") + event.text.replace("\n", "\n  "))
                sys.stdout.flush()
                shown.written += len(event.text)
                if request.stop_after and shown.written >= request.stop_after:
                    await session.interrupt()
            case SpeechDelta():
                shown.pcm += event.pcm
                shown.rate = event.rate
            case PartRejected() | Failed():
                print(f"\n  problem: {event.part}: {event.reason}")
            case TurnFinished():
                shown.finished = event
            case _:
                pass
    assert shown.finished is not None, "every turn ends in TurnFinished"
    report(shown.finished, shown, folder)
    return shown.finished


def report(finished: TurnFinished, shown: Shown, folder: Path) -> None:
    times = finished.timings
    first = f", first words after {times['first_text']:.2f} s" if "first_text" in times else ""
    print(
        f"\n  {finished.outcome} in {times['total']:.2f} s{first}; our own share {times['own'] * 1000:.0f} ms"
    )
    if shown.pcm:
        path = folder / f"turn-{finished.turn}.wav"
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(shown.rate)
            out.writeframes(bytes(shown.pcm))
        print(f"  spoken: {len(shown.pcm) / 2 / shown.rate:.1f} s in {path}")


async def converse(folder: Path) -> bool:
    settings = load()
    ensure(settings)
    settings = settings.model_copy(
        update={"engine": settings.engine.model_copy(update={"data": folder / "data"})}
    )
    began = time.perf_counter()
    async with Orchestrator.open(settings) as orchestrator:
        await orchestrator.warm("chat")
        print(f"ready after {time.perf_counter() - began:.1f} s")
        session = orchestrator.session("demo")
        ends = [await show(session, request, folder) for request in SCRIPT]
    calls = sum(len(end.calls) for end in ends)
    spared = sum(len(end.reused) for end in ends)
    print(
        f"\n{len(ends)} turns, {calls} specialist calls, {spared} spared by memory. Sound lies in {folder}."
    )
    expected = ["answered"] * 6 + ["failed", "interrupted"]
    return [end.outcome for end in ends] == expected


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--keep", type=Path, help="folder for the sessions and the sound")
    folder = options.parse_args().keep or Path(tempfile.mkdtemp(prefix="antiphon-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    if not asyncio.run(converse(folder)):
        sys.exit("A turn did not end as it should; see above.")


if __name__ == "__main__":
    main()
