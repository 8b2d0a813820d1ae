"""How memory holds up as it grows: recall, writes, start-up and size from a thousand records to a million.

    python benchmarks/scale.py [--sizes 1000 10000 100000 1000000] [--queries 200] [--models DIR] [--keep DIR]

Up to 100,000 records it takes some minutes, a million about a quarter of an hour more on two quiet cores, an
hour on busy ones (4 GB of memory for the exact search that everything is compared with, 6 GB of disk). With
`--keep` the stores stay, and a later run measures those that are there again without filling them.

The texts are made up: a third of their words are of a Zipf distribution, so that a few are in every other
record, the others belong to a topic. Of 300 records 270 are said or found, the others summaries and facts
that rest on them; a tenth rest on pictures, a hundredth on sounds; ten callers share the store. Vectors come
from a cheap encoder (sums of fixed word vectors, 384 dimensions), because embedding a million texts says
nothing about memory. Topics and encoder are set so that 15,000 such vectors lie to each other as those of
15,000 real sentences do that the default model embeds: mean cosine 0.08 (real 0.09), to the nearest 0.69
(0.69), to the tenth nearest 0.51 (0.52), to the hundredth 0.35 (0.38); 128 cells of which 32 are searched
find 93 % of the true ten nearest (95 %). Tokens are made up too, one a word in 64 dimensions and eight bits,
22 a record where the default model has 26 in a turn of `benchmarks/data/dialogues.jsonl`. The mean cosine of
two words in different texts is 0.14 (0.11), in one text 0.37 (0.34), of one word in different texts 0.92
(0.83 for rare words), of a word and its best match in another text 0.35 (0.40).

All rows of one size are timed in turns on the same questions, in an order drawn for each, by the clock and by
the computing of their thread: on a busy machine the one is mostly waiting for a core. "exact" is FAISS's flat
index over all vectors, "words alone" ranks all words of the question with FTS5; both fetch the texts of their
ten answers. A row of recall is `MemoryStore.recall` as a turn of the engine calls it, word by word and with
what was said around, less the encoder; "at two speeds" is `recollect`, as the specialist of the memory calls
it; in one more row the default model reads each question.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import platformdirs

from memory.database import Database
from memory.index import VectorIndex
from memory.records import Query, Record
from memory.store import MemoryStore
from memory.vectors import Floats, vectors_after
from specialists.embed import Encoded, TextEncoder
from specialists.models import DEFAULTS, ModelStore

DIMENSION = 384
VOCABULARY = 50_000
TOPICS = 1000
TOPIC_WORDS = 60
OF_TOPIC = 0.65
"""The share of a text's words that are of its topic."""

COMMON = 0.3
"""The length of what all vectors have in common."""

WIDTH = 64
"""Dimensions of a token."""

OF_WORD, OF_TEXT, OF_ALL = 0.8, 0.3, 0.35
"""What a token's direction has of its word, of its text, and of what all tokens have in common."""

SAID, SUMMARIES, FACTS = 270, 15, 15
SESSION = SAID + SUMMARIES + FACTS
"""Records a session: what was said and found, and what consolidation makes of so many."""

CALLERS = 10

HITS = 6
"""So many hits a turn asks for."""

START = 1.7e9
"""Seconds since the epoch at which the first record was said; one a minute follows."""

SAME = 1e-6


class CheapEncoder:
    """Sums of fixed word vectors, the rarer word weighing more, and one token a word: its own direction, with
    some of its text's and of everybody's. `spent` adds up its seconds, as `now` tells them."""

    def __init__(self) -> None:
        chance = np.random.default_rng(7)
        rank = np.arange(VOCABULARY)[:, None]
        weight = np.sqrt((rank + 1) / (rank + 200)) * np.arange(1, DIMENSION + 1) ** -0.42
        self._words = (chance.standard_normal((VOCABULARY, DIMENSION)) * weight).astype(np.float32)
        self._common = COMMON * _unit(chance.standard_normal((1, DIMENSION)))
        axes = np.arange(1, WIDTH + 1) ** -0.27
        self._own = _unit(chance.standard_normal((VOCABULARY, WIDTH)) * axes)
        self._everybody = OF_ALL * _unit(chance.standard_normal((1, WIDTH)) * axes)
        self.spent = np.zeros(2)

    def __call__(self, texts: Sequence[str]) -> Floats:
        return np.stack([encoded.vector for encoded in self.tokens(texts)])

    def tokens(self, texts: Sequence[str]) -> list[Encoded]:
        began = now()
        split = [text.split() for text in texts]
        sizes = np.array([len(words) for words in split])
        numbers = np.array([_number(word) for words in split for word in words])
        begins = np.cumsum(sizes) - sizes
        vectors = _unit(_unit(np.add.reduceat(self._words[numbers], begins)) + self._common)
        own = self._own[numbers]
        of_text = np.repeat(_unit(np.add.reduceat(own, begins)), sizes, axis=0)
        states = _in_bytes(OF_WORD * own + OF_TEXT * of_text + self._everybody)
        made = [
            Encoded(vector, states[begin : begin + len(words)], _spans(words))
            for vector, begin, words in zip(vectors, begins.tolist(), split, strict=True)
        ]
        self.spent += now() - began
        return made


