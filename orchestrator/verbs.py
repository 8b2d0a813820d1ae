"""The verbs of a turn, in their order: perceive, recall, route, execute, respond, remember.

Each takes the turn's context and what the verbs before it found, and returns what it found itself. They
know nothing of the graph that runs them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from memory.records import Hit, Query, Record
from orchestrator import control
from orchestrator.context import TurnContext
from orchestrator.controller.exemplars import Decision
from orchestrator.controller.request import request
from orchestrator.controller.route import Route, decision_of
from orchestrator.events import (
    Candidate,
    Failed,
    HitSummary,
    PartRejected,
    Planned,
    Recalled,
    Routed,
    TurnStarted,
)
from orchestrator.execution import Execution
from orchestrator.intake import accept_all
from orchestrator.plan import SPEAKS, Plan
from orchestrator.planner import plan as make_plan
from orchestrator.reply import Reply
from orchestrator.wording import refused as refusal
from specialists.content import TEXT, Message, Part, text_part
from specialists.errors import AntiphonError, BadInput, Theirs
from specialists.threads import in_thread


@dataclass(frozen=True, slots=True)
class Perceived:
    """The turn's parts: the words first, then the attachments, then media of earlier messages.

    `new` counts the attachments of this turn; `refused` are those that could not be used.
    """

    parts: tuple[Part, ...]
    new: int
    refused: tuple[Theirs, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """The reply's text as written, and whether all that was asked could be done."""

    text: str
    complete: bool


async def perceive(context: TurnContext) -> Perceived:
    """Check what was attached, store it, and announce the turn. Raises BadInput when nothing is left."""
    services = context.services
    accepted: list[Part] = []
    refused: list[Theirs] = []
    words = (text_part(context.text),) if context.text.strip() else ()
    try:
        accepted, refused = await in_thread(
            accept_all, context.attachments, services.config.limits, services.blobs
        )
    finally:  # the person's words were said, whatever becomes of the files beside them
        spoken = Message("user", (*words, *accepted))
        context.emit(TurnStarted(turn=context.number, message=spoken, voice=context.voice))
    for error in refused:
        context.emit(
            PartRejected(turn=context.number, part=error.part, reason=error.message, code=error.code)
        )
    await context.flush()
    if refused and not accepted:
        raise BadInput(
            "; ".join(f"{error.part}: {error.message}" for error in refused),
            part="attachments" if len(refused) > 1 else "",
            remedy=refused[0].remedy,
        )
    if not spoken.parts:
        raise BadInput(
            "there is neither text nor an attachment", part="message", remedy="Say or attach something"
        )
    kinds_now = {part.kind for part in accepted}
    earlier = [part for part in context.earlier if part.kind not in kinds_now]
    return Perceived(
        (text_part(context.text), *accepted, *_newest_of_each_kind(earlier)), len(accepted), tuple(refused)
    )


async def recall(context: TurnContext, perceived: Perceived) -> None:
    """Ask memory what it already knows of these blobs and this question."""
    services = context.services
    if not context.keep or services.config.memory.hits == 0:
        return
    began = services.clock()
    blobs = tuple(part.key for part in perceived.parts if part.blob)
    query = Query(context.text, k=services.config.memory.hits, blobs=blobs, scope=context.scope)
    hits = await services.door(services.memory.recall, query)
    context.emit(
        Recalled(
            turn=context.number,
            hits=tuple(_summary(hit, blobs) for hit in hits),
            seconds=services.clock() - began,
        )
    )


async def route(context: TurnContext, perceived: Perceived) -> Plan | None:
    """Decide which specialists serve this, and plan them. None when the person is to be waited for."""
    services = context.services
    began = services.clock()
    cards = services.cards()
    asked = request(
        context.text,
        [part.kind for part in perceived.parts[1 : 1 + perceived.new]],
        context.history,
    )
    chosen = await services.controller.route(asked, cards)
    context.busy.seconds += chosen.model_seconds
    chosen = _checked(chosen, cards)
    context.emit(_routed(context, chosen, services.clock() - began))
    if control.WAIT in chosen.controls:
        return None
    began = services.clock()
    decision = _aloud(decision_of(chosen.controls), context)
    planned = make_plan(
        decision,
        [part.kind for part in perceived.parts],
        cards,
        new=perceived.new,
        costs=services.costs(),
    )
    context.emit(Planned(turn=context.number, plan=planned, seconds=services.clock() - began))
    return planned


