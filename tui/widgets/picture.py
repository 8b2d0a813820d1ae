"""A small picture in the terminal, in half blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from specialists.errors import AntiphonError
from tui.preview import Row, half_blocks

COLUMNS, ROWS = 30, 12

Source = Path | Callable[[], Awaitable[bytes]]


class Picture(Widget):
    """Hidden until the picture is decoded, which happens in a thread; hidden for good when it cannot be."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._rows: tuple[Row, ...] = ()
        self.display = False

    def on_mount(self) -> None:
        self.run_worker(self._decode(), exit_on_error=False)

    async def _decode(self) -> None:
        try:
            source = self._source if isinstance(self._source, Path) else await self._source()
        except AntiphonError:
            return
        self._rows = await asyncio.to_thread(half_blocks, source, COLUMNS, ROWS)
        self.display = bool(self._rows)
        self.refresh(layout=True)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return len(self._rows[0]) if self._rows else 0

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._rows)

    def render_line(self, y: int) -> Strip:
        if y >= len(self._rows):
            return Strip.blank(self.size.width)
        cells = [
            Segment("▀", Style.from_color(_colour(top), _colour(bottom))) for top, bottom in self._rows[y]
        ]
        return Strip(cells, len(cells))


def _colour(pixel: tuple[int, int, int]) -> Color:
    return Color.from_rgb(*pixel)
