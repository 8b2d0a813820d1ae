"""The specialist contract: a Card that describes, a Task that asks, Chunks that answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from specialists.content import Anchor, BlobReader, Kind, Message, Part

MEANINGS: Mapping[str, str] = {
    "source_language": "the language of what is there, as a two-letter code",
    "target_language": "the language that is wanted, as a two-letter code",
    "start": "where a piece of a recording or film begins, in seconds; negative counts from its end",
    "end": "where the piece ends, in the same way",
    "time_range": "both in one, as h:mm:ss-h:mm:ss",
    "time": "one moment of a recording or film, in seconds",
    "duration": "how long something is to be, in seconds",
    "pages": "pages of a document, as ranges: 2-4,7; 3- is from the third on, -2 the last two",
    "style": "the style of a picture, such as Monet or watercolour",
    "speed": "how fast to speak or play; 1 is normal",
    "width": "of a picture, in pixels",
    "height": "of a picture, in pixels",
    "size": "both in one, as WIDTHxHEIGHT",
    "count": "how many are to be made of what its name says, or of what the specialist makes",
    "quantity": "a number beside a word of its name, such as degrees",
    "choice": "one of its choices",
}
"""What a parameter can be about, so that it is filled from a person's words; other parameters are not."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A declared parameter of a specialist. `type` is string, number, integer or boolean.

    `choices` are the only values it takes, where there are any. `meaning`, one of MEANINGS, lets a person's
    words fill it ("from 1:20 to 2:05").
    """

    name: str
    type: str
    description: str
    default: object = field(default=None, hash=False)
    choices: tuple[str, ...] = ()
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call is expected to cost before live figures exist: seconds, and money in any one currency.

    `per_second` are the seconds that each second of a recording or film adds. A call on one may take several
    times as long before it is given up: a Card that declares none is held to the limit for short media.
    """

    seconds: float = 1.0
    price: float = 0.0
    per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Resources:
    """What one replica needs. `gpus` may be a fraction; `memory_mb` is in MiB."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory_mb: int = 512


@dataclass(frozen=True, slots=True)
class Card:
    """What a specialist says of itself. The controller and the planner know nothing else about it.

    `examples` are requests it serves, in people's words; the exemplar controller learns from them at once.
    `requires` lists further specialists that it calls. `available` is False while something is missing,
    and `remedy` then says what to do. `idempotent` is False when a second run would do harm.
    Cards that declare the same `purpose` and work on the same kinds may stand in for each other; one whose
    name is its purpose is the first choice. `quality` says how good its answers are beside theirs: the share
    of requests it answers well, 0 to 1; 0.5 where nobody measured it.
    """

    name: str
    description: str
    consumes: tuple[Kind, ...]
    produces: tuple[Kind, ...]
    version: str = "1"
    parameters: tuple[Parameter, ...] = ()
    examples: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    cost: Cost = Cost()
    resources: Resources = Resources()
    model: str = ""
    available: bool = True
    remedy: str = ""
    idempotent: bool = True
    purpose: str = ""
    quality: float = 0.5


class NoBlobs:
    """A reader for Tasks without media."""

    def read(self, ref: object) -> bytes:
        from specialists.errors import UnknownName

        raise UnknownName("this task carries no blobs", part=str(ref))


@dataclass(frozen=True, slots=True)
class Task:
    """One call to a specialist.

    `parts` is what it works on, `instruction` the person's own words about it, `context` the messages a
    chat model sees before them. `deadline` is the time left in seconds, None for no limit: a duration and
    not an instant, because the clocks of two machines differ.
    """

    id: str
    specialist: str
    parts: tuple[Part, ...] = ()
    instruction: str = ""
    context: tuple[Message, ...] = ()
    params: Mapping[str, object] = field(default_factory=dict)
    turn: int = 0
    deadline: float | None = None
    blobs: BlobReader = field(default_factory=NoBlobs, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A streamed piece of an answer.

    Text arrives in `text`; the answer is all texts joined without anything between them. Media arrive in
    `data` with their `media_type`: encoded images and files whole, audio as raw PCM, 16 bit signed little
    endian, mono, `audio/pcm;rate=HERTZ`, with the words that this piece of sound speaks in `text`.
    `anchor` says where in the Task's Parts this piece rests (the Chunks about a recording or film come in the
    order in which their spans begin), `score` how sure the specialist is (0 to 1),
    `label` what the piece is (a class name, "word", "heading"); `facts` carries further plain figures.
    """

    kind: Kind
    text: str = ""
    data: bytes = field(default=b"", repr=False)
    media_type: str = ""
    anchor: Anchor | None = None
    score: float | None = None
    label: str = ""
    facts: Mapping[str, float | str] = field(default_factory=dict)


def pcm_rate(media_type: str) -> int:
    """The sample rate in hertz of an `audio/pcm;rate=HERTZ` media type. Raises ValueError for another."""
    head, _, tail = media_type.partition(";rate=")
    if head != "audio/pcm" or not tail.isdigit():
        raise ValueError(f"not a PCM media type: {media_type!r}")
    return int(tail)


class Specialist(ABC):
    """A model or tool service.

    `run` yields Chunks; closing the iterator, or cancelling the task that reads it, must stop the work
    promptly. It raises BadInput for content it cannot use, Unavailable when something is missing, and
    TransientFailure when a second try may help. `load` gets the model ready ahead of the first call and
    may be called more than once. One instance serves concurrent calls.
    """

    card: Card

    @abstractmethod
    def run(self, task: Task) -> AsyncIterator[Chunk]:
        raise NotImplementedError

    async def load(self) -> None:
        return None

    async def close(self) -> None:
        return None
