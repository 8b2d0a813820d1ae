"""A film's timeline: its lines, and how what was seen and what was heard become one order."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from specialists.base import Chunk
from specialists.content import TEXT, Anchor, Span

PLAIN = ("colours", "no text")
"""Labels of what `vision` says of any picture, left out of a timeline but for the names of the colours."""
SIZE = ("width", "height")
"""Facts beside those names."""
UNSURE = 0.5
"""What `vision` takes a picture for is left out below this probability where words were read in it."""
PAUSE = 1.0
"""Seconds of silence that end a sentence without a full stop."""
AT_END = math.inf
_TIMES = re.compile(r"^\d+(?::\d\d)+-\d+(?::\d\d)+ ")
_HEARD = re.compile(r"^Heard: “(.*)”$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline. `at` is where it is sorted, in seconds."""

    at: float
    chunk: Chunk


async def merged(
    seen: asyncio.Queue[Entry | None], heard: asyncio.Queue[Entry | None], starts: list[float]
) -> AsyncGenerator[Entry, None]:
    """Both queues as one, by time, each entry as soon as its turn is certain.

    `starts` are the times of the scenes that `seen` will hold: what was heard before a scene begins need
    not wait until it has been seen, nor the first scene until something is heard. None ends a queue.
    """
    said: Entry | None = None
    listening, last = True, None
    for start in starts:
        while listening and start > 0:
            said = said or await heard.get()
            listening = said is not None
            if said is None or said.at >= start:
                break
            yield said
            said = None
        last = await seen.get()
        if last is None or last.at == AT_END:
            break
        yield last
        last = None
    while listening and (said := said or await heard.get()):
        yield said
        said = None
    if last is not None:
        yield last


def clock(seconds: float) -> str:
    """Seconds as a film's time: 0:07, 12:30, 1:02:03."""
    whole = int(seconds)
    minutes = f"{whole // 60 % 60}:{whole % 60:02}"
    return minutes if whole < 3600 else f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def header(index: int, seconds: float, piece: Span, scenes: int, opening: str) -> Chunk:
    """The first line: how long the film is, which piece of it follows, and how many scenes that has.

    `index` is its Part's place.
    """
    many = f"{scenes} scenes" if scenes > 1 else "one scene"
    whole = piece == Span(0.0, seconds)
    of_it = "" if whole else f", of which {clock(piece.start)} to {clock(round(piece.end))},"
    facts = {"seconds": round(seconds, 3), "scenes": float(scenes)}
    return Chunk(
        TEXT,
        f"{opening}A film of {clock(round(seconds))}{of_it} with {many}.\n",
        anchor=Anchor(part=index, span=piece),
        label="film",
        facts=facts,
    )


def scene(index: int, span: Span, shown: list[Chunk]) -> Entry:
    """What a scene shows, from the Chunks of `vision`."""
    if any(chunk.label == "text" for chunk in shown) and (shown[0].score or 0.0) < UNSURE:
        shown = shown[1:]  # the words tell more than a guess that is likely wrong
    said = "".join(chunk.text for chunk in shown if chunk.label not in PLAIN)
    colours = [name for c in shown if c.label == "colours" for name in c.facts if name not in SIZE]
    if colours:
        said += f" Colours: {', '.join(colours)}."
    first = shown[0] if shown else Chunk(TEXT)
    label = "gap" if first.label == "gap" else "scene"
    return Entry(span.start, _line(index, span, " ".join(said.split()), label, first))


def moved(chunk: Chunk, start: float) -> Chunk:
    """A Chunk about a piece that begins at `start` seconds, with the times of the whole."""
    if not start or chunk.anchor is None or chunk.anchor.span is None:
        return chunk
    span = Span(start + chunk.anchor.span.start, start + chunk.anchor.span.end)
    return replace(chunk, anchor=replace(chunk.anchor, span=span))


def paused(before: Chunk, after: Chunk) -> bool:
    """Whether nothing is said for PAUSE seconds between two Chunks of `asr`."""
    spans = [chunk.anchor.span for chunk in (before, after) if chunk.anchor and chunk.anchor.span]
    return len(spans) == 2 and spans[1].start - spans[0].end >= PAUSE


def speech(index: int, piece: Span, words: list[Chunk]) -> Entry:
    """A sentence that is heard, from Chunks of `asr`; without a span it may be anywhere in the piece."""
    spans = [chunk.anchor.span for chunk in words if chunk.anchor and chunk.anchor.span]
    span = Span(spans[0].start, spans[-1].end) if spans else piece
    said = " ".join("".join(chunk.text for chunk in words).split())
    return Entry(span.start, _line(index, span, f"Heard: “{said}”", "speech", words[0]))


def _line(index: int, span: Span, text: str, label: str, first: Chunk) -> Chunk:
    times = f"{clock(span.start)}-{clock(round(span.end))}"
    return Chunk(
        TEXT,
        f"{times} {text}\n",
        anchor=Anchor(part=index, span=span),
        score=first.score,
        label=label,
        facts=first.facts,
    )


def told(line: str) -> str:
    """What a line tells, without its times; of what is heard, the words alone."""
    text = _TIMES.sub("", line.strip())
    heard = _HEARD.match(text)
    return heard[1] if heard else text


def gap(index: int, text: str) -> Entry:
    """A line at the end that names what is missing."""
    return Entry(AT_END, Chunk(TEXT, text + "\n", anchor=Anchor(part=index), label="gap"))
