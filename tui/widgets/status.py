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
_FLOOR = {"person": "you speak", "assistant": "speaking"}
_KEYS = (("^O", "attach", "app.attach"), ("F1", "help", "app.help"), ("^Q", "quit", "app.quit"))
_RUNNING_KEYS = (("Esc", "stop", "app.stop"),)


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
        status = self.status
        keys = _RUNNING_KEYS + _KEYS if status.running else _KEYS
        right = Content("   ").join(_key(*key) for key in keys)
        room = max(self.size.width - right.cell_length - 2, 0)
        pieces = self._pieces()
        while len(pieces) > 2 and Content(" · ").join(pieces).cell_length > room:
            pieces.pop()
        left = Content(" · ").join(pieces).truncate(room, ellipsis=True)
        gap = max(self.size.width - left.cell_length - right.cell_length, 1)
        return Content.assemble(left, " " * gap, right)

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
