"""The prompt: several lines, history, completion of commands and paths, pasted paths as files."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from tui.attachments import Attached, paths_in
from tui.commands import completion, matching
from tui.history import History
from tui.text import clean

_NEWLINE = ("shift+enter", "ctrl+j")
_LONGEST_PATHS = 8192  # characters: a longer paste is text, and not looked up as paths


class Prompt(TextArea):
    """Where one types. Enter submits; Shift+Enter or Ctrl+J begins a new line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "app.transcript('page_up')", show=False),
        Binding("pagedown", "app.transcript('page_down')", show=False),
    ]

    class Submitted(Message):
        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class FilesPasted(Message):
        def __init__(self, files: tuple[Attached, ...]) -> None:
            super().__init__()
            self.files = files

    class BackAtStart(Message):
        """Backspace in an empty prompt."""

    def __init__(self) -> None:
        super().__init__(
            soft_wrap=True, tab_behavior="focus", placeholder="Ask anything", highlight_cursor_line=False
        )
        self.said = History()

    def on_mount(self) -> None:
        self.cursor_blink = False  # nothing moves unless something happens

    def on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            self.submit()
        elif event.key in _NEWLINE:
            self.insert("\n")
        elif event.key == "tab" and (rest := self._completion()):
            self.insert(rest)
        elif event.key == "backspace" and not self.text:
            self.post_message(self.BackAtStart())
        else:
            return
        event.stop()
        event.prevent_default()

    def submit(self) -> None:
        """Hand the text over. What is typed from now on belongs to the next one."""
        self.post_message(self.Submitted(self.text))
        self.said.add(self.text.strip())
        self.clear()

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        files = paths_in(event.text) if len(event.text) < _LONGEST_PATHS else ()
        if files:
            self.post_message(self.FilesPasted(files))
        else:
            self.insert(clean(event.text))

    def update_suggestion(self) -> None:
        at_end = self.cursor_location == self.document.end
        self.suggestion = completion(self.text) if at_end else ""

    def action_cursor_up(self, select: bool = False) -> None:
        if select or not self.navigator.is_first_wrapped_line(self.cursor_location):
            super().action_cursor_up(select)
        elif (text := self.said.earlier(self.text)) is not None:
            self.load(text)

    def action_cursor_down(self, select: bool = False) -> None:
        if select or not self.navigator.is_last_wrapped_line(self.cursor_location):
            super().action_cursor_down(select)
        elif (text := self.said.later()) is not None:
            self.load(text)

    def load(self, text: str) -> None:
        """Show a text, with the cursor behind it."""
        self.text = text
        self.move_cursor(self.document.end)

    def _completion(self) -> str:
        found = matching(self.text)
        if not found:
            return ""
        name, space, argument = self.text[1:].partition(" ")
        if space:
            return _rest_of_path(argument) if found[0].takes_path else ""
        rest = found[0].name[len(name) :]
        return rest + " " if found[0].argument else rest


def _rest_of_path(typed: str) -> str:
    """What all the paths that begin with `typed` have in common after it."""
    folder, _, start = typed.rpartition("/")
    root = Path(f"{folder}/").expanduser() if "/" in typed else Path()
    try:
        found = [path for path in root.iterdir() if path.name.startswith(start)]
        names = [f"{path.name}/" if path.is_dir() else path.name for path in found]
    except (OSError, RuntimeError, ValueError):
        return ""
    names = [name for name in names if start or not name.startswith(".")]
    if not names:
        return ""
    first, last = min(names), max(names)
    common = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[len(start) : common]
