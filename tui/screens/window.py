"""A window over the conversation: a title, a body, a line of keys; Esc closes it."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

Result = TypeVar("Result")


class Window(ModalScreen[Result]):
    """What every window has in common. A subclass names its title and keys, and fills `body`."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "Close")]
    TITLE_LINE: ClassVar[str] = ""
    KEYS_LINE: ClassVar[str] = "Esc close"
    TALL: ClassVar[bool] = True
    """Whether it takes the height there is, or only what its body needs."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="window tall" if self.TALL else "window"):
            yield Static(self.TITLE_LINE, markup=False, classes="title")
            yield from self.body()
            yield Static(self.KEYS_LINE, markup=False, classes="foot")

    def body(self) -> list[Widget]:
        raise NotImplementedError

    def retitle(self, title: str) -> None:
        self.query_one(".title", Static).update(title)

    def action_close(self) -> None:
        self.dismiss(None)
