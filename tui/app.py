"""The chat in the terminal."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.screen import Screen
from textual.widgets import Markdown

from orchestrator.events import Event, FloorChanged, TurnFinished
from specialists.content import IMAGE, BlobRef, Kind
from specialists.errors import AntiphonError, BadInput
from tui import messages, record, theme
from tui.attachments import attach
from tui.backend import Opener
from tui.bridge import Bridge
from tui.commands import COMMANDS, Call, Command
from tui.screens.files import FilesScreen
from tui.screens.help import HelpScreen
from tui.screens.sessions import SessionsScreen
from tui.screens.specialists import Looked, SpecialistsScreen
from tui.screens.trace import TraceScreen
from tui.screens.window import Window
from tui.trace import TurnTrace
from tui.widgets.composer import Composer
from tui.widgets.notice import Notice
from tui.widgets.status import StatusLine
from tui.widgets.transcript import Transcript
from tui.widgets.turn import Surroundings

_ASK_TWICE = 3.0  # seconds within which a second Ctrl+C quits


class Foot(VerticalGroup):
    """What stands below the conversation, in the same column."""


class AntiphonApp(App[None]):
    """The conversation above, the composer and the status line below. `clock` is in seconds."""

    CSS_PATH = Path(__file__).with_name("app.tcss")
    TITLE = "Antiphon"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "stop_or_quit", "Stop, quit", priority=True, show=False),
        Binding("ctrl+y", "copy", "Copy the last answer", priority=True),
        Binding("escape", "stop", "Stop"),
        Binding("ctrl+o", "attach", "Attach"),
        Binding("ctrl+t", "trace", "Trace"),
        Binding("ctrl+r", "sessions", "Sessions"),
        Binding("ctrl+l", "clear", "Clear"),
        Binding("f1", "help", "Help"),
        Binding("f2", "specialists", "Specialists"),
    ]

    def __init__(
        self, opener: Opener, session: str = "default", clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self.session = session
        self.bridge = Bridge(opener, session)
        self._clock = clock
        self._is_open = False
        self._failure: AntiphonError | None = None
        self._asked_to_quit = False
        self._silence = threading.Event()
        self._playing = False
        self.register_theme(theme.DARK)
        self.register_theme(theme.LIGHT)
        self.theme = theme.DARK.name

    def compose(self) -> ComposeResult:
        yield Transcript(Surroundings(self._clock, self._read))
        with Foot():
            yield Composer()
            yield StatusLine(self.session)

    def on_mount(self) -> None:
        self._composer.prompt.focus()
        # Behind the first frame: what is seen at once must not wait for a thread that imports an engine.
        self.call_after_refresh(self.bridge.start, self.post_message)

    def on_unmount(self) -> None:
        self._silence.set()
        self.bridge.stop()

    @property
    def _transcript(self) -> Transcript:
        return self.screen_stack[0].query_one(Transcript)

    @property
    def _composer(self) -> Composer:
        return self.screen_stack[0].query_one(Composer)

    @property
    def _status(self) -> StatusLine:
        return self.screen_stack[0].query_one(StatusLine)

    async def _read(self, ref: BlobRef) -> bytes:
        return await self.bridge.ask(lambda backend: backend.read(ref))

    # What the engine tells.

    @on(messages.Loading)
    def _loading(self, event: messages.Loading) -> None:
        busy = f"loading {event.what}…" if event.what else "ready"
        self._status.tell(engine=f"ready, {busy}" if self._is_open and event.what else busy)

    @on(messages.Ready)
    def _on_engine(self) -> None:
        self._is_open = True
        self._status.tell(engine="ready", broken=False)
        self._transcript.ready()

    @on(messages.Broken)
    async def _broken(self, event: messages.Broken) -> None:
        self._status.tell(engine="not connected" if self._is_open else "not available", broken=True)
        if not (event.ended and self._transcript.busy):
            await self._transcript.note(Notice.of(event.error))
        if event.ended:
            self._failure = event.error
            while self._transcript.busy:
                await self._transcript.turn_over(event.error)
            self._status.tell(running=False)

    @on(messages.Happened)
    async def _happened(self, event: messages.Happened) -> None:
        await self._transcript.take(event.events)
        for one in event.events:
            self._note_status(one)

    def _note_status(self, event: Event) -> None:
        if isinstance(event, FloorChanged):
            self._status.tell(floor=event.state)
        elif isinstance(event, TurnFinished):
            self._status.tell(timings=dict(event.timings))

    @on(messages.TurnOver)
    async def _turn_over(self, event: messages.TurnOver) -> None:
        await self._transcript.turn_over(event.error)
        self._status.tell(running=self._transcript.busy)

    @on(messages.Followed)
    async def _followed(self, event: messages.Followed) -> None:
        self.session = event.session
        await self._transcript.restart()
        self._status.tell(session=event.session, running=False, timings={}, floor="nobody")

    @on(messages.Refused)
    async def _refused(self, event: messages.Refused) -> None:
        await self._transcript.note(Notice.of(event.error))

    # What the person does.

    @on(Composer.Said)
    async def _said(self, event: Composer.Said) -> None:
        await self._transcript.say(event.outgoing, "" if self._is_open else "the models")
        if self._failure is not None:
            await self._transcript.turn_over(self._failure)
            return
        self._status.tell(running=True)
        self.bridge.send(event.outgoing)

    @on(Composer.Commanded)
    async def _commanded(self, event: Composer.Commanded) -> None:
        call = event.call
        if isinstance(call, Call):
            await self._run(call)
            return
        near = f"Did you mean /{call.nearest}?" if call.nearest else "/help lists those there are"
        await self._transcript.note(Notice(f"/{call.name}", "is no command", near, tone="warning"))

    async def _run(self, call: Call) -> None:
        name, argument = call.command.name, call.argument
        try:
            if call.command.needs_argument and not argument:
                raise BadInput(f"needs {call.command.argument}", part=f"/{name}", remedy=call.command.usage)
            match name:
                case "attach" | "image" if argument:
                    self._composer.add(attach(argument))
                case "image":
                    self._pick_file(IMAGE)
                case "session":
                    self.bridge.follow(argument)
                case "speech":
                    await self._save_speech(record.named(argument))
                case "save":
                    await self._save(record.named(argument))
                case _:
                    await self.run_action(name)
        except AntiphonError as error:
            await self._transcript.note(Notice.of(error))

    @on(Markdown.LinkClicked)
    def _open_link(self, event: Markdown.LinkClicked) -> None:
        # A reply may link to anything; only addresses a browser shows are opened.
        if event.href.startswith(("https://", "http://")):
            self.open_url(event.href)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        yield from super().get_system_commands(screen)
        for command in COMMANDS:
            if not command.needs_argument and command.name != "quit":
                yield SystemCommand(f"{command.name.capitalize()}", command.help, self._caller(command))

    def _caller(self, command: Command) -> Callable[[], None]:
        def call() -> None:
            self._composer.post_message(Composer.Commanded(Call(command, "")))

        return call

    # Actions; the slash commands of the same names run them too.

    def action_stop(self) -> None:
        """Stop what runs: the sound first, then the turn."""
        if self._playing:
            self._silence.set()
        else:
            self.bridge.interrupt()

    def action_stop_or_quit(self) -> None:
        selected = self.screen.get_selected_text() or self._composer.prompt.selected_text
        if selected:
            self.copy_to_clipboard(selected)
        elif self._playing or self._transcript.busy:
            self.action_stop()
        elif self._asked_to_quit:
            self.exit()
        else:
            self._asked_to_quit = True
            self.set_timer(_ASK_TWICE, self._forget_to_quit)
            self.notify("Press Ctrl+C again to quit", timeout=_ASK_TWICE)

    def _forget_to_quit(self) -> None:
        self._asked_to_quit = False

    def action_attach(self) -> None:
        self._pick_file(None)

    def _pick_file(self, kind: Kind | None) -> None:
        self.push_screen(FilesScreen(Path.cwd(), kind), self._picked)

    async def _picked(self, path: Path | None) -> None:
        if path is not None:
            try:
                self._composer.add(attach(str(path)))
            except AntiphonError as error:
                await self._transcript.note(Notice.of(error))

    def action_help(self) -> None:
        if not isinstance(self.screen, Window):
            self.push_screen(HelpScreen())

    def action_specialists(self) -> None:
        self.push_screen(SpecialistsScreen(self._look))

    async def _look(self) -> Looked:
        return await self.bridge.ask(lambda b: b.cards()), await self.bridge.ask(lambda b: b.health())

    async def action_sessions(self) -> None:
        try:
            found = await self.bridge.ask(lambda backend: backend.sessions())
        except AntiphonError as error:
            await self._transcript.note(Notice.of(error))
            return
        self.push_screen(SessionsScreen(found, self.session), self._go_to)

    def _go_to(self, session: str | None) -> None:
        if session is not None and session != self.session:
            self.bridge.follow(session)

    async def action_trace(self) -> None:
        if traces := self._transcript.traces:
            self.push_screen(TraceScreen(traces))
        else:
            await self._transcript.note(Notice("trace", "there is no turn yet", tone="info"))

    def action_transcript(self, where: str) -> None:
        getattr(self._transcript, f"action_{where}")()

    async def action_clear(self) -> None:
        await self._transcript.clear()

    async def action_copy(self) -> None:
        answers = [trace.text for trace in self._transcript.traces if trace.text]
        if answers:
            self.copy_to_clipboard(answers[-1])
            self.notify("Copied the last answer", timeout=2)
        else:
            await self._transcript.note(Notice("copy", "there is no answer yet", tone="info"))

    def action_play(self) -> None:
        self.run_worker(self._play(), group="sound", exclusive=True)

    async def _play(self) -> None:
        self._silence.clear()
        self._playing = True
        try:
            await asyncio.to_thread(self._spoken().speech.play, self._silence.is_set)
        except AntiphonError as error:
            await self._transcript.note(Notice.of(error))
        finally:
            self._playing = False

    def _spoken(self) -> TurnTrace:
        spoken = [trace for trace in self._transcript.traces if trace.speech]
        if not spoken:
            raise BadInput(
                "nothing was spoken yet", part="speech", remedy="Ask for an answer to be read aloud"
            )
        return spoken[-1]

    async def _save_speech(self, path: Path) -> None:
        await asyncio.to_thread(self._spoken().speech.save, path)
        await self._transcript.note(Notice(path.name, "is saved", tone="info"))

    async def _save(self, path: Path) -> None:
        text = record.as_markdown(self.session, self._transcript.traces)
        await asyncio.to_thread(record.write, path, text)
        await self._transcript.note(Notice(path.name, "is saved", tone="info"))
