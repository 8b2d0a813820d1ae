"""The reply: which steps speak to the person, and their words as one stream."""

from __future__ import annotations

from orchestrator.context import TurnContext
from orchestrator.events import TextDelta
from orchestrator.execution import Execution
from orchestrator.plan import SPEAKS, Plan, Step
from orchestrator.speech.mouth import Mouth
from orchestrator.wording import could_not, words_to_say
from specialists.base import Card
from specialists.content import TEXT


def answering(plan: Plan, cards: dict[str, Card]) -> tuple[Step, ...]:
    """The steps whose text the person gets: text that no later text step works on.

    When neither text nor speech is wanted, no text is given, though a picture may be made from it.
    """
    if not {"text", "speech"} & set(plan.outputs):
        return ()

    def makes_text(step: Step) -> bool:
        return TEXT in cards[step.specialist].produces

    return tuple(
        step
        for step in plan.steps
        if makes_text(step) and not any(makes_text(later) for later in plan.dependents(step.id))
    )


class Reply:
    """Writes the reply of a turn: text as it comes, and speech beside it where the plan speaks."""

    def __init__(self, context: TurnContext, plan: Plan) -> None:
        self._context = context
        self._plan = plan
        self._speaks = next((step for step in plan.steps if step.specialist == SPEAKS), None)
        self._mouth = Mouth(context, self._speaks) if self._speaks else None
        self.text = ""
        self.complete = True

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
        cards = {card.name: card for card in self._context.services.cards()}
        steps = answering(self._plan, cards)
        for step in steps:
            await self._follow(execution, step)
        if self._speaks and not self._speaks.after:
            self.write(words_to_say(self._context.text, self._context.history, reuse=self._plan.reuse))
        others = [step for step in self._plan.steps if step not in steps and step.specialist != SPEAKS]
        await execution.settled([step.id for step in others])
        for step in [*others, *steps]:
            run = execution.runs[step.id]
            if run.error is not None:
                self.complete = False
                if not run.blocked:
                    self.paragraph(could_not(step.specialist, run.error))
        for note in self._plan.notes:
            self.complete = False
            self.paragraph(note)
        await self._finish_speech()

    async def _follow(self, execution: Execution, step: Step) -> None:
        first = True
        async for chunk in execution.runs[step.id].chunks:
            if first and self.text.strip():
                self.write("\n\n")
            first = False
            self.write(chunk.text)
        await execution.settled([step.id])
        run = execution.runs[step.id]
        if run.nothing:
            self.paragraph(run.nothing)

    async def _finish_speech(self) -> None:
        if self._mouth is None or self._speaks is None:
            return
        error = await self._mouth.finish()
        if error is not None:
            self.complete = False
            self._mouth = None
            self.paragraph(could_not(self._speaks.specialist, error))
