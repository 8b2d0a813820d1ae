"""Events: everything that happens, as one frozen, discriminated union.

A screen, an API and a replay see nothing else. `seq` counts within a session from 1 without gaps; `time`
is in seconds on the monotonic clock of the process that wrote it; `turn` is 0 outside a turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Annotated, Any, Literal

from orchestrator.plan import Plan, Step
from orchestrator.standing import Standing
from specialists.content import Anchor, Kind, Message, Part
from specialists.errors import AntiphonError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    session: str = ""
    turn: int = 0
    seq: int = 0
    time: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened(_Base):
    """The first event of a session, and again whenever a process opens it."""

    type: Literal["session.opened"] = "session.opened"
    wall_time: float = 0.0
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStarted(_Base):
    """A Message arrived; its media are in the blob store. `voice` is True when it was spoken."""

    type: Literal["turn.started"] = "turn.started"
    message: Message
    voice: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRejected(_Base):
    """An attachment cannot be used; the rest of the turn goes on."""

    type: Literal["part.rejected"] = "part.rejected"
    part: str
    reason: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected(_Base):
    """The person corrects how the request of turn `of` was served, so this turn serves that request anew.

    `request` are its words, empty where it had none. It was routed by `before` and is now by `controls`.
    `correction` is the id under which this is remembered for the person, empty where it is not: in a session
    that is not kept, or when the same is done again. Records of `unwanted` are not reused for it.
    """

    type: Literal["turn.corrected"] = "turn.corrected"
    of: int
    request: str
    before: tuple[str, ...]
    controls: tuple[str, ...]
    correction: str = ""
    unwanted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HitSummary:
    """A memory hit as a trace shows it."""

    record: str
    text: str
    kind: Kind
    source: str
    score: float
    exact: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled(_Base):
    """What memory knows of this request."""

    type: Literal["memory.recalled"] = "memory.recalled"
    hits: tuple[HitSummary, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Controls that the controller considered, with the share of its belief, in 0..1."""

    control: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How much a request asks for one specialist, in 0..1, and the words of it that do."""

    specialist: str
    score: float
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed(_Base):
    """The controller's decision: its control tokens, and why."""

    type: Literal["turn.routed"] = "turn.routed"
    controls: tuple[str, ...]
    controller: str
    margin: float
    candidates: tuple[Candidate, ...] = ()
    exemplars: tuple[str, ...] = ()
    exemplar_controls: tuple[str, ...] = ()
    """What serves each of `exemplars`, in their order; empty where nobody knows it any more."""
    asked: tuple[Asked, ...] = ()
    """Where specialists were chosen by what they say they do: how much each was asked for, the most first."""
    invalid: tuple[str, ...] = ()
    """Tokens that were refused: unknown, or not servable in this turn."""
    emitted: tuple[str, ...] = ()
    """What a chat model wrote where one was asked, word by word."""
    repaired: bool = False
    """Whether it had to be asked a second time, and that helped."""
    seconds: float = 0.0
    model_seconds: float = 0.0
    """How much of it was the chat model's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEstimate:
    """What a step is expected to take: seconds at p50 and p95, and price in the unit of `Card.cost.price`.

    So many finished `calls` stand behind the seconds; where there are none, the Card's own figure.
    """

    step: str
    p50: float
    p95: float
    price: float = 0.0
    calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned(_Base):
    """What will be done, and what each step of it is expected to take."""

    type: Literal["turn.planned"] = "turn.planned"
    plan: Plan
    estimates: tuple[StepEstimate, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(_Base):
    type: Literal["step.started"] = "step.started"
    step: str
    specialist: str
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress(_Base):
    """A piece of a step's answer: text, with the anchor and score it came with."""

    type: Literal["step.progress"] = "step.progress"
    step: str
    text: str
    anchor: Anchor | None = None
    score: float | None = None
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished(_Base):
    """A step is done. `reused` is True when memory answered in place of the specialist; `likeness` then says
    how alike the pictures are, below 1, where what it found was found in another one."""

    type: Literal["step.finished"] = "step.finished"
    step: str
    specialist: str
    text: str = ""
    parts: tuple[Part, ...] = ()
    seconds: float = 0.0
    reused: bool = False
    key: str = ""
    record: str = ""
    likeness: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed(_Base):
    """A step failed. `then` says what follows: retry, fallback:NAME, or give up."""

    type: Literal["step.failed"] = "step.failed"
    step: str
    specialist: str
    code: str
    reason: str
    remedy: str = ""
    then: str = "give up"


