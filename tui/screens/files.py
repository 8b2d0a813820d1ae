"""The file picker: folders, and files of the kinds that can be attached."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import DirectoryTree

from specialists.content import Kind, kind_of, kinds
from specialists.errors import BadInput
from tui.screens.window import Window
from tui.text import line


class Files(DirectoryTree):
    """A tree of what can be attached; of one kind, if one is given."""

    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "
    ICON_FILE = "  "

    def __init__(self, root: Path, kind: Kind | None) -> None:
        super().__init__(root)
        self._kind = kind
        self.guide_depth = 3

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        return [path for path in paths if not path.name.startswith(".") and self._wanted(path)]

    def process_label(self, label: object) -> Text:
        return Text(line(str(label)))  # names are data, never markup

    def _wanted(self, path: Path) -> bool:
        try:
            return path.is_dir() or kind_of(path.name) in ((self._kind,) if self._kind else kinds())
        except (BadInput, OSError):
            return False


class FilesScreen(Window[Path]):
    """Yields the path that was picked, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("backspace,left", "up", "Folder above")]
    TITLE_LINE = "Attach a file"
    KEYS_LINE = "Enter pick   Backspace folder above   Esc close"

    def __init__(self, root: Path, kind: Kind | None = None) -> None:
        super().__init__()
        self._root = root
        self._kind = kind

    def body(self) -> list[Widget]:
        return [Files(self._root, self._kind)]

    def on_mount(self) -> None:
        self.retitle(f"Attach a file from {line(str(self._root))}")

    @on(DirectoryTree.FileSelected)
    def _pick(self, event: DirectoryTree.FileSelected) -> None:
        self.dismiss(event.path)

    def action_up(self) -> None:
        tree = self.query_one(Files)
        tree.path = Path(tree.path).absolute().parent
        self.retitle(f"Attach a file from {line(str(tree.path))}")
