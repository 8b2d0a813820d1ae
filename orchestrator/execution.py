"""Execution: the steps of a Plan, run in parallel where they do not depend on each other.

Each step is one task that ends in a result or an error, never in neither: the deadline of the step and of
the turn bound it. A step that fails is tried once more where that can help, then an alternative is tried,
then its dependents go on with what there is.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType

from memory.records import Record, evidence_key
from orchestrator.context import TurnContext
from orchestrator.events import MediaReady, StepFinished, StepProgress, StepStarted, step_failed
from orchestrator.plan import SPEAKS, PartRef, Plan, Step
from orchestrator.stream import Stream
from orchestrator.wording import nothing_found
from specialists.base import Card, Chunk, Task
from specialists.content import IMAGE, TEXT, Anchor, Message, Part, message, text_part
from specialists.errors import (
    AntiphonError,
    Ours,
    SpecialistFailed,
    Theirs,
    Unavailable,
)

RECALLS = "memory"
"""The specialist that recalls; it is told whose memories it may tell."""

RETRY_WAIT_SECONDS = (0.05, 0.25)


@dataclass(slots=True)
class Run:
    """One step under way: its chunks as they come, then its text, its media, and its error if it failed."""

    step: Step
    chunks: Stream[Chunk] = field(default_factory=Stream)
    parts: tuple[Part, ...] = ()
    error: AntiphonError | None = None
    blocked: bool = False
    """True when it could not start because what it works on failed: that failure is the one to tell."""
    reused: bool = False
    nothing: str = ""
    """The sentence that says so when the specialist came back with nothing."""

    @property
    def text(self) -> str:
        """What it found, or the sentence that says that it found nothing."""
        return self.found or self.nothing

    @property
    def found(self) -> str:
        return "".join(chunk.text for chunk in self.chunks.items)


class Execution:
    """Owns the tasks of a Plan's steps: leaving the `async with` block ends all of them."""

    def __init__(self, context: TurnContext) -> None:
        self._context = context
        self._tasks: list[asyncio.Task[None]] = []
        self.runs: dict[str, Run] = {}
        self.parts: tuple[Part, ...] = ()
        self.plan = Plan()

    async def __aenter__(self) -> Execution:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def start(self, plan: Plan, parts: Sequence[Part]) -> None:
        """Start every step but the one that speaks."""
        self.plan = plan
        self.parts = tuple(parts)
        self.runs = {step.id: Run(step) for step in plan.steps}
        for step in plan.steps:
            if step.specialist != SPEAKS:
                self._tasks.append(asyncio.create_task(self._guard(self.runs[step.id]), name=step.id))

    async def settled(self, steps: Sequence[str]) -> None:
        """Wait until the named steps are done, and raise what is a bug rather than a failure."""
        for step in steps:
            await self.runs[step].chunks.wait_closed()
        for task in self._tasks:
            if task.done() and not task.cancelled() and (bug := task.exception()) is not None:
                raise bug

    async def _guard(self, run: Run) -> None:
        try:
            await self._run(run)
        except Theirs as error:
            run.error = error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Nobody stopped us: the call was cancelled from elsewhere, and its step has no answer.
            run.error = SpecialistFailed("was stopped", part=run.step.specialist)
        finally:
            run.chunks.close()

    async def _run(self, run: Run) -> None:
        for name in run.step.after:
            await self.runs[name].chunks.wait_closed()
        card = self._context.services.card(run.step.specialist)
        run.blocked = self._blocked(run.step)
        if run.blocked:
            raise Unavailable("what it works on could not be obtained", part=run.step.specialist)
        task = self._task(run.step)
        key = self._key(card, task) if any(part.blob for part in task.parts) else ""
        record = await self._known(key)
        if record is not None:
            self._reuse(run, record, task)
            return
        started = self._context.services.clock()
        card, task, label = await self._try(run, card, task)
        self._context.calls.append(card.name)
        key = self._key(card, task) if key else ""
        stored = await self._keep(run, card, task, key, label)
        self._finish(run, card.name, self._context.services.clock() - started, key=key, record=stored)

    async def _try(self, run: Run, card: Card, task: Task) -> tuple[Card, Task, str]:
        """The call, a second try where it may help, then an alternative: who answered, and the label of
        its last chunk. Raises the last error."""
        attempts: list[tuple[Card, Task]] = [(card, task)]
        if card.idempotent and card.available:
            attempts.append((card, replace(task, id=f"{task.id}-again")))
        attempts += [
            (other, replace(task, id=f"{task.id}-{other.name}", specialist=other.name))
            for other in self._alternatives(card)
        ]
        for number, (current, attempt) in enumerate(attempts, start=1):
            try:
                return current, attempt, await self._call(run, attempt, number)
            except Theirs as error:
                following = attempts[number][0] if number < len(attempts) else None
                if following is card and not isinstance(error, SpecialistFailed):
                    attempts.pop(number)  # a second try would fail the same way
                    following = attempts[number][0] if number < len(attempts) else None
                if run.chunks.items or run.parts:
                    following = None  # what was already given out cannot be taken back
                context = self._context
                context.emit(
                    step_failed(context.number, run.step.id, current.name, error, _then(following, card))
                )
                if following is None:
                    raise
                if following is card:
                    await asyncio.sleep(random.uniform(*RETRY_WAIT_SECONDS))
        raise Ours("ran out of attempts without an error", part=run.step.id)

    async def _call(self, run: Run, task: Task, attempt: int) -> str:
        context = self._context
        context.emit(
            StepStarted(turn=context.number, step=run.step.id, specialist=task.specialist, attempt=attempt)
        )
        limit = min(context.services.config.engine.step_seconds, context.seconds_left)
        label = ""
        with context.busy:
            async for chunk in context.services.call(replace(task, deadline=limit)):
                label = chunk.label
                if chunk.data:
                    await self._take_media(run, chunk)
                elif chunk.text:
                    run.chunks.put(chunk)
                    self._show(run, chunk)
        if not run.found.strip() and not run.parts:
            run.nothing = nothing_found(label, task.specialist, task.parts)
        return label

    async def _take_media(self, run: Run, chunk: Chunk) -> None:
        services = self._context.services
        blob = await services.door(services.blobs.put, chunk.data, chunk.media_type)
        suffix = chunk.media_type.partition("/")[2].partition(";")[0]
        part = Part(
            chunk.kind, text=chunk.text, blob=blob, name=f"{run.step.specialist}-{run.step.id}.{suffix}"
        )
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
            instruction=context.text,
            context=self._messages(),
            params=self._params(step),
            turn=context.number,
            blobs=context.services.blobs,
        )

    def _params(self, step: Step) -> Mapping[str, object]:
        if step.specialist != RECALLS or not self._context.keep:
            return step.params
        return {**step.params, "scope": self._context.scope}

    def _blocked(self, step: Step) -> bool:
        """Whether nothing of what the step needs was obtained."""
        needed = [self.runs[name] for name in step.after]
        return bool(needed) and all(run.error is not None for run in needed)

    def _inputs(self, step: Step) -> tuple[Part, ...]:
        """The parts a step works on: attachments, and what earlier steps found."""
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
            if ref.kind == TEXT:
                parts.append(Part(TEXT, text=run.text, name=self._source(run)))
            else:
                parts += [part for part in run.parts if part.kind == ref.kind]
        if TEXT in self._context.services.card(step.specialist).consumes:
            parts += [part for part in self.parts if part.kind == TEXT and part.name]
        return tuple(parts) if parts or not self._context.text else (text_part(self._context.text),)

    def _source(self, run: Run) -> str:
        names = [
            self.parts[ref.index].name
            for ref in run.step.inputs
            if isinstance(ref, PartRef) and ref.index < len(self.parts)
        ]
        return " ".join([run.step.specialist, *(["of", ", ".join(names)] if any(names) else [])])

    def _messages(self) -> tuple[Message, ...]:
        return (message("system", self._context.services.config.engine.system_prompt), *self._context.history)

    def _key(self, card: Card, task: Task) -> str:
        required = [other for other in self._context.services.cards() if other.name in card.requires]
        return evidence_key(card, task, required)

    async def _known(self, key: str) -> Record | None:
        services = self._context.services
        if not key or not services.config.memory.reuse or not self._context.keep:
            return None
        return await services.door(services.memory.evidence, key, self._context.scope)

    def _reuse(self, run: Run, record: Record, task: Task) -> None:
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

    async def _keep(self, run: Run, card: Card, task: Task, key: str, label: str) -> str:
        """Write finished evidence; the id of its record, or nothing where there is none to keep."""
        context = self._context
        if not key or not context.keep:
            return ""
        chunks = run.chunks.items
        scores = [chunk.score for chunk in chunks if chunk.score is not None]
        media = [part for part in task.parts if part.blob]
        record = Record(
            text=run.found,
            kind=media[0].kind,
            role="evidence",
            session=context.session,
            turn=context.number,
            source=card.name,
            key=key,
            blobs=tuple(part.key for part in media),
            media=tuple(part.kind for part in media),
            anchors=_anchors(chunks),
            score=sum(scores) / len(scores) if scores else None,
            facts={"label": label},
        )
        (stored,) = await context.services.door(context.services.memory.remember, [record])
        return str(stored.id)

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
                key=key,
                record=record,
            )
        )

    def _alternatives(self, card: Card) -> list[Card]:
        """Other available specialists that take and make the same kinds: at most one is tried."""
        used = {step.specialist for step in self.plan.steps}
        return [
            other
            for other in self._context.services.cards()
            if other.name not in used
            and other.available
            and set(card.consumes) == set(other.consumes)
            and set(card.produces) == set(other.produces)
            and card.consumes != (TEXT,)  # two text tools do different things though their kinds agree
        ][:1]


def _then(following: Card | None, card: Card) -> str:
    if following is None:
        return "give up"
    return "retry" if following is card else f"fallback:{following.name}"


def _anchors(chunks: Sequence[Chunk]) -> tuple[Anchor, ...]:
    return tuple(chunk.anchor for chunk in chunks if chunk.anchor is not None)
