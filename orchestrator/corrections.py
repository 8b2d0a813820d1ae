"""Corrections: "no, read the text" serves the request before anew, and is remembered for that person."""

from __future__ import annotations

import logging
from dataclasses import replace

from memory.corrections import Correction
from memory.corrections import Corrections as Store
from orchestrator import control, cues
from orchestrator.context import TurnContext
from orchestrator.controller.exemplars import Decision
from orchestrator.controller.request import Request, request
from orchestrator.controller.route import Route, controls_of, decision_of
from orchestrator.door import Door
from orchestrator.doubt import answered, is_question
from orchestrator.events import Corrected
from orchestrator.history import Exchange, without_findings
from orchestrator.plan import SPEAKS
from orchestrator.tradeoffs import first_choices
from orchestrator.verbs import Perceived
from specialists.base import Card
from specialists.content import AUDIO, IMAGE, TEXT, Message, Part, text_part
from specialists.errors import AntiphonError

log = logging.getLogger("antiphon")


class Corrections:
    """What people corrected, each under the `scope` of their sessions (empty for the local person)."""

    def __init__(self, store: Store, door: Door) -> None:
        self._store = store
        self._door = door

    async def of(self, scope: str = "") -> list[Correction]:
        """A person's corrections, the newest first."""
        return await self._door(self._store.of, scope)

    async def remove(self, correction_id: str, scope: str = "") -> None:
        """Remove one for good. Raises UnknownName when this person has none of that id."""
        await self._door(self._store.remove, correction_id, scope)

    async def clear(self, scope: str = "") -> int:
        """Remove all of a person's; how many there were."""
        return await self._door(self._store.clear, scope)


async def take_up(context: TurnContext, perceived: Perceived) -> Perceived:
    """Where the person corrects how their last request was served: that request, with its attachments and
    its new route. Anything else comes back as it is.

    It is a correction when it objects and says what is wanted, brings nothing of its own, and leads to
    another decision than was taken, or when what was taken came from memory and must be looked at anew.
    """
    last = context.last
    if last is None or perceived.new or perceived.refused:
        return perceived
    if is_question(last.reply):
        return await _answered(context, perceived, last)
    unseen = bool(last.served.reused) and cues.looks_again(context.text)
    if not unseen and not cues.may_object(context.text):
        return perceived
    before = await _decision(context, last)
    done = _aloud(before) if last.served.spoken else before
    asked_back = last.reply.rstrip().endswith("?")
    if not unseen and not cues.objects(context.text, done, asked_back=asked_back):
        return perceived
    words = _words(last.request)
    text = composed(words, context.text)
    once_more = Route(controls_of(before), "the same once more")
    chosen = once_more if unseen else await _wanted(context, last, before, text)
    wanted = decision_of(chosen.controls)
    anew = bool(last.served.reused) or (cues.wants_anew(context.text) and bool(last.served.records))
    same = _alike(wanted, before)
    # In a conversation by voice speech is not the controller's decision, and is refused all the same.
    hushed = last.served.spoken and cues.refuses(context.text, _aloud(Decision(())))
    if control.WAIT in chosen.controls or (same and not anew and not hushed):
        return perceived
    unwanted = _unwanted(context, last)
    correction = "" if same or not context.keep else await _kept(context, _request(last, words), chosen)
    context.emit(
        Corrected(
            turn=context.number,
            of=last.served.turn,
            request=words,
            before=tuple(map(str, controls_of(before))),
            controls=tuple(map(str, chosen.controls)),
            correction=correction,
            unwanted=unwanted,
        )
    )
    again = _again(perceived, last, text, chosen)
    return replace(again, words=words, unwanted=frozenset(unwanted), hushed=hushed)


def _again(perceived: Perceived, last: Exchange, text: str, chosen: Route) -> Perceived:
    """The last request with its attachments, under these words and by this route."""
    media = _attached(last.request)
    kinds = {part.kind for part in media}
    earlier = (part for part in perceived.parts[1:] if part.kind not in kinds)
    return replace(perceived, parts=(text_part(text), *media, *earlier), new=len(media), chosen=chosen)


async def _answered(context: TurnContext, perceived: Perceived, last: Exchange) -> Perceived:
    """The request that was asked about, served as the answer says: by its place ("the second"), or as the
    surer of the answer by itself and the request with the answer behind it."""
    text = composed(_words(last.request), context.text)
    before = await _route(context, _request(last, _words(last.request)))
    offered = [decision_of(controls) for controls, _ in before.candidates[:2]]
    meant = answered(context.text, offered) if len(offered) == len(("first", "second")) else None
    if meant is not None:
        return _again(perceived, last, text, Route(controls_of(meant), "your answer"))
    routes = [await _route(context, _request(last, words)) for words in (text, context.text)]
    return _again(perceived, last, text, max(routes, key=lambda route: route.margin))


