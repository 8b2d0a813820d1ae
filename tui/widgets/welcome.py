"""What an empty conversation shows: enough to begin without a manual."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Center
from textual.content import Content
from textual.widgets import Static

_WORDS = "sees, hears, reads, remembers, speaks"
_KEYS = (
    ("Enter", "send"),
    ("Ctrl+O", "attach a picture, a recording, a clip or a document"),
    ("", "or paste the path of one"),
    ("Esc", "stop an answer"),
    ("/", "commands"),
    ("F1", "all keys"),
)


class Welcome(Center):
    def compose(self) -> ComposeResult:
        rows = [Content.assemble((key.ljust(8), "$accent"), (what, "$muted")) for key, what in _KEYS]
        title = Content.assemble(("Antiphon", "bold $primary"), (f"  {_WORDS}", "$muted"))
        yield Static(Content.assemble(title, "\n\n", Content("\n").join(rows)), markup=False)
