"""What the time and the speaker that a question names do for recall, and what they spoil if they are wrong.

The questions of `benchmarks/recall.py` about one thing with one turn of evidence, at least eight days and at
most eleven months old, are asked again: with the time of that turn before them ("In March", "On the 4th of
May", "12 weeks ago"), with a wrong one (a month, four days, two weeks before), and as a question of what its
speaker said, or the other one.

    python -m benchmarks.when_recall       # three minutes
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recall import CHOSEN_ON, Dialogue, dialogues, filled, recall_at
from memory.records import Query
from memory.store import MemoryStore
from orchestrator.cli.models import ensure
from orchestrator.config import load
from specialists.embed import TextEncoder
from specialists.models import ModelStore

MONTHS = "January February March April May June July August September October November December"
WRONG_BY = (31, 4, 14)
"""Days by which the wrong time lies before, for each way of telling it."""
OLDEST, NEWEST = 330, 8


def variants(dialogue: Dialogue, question: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The question as it is, and with the time or the speaker of its evidence, by name of the variant."""
    if len(question["evidence"]) != 1 or question["type"] not in ("single", "picture"):
        return
    turn = dialogue.turns[question["evidence"][0] - 1]
    told, asked = datetime.fromisoformat(turn["time"]), datetime.fromisoformat(question["asked"])
    if not NEWEST <= (asked - told).days <= OLDEST:
        return
    words = question["question"][0].lower() + question["question"][1:]
    way = sum(map(ord, words)) % len(WRONG_BY)

    def phrase(day: datetime) -> str:
        month = MONTHS.split()[day.month - 1]
        return (f"In {month}", f"On the {day.day} of {month}", f"{(asked - day).days // 7} weeks ago")[way]

    other = next(each["speaker"] for each in dialogue.turns if each["speaker"] != turn["speaker"])
    yield "the question alone", question["question"]
    yield "with its time", f"{phrase(told)}, {words}"
    yield "with a wrong time", f"{phrase(told - timedelta(days=WRONG_BY[way]))}, {words}"
    yield "with its speaker", f"What did {turn['speaker']} say: {words}"
    yield "with the other speaker", f"What did {other} say: {words}"


def main() -> None:
    settings = load()
    ensure(settings, ["embed"])
    encoder = TextEncoder(ModelStore(settings.engine.models))
    found: dict[tuple[str, bool], list[list[float]]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    for place, dialogue in enumerate(dialogues()):
        with (
            tempfile.TemporaryDirectory() as folder,
            MemoryStore.open(Path(folder), encoder.encode, encoder.encode_tokens) as store,
        ):
            turn_of = filled(dialogue, store)
            for question in dialogue.questions:
                now = datetime.fromisoformat(f"{question['asked']}T12:00").timestamp()
                for name, text in variants(dialogue, question):
                    began = time.perf_counter()
                    hits = store.recall(Query(text, k=10, now=now))
                    seconds[name].append(time.perf_counter() - began)
                    ranked = [turn_of[hit.record.id] for hit in hits]
                    found[name, place >= CHOSEN_ON].append(recall_at(ranked, question["evidence"]))
    report(found, seconds)


def report(found: Mapping[tuple[str, bool], list[list[float]]], seconds: Mapping[str, list[float]]) -> None:
    print(f"{'recall at':24}{'1':>8}{'10':>8}   unseen:{'1':>8}{'10':>8}{'p50':>10}")
    for name, spent in seconds.items():
        cells = [
            f"{statistics.mean(row[i] for row in found[name, part]):8.1%}"
            for part in (False, True)
            for i in (0, 2)
        ]
        print(f"{name:24}{cells[0]}{cells[1]}          {cells[2]}{cells[3]}{np.median(spent) * 1000:7.1f} ms")
    print(f"{len(found['the question alone', False])} and {len(found['the question alone', True])} questions")


if __name__ == "__main__":
    main()
