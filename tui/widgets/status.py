"""The status line: the session, what the engine does, who has the floor, how long the last turn took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from tui.text import line, seconds

_TIMINGS = (("total", "turn"), ("own", "own"), ("first_text", "first word"), ("first_speech", "first sound"))
_SEPARATOR = Content(" · ")
_FLOOR = {"person": "you speak", "assistant": "speaking"}
_KEYS = (("^O", "attach", "app.attach"), ("F1", "help", "app.help"), ("^Q", "quit", "app.quit"))
_RUNNING_KEYS = (("Esc", "stop", "app.stop"),)
_SPARED = ("^O", "^Q", "F1")  # keys that a narrow terminal does without, the first to go first


@dataclass(frozen=True, slots=True)
class Status:
    """What the line says. `timings` is that of the last TurnFinished, in seconds."""

    session: str
    engine: str = "loading models…"
    broken: bool = False
    running: bool = False
    floor: str = "nobody"
    timings: Mapping[str, float] = field(default_factory=dict)


class StatusLine(Widget):
    """One line; at its right end the keys that matter now, which can be clicked too."""

    status: reactive[Status] = reactive(Status(""))

    def __init__(self, session: str) -> None:
        super().__init__()
        self.set_reactive(StatusLine.status, Status(session))

    def tell(self, **changes: object) -> None:
        self.status = replace(self.status, **changes)  # type: ignore[arg-type]

    def render(self) -> RenderResult:
        pieces = self._pieces()
        right = self._keys(self.size.width - _SEPARATOR.join(pieces[:2]).cell_length - 2)
        room = max(self.size.width - right.cell_length - 2, 0)
        while len(pieces) > 2 and _SEPARATOR.join(pieces).cell_length > room:
            pieces.pop()
        left = _SEPARATOR.join(pieces).truncate(room, ellipsis=True)
        gap = max(self.size.width - left.cell_length - right.cell_length, 1)
        return Content.assemble(left, " " * gap, right)

    def _keys(self, room: int) -> Content:
        """The keys that fit; the one that stops an answer always stands."""
        keys = list(_RUNNING_KEYS + _KEYS if self.status.running else _KEYS)
        shown = Content("   ").join(_key(*key) for key in keys)
        for spared in _SPARED:
            if shown.cell_length <= room:
                break
            keys = [key for key in keys if key[0] != spared]
            shown = Content("   ").join(_key(*key) for key in keys)
        return shown

    def _pieces(self) -> list[Content]:
        status = self.status
        engine = "$error" if status.broken else "$success" if status.engine == "ready" else "$warning"
        pieces = [Content.styled(line(status.session, 24), "$text"), Content.styled(status.engine, engine)]
        if status.floor in _FLOOR:
            pieces.append(Content.styled(_FLOOR[status.floor], "$accent"))
        for name, label in _TIMINGS:
            if name in status.timings:
                pieces.append(Content.styled(f"{label} {seconds(status.timings[name])}", "$muted"))
        return pieces


def _key(key: str, label: str, action: str) -> Content:
    return Content.assemble((key, "$accent"), " ", (label, "$muted")).stylize(f"@click={action}")
