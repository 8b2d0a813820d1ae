"""How the specialists do: state, calls, failures, how long they take, and what to do about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import DataTable, Static

from specialists.base import Card
from specialists.errors import AntiphonError
from specialists.runtime import Health
from tui.screens.window import Window
from tui.text import clean, line, seconds

Looked = tuple[Sequence[Card], Mapping[str, Health]]
_COLOURS = {"ready": "success", "idle": "muted", "failed": "error", "unavailable": "warning"}


class SpecialistsScreen(Window[None]):
    """`look` asks the engine for the Cards and their Health."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "look", "Refresh"),
        Binding("f2", "close", show=False),
    ]
    TITLE_LINE = "Specialists"
    KEYS_LINE = "Up Down move   r refresh   Esc close"

    def __init__(self, look: Callable[[], Awaitable[Looked]]) -> None:
        super().__init__()
        self._look = look
        self._cards: Sequence[Card] = ()
        self._health: Mapping[str, Health] = {}

    def body(self) -> list[Widget]:
        return [DataTable(cursor_type="row", zebra_stripes=False), Static(markup=False, classes="detail")]

    async def on_mount(self) -> None:
        self.query_one(DataTable).add_columns("name", "state", "calls", "failed", "mean", "takes", "gives")
        await self.action_look()

    async def action_look(self) -> None:
        table = self.query_one(DataTable)
        try:
            self._cards, self._health = await self._look()
        except AntiphonError as error:
            self.query_one(".detail", Static).update(Content(clean(str(error))))
            return
        row = table.cursor_row
        table.clear()
        for card in self._cards:
            table.add_row(*self._row(card, self._health.get(card.name, Health("unknown"))))
        table.move_cursor(row=row)
        self._describe(table.cursor_row)

    @on(DataTable.RowHighlighted)
    def _highlight(self, event: DataTable.RowHighlighted) -> None:
        self._describe(event.cursor_row)

    def _describe(self, row: int) -> None:
        if not 0 <= row < len(self._cards):
            return
        card = self._cards[row]
        health = self._health.get(card.name, Health("unknown"))
        pieces = [Content(clean(card.description))]
        if card.model:
            pieces.append(Content.styled(clean(card.model), "$muted"))
        for trouble in dict.fromkeys(text for text in (card.remedy, health.detail) if text):
            pieces.append(Content.styled(clean(trouble), "$warning"))
        self.query_one(".detail", Static).update(Content("\n").join(pieces))

    def _row(self, card: Card, health: Health) -> list[Text]:
        # Text and not str: a table reads str as markup.
        colours = self.app.theme_variables
        return [
            Text(line(card.name, 20)),
            Text(line(health.state, 12), colours.get(_COLOURS.get(health.state, ""), "")),
            Text(str(health.calls), justify="right"),
            Text(str(health.failures), colours["error"] if health.failures else "", justify="right"),
            Text(seconds(health.seconds) if health.seconds else "", justify="right"),
            Text(line(" ".join(card.consumes), 24)),
            Text(line(" ".join(card.produces), 20)),
        ]
