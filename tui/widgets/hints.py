"""The commands that a text could become, listed above the prompt while it is typed."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from tui.commands import matching


class Hints(Static):
    """A line a command; hidden while there is none."""

    def __init__(self) -> None:
        super().__init__(markup=False)
        self.display = False

    def show_for(self, text: str) -> None:
        found = matching(text)
        self.display = bool(found)
        width = max((len(command.usage) for command in found), default=0)
        helped = max((len(command.help) for command in found), default=0)
        rows = [
            Content.assemble(
                (command.usage.ljust(width), "$primary"),
                "  ",
                (command.help.ljust(helped), "$muted"),
                (f"  {command.keys}", "$accent"),
            )
            for command in found
        ]
        self.update(Content("\n").join(rows))
