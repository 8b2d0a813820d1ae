"""The reply: which steps speak to the person, and their words as one stream."""

from __future__ import annotations

import unicodedata

from orchestrator.context import TurnContext
from orchestrator.events import Replanned, TextDelta
from orchestrator.execution import Execution
from orchestrator.plan import SPEAKS, Plan, answering
from orchestrator.run import Run
from orchestrator.speech.mouth import Mouth
from orchestrator.wording import NO_ANSWER, could_not, gave_up, words_to_say
from specialists.base import Card
from specialists.content import TEXT


class Reply:
    """Writes the reply of a turn: text as it comes, and speech beside it where the plan speaks.

    `words` are the request's own: they are spoken where nothing else is asked for.
    """

    def __init__(self, context: TurnContext, plan: Plan, words: str) -> None:
        self._context = context
        self._plan = plan
        self._words = words
        self._speaks = next((step for step in plan.steps if step.specialist == SPEAKS), None)
        self._mouth = self._opened()
        self._cards: dict[str, Card] = {}
        self.text = ""
        self.complete = True
        self.given = False
        """Whether a specialist gave any part of an answer, be it one that then failed."""

    def _opened(self) -> Mouth | None:
        context, step = self._context, self._speaks
        if step is None:
            return None
        if not context.unheard:
            return Mouth(context, step)
        reason = "nobody would hear it"
        context.emit(Replanned(turn=context.number, cause=step.id, reason=reason, dropped=(step,)))
        return None

    async def close(self) -> None:
        if self._mouth is not None:
            await self._mouth.close()

    def write(self, text: str) -> None:
        if not text:
            return
        self._context.mark("first_text")
        self.text += text
        self._context.emit(TextDelta(turn=self._context.number, text=text))
        if self._mouth is not None:
            self._mouth.write(text)

    def paragraph(self, text: str) -> None:
        """Write a sentence of its own, apart from what stands there already."""
        self.write(("\n\n" if self.text.strip() else "") + text)

    async def follow(self, execution: Execution) -> None:
        """Write what the answering steps say, as they say it, then what could not be done."""
        self._cards = {card.name: card for card in self._context.services.cards()}
        answers = execution.of(answering(self._plan, self._cards))
        for run in answers:
            await self._follow(execution, run)
            if run.nothing:
                self.paragraph(run.nothing)
        if self._plan.question:
            self.write(self._plan.question)
        elif self._speaks and not self._speaks.after:
            self.write(words_to_say(self._words, self._context.history, reuse=self._plan.reuse))
        runs = execution.of(self._plan.steps)
        await execution.settled(runs)
        for run in [*(run for run in runs if run not in answers), *answers]:
            if run not in answers and run.nothing and not execution.worked_on(run):
                self.paragraph(run.nothing)
            if run.error is not None:
                self.paragraph(" ".join(filter(None, (could_not(run.specialist, run.error), run.so_far))))
        for run in execution.instead.values():
            await self._follow(execution, run)
        self.given = any(run.found.strip() or run.nothing or run.parts for run in runs)
        self.complete = all(self._done(execution, run) for run in runs) and not self._plan.notes
        for note in self._plan.notes:
            self.paragraph(note)
        self._say_what_was_given_up()
        if not self._says_something() and not any(run.parts for run in runs):
            self.complete = False
            self.paragraph(NO_ANSWER)
        await self._finish_speech()

    def _says_something(self) -> bool:
        """Marks alone are no answer, and no voice says pictographs."""
        said = "LN" if self._speaks else "LNS"
        return any(unicodedata.category(character)[0] in said for character in self.text)

    def _say_what_was_given_up(self) -> None:
        context, given_up = self._context, self._plan.tradeoffs
        if any(tradeoff.action in ("drop", "refuse") for tradeoff in given_up):
            self.complete = False
        seconds = context.services.clock() - context.started
        if sentence := gave_up(given_up, seconds):
            self.paragraph(sentence)

    async def _follow(self, execution: Execution, run: Run) -> None:
        first = True
        async for chunk in run.chunks:
            if first and self.text.strip():
                self.write("\n\n")
            first = False
            self.write(chunk.text)
        await execution.settled([run])

    def _done(self, execution: Execution, run: Run) -> bool:
        """Whether the step did its part, or another in place of what it was to work on."""
        if not run.dropped:
            return run.error is None
        instead = execution.instead.get(run.dropped)
        answered = instead is not None and instead.error is None and bool(instead.found.strip())
        return answered and TEXT in self._cards[run.step.specialist].produces

    async def _finish_speech(self) -> None:
        if self._mouth is None or self._speaks is None:
            return
        error = await self._mouth.finish()
        if error is not None:
            self.complete = False
            self._mouth = None
            self.paragraph(could_not(self._speaks.specialist, error))
