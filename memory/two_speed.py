"""Two-speed recall: what was made of experience first, and its details where that is not sure.

The fast path asks the levels above what was said and found: summaries, themes, facts, and the moments of
clips. The detail path asks the records themselves as well, and follows the timeline of a clip from what a
question names to what it asks for: from words that were heard to the sign that was seen meanwhile, or to what
came next. Where both were asked and differ, the one whose words cover more of the question comes first.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from memory.database import Database
from memory.episodes import span_of
from memory.moment_question import MomentQuestion, telling
from memory.recall import Recall
from memory.records import Hit, Query, Record
from memory.rows import COLUMNS, from_row
from memory.sentences import content, words
from memory.setting import moment_of, stretch_of
from memory.when import When, when
from memory.words import Frequencies, rarity
from specialists.content import AUDIO, IMAGE, Kind, Span

SUMMING_UP = ("summary", "theme")
FAST = (*SUMMING_UP, "fact", "episode")

SURE = 0.3
"""A confidence from which the fast path is enough: see `benchmarks/long_clips.py`."""

ANCHORS = 12
"""So many moments may be the one that a question names."""
TARGETS = 100
"""So many moments are weighed as what a question asks for."""
NEXT = 3
"""So many moments after (or before) an anchor may be meant by "after","""
FARTHER = 0.1
"""each of which counts so much less than the one before it."""
ASKED = 0.3
"""What a moment's own match with the target of a question weighs beside the match of its anchor."""
BESIDE = 0.8
"""What a moment counts for that is found by what happens at the same time alone."""
NEAR = 2.0
"""Seconds that may lie between moments of one time."""
SAME = 10.0
"""Seconds between moments of one clip that are one answer."""

Path = Literal["fast", "detail", "both"]


