"""The help: every key and every command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from tui.commands import COMMANDS
from tui.screens.window import Window

KEYS: tuple[tuple[str, str], ...] = (
    ("Enter", "Send; the path of a file attaches it"),
    ("Shift+Enter  Ctrl+J", "New line"),
    ("Up  Down", "What was typed before"),
    ("Tab", "Complete a command or a path"),
    ("PgUp  PgDn", "Scroll the conversation"),
    ("Esc", "Stop the answer; again, give it up"),
    ("Ctrl+C", "Stop the answer; when idle, twice quits"),
    ("Ctrl+O", "Attach a file"),
    ("Backspace", "Empty prompt: remove the last file"),
    ("Ctrl+Y", "Copy the last answer"),
    ("Ctrl+T", "Why a turn went as it did"),
    ("Ctrl+R", "Sessions"),
    ("Ctrl+L", "Clear the screen"),
    ("Ctrl+P", "Every action, by name"),
    ("F1", "This help"),
    ("F2", "Specialists"),
    ("Ctrl+Q", "Quit"),
)


class HelpScreen(Window[None]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("f1", "close", show=False)]
    TITLE_LINE = "Keys and commands"
    KEYS_LINE = "Up Down scroll   Esc close"
    TALL = False

    def body(self) -> list[Widget]:
        commands = [(command.usage, command.help) for command in COMMANDS]
        width = max(len(left) for left, _ in (*KEYS, *commands))
        return [
            VerticalScroll(
                Static(_rows(KEYS, width), markup=False),
                Static("Commands", markup=False, classes="section"),
                Static(_rows(commands, width), markup=False),
                classes="body",
            )
        ]


def _rows(pairs: Sequence[tuple[str, str]], width: int) -> Content:
    return Content("\n").join(
        Content.assemble((left.ljust(width), "$accent"), "  ", right) for left, right in pairs
    )
