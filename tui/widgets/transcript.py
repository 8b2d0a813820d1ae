"""The conversation: a view a turn, the newest at the bottom."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from orchestrator.events import Event, StandingMet, TurnStarted
from specialists.errors import AntiphonError
from tui.messages import Outgoing
from tui.trace import TurnTrace
from tui.widgets.notice import Notice
from tui.widgets.turn import Surroundings, TurnView
from tui.widgets.welcome import Welcome

_SHOWN = 40  # turns that stay on the screen; the traces of all are kept


class Transcript(VerticalScroll, can_focus=False):
    """Shows the turns of a session, and keeps their traces."""

    def __init__(self, around: Surroundings) -> None:
        super().__init__()
        self._around = around
        self._traces: dict[int, TurnTrace] = {}
        self._sent: deque[TurnView] = deque()

    def compose(self) -> ComposeResult:
        yield Welcome()

    def on_mount(self) -> None:
        self.anchor()

    @property
    def traces(self) -> Sequence[TurnTrace]:
        """All turns so far, the oldest first."""
        return list(self._traces.values())

    @property
    def busy(self) -> bool:
        """Whether something that was sent is not dealt with yet."""
        return bool(self._sent)

    async def say(self, outgoing: Outgoing, waiting_for: str = "") -> None:
        """Show what was just sent, before the engine knows of it."""
        view = TurnView(TurnTrace(), self._around, outgoing)
        self._sent.append(view)
        await self._mount(view)
        view.wait_for(waiting_for)
        self.anchor()

    def ready(self) -> None:
        for view in self._sent:
            view.wait_for("")

    async def take(self, events: Sequence[Event]) -> None:
        """Fold Events in and draw what they changed."""
        now = self._around.clock()
        batches: dict[int, list[Event]] = {}
        for event in events:
            if isinstance(event, TurnStarted):
                self._traces[event.turn] = self._trace_for(event)
            if (trace := self._traces.get(event.turn)) is not None:
                trace.take(event, now)
                batches.setdefault(event.turn, []).append(event)
        views = {view.trace.number: view for view in self.query(TurnView)}
        for turn in list(batches)[-_SHOWN:]:
            view = views.get(turn)
            if view is None and isinstance(batches[turn][0], TurnStarted):
                view = TurnView(self._traces[turn], self._around)
                await self._mount(view)
            if view is not None:
                await view.show(batches[turn])
        for met in (event for event in events if isinstance(event, StandingMet)):
            await self.note(Notice("you asked", met.text, tone="info"))

    async def turn_over(self, error: AntiphonError | None) -> None:
        """What was sent first is dealt with."""
        if self._sent:
            await self._sent.popleft().give_up(error)

    async def note(self, notice: Notice) -> None:
        """Show a notice that belongs to no turn."""
        await self.mount(notice)
        self.anchor()

    async def clear(self) -> None:
        """Clear the screen, but for what still runs."""
        await self.query("Welcome, Transcript > Notice").remove()
        for view in self.query(TurnView):
            if view not in self._sent:
                await view.remove()

    async def restart(self) -> None:
        """Begin with another session."""
        self._traces.clear()
        self._sent.clear()
        await self.remove_children()
        await self.mount(Welcome())

    def _trace_for(self, event: TurnStarted) -> TurnTrace:
        """The trace of a turn that begins: that of what was sent here, or a new one."""
        for view in self._sent:
            if view.trace.asked is None and view.outgoing is not None:
                if event.message.text.strip().startswith(view.outgoing.text):
                    return view.trace
                break
        return TurnTrace()

    async def _mount(self, view: TurnView) -> None:
        await self.query(Welcome).remove()
        await self.mount(view)
        shown = list(self.query(TurnView))
        for old in shown[: max(len(shown) - _SHOWN, 0)]:
            await old.remove()
