"""How well memory finds what was said in long conversations, and whether it knows what was never said.

`benchmarks/data/dialogues.jsonl`: dialogues of 300 turns and more over months, with pictures by description,
and questions about them with the turns that hold the answer, worded otherwise than these. Recall at k is the
mean share of a question's turns among the first k records. Each dialogue is a store of its own, a record a
turn and a session a sitting. Baselines in the same run: the cosine of a turn's vector (dense), BM25, and both
fused by reciprocal ranks. Of the weights and thresholds in `memory`, some were chosen on the first five
dialogues; the others nobody had seen then.

    python benchmarks/recall.py            # three minutes
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from memory.answerable import DOUBTFUL
from memory.records import Query, Record
from memory.store import MemoryStore
from memory.words import Frequencies, scored_by_words
from orchestrator.cli.models import ensure
from orchestrator.config import load
from specialists.content import TEXT
from specialists.embed import TextEncoder
from specialists.models import ModelStore

DATA = Path(__file__).parent / "data" / "dialogues.jsonl"
DEPTHS = (1, 5, 10, 25)
RRF = 60
CHOSEN_ON = 5

Ranked = Callable[[str], Sequence[int]]
"""The numbers of turns that answer a question, the best first."""


@dataclass(frozen=True)
class Dialogue:
    name: str
    turns: Sequence[Mapping[str, str]]
    questions: Sequence[Mapping[str, Any]]

    def texts(self) -> list[str]:
        return [_text(turn) for turn in self.turns]


def _text(turn: Mapping[str, str]) -> str:
    picture = f" [picture: {turn['picture']}]" if turn["picture"] else ""
    return f"{turn['speaker']}: {turn['text']}{picture}"


def dialogues() -> list[Dialogue]:
    lines = DATA.read_text(encoding="utf-8").splitlines()
    return [Dialogue(**json.loads(line)) for line in lines]


def _noon(day: str) -> float:
    return datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=UTC).timestamp()


def filled(dialogue: Dialogue, store: MemoryStore) -> dict[str, int]:
    """The number of the turn by the id of its record."""
    records = [
        Record(
            text,
            TEXT,
            "user",
            session=f"{dialogue.name} {turn['time'].replace(':', '.')}",
            turn=number,
            time=datetime.fromisoformat(turn["time"]).replace(tzinfo=UTC).timestamp() + number,
        )
        for number, (text, turn) in enumerate(zip(dialogue.texts(), dialogue.turns, strict=True), start=1)
    ]
    stored = store.remember(records)
    store.embed_pending()
    return {record.id: record.turn for record in stored}


def methods(dialogue: Dialogue, store: MemoryStore, encoder: TextEncoder) -> dict[str, Ranked]:
    turn_of = filled(dialogue, store)
    asked = {each["question"]: _noon(each["asked"]) for each in dialogue.questions}
    vectors = encoder.encode(dialogue.texts())

    def dense(question: str) -> Sequence[int]:
        return (np.argsort(-(vectors @ encoder.encode([question])[0]), kind="stable") + 1).tolist()

    def lexical(question: str) -> Sequence[int]:
        with store._database.read() as connection:
            # In a new store rows count from 1, as turns do.
            return [row for row, _ in scored_by_words(Frequencies(connection), question, len(vectors))]

    def fused(question: str) -> Sequence[int]:
        scores: dict[int, float] = defaultdict(float)
        for ranked in (dense(question), lexical(question)):
            for rank, turn in enumerate(ranked, start=1):
                scores[turn] += 1 / (RRF + rank)
        return sorted(scores, key=lambda turn: -scores[turn])

    def ours(question: str) -> Sequence[int]:
        hits = store.recall(Query(question, k=max(DEPTHS), now=asked[question]))
        return [turn_of[hit.record.id] for hit in hits]

    return {"dense (MiniLM)": dense, "BM25": lexical, "both fused": fused, "memory.recall": ours}


def recall_at(ranked: Sequence[int], evidence: Sequence[int]) -> list[float]:
    return [sum(turn in ranked[:k] for turn in evidence) / len(evidence) for k in DEPTHS]


def main() -> None:
    settings = load()
    ensure(settings, ["embed"])
    encoder = TextEncoder(ModelStore(settings.engine.models))
    found: dict[str, list[tuple[int, str, list[float]]]] = defaultdict(list)
    doubted: list[tuple[int, bool, bool]] = []
    seconds: list[float] = []
    everything = dialogues()
    for place, dialogue in enumerate(everything):
        with (
            tempfile.TemporaryDirectory() as folder,
            MemoryStore.open(Path(folder), encoder.encode, encoder.encode_tokens) as store,
        ):
            for name, ranked in methods(dialogue, store, encoder).items():
                for question in dialogue.questions:
                    began = time.perf_counter()
                    turns = ranked(question["question"])
                    if name == "memory.recall":
                        seconds.append(time.perf_counter() - began)
                    if question["evidence"]:
                        found[name].append((place, question["type"], recall_at(turns, question["evidence"])))
            for question in dialogue.questions:
                likely = store.answerable(Query(question["question"], now=_noon(question["asked"])))
                doubted.append((place, not question["evidence"], likely < DOUBTFUL))
    report(everything, found)
    report_doubts(doubted)
    p50, p95 = np.percentile(seconds, (50, 95)) * 1000
    print(f"memory.recall, question encoded: p50 {p50:.1f} ms, p95 {p95:.1f} ms")


def report(
    everything: Sequence[Dialogue], found: Mapping[str, Sequence[tuple[int, str, list[float]]]]
) -> None:
    turns = sum(len(dialogue.turns) for dialogue in everything)
    asked = sum(len(dialogue.questions) for dialogue in everything)
    print(f"{len(everything)} dialogues, {turns:,} turns, {asked} questions")
    print(f"{'recall at':32}" + "".join(f"{k:>8}" for k in DEPTHS) + "   at 10, dialogues unseen")
    for name, rows in found.items():
        means = [statistics.mean(values[i] for _, _, values in rows) for i in range(len(DEPTHS))]
        unseen = [values[DEPTHS.index(10)] for place, _, values in rows if place >= CHOSEN_ON]
        last = f"{statistics.mean(unseen):8.1%}" if unseen else ""
        print(f"{name:32}" + "".join(f"{mean:8.1%}" for mean in means) + f"   {last}")
    by_type: dict[str, list[float]] = defaultdict(list)
    for _, kind, values in found["memory.recall"]:
        by_type[kind].append(values[DEPTHS.index(10)])
    print(
        "memory.recall at 10 by type: "
        + ", ".join(
            f"{kind} {statistics.mean(values):.1%} of {len(values)}" for kind, values in by_type.items()
        )
    )


def report_doubts(doubted: Sequence[tuple[int, bool, bool]]) -> None:
    """How many of the questions that nothing answers are seen as such, and how right that is."""
    for name, least in (("all", 0), ("unseen", CHOSEN_ON)):
        rows = [(never, doubt) for place, never, doubt in doubted if place >= least]
        right, wrong = (sum(doubt for never, doubt in rows if never is is_so) for is_so in (True, False))
        never = sum(never for never, _ in rows)
        precision = f"{right / (right + wrong):.1%}" if right + wrong else "none doubted"
        print(
            f"unanswerable, {name} dialogues: {right} of {never} seen (recall {right / never:.1%}),"
            f" {wrong} of {len(rows) - never} others doubted too (precision {precision})"
        )


if __name__ == "__main__":
    main()
