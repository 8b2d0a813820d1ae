"""The LLM controller: any chat model, held to valid controls by a grammar where its backend has one.

The model writes controls bare (`call:ocr say answer`), because the bracketed form in a prompt would be data
made inert. What comes back is parsed and checked like anything untrusted; when nothing valid remains, the
exemplar controller's route stands and the refusal is in the trace.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from itertools import count

from orchestrator import control
from orchestrator.control import Control
from orchestrator.controller.request import Request
from orchestrator.controller.route import Controller, Route
from specialists.base import Card, Chunk, Task
from specialists.content import IMAGE, message
from specialists.errors import BadInput, Theirs

Call = Callable[[Task], AsyncIterator[Chunk]]

WRITTEN = frozenset(("call", "recall", "say", "show", "answer"))
"""The verbs a model may write."""

MAX_TOKENS = 48
SECONDS = 10.0

_RULES = (
    "You route requests. Write the controls that serve the last request and nothing else, in one line, "
    "ending with answer. Controls: call:NAME runs a specialist; recall asks the memory of earlier "
    "sessions; say also speaks the reply; show:image also makes a picture; answer ends."
)


class LlmController:
    """Asks the `chat` specialist, with the nearest exemplars in its prompt."""

    def __init__(self, call: Call, quick: Controller) -> None:
        self._call = call
        self._quick = quick
        self._ids = count(1)

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        by_example = await self._quick.route(request, cards)
        return await self.choose(request, cards, by_example)

    async def choose(self, request: Request, cards: Sequence[Card], by_example: Route) -> Route:
        """The model's own decision; `by_example` shows it candidates and stands in when it fails."""
        began = time.perf_counter()
        chosen = await self._choose(request, cards, by_example)
        return replace(chosen, model_seconds=time.perf_counter() - began)

    async def _choose(self, request: Request, cards: Sequence[Card], by_example: Route) -> Route:
        try:
            text = await self._ask(request, cards, by_example)
        except Theirs as error:
            return _instead(by_example, (f"({error.code}: {error.message})",))
        parsed = control.parse(" ".join(f"<|{word}|>" for word in text.split()))
        known = control.validate(
            parsed.controls, specialists={c.name for c in cards}, kinds={k for c in cards for k in c.produces}
        )
        # The floor is not the model's to give up: whether the person has finished, the ears decide.
        controls = tuple(token for token in known.controls if token.verb in WRITTEN)
        kept_out = tuple(str(token) for token in known.controls if token not in controls)
        invalid = parsed.invalid + known.invalid + kept_out
        if not [token for token in controls if token != control.ANSWER]:
            return _instead(by_example, invalid)
        return Route(controls, "llm", 1.0, by_example.candidates, by_example.exemplars, invalid)

    async def _ask(self, request: Request, cards: Sequence[Card], by_example: Route) -> str:
        prompt = _prompt(request, cards, by_example)
        try:
            return await self._complete(prompt, {"grammar": grammar(cards)})
        except BadInput:  # a backend without grammars: its words are checked all the same
            return await self._complete(prompt, {})

    async def _complete(self, prompt: str, extra: dict[str, object]) -> str:
        task = Task(
            id=f"route-{next(self._ids)}",
            specialist="chat",
            instruction=prompt,
            context=(message("system", _RULES),),
            params={"max_tokens": MAX_TOKENS, "temperature": 0.0, **extra},
            deadline=SECONDS,
        )
        return "".join([chunk.text async for chunk in self._call(task)])


def grammar(cards: Sequence[Card]) -> str:
    """A GBNF grammar that allows only controls these Cards can serve."""
    names = " | ".join(f'"call:{card.name}"' for card in cards if card.name != "memory")
    pictures = ' | "show:image"' if any(IMAGE in card.produces for card in cards) else ""
    return f'root ::= (control " "){{1,6}} "answer"\ncontrol ::= {names} | "recall" | "say"{pictures}\n'


def bare(controls: Sequence[Control]) -> str:
    """Controls without their brackets."""
    return " ".join(str(token)[2:-2] for token in controls)


def _prompt(request: Request, cards: Sequence[Card], by_example: Route) -> str:
    lines = [f"{card.name}: {card.description.split('. ')[0]}" for card in cards]
    lines += ["", "Examples of the form:"]
    lines += [f"{bare(controls)}" for controls, _ in by_example.candidates[:3]]
    if request.history:
        lines += ["", f"Before: {request.history[-1].text[:200]}"]
    lines += ["", f"Attached: {', '.join(request.attachments) or 'nothing'}", f"Request: {request.text}"]
    return "\n".join(lines)


def _instead(by_example: Route, invalid: tuple[str, ...]) -> Route:
    return Route(
        by_example.controls,
        f"llm, replaced by {by_example.controller}",
        by_example.margin,
        by_example.candidates,
        by_example.exemplars,
        invalid,
    )
