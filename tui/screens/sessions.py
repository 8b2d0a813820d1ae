"""The session picker: go to a session, or begin one by typing its name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from memory.log import SessionInfo
from tui.screens.window import Window
from tui.text import line, plural


class SessionsScreen(Window[str]):
    """Yields the name of a session, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move('cursor_down')", show=False),
        Binding("up", "move('cursor_up')", show=False),
        Binding("ctrl+r", "close", show=False),
    ]
    TITLE_LINE = "Sessions"
    KEYS_LINE = "Type to find or name one   Up Down move   Enter go   Esc close"

    def __init__(self, sessions: Sequence[SessionInfo], current: str) -> None:
        super().__init__()
        said = [info for info in sessions if info.turns or info.name == current]
        self._sessions = sorted(said, key=lambda info: info.last, reverse=True)
        self._current = current
        self._shown: list[str] = []

    def body(self) -> list[Widget]:
        return [Input(placeholder="Name"), OptionList(markup=False)]

    def on_mount(self) -> None:
        self.query_one(OptionList).can_focus = False
        self._list("")

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        self._list(event.value.strip())

    def _list(self, typed: str) -> None:
        found = [s for s in self._sessions if typed.casefold() in f"{s.name} {s.title}".casefold()]
        width = max((len(line(info.name, 24)) for info in found), default=0)
        options = [Option(self._row(info, width)) for info in found]
        self._shown = [info.name for info in found]
        if typed and typed not in {info.name for info in self._sessions}:
            options.append(Option(Content.assemble(("begin ", "$accent"), line(typed, 60))))
            self._shown.append(typed)
        choices = self.query_one(OptionList)
        choices.clear_options()
        choices.add_options(options)
        choices.highlighted = 0 if options else None

    def _row(self, info: SessionInfo, width: int) -> Content:
        when = f"{datetime.fromtimestamp(info.last):%Y-%m-%d %H:%M}" if info.last else ""
        here = ("● ", "$success") if info.name == self._current else ("  ", "")
        return Content.assemble(
            here,
            line(info.name, 24).ljust(width),
            (f"  {plural(info.turns, 'turn'):>9}  {when}  ", "$muted"),
            line(info.title, 60),
        )

    @on(Input.Submitted)
    def _go(self) -> None:
        at = self.query_one(OptionList).highlighted
        if at is not None:
            self.dismiss(self._shown[at])

    @on(OptionList.OptionSelected)
    def _click(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._shown[event.option_index])

    def action_move(self, where: str) -> None:
        getattr(self.query_one(OptionList), f"action_{where}")()