class RealEncoder:
    """The default model reads every text; the vectors are those of the cheap one, by which all is stored."""

    def __init__(self, real: TextEncoder, cheap: CheapEncoder) -> None:
        self._real = real
        self._cheap = cheap

    def __call__(self, texts: Sequence[str]) -> Floats:
        self._real.encode(list(texts))
        return self._cheap(texts)

    def tokens(self, texts: Sequence[str]) -> list[Encoded]:
        self._real.encode_tokens(list(texts))
        return self._cheap.tokens(texts)


def now() -> np.ndarray:
    """Seconds, by the clock and of this thread's computing: the one less the other is waiting, on a busy
    machine most of all for a core."""
    return np.array([time.perf_counter(), time.thread_time()])


def _number(word: str) -> int:
    digits = word.removeprefix("w")
    return int(digits) % VOCABULARY if digits.isdigit() else 0


def _spans(words: Sequence[str]) -> np.ndarray:
    """The characters that each word covers, a blank between any two: int32 [n, 2]."""
    ends = list(accumulate((len(word) + 1 for word in words), initial=0))
    return np.array([(begin, end - 1) for begin, end in pairwise(ends)], dtype=np.int32)


def _unit(rows: np.ndarray) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def _in_bytes(rows: Floats) -> np.ndarray:
    return np.round(rows * (127 / np.abs(rows).max(axis=1, keepdims=True))).astype(np.int8)


def _shares(weights: np.ndarray) -> np.ndarray:
    return np.cumsum(weights / weights.sum())


