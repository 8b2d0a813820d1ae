"""`antiphon talk`: a conversation by voice alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from orchestrator.cli.common import ConfigPath

if TYPE_CHECKING:
    from orchestrator.config import Config
    from orchestrator.events import Event
    from orchestrator.speech.devices import AudioDevice
    from orchestrator.speech.talk import SpokenSession

LEFT = "left"
"""The reason of the event that ends a conversation."""
FRAME_MS = 20


def talk(
    heard: Annotated[
        Path | None, typer.Option("--in", metavar="FILE", help="Hear this sound file, not the microphone.")
    ] = None,
    played: Annotated[
        Path | None, typer.Option("--out", metavar="OUT.wav", help="Speak into this WAV file.")
    ] = None,
    events: Annotated[
        Path | None, typer.Option(metavar="OUT.jsonl", help="Write every event to this file, one a line.")
    ] = None,
    session: Annotated[
        str | None, typer.Option(metavar="NAME", help="Go on with a session, or begin one of this name.")
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Talk with the assistant, and interrupt it whenever you like.

    With --in and --out it hears one file and speaks into the other, in real time: both start at the same
    time zero, so what stands at a second of one was heard while that second of the other was played.
    """
    if (heard is None) is not (played is None):
        raise typer.BadParameter("--in and --out belong together", param_hint="--in/--out")
    from orchestrator.cli.models import ensure
    from orchestrator.config import load

    settings = load(config)
    ensure(settings)
    with contextlib.suppress(KeyboardInterrupt):  # the usual way to end a conversation
        asyncio.run(_talk(settings, heard, played, events, session))


async def _talk(
    settings: Config, heard: Path | None, played: Path | None, events: Path | None, name: str | None
) -> None:
    from orchestrator.engine import Orchestrator
    from orchestrator.events import FloorChanged
    from orchestrator.speech.talk import Conversation

    began = time.perf_counter()
    device = _device(settings, heard, played)
    with contextlib.ExitStack() as files:
        log = files.enter_context(_open(events)) if events else None
        async with Orchestrator.open(settings) as engine:
            session = engine.session(name)
            conversation = Conversation(session, device, engine.runtime, settings)
            await asyncio.gather(engine.warm(), conversation.load())
            first = await session.note(FloorChanged(state="nobody", reason="ready"))
            print(f"ready after {time.perf_counter() - began:.1f} s, session {session.name}", flush=True)
            follower = asyncio.create_task(_follow(session, first.seq - 1, log))
            try:
                await conversation.run()
            finally:
                await session.note(FloorChanged(state="nobody", reason=LEFT, at=conversation.now))
                await follower
    if late := getattr(device, "dropouts", 0):
        print(f"the machine was too slow: {late} blocks of {FRAME_MS} ms were not played", file=sys.stderr)


def _device(config: Config, heard: Path | None, played: Path | None) -> AudioDevice:
    from orchestrator.speech.devices import SoundCard, WavPair

    if heard is not None and played is not None:
        return WavPair(heard, played)
    return SoundCard(config.speech.device_in, config.speech.device_out)


def _open(path: Path) -> TextIO:
    from specialists.errors import BadInput

    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise BadInput(f"cannot be written: {error}", part=str(path)) from error


async def _follow(session: SpokenSession, since: int, log: TextIO | None) -> None:
    """Show and log every event after `since`, until the conversation is left."""
    from orchestrator.events import FloorChanged

    screen = Screen()
    async with contextlib.aclosing(session.events(since)) as events:  # type: ignore[type-var]
        async for event in events:
            screen.show(event)
            if log is not None:
                log.write(json.dumps(readable(event), ensure_ascii=False) + "\n")
                log.flush()
            if isinstance(event, FloorChanged) and event.reason == LEFT:
                return


def readable(event: Event) -> dict[str, Any]:
    """The event as JSON values, with the number of samples in place of the sound itself."""
    from orchestrator.events import SpeechDelta, to_dict

    if not isinstance(event, SpeechDelta):
        return to_dict(event)
    values = to_dict(replace(event, pcm=b""))
    del values["pcm"]
    return {**values, "samples": len(event.pcm) // 2}


class Screen:
    """Prints a conversation as it goes: words as they come, who has the floor, what each reply took."""

    def __init__(self) -> None:
        self._midline = False
        self._asked_until: float | None = None

    def show(self, event: Event) -> None:
        from orchestrator import events as kinds

        match event:
            case kinds.Transcript():
                self._line(f"you: {event.text}" if event.final else f"you … {event.text}")
                self._asked_until = event.end if event.final else self._asked_until
            case kinds.FloorChanged():
                self._line(f"[{event.at:7.2f} s] {event.state} ({event.reason})")
                if event.reason == "reply_audio" and self._asked_until is not None:
                    waited = event.at - self._asked_until
                    self._line(f"first sound {waited:.2f} s after the end of speech")
                    self._asked_until = None
            case kinds.TextDelta():
                print(event.text, end="", flush=True)
                self._midline = True
            case kinds.Heard():
                self._line("heard to the end" if event.complete else f"heard until: … {event.heard[-60:]!r}")
            case kinds.Remarked():
                self._line(f"says: {event.text}")
            case kinds.Failed():
                self._line(" ".join(f"{event.part}: {event.reason}. {event.remedy}".split()))

    def _line(self, text: str) -> None:
        print("\n" * self._midline + text, flush=True)
        self._midline = False
