"""Execution: the steps of a Plan, run in parallel where they do not depend on each other.

Each step is one task that ends in a result or an error, never in neither: the deadline of the step and of
the turn bound it. A step that fails is tried once more where that can help, then an alternative is tried.
Where a step fails or comes to nothing, those that nothing is left to work on are dropped, and what can
answer in its place runs instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from types import TracebackType

from memory.records import Alike
from orchestrator.calls import Stopped, answer
from orchestrator.context import TurnContext
from orchestrator.events import MediaReady, Replanned, StepFinished, StepProgress, StepStarted, step_failed
from orchestrator.evidence import Evidence
from orchestrator.lengths import extra
from orchestrator.made import made
from orchestrator.plan import SPEAKS, PartRef, Plan, ResultRef, Step, answering
from orchestrator.retries import with_retries
from orchestrator.run import Run
from orchestrator.tradeoffs import alternatives, spare_outputs
from orchestrator.wording import could_not, nothing_fitting, nothing_found
from specialists.base import Card, Chunk, Task
from specialists.content import AUDIO, IMAGE, TEXT, Message, Part, message, text_part
from specialists.errors import AntiphonError, Theirs, Unavailable
from specialists.threads import in_thread

RECALLS = "memory"
"""The specialist that recalls; it is told whose memories it may tell."""

KEPT_TO_REPLY = 0.1
"""This share of a turn's time is not the steps': in it the reply says, and speaks, what came of them."""


_ROUNDING = 1e-9
"""Sums of prices differ by less in the order they were added."""


class Execution:
    """Owns the tasks of a Plan's steps: leaving the `async with` block ends all of them."""

    def __init__(self, context: TurnContext) -> None:
        self._context = context
        self._tasks: list[asyncio.Task[None]] = []
        self._beside: list[asyncio.Task[None]] = []
        self._given_at_once: set[str] = set()
        """The steps whose words the person gets while they come: those cannot be taken back."""
        self._cards: dict[str, Card] = {}
        self._spare: frozenset[str] = frozenset()
        self.runs: dict[str, Run] = {}
        self.instead: dict[str, Run] = {}
        """What runs in place of a step that came to nothing, by that step."""
        self.parts: tuple[Part, ...] = ()
        self.plan = Plan()
        self._price = 0.0
        """What the plan costs as it now is; a call that failed is not paid."""
        self._evidence = Evidence(context)

    async def __aenter__(self) -> Execution:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [*self._tasks, *self._beside]
        for task in tasks:
            task.cancel()
        again: asyncio.CancelledError | None = None
        while at_work := [task for task in tasks if not task.done()]:
            # Whoever is cancelled here waits all the same: no step may outlive its turn.
            try:
                await asyncio.wait(at_work)
            except asyncio.CancelledError as cancelled:
                again = cancelled
        if again is not None:
            raise again

    def start(self, plan: Plan, parts: Sequence[Part], unwanted: Collection[str] = ()) -> None:
        """Start every step but the one that speaks. `parts` begin with the words; records of the ids in
        `unwanted` are not reused."""
        self.plan = plan
        self._price = plan.estimate.price if plan.estimate is not None else 0.0
        self.parts = tuple(parts)
        self._evidence = Evidence(self._context, unwanted)
        self.runs = {step.id: Run(step, step.specialist) for step in plan.steps}
        self._cards = {card.name: card for card in self._context.services.cards()}
        self._given_at_once = {step.id for step in answering(plan, self._cards)}
        self._spare = spare_outputs(plan, self._cards)
        for step in plan.steps:
            if step.specialist != SPEAKS:
                self._spawn(self.runs[step.id])

    def beside(self, work: Coroutine[None, None, None]) -> None:
        """Do what nothing of the answer rests on while it is made. `over` waits for it."""
        name = f"{self._context.session} turn {self._context.number} beside"
        self._beside.append(asyncio.create_task(work, name=name))

    async def over(self) -> None:
        """Wait until what is done beside the answer is over too, and raise what failed of it."""
        await asyncio.gather(*self._beside)

    @property
    def _words(self) -> str:
        """What is asked for, in the person's words."""
        return self.parts[0].text

    async def settled(self, runs: Sequence[Run]) -> None:
        """Wait until these are over, and raise what is a bug rather than a failure."""
        for run in runs:
            await run.chunks.wait_closed()
        for task in self._tasks:
            if task.done() and not task.cancelled() and (bug := task.exception()) is not None:
                raise bug

    def of(self, steps: Sequence[Step]) -> list[Run]:
        """The runs of these steps, less the one that speaks."""
        return [self.runs[step.id] for step in steps if step.specialist != SPEAKS]

    def worked_on(self, run: Run) -> bool:
        """Whether a later step had the result of this one, or the lack of it, before it."""
        return any(not self.runs[later.id].dropped for later in self._later(run.step))

    def _later(self, step: Step) -> list[Step]:
        return [later for later in self.plan.dependents(step.id) if later.specialist != SPEAKS]

    def _spawn(self, run: Run) -> None:
        name = f"{self._context.session} turn {self._context.number} {run.step.id}"
        self._tasks.append(asyncio.create_task(self._guard(run), name=name))

    async def _guard(self, run: Run) -> None:
        try:
            try:
                await self._run(run)
            except Theirs as error:
                run.error = error
                self._failed(run, error, "give up")
            run.over = True
            self._replan(run)
        finally:
            run.chunks.close()

    async def _run(self, run: Run) -> None:
        for name in run.step.after:
            await self.runs[name].chunks.wait_closed()
        if run.dropped or self._pointless(run.step):
            return
        card = self._context.services.card(run.step.specialist)
        task = self._task(run.step)
        known = await self._evidence.known(card, task)
        if known is not None:
            self._reuse(run, known, task)
            return
        run.begun = await self._evidence.begun(card, task)
        started = self._context.services.clock()
        card, task, label = await self._try(run, card, task)
        self._context.calls.append(card.name)
        key, stored = self._evidence.key(card, task), await self._evidence.keep(run, card, task, label)
        self._finish(run, card.name, self._context.services.clock() - started, key=key, record=stored)

    async def _try(self, run: Run, card: Card, task: Task) -> tuple[Card, Task, str]:
        """The call, further tries where they may help, then an alternative: who answered, and the label of
        its last chunk. Raises the last error."""
        try:
            return card, task, await self._tries(run, card, task)
        except Theirs as error:
            other = self._alternative(run, card, error)
            if other is None:
                raise
            self._price += _dearer(other, card)
            self._failed(run, error, f"fallback:{other.name}")
        run.begun, run.so_far = None, ""
        run.specialist = other.name
        task = replace(task, specialist=other.name)
        return other, task, await self._tries(run, other, task)

    async def _tries(self, run: Run, card: Card, task: Task) -> str:
        try:
            return await self._tried(run, card, task)
        except (Theirs, asyncio.CancelledError):
            run.so_far = await self._evidence.keep_begun(run, card, task)
            raise

    async def _tried(self, run: Run, card: Card, task: Task) -> str:
        clock, begun = self._context.services.clock, run.begun
        self._context.extension.grow(more := extra(card, task.parts))
        seconds = self._context.allowance(KEPT_TO_REPLY, spare=run.step.id in self._spare, extra=more)
        until = clock() + seconds
        task = begun.rest(task) if begun else task

        async def call() -> str:
            run.tries += 1
            run.chunks.clear()
            for chunk in begun.chunks if begun else ():
                run.chunks.put(chunk)
            name = task.id if run.tries == 1 else f"{task.id}-{run.tries}"
            return await self._call(run, card, replace(task, id=name, deadline=until - clock()))

        return await with_retries(
            self._context.services,
            call,
            card,
            seconds,
            may_repeat=lambda: not self._given_out(run),
            retrying=lambda error: self._failed(run, error, "retry"),
        )

    def _given_out(self, run: Run) -> bool:
        """Whether the person has something of it already, which cannot be taken back."""
        return bool(run.parts) or (bool(run.chunks.items) and run.step.id in self._given_at_once)

    async def _call(self, run: Run, card: Card, task: Task) -> str:
        context = self._context
        context.emit(
            StepStarted(turn=context.number, step=run.step.id, specialist=card.name, attempt=run.tries)
        )
        label = ""
        async with answer(context, task) as chunks:
            async for chunk in chunks:
                label = chunk.label
                if chunk.data:
                    await self._take_media(run, chunk)
                elif chunk.text:
                    run.chunks.put(chunk)
                    self._show(run, chunk)
        if not run.found.strip() and not run.parts:
            run.nothing = nothing_found(label, task.specialist, task.parts)
        return label

    def _failed(self, run: Run, error: AntiphonError, then: str) -> None:
        context = self._context
        context.emit(step_failed(context.number, run.step.id, run.specialist, error, then))

    def _replan(self, run: Run) -> None:
        """Where a step came to nothing: drop what has nothing to work on, start what can answer instead."""
        if run.dropped:
            return
        lost = self._lose(run)
        if lost and run.error is None and not run.nothing:
            run.nothing = nothing_fitting(run.specialist, [step.specialist for step in lost])
        instead = self._in_place_of(run) if run.empty and run.error is None else None
        if instead is not None:
            self._price += self._cards[instead.specialist].cost.price
            self.instead[run.step.id] = Run(instead, instead.specialist)
            self._given_at_once.add(instead.id)
            self._spawn(self.instead[run.step.id])
        if lost or instead:
            reason = could_not(run.specialist, run.error) if run.error else run.nothing
            self._context.emit(
                Replanned(
                    turn=self._context.number,
                    cause=run.step.id,
                    reason=reason,
                    dropped=tuple(lost),
                    instead=instead,
                )
            )

    def _lose(self, cause: Run) -> list[Step]:
        """Mark the steps that this leaves nothing to work on, those behind them included."""
        lost = []
        for step in self.plan.steps:  # every step stands after those it needs
            run = self.runs[step.id]
            if step.specialist == SPEAKS or run.over or run.dropped:
                continue
            if all(self.runs[name].over for name in step.after) and self._pointless(step):
                run.dropped, run.over = cause.step.id, True
                lost.append(step)
        return lost

    def _pointless(self, step: Step) -> bool:
        """Whether the step was to work on what others found, and they found nothing."""
        if not step.after:
            return False
        if any(isinstance(ref, ResultRef) for ref in step.inputs):
            return not self._material(step)
        return all(self.runs[name].empty for name in step.after)

    def _in_place_of(self, run: Run) -> Step | None:
        """A step that puts the person's own request to the media in which this one found nothing.

        Only to a specialist that says it takes instructions: one that ignores them would answer a question
        that nobody asked; and once, though several steps found nothing in the same media.
        """
        planned = run.step.id in self.runs  # for what runs instead already, nothing else does
        if not planned or not self._words.strip() or not {"text", "speech"} & set(self.plan.outputs):
            return None
        used = {step.specialist for step in self.plan.steps}
        media = [ref for ref in run.step.inputs if isinstance(ref, PartRef) and ref.kind != TEXT]
        asked = [other.step.inputs for other in self.instead.values()]
        price = max((card.cost.price for card in self._cards.values() if card.name in used), default=0.0)
        for card in self._cards.values():
            inputs = tuple(ref for ref in media if ref.kind in card.consumes)
            if (
                inputs
                and inputs not in asked
                and card.available
                and card.name not in used
                and TEXT in card.produces
                and any(parameter.name == "instruction" for parameter in card.parameters)
                and card.cost.price <= price
                and self._affordable(card.cost.price)
            ):
                return Step(f"{run.step.id}-instead", card.name, inputs)
        return None

    async def _take_media(self, run: Run, chunk: Chunk) -> None:
        services = self._context.services
        found = await in_thread(made, chunk, run.specialist, services.config.limits)
        blob = await services.door(services.blobs.put, chunk.data, found.media_type)
        suffix = found.media_type.partition("/")[2].partition(";")[0]
        name = f"{run.specialist}-{run.step.id}.{suffix}"
        part = Part(chunk.kind, text=chunk.text, blob=blob, name=name, facts=found.facts)
        run.parts = (*run.parts, part)
        if chunk.kind in self.plan.outputs or chunk.kind != IMAGE:
            self._context.emit(MediaReady(turn=self._context.number, part=part))

    def _show(self, run: Run, chunk: Chunk) -> None:
        if chunk.anchor is not None or chunk.score is not None:
            self._context.emit(
                StepProgress(
                    turn=self._context.number,
                    step=run.step.id,
                    text=chunk.text,
                    anchor=chunk.anchor,
                    score=chunk.score,
                    label=chunk.label,
                )
            )

    def _task(self, step: Step) -> Task:
        context = self._context
        return Task(
            id=f"{context.session}-{context.number}-{step.id}",
            specialist=step.specialist,
            parts=self._inputs(step),
            instruction=self._words,
            context=self._messages(),
            params=self._params(step),
            turn=context.number,
            blobs=context.services.blobs,
        )

    def _params(self, step: Step) -> Mapping[str, object]:
        if step.specialist != RECALLS or not self._context.reads:
            return step.params
        shown = tuple(part.key for part in self.parts if part.blob and part.kind in (IMAGE, AUDIO))
        return {**step.params, "scope": self._context.scope, **({"like": shown} if shown else {})}

    def _inputs(self, step: Step) -> tuple[Part, ...]:
        """The parts a step works on: attachments, and what earlier steps found.

        Where one of several found nothing, the sentence that says so stands for it.
        """
        parts = self._material(step, whole=True)
        return tuple(parts) if parts or not self._words else (text_part(self._words),)

    def _material(self, step: Step, *, whole: bool = False) -> list[Part]:
        """What the step has to work on; `whole` adds what says that there is nothing."""
        parts: list[Part] = []
        for ref in step.inputs:
            if isinstance(ref, PartRef):
                # The person's own words travel as the instruction; attached text is a part like others.
                if ref.kind != TEXT and ref.index < len(self.parts):
                    parts.append(self.parts[ref.index])
                continue
            run = self.runs[ref.step]
            if run.error is not None:
                continue
            if ref.kind != TEXT:
                parts += [part for part in run.parts if part.kind == ref.kind]
            elif text := run.text if whole else run.found.strip():
                parts.append(Part(TEXT, text=text, name=self._source(run)))
        if step.specialist in self._cards and TEXT in self._cards[step.specialist].consumes:
            parts += [part for part in self.parts if part.kind == TEXT and part.name]
        return parts

    def _source(self, run: Run) -> str:
        names = [
            self.parts[ref.index].name
            for ref in run.step.inputs
            if isinstance(ref, PartRef) and ref.index < len(self.parts)
        ]
        return " ".join([run.step.specialist, *(["of", ", ".join(names)] if any(names) else [])])

    def _messages(self) -> tuple[Message, ...]:
        return (message("system", self._context.services.config.engine.system_prompt), *self._context.history)

    def _reuse(self, run: Run, known: Alike, task: Task) -> None:
        record = known.record
        run.likeness = known.likeness if known.likeness < 1 else None
        anchor = record.anchors[0] if record.anchors else None
        if record.text.strip():
            run.chunks.put(
                Chunk(TEXT, text=record.text, anchor=anchor, score=record.score, label="remembered")
            )
        else:
            run.nothing = nothing_found(str(record.facts.get("label", "")), record.source, task.parts)
        run.reused = True
        self._context.reused.append(record.source)
        self._finish(run, record.source, 0.0, key=record.key, record=record.id)

    def _finish(self, run: Run, specialist: str, seconds: float, *, key: str, record: str) -> None:
        self._context.emit(
            StepFinished(
                turn=self._context.number,
                step=run.step.id,
                specialist=specialist,
                text=run.text,
                parts=run.parts,
                seconds=seconds,
                reused=run.reused,
                likeness=run.likeness,
                key=key,
                record=record,
            )
        )

    def _alternative(self, run: Run, card: Card, error: Theirs) -> Card | None:
        """Who is tried in place of a specialist that failed; nobody where a second run may do harm."""
        ran = not isinstance(error, Unavailable)
        if self._given_out(run) or isinstance(error, Stopped) or (ran and not card.idempotent):
            return None
        if self._context.allowance(KEPT_TO_REPLY) <= 0:
            return None
        used = {step.specialist for step in self.plan.steps}
        fresh = (other for other in self._alike(card) if other.name not in used)
        return next((other for other in fresh if self._affordable(_dearer(other, card))), None)

    def _affordable(self, more: float) -> bool:
        """Whether so much more stays within the turn's price."""
        limit = self._context.budget.price
        return limit is None or self._price + more <= limit + _ROUNDING

    def _alike(self, card: Card) -> Sequence[Card]:
        """The specialists of the same purpose; of one that declares none, those of the same kinds."""
        cards = self._context.services.cards()
        if card.purpose:
            return alternatives(card, cards)
        return [
            other
            for other in cards
            if other.name != card.name
            and other.available
            and not other.purpose
            and set(card.consumes) == set(other.consumes)
            and set(card.produces) == set(other.produces)
            and card.consumes != (TEXT,)  # two text tools do different things though their kinds agree
        ]


def _dearer(other: Card, card: Card) -> float:
    """What a call of the other costs beyond one of this Card, which costs nothing where it cannot run."""
    return other.cost.price - (card.cost.price if card.available else 0.0)