class Texts:
    """Made-up sentences, the same on every run."""

    def __init__(self, seed: int) -> None:
        self._chance = np.random.default_rng(seed)
        self._plain = random.Random(seed)
        self._zipf = _shares(1 / np.arange(1, VOCABULARY + 1))
        self._topics = np.random.default_rng(5).integers(200, VOCABULARY, (TOPICS, TOPIC_WORDS))
        self._of_topic = _shares(1 / np.arange(1, TOPIC_WORDS + 1))
        self._topic = _shares(np.arange(1, TOPICS + 1) ** -0.5)

    def sentences(self, count: int, least: int, below: int) -> list[str]:
        sizes = self._chance.integers(least, below, count)
        total = int(sizes.sum())
        topics = np.repeat(self._pick(self._topic, count), sizes)
        own = self._topics[topics, self._pick(self._of_topic, total)]
        words = np.where(self._chance.random(total) < OF_TOPIC, own, self._pick(self._zipf, total))
        named = [f"w{number}" for number in words.tolist()]
        ends = np.cumsum(sizes).tolist()
        return [" ".join(named[start:end]) for start, end in pairwise([0, *ends])]

    def questions(self, count: int) -> list[str]:
        return self.sentences(count, 2, 9)

    def records(self, count: int, first: int = 0) -> list[Record]:
        return [
            Record(
                text,
                "text",
                self._plain.choice(["user", "evidence"]),
                session=session_of(number),
                media=_media(self._plain.random()),
                time=START + 60 * number,
            )
            for number, text in enumerate(self.sentences(count, 5, 40), first)
        ]

    def derived(self, stored: Sequence[Record]) -> list[Record]:
        """What consolidation would make of the records of a session, if not in these words."""
        span = SAID // SUMMARIES
        groups = [("summary", stored[start : start + span]) for start in range(0, len(stored), span)]
        groups += [("fact", [record]) for record in stored[:: SAID // FACTS]]
        return [
            Record(
                text,
                "text",
                "derived",
                session=sources[0].session,
                time=sources[-1].time,
                level=level,
                sources=tuple(record.id for record in sources),
            )
            for text, (level, sources) in zip(self.sentences(len(groups), 10, 60), groups, strict=True)
        ]

    def _pick(self, shares: np.ndarray, count: int) -> np.ndarray:
        return np.minimum(np.searchsorted(shares, self._chance.random(count)), len(shares) - 1)


def session_of(number: int) -> str:
    """The name of the session that the record of this number is of; callers take turns."""
    session = number // SESSION
    return f"caller{session % CALLERS}.{session}"


def _media(draw: float) -> tuple[str, ...]:
    """A tenth of the records rest on pictures, a hundredth on sounds."""
    return ("image",) if draw < 0.1 else ("audio",) if draw < 0.11 else ()


Marks = list[np.ndarray]
"""Milliseconds, by the clock and of computing, each time that something was done."""


@dataclass(slots=True)
class Figures:
    """What was measured at one size."""

    size: int
    milliseconds: dict[str, Marks] = field(default_factory=dict)
    single: dict[str, str] = field(default_factory=dict)


def fill(store: MemoryStore, texts: Texts, size: int) -> float:
    """Store and embed `size` records; records a second."""
    began = time.perf_counter()
    for start in range(0, size, SESSION):
        stored = store.remember(texts.records(min(SAID, size - start), start))
        store.remember(texts.derived(stored)[: size - start - len(stored)])
        store.embed_pending()
    return size / (time.perf_counter() - began)


def built(path: Path, encoder: CheapEncoder) -> tuple[str, float]:
    """Have the index built as a store does it, in the background; what it then is, and the seconds."""
    with closing(Database(path / "memory.db")) as database:
        index = VectorIndex(database, path / "index.faiss")
        began = time.perf_counter()
        index.search(1, encoder(["w1"])[0], 10)
        index.settle()
        took = time.perf_counter() - began
        state = index.state()
        index.close()
    return state, took


def matrix_of(path: Path) -> tuple[np.ndarray, Floats]:
    with closing(Database(path / "memory.db")) as database, database.read() as connection:
        count = connection.execute("SELECT count(*) FROM vectors").fetchone()[0]
        rows, vectors, at, high = np.zeros(count, np.int64), np.zeros((count, DIMENSION), np.float32), 0, 0
        while found := vectors_after(connection, 1, high, 4096):
            high, some, some_vectors = found
            rows[at : at + len(some)], vectors[at : at + len(some)] = some, some_vectors
            at += len(some)
    return rows, vectors


def recall_of_index(
    path: Path, encoder: CheapEncoder, questions: list[str], rows: np.ndarray, all_: Floats
) -> float:
    """The share of the true ten nearest to the questions that the index finds; ties count alike."""
    place = {int(row): number for number, row in enumerate(rows)}
    found = 0
    with closing(Database(path / "memory.db")) as database:
        index = VectorIndex(database, path / "index.faiss")
        for vector in encoder(questions):
            cosines = all_ @ vector
            bar = np.partition(cosines, -10)[-10] - SAME
            found += sum(cosines[place[row]] >= bar for row, _ in index.search(1, vector, 10))
    return found / (10 * len(questions))


def timed(
    calls: Mapping[str, Callable[[str], object]], questions: Sequence[str], encoder: CheapEncoder
) -> dict[str, Marks]:
    """What each call takes less the cheap encoder. The calls take turns, so that a busy moment meets all, in
    an order drawn for each question: one that reads all vectors leaves nothing in the caches for the next."""
    marks: dict[str, Marks] = {name: [] for name in calls}
    for call in calls.values():
        call(questions[0])
    for question in questions:
        for name, call in random.sample(list(calls.items()), len(calls)):
            encoder.spent = np.zeros(2)
            began = now()
            call(question)
            marks[name].append((now() - began - encoder.spent) * 1000)
    return marks


def words_alone(path: Path) -> Callable[[str], object]:
    connection = sqlite3.connect(path / "memory.db")
    select = (
        "SELECT records.text FROM words JOIN records ON row = words.rowid WHERE words MATCH ?"
        " ORDER BY words.rank LIMIT 10"
    )

    def search(question: str) -> object:
        expression = " OR ".join(f'"{word}"' for word in question.split())
        return connection.execute(select, (expression,)).fetchall()

    return search


def exact_alone(
    path: Path, encoder: CheapEncoder, rows: np.ndarray, vectors: Floats
) -> Callable[[str], object]:
    connection = sqlite3.connect(path / "memory.db")
    faiss.omp_set_num_threads(1)  # as memory does: a team of threads only waits for itself here
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(vectors)

    def search(question: str) -> object:
        _, places = index.search(encoder([question]), 10)
        found = rows[places[0]].tolist()
        marks = ", ".join("?" * len(found))
        return connection.execute(f"SELECT text FROM records WHERE row IN ({marks})", found).fetchall()

    return search


def writes(store: MemoryStore, texts: Texts, count: int) -> dict[str, Marks]:
    """Milliseconds to acknowledge one record, and three events, while another thread keeps reading."""
    done = threading.Event()
    questions = texts.questions(1000)

    def read() -> None:
        while not done.is_set():
            store.recall(random.choice(questions))

    reader = threading.Thread(target=read)
    reader.start()
    records, events, session = [], [], f"bench-{os.getpid()}"
    delta = {"type": "reply.text", "turn": 1, "time": 0.0, "text": "twelve words " * 6}
    try:
        for start, end in pairwise(range(0, 3 * count + 1, 3)):
            (record,) = texts.records(1)
            began = now()
            store.remember([record])
            written = now()
            store.log.append(session, [{**delta, "seq": seq + 1} for seq in range(start, end)])
            records.append((written - began) * 1000)
            events.append((now() - written) * 1000)
    finally:
        done.set()
        reader.join()
    return {"write of 1 record, while reading": records, "write of 3 events, while reading": events}


def real_encoder(models: Path) -> TextEncoder | None:
    """The default model, when it is installed; nothing is fetched."""
    encoder = TextEncoder(ModelStore(models), DEFAULTS["embed"])
    return encoder if encoder.installed() else None


def time_recall(
    path: Path, encoder: CheapEncoder, real: TextEncoder | None, questions: list[str], size: int
) -> dict[str, Marks]:
    rows, vectors = matrix_of(path)
    newest = START + 60 * size
    session, caller = session_of(2 * SESSION), f"{session_of(2 * SESSION).partition('.')[0]}."
    with ExitStack() as opened:
        store = opened.enter_context(opened_store(path, encoder))

        def asking(**restrictions: Any) -> Callable[[str], object]:
            """As a turn asks."""
            return lambda question: store.recall(Query(question, k=HITS, hurried=True, **restrictions))

        calls: dict[str, Callable[[str], object]] = {
            "baseline: exact search": exact_alone(path, encoder, rows, vectors),
            "baseline: words alone": words_alone(path),
            "recall": asking(),
            "recall of a tenth: images": asking(kinds=("image",)),
            "recall of a hundredth: sounds": asking(kinds=("audio",)),
            "recall of all but derived: text": asking(kinds=("text",)),
            "recall of a tenth: one caller": asking(scope=caller),
            "recall of a caller's images": asking(scope=caller, kinds=("image",)),
            "recall of one session": asking(session=session),
            "recall of a session's images": asking(session=session, kinds=("image",)),
            "recall of the newest half": asking(since=newest - 30 * size),
            "recall of the newest hundredth": asking(since=newest - 0.6 * size),
            "recall at two speeds": lambda question: store.recollect(Query(question, k=HITS, hurried=True)),
        }
        if real is not None:
            other = opened.enter_context(opened_store(path, RealEncoder(real, encoder)))
            calls["recall, with the real encoder"] = lambda question: other.recall(question, k=HITS)
        return timed(calls, questions, encoder)


def opened_store(path: Path, encoder: CheapEncoder | RealEncoder) -> MemoryStore:
    return MemoryStore.open(path, encoder, encoder.tokens)


def started(path: Path) -> dict[str, float]:
    """A fresh process opens the store and asks one question; its figures."""
    command = [sys.executable, __file__, "--open", str(path)]
    began = time.perf_counter()
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return {**json.loads(answer.stdout), "process": time.perf_counter() - began}


def open_once(path: Path) -> None:
    """In the fresh process: seconds to the first answer, and bytes of memory that this took."""
    encoder = CheapEncoder()
    (question,) = Texts(23).questions(1)
    before, began = resident(), time.perf_counter()
    with opened_store(path, encoder) as store:
        store.recall(question)
        took = time.perf_counter() - began
        print(json.dumps({"answer": took, "memory": resident() - before}))


def resident() -> int:
    """Bytes of memory that are this process's own (pages of mapped files left out)."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024


def bench(size: int, count: int, real: TextEncoder | None, path: Path) -> Figures:
    texts, encoder, figures = Texts(11), CheapEncoder(), Figures(size)
    questions = Texts(17).questions(count)
    if not (path / "memory.db").exists():
        with opened_store(path, encoder) as store:
            figures.single["stored and embedded a second"] = f"{fill(store, texts, size):,.0f}"
        state, took = built(path, encoder)
        figures.single["index"] = state
        figures.single["index built in, s"] = f"{took:.1f}"
    rows, vectors = matrix_of(path)
    figures.single["recall@10 of the index"] = (
        f"{recall_of_index(path, encoder, questions, rows, vectors):.3f}"
    )
    del rows, vectors
    load = f"{os.getloadavg()[0]:.1f}"
    figures.milliseconds = time_recall(path, encoder, real, questions, size)
    with opened_store(path, encoder) as store:
        figures.milliseconds |= writes(store, texts, count)
        began = time.perf_counter()
        store.stats()
        figures.single["stats, ms"] = f"{(time.perf_counter() - began) * 1000:.0f}"
    figures.single["load average before and after"] = f"{load}, {os.getloadavg()[0]:.1f}"
    fresh = started(path)
    on_disk = {name: (path / name).stat().st_size / size for name in ("memory.db", "index.faiss")}
    figures.single |= {
        "bytes a record on disk": f"{on_disk['memory.db']:,.0f} + index {on_disk['index.faiss']:,.0f}",
        "of them tokens": f"{token_bytes(path) / size:,.0f}",
        "bytes a record in memory": f"{fresh['memory'] / size:,.0f}",
        "first answer of a fresh process, s": f"{fresh['answer']:.2f} (with imports {fresh['process']:.2f})",
    }
    return figures


def token_bytes(path: Path) -> int:
    with closing(Database(path / "memory.db")) as database, database.read() as connection:
        return int(connection.execute("SELECT sum(length(states)) FROM tokens").fetchone()[0])


def show(figures: Figures) -> None:
    print(f"\n{figures.size:,} records\n")
    print(f"| {'milliseconds':<35} | {'p50':>8} | {'p95':>8} | {'CPU p50':>8} | {'CPU p95':>8} |")
    print(f"|{'-' * 37}|{'|'.join(['-' * 10] * 4)}|")
    for name, marks in figures.milliseconds.items():
        (half, half_cpu), (most, most_cpu) = np.percentile(marks, [50, 95], axis=0)
        print(f"| {name:<35} | {half:8.2f} | {most:8.2f} | {half_cpu:8.2f} | {most_cpu:8.2f} |")
    print()
    for name, value in figures.single.items():
        print(f"{name}: {value}")
    sys.stdout.flush()


def curve(all_: Sequence[Figures]) -> None:
    for column, what in enumerate(("by the clock", "of computing")):
        print(f"\n| p50 / p95 in ms, {what} | {' | '.join(f'{figures.size:,}' for figures in all_)} |")
        print(f"|---|{'---|' * len(all_)}")
        for name in all_[0].milliseconds:
            of_sizes = (np.percentile(f.milliseconds[name], [50, 95], axis=0)[:, column] for f in all_)
            print(f"| {name} | {' | '.join(f'{half:.2f} / {most:.2f}' for half, most in of_sizes)} |")
    print(f"\n| | {' | '.join(f'{figures.size:,}' for figures in all_)} |")
    print(f"|---|{'---|' * len(all_)}")
    for name in all_[0].single:
        print(f"| {name} | {' | '.join(figures.single.get(name, '') for figures in all_)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument(
        "--models", type=Path, default=Path(platformdirs.user_cache_dir("antiphon")) / "models"
    )
    parser.add_argument(
        "--keep", type=Path, help="a folder in which the stores are left, and measured again by the next run"
    )
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.open is not None:
        open_once(arguments.open)
        return
    real = real_encoder(arguments.models)
    if real is None:
        print(f"no encoder in {arguments.models}: the row for the real one is left out")
    done = []
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) if arguments.keep is None else arguments.keep / str(size)
            done.append(bench(size, arguments.queries, real, path))
        show(done[-1])
    curve(done)


if __name__ == "__main__":
    main()
