"""History: what a session's log says was said, and what was attached."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.events import Event, Heard, TurnFinished, TurnStarted
from specialists.content import Message, Part, message


@dataclass(frozen=True, slots=True)
class History:
    """What was said, turn by turn, and the media parts of the person's messages, newest first.

    Of an interrupted spoken reply only what was heard counts. `open_turn` is the number of a turn that
    began and never finished, 0 when there is none.
    """

    said: tuple[tuple[int, Message], ...] = ()
    media: tuple[Part, ...] = ()
    turns: int = 0
    open_turn: int = 0

    @property
    def messages(self) -> tuple[Message, ...]:
        return tuple(message for _, message in self.said)

    def reply(self, turn: int) -> str:
        """What the assistant said in a turn."""
        return next((m.text for number, m in self.said if number == turn and m.role == "assistant"), "")

    def after(self, event: Event) -> History:
        """The history once this event happened."""
        if isinstance(event, TurnStarted):
            return replace(
                self,
                said=(*self.said, (event.turn, event.message)),
                media=(*reversed(event.message.media), *self.media),
                turns=max(self.turns, event.turn),
                open_turn=event.turn,
            )
        if isinstance(event, TurnFinished):
            return replace(
                self._replied(event.turn, event.text), open_turn=0, turns=max(self.turns, event.turn)
            )
        if isinstance(event, Heard) and not event.complete:
            return self._replied(event.turn, event.heard)
        return self

    def _replied(self, turn: int, text: str) -> History:
        """With this as the turn's only reply; an empty one was never said."""
        others = tuple(pair for pair in self.said if pair[0] != turn or pair[1].role != "assistant")
        reply = ((turn, message("assistant", text)),) if text.strip() else ()
        return replace(self, said=(*others, *reply))