def step_failed(
    turn: int, step: str, specialist: str, error: AntiphonError, then: str = "give up"
) -> StepFailed:
    """The event that tells a specialist's error."""
    return StepFailed(
        turn=turn,
        step=step,
        specialist=specialist,
        code=error.code,
        reason=error.message,
        remedy=error.remedy,
        then=then,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Replanned(_Base):
    """The step `cause` failed, came to nothing or serves nobody, for the `reason`, so the plan changes: it,
    or the steps that nothing is left to work on, are `dropped`, and `instead` runs where a step can."""

    type: Literal["turn.replanned"] = "turn.replanned"
    cause: str
    reason: str
    dropped: tuple[Step, ...] = ()
    instead: Step | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta(_Base):
    """A piece of the reply's text; the reply is all pieces joined."""

    type: Literal["reply.text"] = "reply.text"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechDelta(_Base):
    """A piece of the spoken reply: PCM, 16 bit signed little endian, mono, at `rate` hertz.

    `text` is what this piece says, `index` counts the pieces of a reply from 0.
    """

    type: Literal["reply.speech"] = "reply.speech"
    text: str
    rate: int
    pcm: bytes = field(repr=False)
    index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaReady(_Base):
    """A picture or file of the reply; its bytes are in the blob store."""

    type: Literal["reply.media"] = "reply.media"
    part: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript(_Base):
    """What the person is heard to say. `final` closes an utterance; times in seconds of the ears' clock."""

    type: Literal["speech.transcript"] = "speech.transcript"
    text: str
    final: bool
    start: float = 0.0
    end: float = 0.0
    confirmed: int = 0
    """How many characters at the start of `text` hardly change any more; all of them where it is final."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorChanged(_Base):
    """Who may speak now: nobody, person or assistant; `reason` names the event that moved it."""

    type: Literal["floor.changed"] = "floor.changed"
    state: str
    reason: str = ""
    at: float = 0.0
    """Seconds on the ears' clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard(_Base):
    """How much of a spoken reply was played. `complete` is True when all of it was."""

    type: Literal["speech.heard"] = "speech.heard"
    heard: str
    unheard: str = ""
    complete: bool = True
    start: float = 0.0
    end: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Remarked(_Base):
    """In a spoken conversation something was said that belongs to no reply: that it takes a while, or that
    something did not work. `at` is when it began, in seconds on the ears' clock."""

    type: Literal["speech.remark"] = "speech.remark"
    text: str
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingMade(_Base):
    """The person wants to be told when something is seen or heard, or when a time has passed."""

    type: Literal["standing.made"] = "standing.made"
    id: str
    standing: Standing
    wall_time: float = 0.0
    """When, in seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingMet(_Base):
    """What was waited for has come; `text` is what is said of it. `turn` is the one that asked."""

    type: Literal["standing.met"] = "standing.met"
    id: str
    standing: Standing
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingDismissed(_Base):
    """Nothing is waited for any more under this id."""

    type: Literal["standing.dismissed"] = "standing.dismissed"
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(_Base):
    """Something of the turn could not be done: the part, the reason, the remedy."""

    type: Literal["turn.problem"] = "turn.problem"
    code: str
    part: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFinished(_Base):
    """The turn is over. `outcome` is answered, partial, interrupted, failed or waited.

    `text` is the reply as kept: of an interrupted spoken reply only what was heard; `unheard` is the rest of
    what was written until then. `calls` names the
    specialists that ran, `reused` those that memory spared. `timings` is in seconds: `total`, `own` (all
    but the specialists), `first_text`, `first_speech` and one entry a node of the graph.
    """

    type: Literal["turn.finished"] = "turn.finished"
    outcome: Literal["answered", "partial", "interrupted", "failed", "waited"]
    text: str = ""
    unheard: str = ""
    calls: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten(_Base):
    """Here stood an event of type `was`, which was forgotten for good: memory puts this in its place."""

    type: Literal["event.forgotten"] = "event.forgotten"
    was: str


Event = (
    SessionOpened
    | TurnStarted
    | PartRejected
    | Corrected
    | Recalled
    | Routed
    | Planned
    | StepStarted
    | StepProgress
    | StepFinished
    | StepFailed
    | Replanned
    | TextDelta
    | SpeechDelta
    | MediaReady
    | Transcript
    | FloorChanged
    | Heard
    | Remarked
    | StandingMade
    | StandingMet
    | StandingDismissed
    | Failed
    | TurnFinished
    | Forgotten
)


@cache
def _types() -> Any:
    # Built on first use: pydantic must not slow down a start that reads no events.
    from pydantic import ConfigDict, Field, TypeAdapter

    config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    return TypeAdapter(Annotated[Event, Field(discriminator="type")], config=config)


def to_dict(event: Event) -> dict[str, Any]:
    """The event as plain JSON values; bytes become base64."""
    return _types().dump_python(event, mode="json")


def readable(event: Event) -> dict[str, Any]:
    """The event as JSON values, with the number of samples in place of the sound itself."""
    if not isinstance(event, SpeechDelta):
        return to_dict(event)
    values = to_dict(replace(event, pcm=b""))
    del values["pcm"]
    return {**values, "samples": len(event.pcm) // 2}


def from_dict(values: Mapping[str, Any]) -> Event:
    """The event that `to_dict` wrote. Raises pydantic's ValidationError for anything else."""
    return _types().validate_python(dict(values))
