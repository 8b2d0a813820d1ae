"""Waiting: the standing requests of a session, made and dismissed in its turns and met around them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from orchestrator import control
from orchestrator.context import TurnContext
from orchestrator.events import (
    Event,
    Planned,
    Routed,
    StandingDismissed,
    StandingMade,
    StandingMet,
    StepFinished,
    Transcript,
)
from orchestrator.plan import Plan
from orchestrator.standing import (
    Dismissal,
    Listing,
    Sense,
    Standing,
    announcement,
    described,
    dismissed,
    meets,
    promise,
)
from orchestrator.verbs import Perceived, saying
from orchestrator.wishes import wish
from specialists.base import Card
from specialists.content import AUDIO, IMAGE, VIDEO

NOTHING = "I am waiting for nothing."
AFTER_OPENING = 2.0
"""Seconds after which it is told what fell due while the session was closed: by then somebody listens."""


def take_up(context: TurnContext, perceived: Perceived) -> Plan | None:
    """The plan of a turn that makes, lists or dismisses standing requests: to say so. None for others."""
    wanted = None if perceived.new or perceived.refused or not context.reads else wish(context.text)
    if wanted is None:
        return None
    waiting = context.standing
    match wanted:
        case Standing():
            told = promise(wanted)
        case Dismissal():
            places = dismissed(wanted, [made.standing for made in waiting])
            if not places:
                return None
            ended = [waiting[place] for place in places]
            told = f"I no longer wait for {_listed([_line(context, made) for made in ended])}."
        case Listing():
            lines = [_line(context, made) for made in waiting]
            told = f"I am waiting for {_listed(lines)}." if lines else NOTHING
    context.emit(
        Routed(
            turn=context.number, controls=(str(control.ANSWER),), controller="standing requests", margin=1.0
        )
    )
    plan = saying(told, context)
    context.emit(Planned(turn=context.number, plan=plan))
    if isinstance(wanted, Standing):
        wall = context.services.wall()
        context.emit(
            StandingMade(turn=context.number, id=str(context.number), standing=wanted, wall_time=wall)
        )
    elif isinstance(wanted, Dismissal):
        for made in ended:
            context.emit(StandingDismissed(turn=context.number, id=made.id))
    return plan


def _line(context: TurnContext, made: StandingMade) -> str:
    due = made.wall_time + made.standing.seconds
    return described(made.standing, max(0.0, due - context.services.wall()))


def _listed(lines: list[str]) -> str:
    return lines[0] if len(lines) == 1 else f"{', '.join(lines[:-1])} and {lines[-1]}"


class Watch:
    """Looks at what happens in a session, and says when a standing request is met.

    `waiting` gives those that are open; `met` takes the event that says so, and places it in the session.
    """

    def __init__(
        self,
        waiting: Callable[[], tuple[StandingMade, ...]],
        met: Callable[[StandingMet], object],
        cards: Callable[[], tuple[Card, ...]],
        wall: Callable[[], float],
    ) -> None:
        self._waiting = waiting
        self._met = met
        self._cards = cards
        self._wall = wall
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def resume(self) -> None:
        """Take up what an earlier process waited for."""
        for made in self._waiting():
            self._set(made, AFTER_OPENING)

    def see(self, event: Event) -> None:
        """Look at an event that was just recorded."""
        match event:
            case StandingMade():
                self._set(event)
            case StandingMet() | StandingDismissed():
                if timer := self._timers.pop(event.id, None):
                    timer.cancel()
            case Transcript() if event.final and wish(event.text) is None:
                self._notice("ears", event.text)
            case StepFinished() if event.text.strip():
                for sense in self._senses(event.specialist):
                    self._notice(sense, event.text)

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _set(self, made: StandingMade, soonest: float = 0.0) -> None:
        if made.standing.sense == "clock":
            left = max(soonest, made.wall_time + made.standing.seconds - self._wall())
            loop = asyncio.get_running_loop()
            self._timers[made.id] = loop.call_later(left, self._tell, made.id, "")

    def _senses(self, specialist: str) -> tuple[Sense, ...]:
        kinds = {kind for card in self._cards() if card.name == specialist for kind in card.consumes}
        seen: tuple[Sense, ...] = ("eyes",) if kinds & {IMAGE, VIDEO} else ()
        return (*seen, "ears") if kinds & {AUDIO, VIDEO} else seen

    def _notice(self, sense: Sense, text: str) -> None:
        for made in self._waiting():
            if meets(made.standing, sense, text):
                # Not here: the event that met it is still being given out.
                asyncio.get_running_loop().call_soon(self._tell, made.id, text)

    def _tell(self, name: str, found: str) -> None:
        made = next((made for made in self._waiting() if made.id == name), None)
        if made is not None:
            standing = made.standing
            text = announcement(standing, found)
            self._met(StandingMet(turn=made.turn, id=name, text=text, standing=standing))
