"""The messages that ask a chat model for a route: what never changes first, so that backends keep it read."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.control import neutralise
from orchestrator.controller.allowed import bare
from orchestrator.controller.exemplars import Exemplar
from orchestrator.controller.request import Request, Said, inert
from orchestrator.controller.route import Route, controls_of
from specialists.base import Card
from specialists.content import Message, message
from specialists.embed import VECTOR

EXEMPLARS = 6
"""How many example requests are shown, the nearest last."""

LISTED = 16
"""Up to so many Cards all are listed; of more, those that the exemplars suggest."""

_RULES = """Choose what serves the user's last request. Write one line of controls, ending with answer.
recall: search earlier sessions. recall:text: answer from what was said before, without looking again.
say: also speak the reply. call:tts: speak it only. show:image: also make a picture. call:imagegen: only that.
call:NAME: run a specialist:"""

_WORDS = (40, 15)
"""Words kept from the beginning and the end of a request."""

_SAID_WORDS = (15, 5)


def rules(cards: Sequence[Card]) -> Message:
    """What every request of these Cards begins with."""
    return message("system", "\n".join([_RULES, *(f"{card.name}: {_gist(card)}" for card in cards)]))


def shown(exemplars: Sequence[Exemplar]) -> tuple[Message, ...]:
    """The nearest exemplars as exchanges; they come nearest first and are shown nearest last."""
    exchanges = []
    for exemplar in reversed(exemplars[:EXEMPLARS]):
        exchanges.append(message("user", asked(exemplar.request)))
        exchanges.append(message("assistant", bare(controls_of(exemplar.decision))))
    return tuple(exchanges)


def asked(request: Request) -> str:
    """A request in a few lines: what was said before, what is attached, the words."""
    request = inert(request)  # an exemplar may come from a person or a foreign Card as well
    lines = [f"{_speaker(said)}: {_one_line(said.text, *_SAID_WORDS)}" for said in request.history[-2:]]
    before = ["Before:", *lines] if lines else []
    earlier = sorted(request.earlier_kinds)
    kinds = ", ".join(request.attachments) or "nothing"
    attached = f"Attached: {kinds}" + (f"; earlier: {', '.join(earlier)}" if earlier else "")
    return "\n".join([*before, attached, f"Request: {_one_line(request.text, *_WORDS) or '(no words)'}"])


def listed(cards: Sequence[Card], by_example: Route, nearest: Sequence[Exemplar]) -> tuple[Card, ...]:
    """The Cards a model is told of."""
    cards = tuple(card for card in cards if set(card.produces) != {VECTOR})  # those are for programs
    if len(cards) <= LISTED:
        return cards
    named = {token.argument for controls, _ in by_example.candidates for token in controls}
    named |= {name for exemplar in nearest for name in exemplar.decision.steps}
    named |= {"chat", "memory", "tts", "imagegen"}
    return tuple(card for card in cards if card.name in named)[:LISTED]


def correction(wrong: Sequence[str], words: Sequence[str]) -> str:
    """What is said to a model that wrote what it must not."""
    return (
        f"Not allowed here: {_one_line(' '.join(wrong), 16, 0)}. "
        f"Write one line of these words only, ending with answer: {' '.join(words)}"
    )


def _gist(card: Card) -> str:
    return _one_line(neutralise(card.description).split(". ")[0], 16, 0)


def _speaker(said: Said) -> str:
    return f"{said.role} [{', '.join(said.attachments)}]" if said.attachments else said.role


def _one_line(text: str, head: int, tail: int) -> str:
    words = text.split()
    if len(words) > head + tail:
        words = [*words[:head], "…", *words[len(words) - tail :]]
    return " ".join(words)