async def execute(context: TurnContext, perceived: Perceived, plan: Plan, execution: Execution) -> None:
    """Start the plan's steps; return when those that only prepare the reply are done."""
    execution.start(plan, perceived.parts)
    await execution.settled(
        [step.id for step in plan.steps if plan.dependents(step.id) and _prepares(plan, step.id)]
    )


async def respond(context: TurnContext, perceived: Perceived, plan: Plan, execution: Execution) -> Answered:
    """Write the reply while the last steps are still at work."""
    reply = Reply(context, plan)
    try:
        for error in perceived.refused:
            reply.paragraph(refusal(error))
        if perceived.refused:
            reply.write("\n\n")
        await reply.follow(execution)
        return Answered(reply.text, reply.complete and not perceived.refused)
    finally:
        await reply.close()


async def remember(context: TurnContext, text: str) -> str:
    """Keep what was asked and what was answered; the id of the answer's record is returned."""
    if not context.keep:
        return ""
    records = []
    if context.text.strip():
        records.append(Record(context.text, TEXT, "user", context.session, context.number))
    if text.strip():
        records.append(Record(text, TEXT, "assistant", context.session, context.number))
    if not records:
        return ""
    storing = asyncio.ensure_future(context.services.door(context.services.memory.remember, records))
    try:
        await asyncio.shield(storing)
    finally:
        # Begun is done: an interruption now must know what it has to take back.
        context.remembered.extend(record.id for record in await storing)
    return context.remembered[-1] if text.strip() else ""


def problem(context: TurnContext, error: AntiphonError) -> Failed:
    """The event that tells what could not be done."""
    return Failed(
        turn=context.number, code=error.code, part=error.part, reason=error.message, remedy=error.remedy
    )


def _prepares(plan: Plan, step_id: str) -> bool:
    return any(later.specialist != SPEAKS for later in plan.dependents(step_id))


def _aloud(decision: Decision, context: TurnContext) -> Decision:
    """Add speech to a decision when the conversation is by voice or speech was asked for beside it."""
    if not (context.voice or context.speak) or SPEAKS in decision.steps:
        return decision
    return replace(
        decision, steps=(*decision.steps, SPEAKS), outputs=tuple(dict.fromkeys((*decision.outputs, "speech")))
    )


def _checked(chosen: Route, cards: Sequence[object]) -> Route:
    names = {card.name for card in cards}  # type: ignore[attr-defined]
    kinds = {kind for card in cards for kind in card.produces}  # type: ignore[attr-defined]
    checked = control.validate(chosen.controls, specialists=names, kinds=kinds)
    if not checked.invalid:
        return chosen
    safe = checked.controls if any(c.verb == "call" for c in checked.controls) else (control.call("chat"),)
    return replace(chosen, controls=safe, invalid=chosen.invalid + checked.invalid)


def _routed(context: TurnContext, chosen: Route, seconds: float) -> Routed:
    return Routed(
        turn=context.number,
        controls=tuple(map(str, chosen.controls)),
        controller=chosen.controller,
        margin=chosen.margin,
        candidates=tuple(
            Candidate(control=" ".join(map(str, controls)), score=score)
            for controls, score in chosen.candidates
        ),
        exemplars=chosen.exemplars,
        invalid=chosen.invalid,
        seconds=seconds,
    )


def _summary(hit: Hit, blobs: tuple[str, ...]) -> HitSummary:
    record = hit.record
    return HitSummary(
        record=record.id,
        text=record.text[:200],
        kind=record.kind,
        source=record.source or record.role,
        score=hit.score,
        exact=bool(set(record.blobs) & set(blobs)),
    )


def _newest_of_each_kind(parts: Sequence[Part]) -> tuple[Part, ...]:
    found: dict[str, Part] = {}
    for part in parts:
        found.setdefault(part.kind, part)
    return tuple(found.values())
