"""Clips that are known in part: what was found up to some moment, when a step ended before its time.

The Chunks about a clip come in the order in which their spans begin. What began before the last of them has
therefore been told in full: a piece from the beginning that is complete in itself, and known by its span.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from memory.episodes import AROUND, marked
from memory.records import Record
from specialists.base import Card, Chunk, Task
from specialists.content import AUDIO, TEXT, VIDEO, Anchor, Kind, Span
from specialists.errors import BadInput
from specialists.piece import stretch
from specialists.timeline import clock

LEAST = 10.0
"""Seconds of a clip that are worth keeping."""
ACROSS = 0.5
"""So many seconds may what was told reach beyond the moment up to which it is kept."""


@dataclass(frozen=True, slots=True)
class Clip:
    """The one recording or film that a Task is about, and the stretch of it that is wanted."""

    kind: Kind
    name: str
    span: Span

    @classmethod
    def of(cls, card: Card, task: Task) -> Clip | None:
        """None where the Task is about something else as well, or cannot be done in pieces."""
        media = [part for part in task.parts if part.blob]
        meanings = {parameter.meaning for parameter in card.parameters}
        if len(media) != 1 or media[0].kind not in (AUDIO, VIDEO) or not {"start", "end"} <= meanings:
            return None
        try:
            span = stretch(task).within(media[0].facts.get("seconds", 0.0), media[0].name)
        except BadInput:  # the specialist says so itself
            return None
        return cls(media[0].kind, media[0].name, span)


@dataclass(frozen=True, slots=True)
class Begun:
    """What was found in the first piece of a clip, up to the second `until`. `record` is where it is kept."""

    until: float
    chunks: tuple[Chunk, ...]
    record: str = ""

    @classmethod
    def of(cls, clip: Clip, chunks: Sequence[Chunk], before: Begun | None = None) -> Begun | None:
        """The longest piece that these Chunks tell in full; None where none is longer than the one before."""
        inside = (chunk for chunk in chunks if chunk.label not in AROUND)
        spans = [chunk.anchor.span for chunk in inside if chunk.anchor and chunk.anchor.span]
        for moment in sorted({span.start for span in spans}, reverse=True):
            if moment < clip.span.start + LEAST or (before is not None and moment <= before.until):
                return None
            if all(span.end <= moment + ACROSS for span in spans if span.start < moment):
                return cls(moment, tuple(_until(chunks, moment)))
        return None

    @classmethod
    def told(cls, record: Record) -> Begun:
        """What was kept of a piece. Raises KeyError, TypeError and ValueError for what keeps none."""
        text, at = record.text, 0
        chunks: list[Chunk] = []
        marks = record.facts["pieces"]
        if not isinstance(marks, list):
            raise TypeError("pieces are a list")
        for start, end, begins, stops, label in marks:
            if start > at:
                chunks.append(Chunk(TEXT, text[at:start]))
            span = Span(float(begins), float(stops))
            chunks.append(Chunk(TEXT, text[start:end], anchor=Anchor(span=span), label=str(label)))
            at = end
        return cls(float(record.facts["until"]), tuple(chunks), record.id)  # type: ignore[arg-type]

    def rest(self, task: Task) -> Task:
        """The Task for what is not known yet."""
        return replace(task, params={**task.params, "start": self.until})

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks)

    @property
    def facts(self) -> dict[str, object]:
        """What `told` needs."""
        pieces = marked([(chunk.text, chunk.anchor, chunk.label) for chunk in self.chunks])
        return {"pieces": pieces, "until": self.until}


def key_of(key: str, clip: Clip, begun: Begun) -> str:
    """The evidence key of a piece: that of the whole with the span of it, in seconds."""
    return f"{key}@{clip.span.start:.3f}-{begun.until:.3f}"


def how_far(clip: Clip, begun: Begun) -> str:
    """How far it came, as a sentence."""
    done = "watched" if clip.kind == VIDEO else "heard"
    start, until, end = clock(clip.span.start), clock(begun.until), clock(round(clip.span.end))
    piece = f"{start} to {until} of {start} to {end}" if clip.span.start else f"the first {until} of {end}"
    return f"I have {done} {piece}{' of ' * bool(clip.name)}{clip.name}."


def _until(chunks: Sequence[Chunk], moment: float) -> list[Chunk]:
    """The Chunks before those that begin at the moment or later."""
    found: list[Chunk] = []
    for chunk in chunks:
        if chunk.anchor is not None and chunk.anchor.span is not None and chunk.anchor.span.start >= moment:
            break
        found.append(chunk)
    return found
