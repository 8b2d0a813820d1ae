"""The verbs of a turn, in their order: perceive, recall, route, execute, respond, remember.

Each takes the turn's context and what the verbs before it found, and returns what it found itself. They
know nothing of the graph that runs them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from memory.records import Query, Record
from orchestrator import control
from orchestrator.arguments import earlier_meant, with_arguments
from orchestrator.context import TurnContext
from orchestrator.controller.exemplars import Decision
from orchestrator.controller.request import Request, request
from orchestrator.controller.route import Route, decision_of
from orchestrator.doubt import is_question, question
from orchestrator.events import (
    Candidate,
    Failed,
    PartRejected,
    Planned,
    Recalled,
    Routed,
    TurnStarted,
)
from orchestrator.execution import Execution
from orchestrator.history import without_findings
from orchestrator.lengths import by_length, extra
from orchestrator.plan import SPEAKS, PartRef, Plan, Step
from orchestrator.planner import plan as make_plan
from orchestrator.reply import Reply
from orchestrator.sufficiency import sufficient
from orchestrator.trace import asked_for, exemplar_controls, hit_summary, step_estimates
from orchestrator.tradeoffs import first_choices, fit_to_budget
from orchestrator.wording import refused as refusal
from specialists.base import Card
from specialists.content import TEXT, Message, Part, text_part
from specialists.errors import AntiphonError, BadInput, Theirs
from specialists.threads import in_thread


@dataclass(frozen=True, slots=True)
class Perceived:
    """The turn's parts: the words first, then the attachments, then media of earlier messages.

    `new` counts the attachments of this turn; `refused` are those that could not be used. A turn that
    corrects the one before has that one's words (`words`, the correction behind them in the parts) and
    attachments, is routed already (`chosen`), reuses none of the records in `unwanted`, and is not spoken
    where the person wants it `hushed`.
    """

    parts: tuple[Part, ...]
    new: int
    refused: tuple[Theirs, ...] = ()
    words: str = ""
    chosen: Route | None = None
    unwanted: frozenset[str] = frozenset()
    hushed: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """The reply's text as written, whether all that was asked could be done, and whether anything could."""

    text: str
    complete: bool
    given: bool


async def perceive(context: TurnContext) -> Perceived:
    """Check what was attached, store it, and announce the turn. Raises BadInput when nothing is left."""
    services = context.services
    accepted: list[Part] = []
    refused: list[Theirs] = []
    words = (text_part(context.text),) if context.text.strip() else ()
    try:
        accepted, refused = await services.accept(context.attachments, services.config.limits, services.blobs)
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
    meant = await in_thread(earlier_meant, context.text, context.history)
    earlier = [part for part in meant if part.kind not in kinds_now]
    return Perceived(
        (text_part(context.text), *accepted, *earlier),
        len(accepted),
        tuple(refused),
        context.text,
    )


def decides(perceived: Perceived) -> bool:
    """Whether the route may rest on what memory finds: of words alone, that is told and decides nothing."""
    return any(part.blob for part in perceived.parts)


async def recall(context: TurnContext, perceived: Perceived) -> None:
    """Ask memory what it already knows of these blobs and this question."""
    services = context.services
    blobs = tuple(part.key for part in perceived.parts if part.blob)
    if not context.reads or services.config.memory.hits == 0:
        return
    if not context.keep and not decides(perceived):
        return
    began = services.clock()
    words, k = perceived.parts[0].text, services.config.memory.hits
    query = Query(words, k=k, blobs=blobs, scope=context.scope, hurried=True)
    hits = await services.door(services.memory.recall, query)
    context.found.extend(hits)
    context.emit(
        Recalled(
            turn=context.number,
            hits=tuple(hit_summary(hit, blobs) for hit in hits),
            seconds=services.clock() - began,
        )
    )


