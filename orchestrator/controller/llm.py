"""The LLM controller: any chat model, held to what the request can be served with.

Where its backend has grammars or structured outputs, the model can write nothing else. What comes from a
model without them is checked like anything untrusted: it is asked once more, with what was wrong. When that
does not help, or the model fails or takes too long, the quick controller's route stands, and the trace says
why.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import count
from typing import Protocol

from orchestrator.control import neutralise
from orchestrator.controller import prompt
from orchestrator.controller.allowed import bracketed, controls_for
from orchestrator.controller.exemplars import Exemplar
from orchestrator.controller.request import Request
from orchestrator.controller.route import Route
from specialists.base import Card, Chunk, Task
from specialists.cancellation import being_cancelled
from specialists.chat.form import Form
from specialists.content import Message, message
from specialists.errors import BadInput, Theirs
from specialists.threads import in_thread

Call = Callable[[Task], AsyncIterator[Chunk]]

SECONDS = 10.0
"""What the model may take in all."""

MAX_TOKENS = 256
"""More than any line needs; a model that may write anything must end as well."""

_READ = 2000
"""Characters of an answer that are looked at."""

NOTHING = "(nothing)"

# Brackets, commas and quotes around the words are decoration.
_WORD = re.compile(r"[\w.:-]+")


class Quick(Protocol):
    """The controller that is asked first, and knows requests alike."""

    async def route(self, request: Request, cards: Sequence[Card]) -> Route: ...

    def nearest(self, request: Request, cards: Sequence[Card]) -> tuple[Exemplar, ...]:
        """The most similar exemplars, nearest first. Blocks for milliseconds."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote: its words, and what is wrong: words that are not allowed here, or the whole line
    where only their order or company is; nothing where all is well."""

    text: str
    words: tuple[str, ...]
    wrong: tuple[str, ...]


class LlmController:
    """Asks the `chat` specialist, with the nearest exemplars in its prompt."""

    def __init__(self, call: Call, quick: Quick, seconds: float = SECONDS) -> None:
        self._call = call
        self._quick = quick
        self._seconds = seconds
        self._ids = count(1)

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        by_example = await self._quick.route(request, cards)
        return await self.choose(request, cards, by_example)

    async def choose(
        self, request: Request, cards: Sequence[Card], by_example: Route, form: Form | None = None
    ) -> Route:
        """The model's own decision, among all that this request can be served with or those of `form`.

        `by_example` stands in when there is none; its margin and candidates go into the answer as they are.
        """
        began = time.perf_counter()
        tries: list[Written] = []
        reason = ""
        try:
            async with asyncio.timeout(self._seconds):
                await self._ask(request, cards, by_example, form, tries)
        except TimeoutError:
            reason = f"no answer within {self._seconds:g} s"
        except Theirs as error:
            reason = error.message[:200]
        except asyncio.CancelledError:
            if being_cancelled():
                raise
            reason = "the call was stopped"  # by somebody else: it would pass for the turn's own end
        chosen = _decided(tries, by_example) if not reason else None
        chosen = chosen or _instead(by_example, reason or "nothing allowed was written")
        return replace(
            chosen,
            emitted=tuple(word for written in tries for word in written.words),
            invalid=tuple(_in_brackets(wrong) for written in tries for wrong in written.wrong),
            repaired=len(tries) > 1 and not tries[-1].wrong,
            model_seconds=time.perf_counter() - began,
        )

    async def _ask(
        self,
        request: Request,
        cards: Sequence[Card],
        by_example: Route,
        form: Form | None,
        tries: list[Written],
    ) -> None:
        """Ask, and once more where what came is not allowed; what was written goes into `tries`."""
        nearest = await in_thread(self._quick.nearest, request, cards)
        known = prompt.listed(cards, by_example, nearest)
        form = form or controls_for(request, known)
        context = (prompt.rules(known), *prompt.shown(nearest))
        question = prompt.asked(request)
        takes_form = any(card.name == "chat" and _declares_form(card) for card in cards)
        for _ in range(2):
            written = read(await self._complete(question, context, form if takes_form else None), form)
            tries.append(written)
            if not written.wrong:
                return
            said = " ".join(neutralise(written.text).split())[:200] or NOTHING
            context = (*context, message("user", question), message("assistant", said))
            question = prompt.correction(written.wrong, (*form.words, form.last))

    async def _complete(self, question: str, context: tuple[Message, ...], form: Form | None) -> str:
        task = Task(
            id=f"route-{next(self._ids)}",
            specialist="chat",
            instruction=question,
            context=context,
            params={"max_tokens": MAX_TOKENS, "temperature": 0.0},
            deadline=self._seconds,
        )
        if form is not None:
            try:
                return await self._text(replace(task, params={**task.params, "form": form.to_text()}))
            except BadInput:  # a model that cannot be held to it; its words are checked all the same
                pass
        return await self._text(task)

    async def _text(self, task: Task) -> str:
        text = ""
        async with aclosing(self._call(task)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                text += chunk.text
                if len(text) > _READ:
                    break
        return text[:_READ]


def read(text: str, form: Form) -> Written:
    """The words of an answer up to `answer`, held against what is allowed."""
    words = [word.rstrip(".:") for word in _WORD.findall(text)]
    words = [word for word in words if word]
    end = words.index(form.last) if form.last in words else len(words)
    line = (*dict.fromkeys(words[:end]), form.last)
    if form.accepts(line):
        return Written(text, line, ())
    known = form.words
    wrong = tuple(word for word in line[:-1] if word not in known)
    return Written(text, tuple(words[:32]), wrong[:16] or (" ".join(words) or NOTHING,))


def _in_brackets(words: str) -> str:
    return words if words == NOTHING else " ".join(f"<|{word}|>" for word in words.split())


def _declares_form(card: Card) -> bool:
    return any(parameter.name == "form" for parameter in card.parameters)


def _decided(tries: Sequence[Written], by_example: Route) -> Route | None:
    last = tries[-1]
    if last.wrong:
        return None
    return replace(by_example, controls=bracketed(last.words), controller="llm")


def _instead(by_example: Route, reason: str) -> Route:
    return replace(by_example, controller=f"llm, replaced by {by_example.controller}: {reason}")