@dataclass(frozen=True, slots=True)
class Recollection:
    """What two-speed recall found: the hits, best first, and how.

    `path` says which paths were asked, `confidence` (0 to 1) how far the words of the first hit answer the
    question. `Hit.ranks` marks each hit with its rank in "fast", "detail" or both. `agree` is False where
    both were asked and their first hits are of different moments: then the first two are these.
    """

    hits: tuple[Hit, ...]
    path: Path
    confidence: float
    agree: bool = True


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one path found: hits, and how far the first one is an answer."""

    hits: tuple[Hit, ...]
    confidence: float


class TwoSpeed:
    """Answers Queries by one path or both. The levels of a Query are those of the path."""

    def __init__(self, database: Database, recall: Recall) -> None:
        self._database = database
        self._recall = recall

    def __call__(self, query: Query, sure: float = SURE) -> Recollection:
        """The best `query.k` of the fast path, or of both where it is less `sure`. Raises BadInput."""
        query = replace(query, now=time.time() if query.now is None else query.now)
        asked = MomentQuestion.of(_timeless(query))
        fast = self.fast(query)
        # What a moment shows does not tell what happened beside it.
        if not asked.relation and fast.confidence >= sure:
            return Recollection(fast.hits, "fast", fast.confidence)
        detail = self.detail(query)
        return compared(fast, detail, query.k)

    def fast(self, query: Query) -> _Answer:
        """By what was made of experience alone."""
        hits = self._recall(replace(query, levels=FAST))
        # What sums up a stretch tells what it was about, and seldom the answer: it is never enough.
        told = [hit.record for hit in hits[:1] if hit.record.level not in SUMMING_UP]
        # Nor is what is of another time than the question speaks of.
        then = _when(query)
        if then is not None:
            told = [record for record in told if stretch_of(then).holds(record.time)]
        return self._answer(_timeless(query), hits, [record.text for record in told], "fast")

    def detail(self, query: Query) -> _Answer:
        """By what was said and found, moment by moment, along the timelines of clips."""
        asked = MomentQuestion.of(_timeless(query))
        if asked.relation:
            hits, told = self._related(query, asked)
        else:
            hits, told = self._direct(query, asked.kind)
        return self._answer(_timeless(query), hits[: query.k], told[:1], "detail")

    def _direct(self, query: Query, kind: Kind | None) -> tuple[list[Hit], list[str]]:
        """Hits with what they were found by. Of another kind than is asked for, what is beside counts."""
        found: dict[str, tuple[float, Hit, str]] = {}
        asked = replace(query, k=max(ANCHORS, 2 * query.k))
        text = telling(_timeless(query))
        then = _when(query)
        named = replace(
            asked, text=f"{text} {then.phrase}" if then else text or query.text, levels=("episode",)
        )
        for hit in (*self._moments(replace(asked, levels=("",))), *self._moments(named)):
            record = hit.record
            _keep(found, hit.score, hit, record.text)
            if kind in (IMAGE, AUDIO) and record.level == "episode" and record.kind != kind:
                for other in _at(self._timeline(record), record, kind):
                    told = f"{record.text} {other.text}"
                    _keep(found, BESIDE * hit.score, replace(hit, record=other), told)
        return _ranked(found)

    def _related(self, query: Query, asked: MomentQuestion) -> tuple[list[Hit], list[str]]:
        """What stands beside, after or before the moments that the anchor may mean."""
        kind = asked.kind
        if kind is None:
            kind = _other(asked.anchor_kind) if asked.relation == "while" else asked.anchor_kind
        kinds = query.kinds if asked.anchor_kind is None else (asked.anchor_kind,)
        anchor_text, target = telling(asked.anchor) or asked.anchor, telling(asked.target)
        named = replace(query, text=anchor_text, levels=("episode",), k=ANCHORS, kinds=kinds)
        targets = replace(query, text=target, levels=("episode",), k=TARGETS)
        fits = {hit.record.id: hit.score for hit in self._recall(targets)} if target else {}
        found: dict[str, tuple[float, Hit, str]] = {}
        for said in self._moments(replace(query, levels=("",))):
            _keep(found, said.score, said, said.record.text)
        for anchor in self._moments(named):
            record = anchor.record
            beside = _BESIDE[asked.relation](self._timeline(record), record, kind)
            for place, other in enumerate(beside):
                score = anchor.score * (1 - FARTHER * place) + ASKED * fits.get(other.id, 0.0)
                _keep(found, score, replace(anchor, record=other, score=score), f"{record.text} {other.text}")
        return _ranked(found)

    def _moments(self, query: Query) -> list[Hit]:
        """Hits without the records of whole clips and without what the assistant told of them: their moments
        stand for them."""
        hits = [hit for hit in self._recall(query) if not hit.record.facts.get("pieces")]
        told = [hit for hit in hits if hit.record.role == "assistant" and self._had_clip(hit.record)]
        return [hit for hit in hits if hit not in told]

    def _had_clip(self, reply: Record) -> bool:
        """Whether a clip was watched or heard in the turn of this reply."""
        with self._database.read() as connection:
            found = connection.execute(
                "SELECT 1 FROM records WHERE session = ? AND turn = ? AND level = 'episode' LIMIT 1",
                (reply.session, reply.turn),
            ).fetchone()
        return found is not None

    def _timeline(self, moment: Record) -> list[Record]:
        """All moments of the clip that this is one of, in order of time."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {', '.join(f'records.{name}' for name in COLUMNS)} FROM record_sources"
                " JOIN records ON records.row = record_sources.record"
                " WHERE level = 'episode' AND record_sources.source = (SELECT row FROM records WHERE id = ?)",
                moment.sources[:1],
            ).fetchall()
        return sorted((from_row(row) for row in rows), key=lambda record: _span(record).start)

    def _answer(self, question: str, hits: Sequence[Hit], told: Sequence[str], path: Path) -> _Answer:
        marked = tuple(replace(hit, ranks={**hit.ranks, path: n}) for n, hit in enumerate(hits, 1))
        return _Answer(marked, self._covered(question, told[0]) if told else 0.0)

    def _covered(self, question: str, told: str) -> float:
        """The share of the question's content words that a text has, the rare ones weighing more."""
        asked = list(dict.fromkeys(word for word in words(telling(question)) if content(word)))
        with self._database.read() as connection:
            weights = rarity(Frequencies(connection), [word for word in asked if word.isalnum()])
        there = set(content(told))
        total = math.fsum(weights.values())
        return (
            math.fsum(w for word, w in weights.items() if content(word)[0] in there) / total if total else 0.0
        )


