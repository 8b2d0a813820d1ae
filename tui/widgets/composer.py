"""The composer: hints, chips and the prompt in one frame. It makes messages and commands of what is typed."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import TextArea

from tui.attachments import Attached, split
from tui.commands import Call, Unknown, parse
from tui.messages import Outgoing
from tui.widgets.chips import Chip, Chips
from tui.widgets.hints import Hints
from tui.widgets.prompt import Prompt


class Composer(Vertical):
    """Posts `Said` for a message and `Commanded` for a slash command."""

    class Said(Message):
        def __init__(self, outgoing: Outgoing) -> None:
            super().__init__()
            self.outgoing = outgoing

    class Commanded(Message):
        def __init__(self, call: Call | Unknown) -> None:
            super().__init__()
            self.call = call

    def compose(self) -> ComposeResult:
        yield Hints()
        yield Chips()
        yield Prompt()

    @property
    def prompt(self) -> Prompt:
        return self.query_one(Prompt)

    def add(self, file: Attached) -> None:
        """Attach a file to the next message."""
        self.query_one(Chips).add(file)

    @on(TextArea.Changed)
    def _hint(self, event: TextArea.Changed) -> None:
        self.query_one(Hints).show_for(event.text_area.text)

    @on(Prompt.Submitted)
    def _submit(self, event: Prompt.Submitted) -> None:
        text = event.text.strip()
        if (call := parse(text)) is not None:
            if isinstance(call, Unknown) and not self.prompt.text:
                self.prompt.load(text)  # to be mended
            self.post_message(self.Commanded(call))
            return
        words, files = split(text)
        if files and not words:  # paths alone become chips; the next Enter sends them
            for file in files:
                self.add(file)
            return
        chips = self.query_one(Chips)
        attached = chips.files + tuple(file for file in files if file not in chips.files)
        if words or attached:
            chips.clear()
            self.post_message(self.Said(Outgoing(words, attached)))

    @on(Prompt.FilesPasted)
    def _paste(self, event: Prompt.FilesPasted) -> None:
        for file in event.files:
            self.add(file)

    @on(Prompt.BackAtStart)
    def _take_off_last(self) -> None:
        chips = self.query_one(Chips)
        if chips.files:
            chips.take_off(chips.files[-1])

    @on(Chip.TakenOff)
    def _take_off(self, event: Chip.TakenOff) -> None:
        self.query_one(Chips).take_off(event.file)
        self.prompt.focus()
