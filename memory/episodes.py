"""Episodes: stretches of experience whose records belong together, whatever their kind.

Every turn is one: the question, what was looked at and found, the answer. A clip or recording that was
watched or heard in it is cut into further ones, where its picture changes or its sound pauses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from memory.records import Record
from specialists.content import AUDIO, IMAGE, Anchor, Kind, Span
from specialists.timeline import told

SHORTEST = 2.0
LONGEST = 60.0
"""Episodes of a clip, in seconds: cuts closer together are one, and longer stretches are divided."""
PAUSE = 1.0
"""Silence of so many seconds may end an episode,"""
ABOVE = 3.0
"""where it is so many times as long as the recording's usual silence between words or sentences."""

PICTURES = ("scene",)
"""Labels of pieces that tell what is seen; other pieces of clips tell what is heard."""
AROUND = ("film", "gap")
"""Labels of pieces about the clip as a whole."""


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of experience.

    `start` and `stop` are wall times in seconds since the epoch. For a stretch of a clip or recording `blob`
    is its digest and `span` says where in it, in seconds. `kinds` are those of its records, media included.
    """

    id: str
    session: str
    turn: int
    start: float
    stop: float
    kinds: tuple[Kind, ...]
    records: tuple[str, ...]
    """Ids of its records, in the order of time."""
    blob: str = ""
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that was seen or heard in a clip: its words, and where in the clip, in seconds."""

    text: str
    span: Span
    label: str = ""

    @property
    def kind(self) -> Kind:
        return IMAGE if self.label in PICTURES else AUDIO


def turn_episode(session: str, turn: int) -> str:
    """The id of a turn's episode; a session's name holds no colon. Empty outside of turns."""
    return f"{session}:{turn}" if session and turn > 0 else ""


def marked(pieces: Sequence[tuple[str, Anchor | None, str]]) -> list[list[object]]:
    """What a specialist found in a clip, as texts with their anchor and label, for the facts of its record.

    Each becomes [start, end (characters in all texts joined), start, end (seconds), label]; what has no span
    is left out.
    """
    rows: list[list[object]] = []
    at = 0
    for text, anchor, label in pieces:
        if anchor is not None and anchor.span is not None and text.strip():
            rows.append([at, at + len(text), anchor.span.start, anchor.span.end, label])
        at += len(text)
    return rows


def pieces_of(record: Record) -> list[Piece]:
    """What `marked` wrote down in the record's facts, words joined to sentences."""
    rows = record.facts.get("pieces")
    found: list[Piece] = []
    for start, end, begins, stops, label in rows if isinstance(rows, list) else []:
        if label not in AROUND:
            found.append(Piece(record.text[start:end], Span(float(begins), float(stops)), str(label)))
    joined = [Piece(told(" ".join(p.text.split())), p.span, p.label) for p in _sentences(found)]
    return [piece for piece in joined if piece.text]


def segments(pieces: Sequence[Piece]) -> list[Span]:
    """Where a clip is cut: at a change of its picture, or where its sound pauses longer than it usually does.

    No stretch is shorter than SHORTEST seconds but a clip that is so itself; one longer than LONGEST is cut
    at its longest pause, if it has any.
    """
    if not pieces:
        return []
    first, last = min(p.span.start for p in pieces), max(p.span.end for p in pieces)
    heard = sorted((p.span for p in pieces if p.kind == AUDIO), key=lambda span: span.start)
    pauses = _pauses(heard)
    usual = median(length for _, length in pauses) if pauses else 0.0
    long = [(at, length) for at, length in pauses if length >= max(PAUSE, ABOVE * usual)]
    # A change of the picture comes first, then the longest silence.
    wanted = [*_changes([p for p in pieces if p.kind == IMAGE]), *_by_length(long)]
    edges = [first, last]
    for at in wanted:
        if all(abs(at - edge) >= SHORTEST for edge in edges):
            edges.append(at)
    edges.sort()
    _divide(edges, _by_length(pauses))
    return [Span(a, b) for a, b in pairwise(edges)] or [Span(first, last)]


