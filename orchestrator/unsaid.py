"""What was cut off: after an interruption the assistant can say what it was going to say."""

from __future__ import annotations

import re

from orchestrator import control
from orchestrator.context import TurnContext
from orchestrator.events import Planned, Routed
from orchestrator.plan import Plan
from orchestrator.verbs import Perceived, saying

_ASKS = re.compile(
    r"(?:(?:ok(?:ay)?|so|sorry|and|now|please|well|no|yes|right)[,.]? )*"
    r"(?:what (?:else )?(?:were|was|did) you (?:just )?(?:going|about|trying|wanting|want|mean|meaning) to"
    r" (?:say|tell me|add)|what were you (?:just )?saying"
    r"|you were saying|where were (?:you|we)"
    r"|(?:please )?(?:go on|go ahead|carry on|continue|keep going)"
    r"(?: (?:please|then|where you (?:stopped|left off|were)|with (?:that|it|what you were saying)))?"
    r"|(?:say|tell me) the rest(?: of (?:it|that))?|finish (?:what you were saying|that|your sentence))"
    r"[\s.!?]*",
    re.IGNORECASE,
)


def take_up(context: TurnContext, perceived: Perceived) -> Plan | None:
    """The plan of a turn that asks for the rest of a reply that was interrupted: to say that. None for
    others, and where nothing was cut off."""
    asked = not perceived.new and not perceived.refused and _ASKS.fullmatch(" ".join(context.text.split()))
    if not asked or not context.cut_off:
        return None
    context.emit(
        Routed(
            turn=context.number, controls=(str(control.ANSWER),), controller="what was cut off", margin=1.0
        )
    )
    plan = saying(context.cut_off, context)
    context.emit(Planned(turn=context.number, plan=plan))
    return plan


def rest_of(said: str, heard: str) -> str:
    """What of a text follows the words that were heard of it."""
    count = len(heard.split())
    places = [found.start() for found in re.finditer(r"\S+", said)]
    return said[places[count] :].strip() if count < len(places) else ""
