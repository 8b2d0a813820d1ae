"""Foretelling: whether what somebody says is over, as the chat model would go on with it.

A language model knows that after "Who won the race" much may follow, and after "Who won the race in Monaco
last year" little. The share of its next tokens that end a sentence tells so (as in the end-of-turn models of
LiveKit, which are trained for it; ours is not). The model then has the words read for the reply.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import aclosing

from orchestrator.context import Services
from specialists.base import Task
from specialists.chat.card import ENDS
from specialists.content import Message, message
from specialists.errors import AntiphonError

log = logging.getLogger("antiphon")

SECONDS = 0.3
"""How long it may take: later nobody waits for it."""

READING_SECONDS = 10.0
"""How long the model may take for what it reads while nobody waits."""

NO_WORDS = "..."
"""A message that has not begun: marks at its end are not looked at."""


def begun(
    services: Services, task_id: str, text: str, history: Sequence[Message], seconds: float
) -> Task | None:
    """The task to read the beginning of a message after `history`, and to tell how likely it is the whole;
    None where the chat model does not tell."""
    chat = next((card for card in services.cards() if card.name == "chat"), None)
    if chat is None or all(parameter.name != ENDS for parameter in chat.parameters):
        return None
    return Task(
        id=task_id,
        specialist=chat.name,
        instruction=text or NO_WORDS,
        context=(message("system", services.config.engine.system_prompt), *history),
        params={ENDS: True},
        deadline=seconds,
    )


async def ends(services: Services, task: Task) -> float | None:
    """How likely it is, 0 to 1, that somebody who says this is done; None where it was not told in time."""
    try:
        async with aclosing(services.call(task)) as told:  # type: ignore[type-var]
            scores = [chunk.score async for chunk in told]
    except AntiphonError as error:  # a hint that is missing is no trouble
        log.debug("the end of a message is not foretold: %s", error)
        return None
    return scores[0] if scores else None