def moments(record: Record) -> list[Record]:
    """What was seen and heard in the clip of an evidence record, piece by piece, each in its episode.

    Without ids: the store gives them.
    """
    pieces = sorted(pieces_of(record), key=lambda piece: (piece.span.start, piece.span.end))
    spans = segments(pieces)
    found: list[Record] = []
    for piece in pieces:
        inside = (n for n, span in enumerate(spans) if piece.span.start < span.end)
        number = next(inside, len(spans) - 1)
        found.append(
            Record(
                piece.text,
                piece.kind,
                "derived",
                record.session,
                record.turn,
                record.source,
                blobs=record.blobs,
                media=record.media,
                anchors=(Anchor(span=piece.span),),
                facts={"label": piece.label},
                time=record.time,
                person=record.person,
                episode=f"{record.id}:{number:04d}",
                level="episode",
                sources=(record.id,),
            )
        )
    return found


def episodes_of(records: Iterable[Record]) -> list[Episode]:
    """The episodes of records, in the order in which the records first name them."""
    grouped: dict[str, list[Record]] = {}
    for record in records:
        if record.episode:
            grouped.setdefault(record.episode, []).append(record)
    return [_episode(name, group) for name, group in grouped.items()]


def in_order(record: Record) -> tuple[float, int, float, str]:
    """What records are sorted by: wall time, then their place in the turn or the clip."""
    rank, at = _place(record)
    return record.time, rank, at, record.id


def within(record: Record) -> tuple[int, float, float, str]:
    """The order within an episode: the question, what was found for it in order of time, the answer."""
    rank, at = _place(record)
    return rank, record.time, at, record.id


def span_of(record: Record) -> Span | None:
    """The first stretch of a clip that a record is about."""
    return next((anchor.span for anchor in record.anchors if anchor.span), None)


def _place(record: Record) -> tuple[int, float]:
    span = span_of(record) if record.level else None
    return {"user": 0, "assistant": 2}.get(record.role, 1), span.start if span else -1.0


def _episode(name: str, records: Sequence[Record]) -> Episode:
    group = sorted(records, key=within)
    spans = [span for record in group if record.level and (span := span_of(record))]
    kinds: Mapping[Kind, None] = {kind: None for record in group for kind in (record.kind, *record.media)}
    return Episode(
        name,
        group[0].session,
        group[0].turn,
        min(record.time for record in group),
        max(record.time for record in group),
        tuple(kinds),
        tuple(record.id for record in group),
        blob=group[0].blobs[0] if spans and group[0].blobs else "",
        span=Span(min(s.start for s in spans), max(s.end for s in spans)) if spans else None,
    )


def _sentences(pieces: Sequence[Piece]) -> list[Piece]:
    """Single words joined up to the end of their sentence or a pause."""
    found: list[Piece] = []
    for piece in pieces:
        before = found[-1] if found else None
        if (
            before is not None
            and piece.label == before.label == "word"
            and not before.text.rstrip().endswith((".", "?", "!"))
            and piece.span.start - before.span.end < PAUSE
        ):
            found[-1] = Piece(before.text + piece.text, Span(before.span.start, piece.span.end), "word")
        else:
            found.append(piece)
    return found


def _changes(seen: Sequence[Piece]) -> list[float]:
    """Times at which something else is seen than before: the same description goes on with its scene."""
    ordered = sorted(seen, key=lambda piece: piece.span.start)
    return [after.span.start for before, after in pairwise(ordered) if before.text != after.text]


def _pauses(heard: Sequence[Span]) -> list[tuple[float, float]]:
    """(middle, length) of the silences between what is heard, in seconds."""
    found: list[tuple[float, float]] = []
    until = heard[0].end if heard else 0.0
    for span in heard[1:]:
        if span.start > until:
            found.append(((until + span.start) / 2, span.start - until))
        until = max(until, span.end)
    return found


def _by_length(pauses: Sequence[tuple[float, float]]) -> list[float]:
    return [at for at, _ in sorted(pauses, key=lambda pause: -pause[1])]


def _divide(edges: list[float], pauses: Sequence[float]) -> None:
    """Cut stretches that are too long at their longest pause, until there is none left to cut at."""
    cut = True
    while cut:
        cut = False
        for start, end in pairwise(list(edges)):
            inside = (at for at in pauses if start + SHORTEST <= at <= end - SHORTEST)
            if end - start > LONGEST and (at := next(inside, None)) is not None:
                edges.append(at)
                edges.sort()
                cut = True
