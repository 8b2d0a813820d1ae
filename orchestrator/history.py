"""History: what a session's log says was said, and what was attached."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from orchestrator.events import Event, Heard, TurnFinished, TurnStarted
from specialists.content import Message, Part, message


@dataclass(frozen=True, slots=True)
class History:
    """Messages in order, and the media parts of the person's messages, newest first.

    Of an interrupted spoken reply only what was heard counts. `open_turn` is the number of a turn that
    began and never finished, 0 when there is none.
    """

    messages: tuple[Message, ...] = ()
    media: tuple[Part, ...] = ()
    turns: int = 0
    open_turn: int = 0
    _replies: dict[int, int] = field(default_factory=dict)
    """Turn number to the index of its reply in `messages`."""

    def after(self, event: Event) -> History:
        """The history once this event happened."""
        if isinstance(event, TurnStarted):
            return replace(
                self,
                messages=(*self.messages, event.message),
                media=(*reversed(event.message.media), *self.media),
                turns=max(self.turns, event.turn),
                open_turn=event.turn,
            )
        if isinstance(event, TurnFinished):
            return replace(self._reply(event.turn, event.text), open_turn=0)
        if isinstance(event, Heard) and not event.complete:
            return self._reply(event.turn, event.heard)
        return self

    def _reply(self, turn: int, text: str) -> History:
        if turn in self._replies:
            index = self._replies[turn]
            kept = (*self.messages[:index], message("assistant", text), *self.messages[index + 1 :])
            return replace(self, messages=kept)
        if not text.strip():
            return self
        return replace(
            self,
            messages=(*self.messages, message("assistant", text)),
            _replies={**self._replies, turn: len(self.messages)},
        )