def composed(words: str, correction: str) -> str:
    """The request as it is served anew: its words, with the correction behind them as a further sentence."""
    words = words.rstrip()
    return f"{words}{'.' if words[-1:].isalnum() else ''} {correction}".strip()


async def _decision(context: TurnContext, last: Exchange) -> Decision:
    """What was done for the last request; where nobody noted it, what would be done."""
    if last.served.controls:
        return decision_of(control.parse(" ".join(last.served.controls)).controls)
    return decision_of((await _route(context, _request(last, _words(last.request)))).controls)


async def _wanted(context: TurnContext, last: Exchange, before: Decision, text: str) -> Route:
    together, alone = [await _route(context, _request(last, words)) for words in (text, context.text)]
    return instead(context.text, before, together, alone)


def instead(words: str, before: Decision, together: Route, alone: Route) -> Route:
    """What the words of a correction want instead of what was done `before`.

    That is what was done less what the words refuse ("don't say it aloud"), if they ask for nothing besides;
    else the route of the request with the correction behind it (`together`) or of the correction by itself
    (`alone`), whichever is the surer one that changes anything, without what is refused.
    """
    meant = decision_of(together.controls)
    left = _less(before, words)
    if left != before and set(meant.steps) <= set(before.steps):
        return Route(controls_of(left), "what was refused left out")
    if cues.wants_anew(words) and _alike(meant, before):
        return together  # the same once more, with more care
    changing = [route for route in (together, alone) if not _alike(decision_of(route.controls), before)]
    chosen = max(changing, key=lambda route: route.margin, default=together)
    decision = decision_of(chosen.controls)
    less = _less(decision, words)
    return chosen if less == decision else replace(chosen, controls=controls_of(less))


def _less(decision: Decision, words: str) -> Decision:
    """The decision without the speech or the picture that the words refuse; never without any step."""
    for name, output in ((SPEAKS, "speech"), ("imagegen", IMAGE)):
        steps = tuple(step for step in decision.steps if step != name)
        if steps and steps != decision.steps and cues.refuses(words, Decision((name,))):
            outputs = tuple(made for made in decision.outputs if made != output)
            decision = replace(decision, steps=steps, outputs=outputs or (TEXT,))
    return decision


async def _route(context: TurnContext, asked: Request) -> Route:
    """The controller's route; a specialist that is asked for by name is called."""
    cards = first_choices(context.services.cards())
    chosen = await context.services.controller.route(asked, cards)
    context.busy.seconds += chosen.model_seconds
    name = cues.named(context.text, tuple(card.name for card in cards))
    if name and name not in decision_of(chosen.controls).steps:
        card = next(card for card in cards if card.name == name)
        return replace(chosen, controls=controls_of(_alone(card)), controller="asked for by name", margin=1.0)
    return chosen


def _alone(card: Card) -> Decision:
    """The decision that calls one specialist."""
    outputs = {AUDIO: "speech", IMAGE: "image"}
    return Decision((card.name,), (outputs.get(card.produces[0], TEXT) if card.produces else TEXT,))


def _request(last: Exchange, text: str) -> Request:
    """The last request where it stood, under other words.

    It is nobody's in particular: what the person corrected earlier must not overrule what they say now.
    """
    return request(text, [part.kind for part in _attached(last.request)], without_findings(last.before))


def _aloud(decision: Decision) -> Decision:
    return decision if SPEAKS in decision.steps else replace(decision, steps=(*decision.steps, SPEAKS))


def _alike(one: Decision, other: Decision) -> bool:
    return set(one.steps) == set(other.steps) and set(one.outputs) == set(other.outputs)


def _unwanted(context: TurnContext, last: Exchange) -> tuple[str, ...]:
    """What is not to be reused: what memory gave wrongly, all of it where a fresh look is asked for."""
    served = last.served
    found = served.records if cues.wants_anew(context.text) else served.reused
    return tuple(dict.fromkeys((*served.unwanted, *found)))


async def _kept(context: TurnContext, asked: Request, chosen: Route) -> str:
    """Remember for this person how a request is to be routed; the id of the correction."""
    correction = Correction(
        context.scope,
        asked.text,
        tuple(map(str, chosen.controls)),
        tuple(sorted(set(asked.attachments))),
        tuple(sorted(asked.earlier_kinds)),
        context.text,
        context.session,
        context.number,
    )
    services = context.services
    try:
        return (await services.door(services.memory.corrections.add, correction)).id
    except AntiphonError as error:  # this turn is served all the same
        log.error("a correction in session %s is not remembered: %s", context.session, error)
        return ""


def _words(message: Message) -> str:
    """The person's own words: attached text is a part with a name."""
    return "\n".join(part.text for part in message.parts if part.kind == TEXT and not part.name)


def _attached(message: Message) -> tuple[Part, ...]:
    return tuple(part for part in message.parts if part.kind != TEXT or part.name)
