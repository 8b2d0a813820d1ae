"""Whether memory sees that nothing it holds answers a question.

Every question is asked twice, of a memory that holds its answer and of one that does not, so that nothing can
be told from how it is put: how `benchmarks/data/dialogues.jsonl` words the questions that nothing answers
gives them away without any memory. The kinds of not holding it:

- forgotten: the turns that hold the answer were forgotten before it was asked;
- elsewhere: it is asked of the memory of another dialogue, which knows nothing of it;
- other speaker: the name of one speaker in it is exchanged for the other's (a few are true of both).

And by hand, put plainly, in `benchmarks/data/answerable.jsonl`, about three of the first five dialogues:
`absent` was never spoken of, of what was spoken of an `attribute` was never said, it was said of another
`person`, or the question takes for granted what is not so (`premise`).

The weights and the threshold of `memory/answerable.py` are fitted to the first five dialogues and the plain
questions about them; for these the table has each dialogue judged by weights fitted to the others. Precision
is the share of right ones among the doubted, when as many questions have no answer as have one.

    python -m benchmarks.answerable         # five minutes on two cores: the five dialogues that were not seen
    python -m benchmarks.answerable --fit   # ten minutes: the first five, and the weights
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recall import CHOSEN_ON, Dialogue, dialogues, filled
from memory.answerable import ASKED_FOR, BEST, BIAS, DOUBTFUL, LEAD, LOOKED_AT, signals
from memory.records import Query
from memory.store import MemoryStore
from orchestrator.cli.models import ensure
from orchestrator.config import load
from specialists.embed import TextEncoder
from specialists.models import ModelStore

PLAIN = Path(__file__).parent / "data" / "answerable.jsonl"
ANSWERED = ("answered", "answered, plain")
GENTLE = 0.05
"""So many of the questions whose answer was found may be doubted."""
RIDGE = 1e-3


@dataclass(frozen=True)
class Case:
    """One question as it was asked of one memory. `found` says whether its answer was among the first ten."""

    dialogue: int
    kind: str
    best: float
    lead: float
    found: bool = False


Line = tuple[float, float, float]
"""What the best score, its lead, and nothing weigh."""


def plain() -> dict[str, Sequence[Mapping[str, Any]]]:
    lines = PLAIN.read_text(encoding="utf-8").splitlines()
    return {line["name"]: line["questions"] for line in map(json.loads, lines)}


def exchanged(question: str, speakers: Sequence[str]) -> str:
    """The question with the one speaker that it names exchanged for the other; empty where that is not so."""
    named = [name for name in speakers if name in question]
    if len(speakers) != 2 or len(named) != 1:
        return ""
    (other,) = set(speakers) - set(named)
    return question.replace(named[0], other)


class Asking:
    """One dialogue in a store, asked, and asked again with turns forgotten."""

    def __init__(self, place: int, dialogue: Dialogue, folder: Path, encoder: TextEncoder) -> None:
        self._place, self._folder, self._encoder = place, folder, encoder
        self.seconds: list[float] = []
        self._asked_on = {each["question"]: each["asked"] for each in dialogue.questions}
        self._last = max(self._asked_on.values())
        with self._open(folder) as store:
            self._turns = filled(dialogue, store)
        self._ids = {turn: name for name, turn in self._turns.items()}

    def cases(self, kind: str, questions: Sequence[tuple[str, Sequence[int]]]) -> list[Case]:
        with self._open(self._folder) as store:
            return [self._asked(store, kind, question, evidence) for question, evidence in questions]

    def forgotten(self, question: str, evidence: Sequence[int]) -> Case:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(self._folder, folder, dirs_exist_ok=True)
            with self._open(Path(folder)) as store:
                store.forget([self._ids[turn] for turn in evidence])
                return self._asked(store, "forgotten", question, ())

    def _open(self, folder: Path) -> MemoryStore:
        return MemoryStore.open(folder, self._encoder.encode, self._encoder.encode_tokens)

    def _asked(self, store: MemoryStore, kind: str, question: str, evidence: Sequence[int]) -> Case:
        day = datetime.fromisoformat(self._asked_on.get(question, self._last)).replace(tzinfo=UTC)
        hits = store.recall(Query(question, k=ASKED_FOR, now=(day + timedelta(hours=12)).timestamp()))
        began = time.perf_counter()
        told = signals(hits)
        self.seconds.append(time.perf_counter() - began)
        if told is None:
            raise RuntimeError("nothing was compared word by word")
        found = bool({self._turns[hit.record.id] for hit in hits[:LOOKED_AT]} & set(evidence))
        return Case(self._place, kind, *told, found)


def asked(everything: Sequence[Dialogue], places: Sequence[int], encoder: TextEncoder) -> Iterator[Case]:
    by_hand = plain()
    for at, place in enumerate(places):
        dialogue, other = everything[place], everything[places[(at + 1) % len(places)]]
        speakers = sorted({turn["speaker"] for turn in dialogue.turns})
        own = [(q["question"], q["evidence"]) for q in dialogue.questions if q["evidence"]]
        foreign = [(q["question"], ()) for q in other.questions if q["evidence"]]
        swapped = [(exchanged(question, speakers), ()) for question, _ in own]
        never = [(q["question"], ()) for q in dialogue.questions if not q["evidence"]]
        with tempfile.TemporaryDirectory() as folder:
            asking = Asking(place, dialogue, Path(folder), encoder)
            yield from asking.cases("answered", own)
            yield from asking.cases("elsewhere", foreign)
            yield from asking.cases("other speaker", [pair for pair in swapped if pair[0]])
            yield from asking.cases("never said (given away by wording)", never)
            items = by_hand.get(dialogue.name, ())
            for kind in dict.fromkeys(item["kind"] for item in items):
                pairs = [(item["question"], item["evidence"]) for item in items if item["kind"] == kind]
                yield from asking.cases(f"{kind}, plain", pairs)
            for question, evidence in own:
                yield asking.forgotten(question, evidence)
        print(f"  {dialogue.name}: judged in {1e6 * np.median(asking.seconds):.0f} us (p50)", file=sys.stderr)


def fitted(cases: Sequence[Case]) -> Line:
    """The logistic that tells the answered from the others, every kind of each side counting alike."""
    inputs, answers, weights = _arrays(cases)
    line = np.zeros(3)
    for _ in range(30):  # Newton's method; it stands still after a handful
        chance = 1 / (1 + np.exp(-inputs @ line))
        slope = inputs.T @ (weights * (answers - chance)) - RIDGE * line
        bend = (inputs * (weights * chance * (1 - chance))[:, None]).T @ inputs + RIDGE * np.eye(3)
        line = line + np.linalg.solve(bend, slope)
    return float(line[0]), float(line[1]), float(line[2])


def _arrays(cases: Sequence[Case]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    kept = [case for case in cases if not case.kind.startswith("never said")]
    answers = np.array([case.kind in ANSWERED for case in kept], dtype=float)
    kinds = [case.kind for case in kept]
    sides = {True: {k for k in kinds if k in ANSWERED}, False: {k for k in kinds if k not in ANSWERED}}
    weights = [1 / len(sides[kind in ANSWERED]) / kinds.count(kind) for kind in kinds]
    return np.array([(case.best, case.lead, 1.0) for case in kept]), answers, np.array(weights)


def chances(cases: Sequence[Case], line: Line) -> np.ndarray:
    return 1 / (1 + np.exp(-np.array([(case.best, case.lead, 1.0) for case in cases]) @ np.array(line)))


def auc(answered: np.ndarray, others: np.ndarray) -> float:
    """How often a question that is answered is found likelier to be than one that is not."""
    above = (answered[:, None] > others).mean() + 0.5 * (answered[:, None] == others).mean()
    return float(above)


def by_wording(everything: Sequence[Dialogue], encoder: TextEncoder) -> float:
    """The AUC over the dialogues that were not seen of a line through the questions' vectors alone, fitted to
    the first five: what can be told without any memory."""

    def asked_in(some: Sequence[Dialogue]) -> tuple[np.ndarray, np.ndarray]:
        questions = [question for dialogue in some for question in dialogue.questions]
        vectors = encoder.encode([question["question"] for question in questions])
        return vectors, np.array([bool(question["evidence"]) for question in questions])

    inputs, answered = asked_in(everything[:CHOSEN_ON])
    line = np.linalg.solve(
        inputs.T @ inputs + np.eye(inputs.shape[1]), inputs.T @ (answered - answered.mean())
    )
    inputs, answered = asked_in(everything[CHOSEN_ON:])
    found = inputs @ line
    return auc(found[answered], found[~answered])


def report(cases: Sequence[Case], found: np.ndarray, threshold: float) -> None:
    kinds = np.array([case.kind for case in cases])
    print(f"{'':36}{'questions':>10}{'doubted':>9}{'precision':>11}{'AUC':>7}")
    for answered in ANSWERED:
        ours = found[kinds == answered]
        if not len(ours):
            continue
        wrongly = float((ours < threshold).mean())
        seen = found[[case.found for case in cases] & (kinds == answered)]
        print(f"{answered:36}{len(ours):>10}{wrongly:>9.1%}{'':>18}")
        print(f"{'  of these found among ten':36}{len(seen):>10}{(seen < threshold).mean():>9.1%}{'':>18}")
        for kind in dict.fromkeys(kinds):
            if kind in ANSWERED or kind.endswith("plain") != answered.endswith("plain"):
                continue
            theirs = found[kinds == kind]
            doubted = float((theirs < threshold).mean())
            precision = f"{doubted / (doubted + wrongly):.1%}" if doubted + wrongly else "-"
            print(f"{kind:36}{len(theirs):>10}{doubted:>9.1%}{precision:>11}{auc(ours, theirs):>7.2f}")


def main() -> None:
    settings = load()
    ensure(settings, ["embed"])
    encoder = TextEncoder(ModelStore(settings.engine.models))
    everything = dialogues()
    if "--fit" not in sys.argv[1:]:
        cases = list(asked(everything, range(CHOSEN_ON, len(everything)), encoder))
        report(cases, chances(cases, (BEST, LEAD, BIAS)), DOUBTFUL)
        print(f"never said, by the wording of the question alone: AUC {by_wording(everything, encoder):.2f}")
        return
    cases = list(asked(everything, range(CHOSEN_ON), encoder))
    held = np.zeros(len(cases))
    for place in range(CHOSEN_ON):
        line = fitted([case for case in cases if case.dialogue != place])
        here = [i for i, case in enumerate(cases) if case.dialogue == place]
        held[here] = chances([cases[i] for i in here], line)
    line = fitted(cases)
    seen = [case for case in cases if case.kind in ANSWERED and case.found]
    threshold = float(np.quantile(chances(seen, line), GENTLE))
    report(cases, held, threshold)
    print("BEST, LEAD, BIAS = {:.2f}, {:.2f}, {:.2f}".format(*line), f"  DOUBTFUL = {threshold:.2f}")


if __name__ == "__main__":
    main()