def compared(fast: _Answer, detail: _Answer, k: int) -> Recollection:
    """Both answers as one: the better supported one's first, then the other's where it differs."""
    first, second = (detail, fast) if detail.confidence >= fast.confidence else (fast, detail)
    confidence = max(fast.confidence, detail.confidence)
    agree = not first.hits or not second.hits or is_same(first.hits[0].record, second.hits[0].record)
    order = [*first.hits[:1], *second.hits[:1], *first.hits[1:], *second.hits[1:]]
    if agree:
        order = [*first.hits, *second.hits]
    merged: dict[str, Hit] = {}
    for hit in order:
        known = merged.get(hit.record.id)
        merged[hit.record.id] = replace(known, ranks={**hit.ranks, **known.ranks}) if known else hit
    return Recollection(tuple(merged.values())[:k], "both", confidence, agree)


def is_same(one: Record, other: Record) -> bool:
    """Whether two records are one answer: the same one, or one made of the other, or moments of one kind and
    time of a clip."""
    if one.id == other.id or one.id in other.sources or other.id in one.sources:
        return True
    if one.level != "episode" or other.level != "episode" or one.kind != other.kind:
        return False
    return one.sources == other.sources and _apart(_span(one), _span(other)) <= SAME


def _when(query: Query) -> When | None:
    return when(query.text, moment_of(time.time() if query.now is None else query.now))


def _timeless(query: Query) -> str:
    """What a query asks, without the time it speaks of: no record has these words."""
    found = _when(query)
    return found.rest if found else query.text


def _keep(found: dict[str, tuple[float, Hit, str]], score: float, hit: Hit, told: str) -> None:
    known = found.get(hit.record.id)
    if known is None or score > known[0]:
        found[hit.record.id] = (score, replace(hit, score=score), told)


def _ranked(found: dict[str, tuple[float, Hit, str]]) -> tuple[list[Hit], list[str]]:
    ordered = sorted(found.values(), key=lambda item: -item[0])
    return [hit for _, hit, _ in ordered], [told for _, _, told in ordered]


def _other(kind: Kind | None) -> Kind | None:
    return {IMAGE: AUDIO, AUDIO: IMAGE}.get(kind) if kind is not None else None


def _at(timeline: Sequence[Record], anchor: Record, kind: Kind | None) -> list[Record]:
    """Moments of another or the wanted kind at the time of one, those that share more of it first."""
    here = _span(anchor)
    others = [
        other
        for other in timeline
        if other.id != anchor.id
        and (other.kind == kind if kind else other.kind != anchor.kind)
        and _apart(_span(other), here) <= NEAR
    ]
    return sorted(others, key=lambda other: -_shared(_span(other), here))


def _after(timeline: Sequence[Record], anchor: Record, kind: Kind | None) -> list[Record]:
    """The next moments of the wanted kind that begin after one did, and tell something else than it."""
    here = _span(anchor)
    later = [o for o in timeline if _span(o).start > here.start and _is_wanted(o, anchor, kind)]
    return later[:NEXT]


def _before(timeline: Sequence[Record], anchor: Record, kind: Kind | None) -> list[Record]:
    """The last moments of the wanted kind that ended or began before one did, the nearest first."""
    here = _span(anchor)
    earlier = [o for o in timeline if _span(o).start < here.start and _is_wanted(o, anchor, kind)]
    return earlier[::-1][:NEXT]


_BESIDE: Mapping[str, Callable[[Sequence[Record], Record, Kind | None], list[Record]]] = {
    "while": _at,
    "after": _after,
    "before": _before,
}


def _is_wanted(other: Record, anchor: Record, kind: Kind | None) -> bool:
    return other.text != anchor.text and (kind is None or other.kind == kind)


def _span(record: Record) -> Span:
    return span_of(record) or Span(0.0, 0.0)


def _apart(one: Span, other: Span) -> float:
    """Seconds between two spans, 0 where they meet."""
    return max(0.0, one.start - other.end, other.start - one.end)


def _shared(one: Span, other: Span) -> float:
    return min(one.end, other.end) - max(one.start, other.start)
