"""History: what a session's log says was said, and what was attached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.control import WAIT
from orchestrator.events import (
    Corrected,
    Event,
    Forgotten,
    Heard,
    Planned,
    Routed,
    StandingDismissed,
    StandingMade,
    StandingMet,
    StepFinished,
    TurnFinished,
    TurnStarted,
)
from specialists.content import TEXT, Message, message

MOST = 16
"""Earlier messages a turn is given; chat backends cut further, to their context window."""

AT_ONCE = 8
"""So many of the oldest are left out together: a model has a beginning read as long as it stays the same."""


@dataclass(frozen=True, slots=True)
class Served:
    """How a request was served, by the latest turn that tried: what a correction corrects.

    `turn` is where the request stands, which a correction of it leaves as it is. `controls` say how it was
    routed, empty when nobody knows. `records` are the ids of the evidence that answered it, `reused` those of
    them that memory gave in place of a specialist, `unwanted` those that earlier corrections ruled out.
    `spoken` says that the answer was, or was to be, spoken.
    """

    turn: int
    controls: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()
    spoken: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """The last request with how it was served: `before` is what was said ahead of it, `reply` the answer."""

    request: Message
    before: tuple[Message, ...]
    reply: str
    served: Served


@dataclass(frozen=True, slots=True)
class History:
    """What was said, turn by turn.

    Of an interrupted spoken reply only what was heard counts. `open_turn` is the number of a turn that
    began and never finished, 0 when there is none. `served` is None where there is nothing to correct.
    """

    said: tuple[tuple[int, Message], ...] = ()
    turns: int = 0
    open_turn: int = 0
    served: Served | None = None
    cut_off: str = ""
    """What of the last reply was written and not heard, because it was interrupted."""
    standing: tuple[StandingMade, ...] = ()
    """What the session still waits for."""

    @property
    def last(self) -> Exchange | None:
        """The exchange that the next message may correct."""
        if self.served is None:
            return None
        asked = [i for i, (n, m) in enumerate(self.said) if n == self.served.turn and m.role == "user"]
        if not asked:
            return None
        replies = [message.text for _, message in self.said[asked[-1] + 1 :] if message.role == "assistant"]
        before = self.messages[: asked[-1]]
        return Exchange(self.messages[asked[-1]], before, replies[-1] if replies else "", self.served)

    @property
    def messages(self) -> tuple[Message, ...]:
        return tuple(message for _, message in self.said)

    @property
    def latest(self) -> tuple[Message, ...]:
        """The messages that a turn is given: `MOST` at most."""
        messages = self.messages
        steps = -(-max(0, len(messages) - MOST) // AT_ONCE)
        return messages[steps * AT_ONCE :]

    def reply(self, turn: int) -> str:
        """What the assistant said in a turn."""
        return next((m.text for number, m in self.said if number == turn and m.role == "assistant"), "")

    def after(self, event: Event) -> History:
        """The history once this event happened."""
        if isinstance(event, TurnStarted):
            return replace(
                self,
                said=(*self.said, (event.turn, event.message)),
                turns=max(self.turns, event.turn),
                open_turn=event.turn,
                served=None,
            )
        if isinstance(event, TurnFinished):
            return replace(
                self._replied(event.turn, event.text),
                open_turn=0,
                turns=max(self.turns, event.turn),
                cut_off=event.unheard,
            )
        if isinstance(event, StandingMade):
            return replace(self, standing=(*self.standing, event))
        if isinstance(event, StandingDismissed) or (
            isinstance(event, StandingMet) and not event.standing.always
        ):
            return replace(self, standing=tuple(made for made in self.standing if made.id != event.id))
        if isinstance(event, Heard) and not event.complete:
            return replace(self._replied(event.turn, event.heard), cut_off=event.unheard)
        if isinstance(
            event, Forgotten
        ):  # its number is not given again, and nothing of it is to be corrected
            return replace(self, turns=max(self.turns, event.turn), served=None)
        return replace(self, served=_after(self.served, event))

    def _replied(self, turn: int, text: str) -> History:
        """With this as the turn's only reply; an empty one was never said."""
        others = tuple(pair for pair in self.said if pair[0] != turn or pair[1].role != "assistant")
        reply = ((turn, message("assistant", text)),) if text.strip() else ()
        return replace(self, said=(*others, *reply))


def _after(served: Served | None, event: Event) -> Served | None:
    """How the request of the running turn is being served, once this event happened."""
    match event:
        case Corrected():
            return Served(event.of, unwanted=event.unwanted)
        case Routed() if str(WAIT) not in event.controls:
            return replace(served or Served(event.turn), controls=event.controls)
        case Planned() if served is not None:
            return replace(served, spoken="speech" in event.plan.outputs)
        case StepFinished() if served is not None and event.record:
            reused = (event.record,) if event.reused else ()
            return replace(served, records=(*served.records, event.record), reused=(*served.reused, *reused))
        case _:
            return served


def without_findings(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Earlier messages without the words of attached files: these are data, and may not steer a route."""
    return tuple(
        replace(said, parts=tuple(part for part in said.parts if part.kind != TEXT or not part.name))
        for said in messages
    )