async def route(context: TurnContext, perceived: Perceived) -> Plan | None:
    """Decide which specialists serve this, and plan them. None when the person is to be waited for."""
    services = context.services
    began = services.clock()
    cards = first_choices(services.cards())
    asked = request(
        perceived.parts[0].text,
        [part.kind for part in perceived.parts[1 : 1 + perceived.new]],
        without_findings(context.history),
        context.scope if context.reads else None,
    )
    chosen = perceived.chosen
    if chosen is None:
        chosen = await services.controller.route(asked, cards)
        context.busy.seconds += chosen.model_seconds
        earlier = perceived.parts[1 + perceived.new :]
        if not perceived.new and earlier and control.WAIT not in chosen.controls:
            chosen = sufficient(chosen, earlier, context.found, cards)
    chosen = _checked(chosen, cards)
    context.emit(_routed(context, chosen, asked, cards, services.clock() - began))
    if control.WAIT in chosen.controls:
        return None
    began = services.clock()
    if perceived.chosen is None and (asked_back := _asked_back(context, chosen)):
        asking = saying(asked_back, context)
        context.emit(Planned(turn=context.number, plan=asking, seconds=services.clock() - began))
        return asking
    decision = decision_of(chosen.controls)
    if context.speak or not perceived.hushed:
        decision = _aloud(decision, context)
    planned = make_plan(
        decision,
        [part.kind for part in perceived.parts],
        cards,
        new=perceived.new,
        costs=services.costs(),
        hints=chosen.hints,
    )
    context.extension.grow(_extension(planned, perceived.parts, services.cards()))
    cards, latencies = by_length(services.cards(), services.latencies(), perceived.parts)
    planned = fit_to_budget(
        planned,
        cards,
        latencies,
        context.allowed,
        spent=services.clock() - context.started,
        keep=("speech",) if context.voice else (),  # who only listens would get nothing
    )
    planned = await in_thread(with_arguments, planned, perceived.parts[0].text, perceived.parts, cards)
    estimates = step_estimates(planned, cards, latencies)
    context.emit(
        Planned(turn=context.number, plan=planned, estimates=estimates, seconds=services.clock() - began)
    )
    return planned


async def execute(context: TurnContext, perceived: Perceived, plan: Plan, execution: Execution) -> None:
    """Start the plan's steps; return when those that only prepare the reply are done."""
    execution.start(plan, perceived.parts, perceived.unwanted)
    await execution.settled(execution.of([step for step in plan.steps if _prepares(plan, step.id)]))


async def respond(context: TurnContext, perceived: Perceived, plan: Plan, execution: Execution) -> Answered:
    """Write the reply while the last steps are still at work."""
    reply = Reply(context, plan, perceived.words)
    try:
        for error in perceived.refused:
            reply.paragraph(refusal(error))
        if perceived.refused:
            reply.write("\n\n")
        await reply.follow(execution)
        return Answered(reply.text, reply.complete and not perceived.refused, reply.given)
    finally:
        await reply.close()


async def remember(context: TurnContext, text: str) -> str:
    """Keep what was asked and what was answered; the id of the answer's record is returned."""
    if not context.keep:
        return ""
    records = [
        Record(said, TEXT, role, context.session, context.number, person=context.scope)
        for role, said in (("user", context.text), ("assistant", text))
        if said.strip()
    ]
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


def _extension(plan: Plan, parts: Sequence[Part], cards: Sequence[Card]) -> float:
    """Seconds by which this plan may take longer than others, for the length of what its steps work on."""
    known = {card.name: card for card in cards}
    return sum(
        extra(known[step.specialist], [parts[ref.index] for ref in step.inputs if isinstance(ref, PartRef)])
        for step in plan.steps
    )


def _prepares(plan: Plan, step_id: str) -> bool:
    return any(later.specialist != SPEAKS for later in plan.dependents(step_id))


def _asked_back(context: TurnContext, chosen: Route) -> str:
    """The question to ask instead of guessing; nobody is asked twice in a row."""
    said = next((message.text for message in reversed(context.history) if message.role == "assistant"), "")
    return "" if is_question(said) else question(chosen, context.services.config.controller.ask_below)


def saying(text: str, context: TurnContext) -> Plan:
    """A plan that only says this, aloud where the conversation is."""
    speaks = any(card.name == SPEAKS for card in context.services.cards())
    if not (context.voice or context.speak) or not speaks:
        return Plan(question=text)
    return Plan((Step("s1", SPEAKS, (PartRef(0, TEXT),)),), ("text", "speech"), question=text)


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


def _routed(
    context: TurnContext, chosen: Route, asked: Request, cards: Sequence[Card], seconds: float
) -> Routed:
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
        exemplar_controls=exemplar_controls(chosen.exemplars, asked, cards),
        asked=asked_for(chosen),
        invalid=chosen.invalid,
        emitted=chosen.emitted,
        repaired=chosen.repaired,
        seconds=seconds,
        model_seconds=chosen.model_seconds,
    )
