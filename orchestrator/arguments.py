"""Arguments: what the person's words say of *how* a step is to do its work, and on which attachment.

Only parameters that a Card declares with a `meaning` are filled, and only where the words are plain: a wrong
argument spoils an answer, a missed one leaves the specialist to its defaults.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from memory.sentences import content
from orchestrator.extraction import languages, manner, quantities, times
from orchestrator.extraction.pages import pages
from orchestrator.extraction.which import among
from orchestrator.extraction.words import instruction
from orchestrator.plan import PartRef, Plan, Ref, Step
from specialists.base import Card, Parameter
from specialists.content import AUDIO, DOCUMENT, TEXT, VIDEO, Message, Part

_SIDE = 512
"""Pixels of a square picture where a Card has no default: what most makers of pictures were trained on."""

_TIMED = (AUDIO, VIDEO)

_LETTERS = re.compile(r"[\W\d_]+")


def with_arguments(plan: Plan, request_text: str, parts: Sequence[Part], cards: Sequence[Card]) -> Plan:
    """The plan with the parameters and the choice of attachments that the person's words name.

    `parts` are the turn's parts that the plan's PartRefs point to, the words first. A parameter that a step
    already has stays as it is.
    """
    known = {card.name: card for card in cards}
    words = instruction(request_text)
    if not words.strip() or not plan.steps:
        return plan
    steps: list[Step] = []
    cut: set[str] = set()
    for step in plan.steps:
        card = known.get(step.specialist)
        inputs = _narrowed(step.inputs, words, request_text, parts)
        params: Mapping[str, object] = {}
        if card is not None and any(parameter.meaning for parameter in card.parameters):
            on_a_piece = not cut.isdisjoint(step.after)
            params = _params(_Reading(words, card, inputs, parts), on_a_piece=on_a_piece)
            if on_a_piece or any(p.name in params and p.meaning in _CUTS for p in card.parameters):
                cut.add(step.id)
        steps.append(replace(step, inputs=inputs, params={**params, **step.params}))
    return replace(plan, steps=tuple(steps))


def earlier_meant(request_text: str, history: Sequence[Message]) -> tuple[Part, ...]:
    """The media of earlier messages that a request may mean, of each kind: those that its words choose ("the
    first photo"), else all of the message that it shares words with (`_about`), else of the newest that has
    some.

    An ordinal counts within the newest message where it has as many, else over the conversation.
    """
    words = instruction(request_text)
    bearing = [message for message in history if message.media]
    meant: list[Part] = []
    for kind in dict.fromkeys(part.kind for message in reversed(bearing) for part in message.media):
        of_kind = [[part for part in message.media if part.kind == kind] for message in bearing]
        newest = next(parts for parts in reversed(of_kind) if parts)
        every = [part for parts in of_kind for part in parts]
        meant += (
            _chosen_of(newest, words, request_text)
            or _chosen_of(every, words, request_text)
            or _about(words, bearing, of_kind)
            or newest
        )
    return tuple(meant)


def _about(words: str, bearing: Sequence[Message], of_kind: Sequence[list[Part]]) -> list[Part]:
    """The media of the message that shares the most words with these, by what the person wrote with them and
    how the files are called, the newest of several; none where none shares any.

    What was answered does not count: it may repeat what stands in the media.
    """
    wanted = set(content(words))
    shared = [0] * len(bearing)
    for i, (message, parts) in enumerate(zip(bearing, of_kind, strict=True)):
        named = " ".join(_LETTERS.sub(" ", part.name.rpartition(".")[0]) for part in parts)
        said = " ".join(part.text for part in message.parts if part.kind == TEXT and not part.name)
        if parts:
            shared[i] = len(wanted.intersection(content(f"{said} {named}")))
    most = max(shared, default=0)
    return of_kind[len(shared) - 1 - shared[::-1].index(most)] if most else []


def _chosen_of(parts: Sequence[Part], words: str, request_text: str) -> list[Part]:
    kinds, names = [part.kind for part in parts], [part.name for part in parts]
    return [parts[place] for place in among(words, request_text, kinds, names)]


def _narrowed(
    inputs: tuple[Ref, ...], words: str, request_text: str, parts: Sequence[Part]
) -> tuple[Ref, ...]:
    """The inputs without the attachments that the words leave out."""
    attached = [
        ref for ref in inputs if isinstance(ref, PartRef) and ref.kind != TEXT and ref.index < len(parts)
    ]
    kinds, names = [ref.kind for ref in attached], [parts[ref.index].name for ref in attached]
    chosen = [attached[place] for place in among(words, request_text, kinds, names)]
    if not chosen:
        return inputs
    return tuple(ref for ref in inputs if ref not in attached or ref in chosen)


@dataclass(frozen=True)
class _Reading:
    """The words as one step's Card may read them; each reader runs at most once."""

    words: str
    card: Card
    inputs: tuple[Ref, ...]
    parts: Sequence[Part]

    @cached_property
    def seconds(self) -> float | None:
        """How long the longest recording or film is; None where one is not known."""
        found = [self.parts[ref.index].facts.get("seconds") for ref in self._attached(*_TIMED)]
        return max((s for s in found if s is not None), default=None) if found and None not in found else None

    @cached_property
    def stretch(self) -> times.Stretch | None:
        return times.stretch(self.words, self.seconds) if self._works_on(*_TIMED) else None

    @cached_property
    def moment(self) -> float | None:
        return times.moment(self.words, self.seconds) if self._works_on(*_TIMED) else None

    @cached_property
    def pages(self) -> str | None:
        return pages(self.words) if self._works_on(DOCUMENT) else None

    @cached_property
    def size(self) -> manner.Size | None:
        found = manner.size(self.words)
        defaults = [p.default for p in self.card.parameters if p.meaning in ("width", "height")]
        sides = [side for side in defaults if isinstance(side, int)]
        return found and found.against(min(sides, default=_SIDE))

    def nouns(self, parameter: Parameter) -> list[str]:
        """What a count counts: the words of its name, else what the specialist makes."""
        named = list(quantities.units(parameter.name, parameter.description))
        made = [noun for kind in self.card.produces for noun in _MADE.get(kind, ())]
        return [*named, *made, *(_TIMES if made else ())]

    def _works_on(self, *kinds: str) -> bool:
        return any(ref.kind in kinds for ref in self.inputs)

    def _attached(self, *kinds: str) -> list[PartRef]:
        found = [ref for ref in self.inputs if isinstance(ref, PartRef) and ref.kind in kinds]
        return [ref for ref in found if ref.index < len(self.parts)]


_MADE: Mapping[str, tuple[str, ...]] = {
    "image": ("picture", "image", "photo", "drawing", "illustration", "painting", "logo"),
    "audio": ("recording", "track", "clip", "sound"),
    "video": ("video", "clip", "film"),
}
_TIMES = ("version", "variation", "variant", "alternative", "copy", "copies")

Reader = Callable[[_Reading, Parameter], object | None]


def _range(reading: _Reading, _: Parameter) -> str | None:
    stretch = reading.stretch
    if stretch is None:
        return None
    first, last = (times.clock(at) if at is not None else "" for at in (stretch.start or 0.0, stretch.end))
    return f"{first}-{last}"


_READERS: Mapping[str, Reader] = {
    "source_language": lambda reading, _: languages.spoken(reading.words),
    "target_language": lambda reading, _: languages.wanted(reading.words),
    "start": lambda reading, _: reading.stretch and reading.stretch.start,
    "end": lambda reading, _: reading.stretch and reading.stretch.end,
    "time_range": _range,
    "time": lambda reading, _: reading.moment,
    "duration": lambda reading, _: times.length(reading.words),
    "pages": lambda reading, _: reading.pages,
    "style": lambda reading, _: manner.style(reading.words),
    "speed": lambda reading, _: manner.speed(reading.words),
    "width": lambda reading, _: reading.size and reading.size.width,
    "height": lambda reading, _: reading.size and reading.size.height,
    "size": lambda reading, _: reading.size and _by(reading.size),
    "count": lambda reading, parameter: quantities.count(reading.words, reading.nouns(parameter)),
    "quantity": lambda reading, parameter: quantities.quantity(
        reading.words, quantities.units(parameter.name, parameter.description)
    ),
    "choice": lambda reading, parameter: quantities.choice(
        reading.words, parameter.choices, quantities.name_words(parameter.name)
    ),
}

_CUTS = frozenset(("start", "end", "time_range", "time", "pages"))
"""What cuts a piece out: a later step works on the piece, and must not cut it again."""


def _params(reading: _Reading, *, on_a_piece: bool) -> dict[str, object]:
    params: dict[str, object] = {}
    for parameter in reading.card.parameters:
        if parameter.meaning not in _READERS or (on_a_piece and parameter.meaning in _CUTS):
            continue
        value = _fitting(_READERS[parameter.meaning](reading, parameter), parameter)
        if value is not None:
            params[parameter.name] = value
    return params


def _fitting(value: object | None, parameter: Parameter) -> object | None:
    """The value in the parameter's own type; None where it has none."""
    if isinstance(value, float | int):
        if parameter.type == "integer":
            return int(value) if float(value).is_integer() else None
        if parameter.type == "string":
            return times.clock(value) if parameter.meaning in ("start", "end", "time") else f"{value:g}"
        return float(value)
    if not isinstance(value, str):
        return None
    if parameter.type in ("number", "integer"):
        return int(value) if value.isdigit() else None  # of pages, a single one
    if parameter.meaning.endswith("_language") and not _takes_codes(parameter):
        value = languages.english_name(value)
    return _chosen(value, parameter.choices)


def _chosen(value: str, choices: Sequence[str]) -> str | None:
    """The value as one of the choices writes it, where there are any."""
    if not choices:
        return value
    forms = {value.casefold(), languages.english_name(value).casefold()}
    return next((choice for choice in choices if choice.casefold() in forms), None)


def _takes_codes(parameter: Parameter) -> bool:
    return "name" not in parameter.description.lower() or "code" in parameter.description.lower()


def _by(size: manner.Size) -> str | None:
    return f"{size.width}x{size.height}" if size.width and size.height else None
