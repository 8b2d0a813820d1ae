"""`antiphon talk`: a conversation by voice alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from orchestrator.cli.common import ConfigPath

if TYPE_CHECKING:
    from orchestrator.config import Config
    from orchestrator.events import Event
    from orchestrator.speech.devices import AudioDevice
    from orchestrator.speech.session import SpokenSession
    from orchestrator.speech.talk import Conversation

LEFT = "left"
"""The reason of the event that ends a conversation."""
FRAME_MS = 20
METER_SECONDS = 0.1
METER_WIDTH = 24
QUIETEST = -60.0
"""dB of full scale at which the level meter is empty."""


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
    microphone: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Hear this one: its number or part of its name.")
    ] = None,
    loudspeaker: Annotated[str | None, typer.Option(metavar="DEVICE", help="Speak through this one.")] = None,
    devices: Annotated[bool, typer.Option("--devices", help="List microphones and loudspeakers.")] = False,
    config: ConfigPath = None,
) -> None:
    """Talk with the assistant, and interrupt it whenever you like.

    With --in and --out it hears one file and speaks into the other, in real time: both start at the same
    time zero, so what stands at a second of one was heard while that second of the other was played.
    """
    if devices:
        _list_devices()
        return
    if (heard is None) is not (played is None):
        raise typer.BadParameter("--in and --out belong together", param_hint="--in/--out")
    from orchestrator.cli.models import ensure
    from orchestrator.config import load

    settings = _with_devices(load(config), microphone, loudspeaker)
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
            screen = Screen(terminal=sys.stdout.isatty())
            follower = asyncio.create_task(_follow(session, first.seq - 1, log, screen))
            meter = asyncio.create_task(_measure(conversation, screen))
            try:
                await conversation.run()
            finally:
                meter.cancel()
                await session.note(FloorChanged(state="nobody", reason=LEFT, at=conversation.now))
                await follower
    if late := getattr(device, "dropouts", 0):
        print(f"the machine was too slow: {late} blocks of {FRAME_MS} ms were not played", file=sys.stderr)


def _device(config: Config, heard: Path | None, played: Path | None) -> AudioDevice:
    from orchestrator.speech.devices import SoundCard, WavPair

    if heard is not None and played is not None:
        return WavPair(heard, played)
    return SoundCard(config.speech.device_in, config.speech.device_out)


def _with_devices(config: Config, microphone: str | None, loudspeaker: str | None) -> Config:
    named = {"device_in": microphone, "device_out": loudspeaker}
    chosen = {key: value for key, value in named.items() if value is not None}
    return config.model_copy(update={"speech": config.speech.model_copy(update=chosen)})


def _list_devices() -> None:
    from orchestrator.speech.devices import sound_devices

    for device in sound_devices():
        uses = [use for use, has in (("microphone", device.hears), ("loudspeaker", device.speaks)) if has]
        print(f"{device.number:3}  {device.name}  ({', '.join(uses)})")


async def _measure(conversation: Conversation, screen: Screen) -> None:
    """Show how loud the microphone is while nothing else is shown."""
    while screen.terminal:
        await asyncio.sleep(METER_SECONDS)
        screen.meter(conversation.level)


def _open(path: Path) -> TextIO:
    from specialists.errors import BadInput

    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise BadInput(f"cannot be written: {error}", part=str(path)) from error


async def _follow(session: SpokenSession, since: int, log: TextIO | None, screen: Screen) -> None:
    """Show and log every event after `since`, until the conversation is left."""
    from orchestrator.events import FloorChanged, readable

    async with contextlib.aclosing(session.events(since)) as events:  # type: ignore[type-var]
        async for event in events:
            screen.show(event)
            if log is not None:
                log.write(json.dumps(readable(event), ensure_ascii=False) + "\n")
                log.flush()
            if isinstance(event, FloorChanged) and event.reason == LEFT:
                return


_CLEARED = "\r\x1b[K"
"""Takes the cursor back to the start of its line, and clears it."""


class Screen:
    """Prints a conversation as it goes: words as they come, who has the floor, what each reply took.

    On a terminal the person's words stand in one line until they are final, dim as long as they may change.
    """

    def __init__(self, *, terminal: bool) -> None:
        self.terminal = terminal
        self._before = ""  # leads from where the cursor is to an empty line
        self._metered = False  # whether that line shows the level, which anything else replaces
        self._asked_until: float | None = None

    def show(self, event: Event) -> None:
        from orchestrator import events as kinds

        match event:
            case kinds.Transcript():
                if event.final or not self.terminal:
                    self._line(f"you: {event.text}" if event.final else f"you … {event.text}")
                else:
                    self._partial(event.text, event.confirmed)
                self._asked_until = event.end if event.final else self._asked_until
            case kinds.FloorChanged():
                self._line(f"[{event.at:7.2f} s] {event.state} ({event.reason})")
                if event.reason == "reply_audio" and self._asked_until is not None:
                    waited = event.at - self._asked_until
                    self._line(f"first sound {waited:.2f} s after the end of speech")
                    self._asked_until = None
            case kinds.TextDelta():
                print(event.text if self._before == "\n" else self._before + event.text, end="", flush=True)
                self._before, self._metered = "\n", False
            case kinds.Heard():
                self._line("heard to the end" if event.complete else f"heard until: … {event.heard[-60:]!r}")
            case kinds.Remarked():
                self._line(f"says: {event.text}")
            case kinds.Failed():
                self._line(" ".join(f"{event.part}: {event.reason}. {event.remedy}".split()))

    def meter(self, level: float) -> None:
        """Show how loud the microphone is, in dB of full scale, where the line is free."""
        if self._before and not self._metered:
            return
        filled = round(METER_WIDTH * min(1.0, max(0.0, 1 - level / QUIETEST)))
        bar = "\u2588" * filled + "\u2591" * (METER_WIDTH - filled)
        print(f"{self._before}\x1b[2mmic {bar} {max(level, QUIETEST):4.0f} dB\x1b[22m", end="", flush=True)
        self._before, self._metered = _CLEARED, True

    def _line(self, text: str) -> None:
        print(self._before + text, flush=True)
        self._before, self._metered = "", False

    def _partial(self, text: str, confirmed: int) -> None:
        """The end of `text`, as much as fits into a line."""
        lead = "you … "
        start = max(0, len(text) - (shutil.get_terminal_size().columns - len(lead) - 1))
        stays = max(start, confirmed)
        line = f"{lead}{text[start:stays]}\x1b[2m{text[stays:]}\x1b[22m"
        print(self._before + line, end="", flush=True)
        self._before, self._metered = _CLEARED, False
