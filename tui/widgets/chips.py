"""The files that go with the next message, as chips that can be taken off."""

from __future__ import annotations

from typing import ClassVar

from textual.app import RenderResult
from textual.binding import Binding, BindingType
from textual.containers import ItemGrid
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widget import Widget

from tui.attachments import Attached
from tui.text import line, size

_NAME = 32  # characters of a name that are shown
_CHIP = 34  # cells a chip has at least


class Chip(Widget, can_focus=True):
    """One file. A click on it, or Backspace, Delete or Enter while it has the focus, takes it off."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("backspace,delete,enter", "take_off", "Remove")]

    class TakenOff(Message):
        def __init__(self, file: Attached) -> None:
            super().__init__()
            self.file = file

    def __init__(self, file: Attached) -> None:
        super().__init__()
        self.file = file
        self.tooltip = "Click to remove"

    def render(self) -> RenderResult:
        # The name gives way where there is little room; the cross must stay.
        rest = len(self.file.kind) + len(size(self.file.size)) + len("    ×  ")
        named = chip(self.file.kind, self.file.path.name, self.file.size, max(self.size.width - rest, 8))
        return Content.assemble(named, (" ×", "$muted"))

    def on_click(self, event: Click) -> None:
        event.stop()
        self.action_take_off()

    def action_take_off(self) -> None:
        self.post_message(self.TakenOff(self.file))


class Chips(ItemGrid):
    """The bar of chips; it takes no room while there are none."""

    def __init__(self) -> None:
        super().__init__(min_column_width=_CHIP, stretch_height=False)

    @property
    def files(self) -> tuple[Attached, ...]:
        return tuple(chip.file for chip in self.query(Chip))

    def add(self, file: Attached) -> None:
        if all(known.path != file.path for known in self.files):
            self.mount(Chip(file))

    def take_off(self, file: Attached) -> None:
        for known in self.query(Chip):
            if known.file == file:
                known.remove()

    def clear(self) -> None:
        self.query(Chip).remove()


def chip(kind: str, name: str, count: int, room: int = _NAME) -> Content:
    """How a file is named on one line: its kind, its name in at most `room` characters, its size in bytes."""
    weight = (size(count) if count else "", "$muted")
    return Content.assemble((line(kind), "$accent"), "  ", line(name, min(room, _NAME)), "  ", weight)
