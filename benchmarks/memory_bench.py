"""How long memory takes to acknowledge a write and to answer a question, and how that compares.

    python benchmarks/memory_bench.py [--sizes 1000 10000 50000] [--queries 200] [--models DIR]

The texts are made up: words of a Zipf distribution, so that a few are in every other record and most are
rare. Vectors come from a cheap encoder (sums of fixed random word vectors, 384 dimensions), because
embedding 50,000 texts says nothing about memory; the row "real encoder" runs the default model on each
query as well. The baselines do one half of the work on the same data: `fts` ranks all words of the query
with FTS5 alone, `dense` is one FAISS search alone; both fetch the texts of their ten answers.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import faiss
import numpy as np
import platformdirs

from memory.records import Query, Record
from memory.store import MemoryStore
from memory.vectors import Embed, Floats

DIMENSION = 384
VOCABULARY = 20_000
SESSIONS = 50


class CheapEncoder:
    """Sums of fixed random word vectors: records that share words are near."""

    def __init__(self) -> None:
        self._words = np.random.default_rng(7).standard_normal((VOCABULARY, DIMENSION), dtype=np.float32)

    def __call__(self, texts: Sequence[str]) -> Floats:
        rows = np.stack([self._words[[_number(word) for word in text.split()]].sum(0) for text in texts])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _number(word: str) -> int:
    return int(word.removeprefix("w")) % VOCABULARY if word.startswith("w") else 0


class Texts:
    """Made-up sentences, the same on every run."""

    def __init__(self) -> None:
        self._random = random.Random(11)
        weights = [1 / rank for rank in range(1, VOCABULARY + 1)]
        total, self._cumulated = 0.0, []
        for weight in weights:
            total += weight
            self._cumulated.append(total)

    def sentence(self, words: int) -> str:
        picked = self._random.choices(range(VOCABULARY), cum_weights=self._cumulated, k=words)
        return " ".join(f"w{number}" for number in picked)

    def questions(self, count: int) -> list[str]:
        return [self.sentence(self._random.randrange(2, 9)) for _ in range(count)]

    def records(self, count: int) -> list[Record]:
        return [
            Record(
                self.sentence(self._random.randrange(5, 40)),
                "text",
                self._random.choice(["user", "assistant", "evidence"]),
                session=f"session {self._random.randrange(SESSIONS)}",
                media=("image",) if self._random.random() < 0.1 else (),
            )
            for _ in range(count)
        ]


def fill(store: MemoryStore, texts: Texts, size: int) -> float:
    """Store and embed `size` records; records a second."""
    began = time.perf_counter()
    for start in range(0, size, 1000):
        store.remember(texts.records(min(1000, size - start)))
        store.embed_pending()
    return size / (time.perf_counter() - began)


def timed(calls: Mapping[str, Callable[[str], object]], queries: Sequence[str]) -> dict[str, list[float]]:
    """Milliseconds a call. All calls take turns on each query, so that a busy moment meets them alike."""
    marks: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call(queries[0])
    for query in queries:
        for name, call in calls.items():
            began = time.perf_counter()
            call(query)
            marks[name].append((time.perf_counter() - began) * 1000)
    return marks


def writes(store: MemoryStore, texts: Texts, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds to acknowledge one record, and three events, while another thread keeps reading."""
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            store.recall(texts.sentence(6))

    reader = threading.Thread(target=read)
    reader.start()
    records, events = [], []
    delta = {"type": "reply.text", "turn": 1, "time": 0.0, "text": texts.sentence(12)}
    try:
        for start, end in pairwise(range(0, 3 * count + 1, 3)):
            (record,) = texts.records(1)
            began = time.perf_counter()
            store.remember([record])
            written = time.perf_counter()
            batch = [{**delta, "seq": seq + 1} for seq in range(start, end)]
            store.log.append("bench", batch)
            records.append((written - began) * 1000)
            events.append((time.perf_counter() - written) * 1000)
    finally:
        done.set()
        reader.join()
    return records, events


def fts_alone(path: Path) -> Callable[[str], object]:
    connection = sqlite3.connect(path)
    select = (
        "SELECT records.text FROM words JOIN records ON row = words.rowid WHERE words MATCH ?"
        " ORDER BY words.rank LIMIT 10"
    )

    def search(query: str) -> object:
        expression = " OR ".join(f'"{word}"' for word in query.split())
        return connection.execute(select, (expression,)).fetchall()

    return search


def dense_alone(path: Path, embed: Embed) -> Callable[[str], object]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT record, vector FROM vectors ORDER BY id").fetchall()
    faiss.omp_set_num_threads(1)  # as memory does: a team of threads only waits for itself here
    index = faiss.IndexIDMap(faiss.IndexFlatIP(DIMENSION))
    matrix = np.frombuffer(b"".join(vector for _, vector in rows), dtype="<f4").reshape(-1, DIMENSION)
    index.add_with_ids(matrix, np.array([row for row, _ in rows], dtype=np.int64))

    def search(query: str) -> object:
        _, found = index.search(embed([query]), 10)
        marks = ", ".join("?" * len(found[0]))
        rows = found[0].tolist()
        return connection.execute(f"SELECT text FROM records WHERE row IN ({marks})", rows).fetchall()

    return search


def real_encoder(models: Path) -> Embed | None:
    """The default model, when it is installed; nothing is fetched."""
    from specialists.embed import TextEncoder
    from specialists.models import DEFAULTS, ModelStore

    store = ModelStore(models)
    if not all(store.has(uri) for uri in DEFAULTS["embed"]):
        return None
    return TextEncoder(store, DEFAULTS["embed"]).encode


def line(name: str, marks: list[float], **against: list[float]) -> None:
    middle = statistics.median(marks)
    ratios = ", ".join(
        f"{middle / statistics.median(other):.2f} x {which}" for which, other in against.items()
    )
    print(f"| {name:<34} | {middle:7.2f} | {np.percentile(marks, 95):7.2f} | {ratios:<26} |")


def show_recall(store: MemoryStore, path: Path, cheap: Embed, real: Embed | None, queries: list[str]) -> None:
    calls: dict[str, Callable[[str], object]] = {
        "fts": fts_alone(path / "memory.db"),
        "dense": dense_alone(path / "memory.db", cheap),
        "recall": store.recall,
        "session": lambda query: store.recall(query, session="session 3"),
        "images": lambda query: store.recall(Query(query, kinds=("image",))),
    }
    with ExitStack() as opened:
        if real is not None:
            cost = real

            def both(asked: Sequence[str]) -> Floats:
                cost(asked)
                return cheap(asked)

            calls["real"] = opened.enter_context(MemoryStore.open(path, both)).recall
        marks = timed(calls, queries)
    line("baseline: fts alone", marks["fts"])
    line("baseline: dense alone", marks["dense"])
    line("recall", marks["recall"], fts=marks["fts"], dense=marks["dense"])
    line("recall in one session", marks["session"], recall=marks["recall"])
    line("recall of images", marks["images"], recall=marks["recall"])
    if real is not None:
        line("recall, real encoder for the query", marks["real"], recall=marks["recall"])


def bench(size: int, count: int, real: Embed | None) -> None:
    texts, cheap = Texts(), CheapEncoder()
    queries = texts.questions(count)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        with MemoryStore.open(path, cheap) as store:
            speed = fill(store, texts, size)
            print(f"\n{size:,} records, stored and embedded at {speed:,.0f} a second\n")
            print(f"| {'milliseconds':<34} | {'p50':>7} | {'p95':>7} | {'p50 against':<26} |")
            print(f"|{'-' * 36}|{'-' * 9}|{'-' * 9}|{'-' * 28}|")
            show_recall(store, path, cheap, real, queries)
            records, events = writes(store, texts, count)
            line("write of 1 record, while reading", records)
            line("write of 3 events, while reading", events)
        print(f"\nopened and first question answered: {first_answer(path, cheap):.0f} ms", end="; ")
        (path / "index.faiss").unlink()
        print(f"without an index file: {first_answer(path, cheap):.0f} ms")


def first_answer(path: Path, embed: Embed) -> float:
    """Milliseconds from opening a store to its first answer."""
    began = time.perf_counter()
    with MemoryStore.open(path, embed) as store:
        store.recall("w500 w600")
        return (time.perf_counter() - began) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 50_000])
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument(
        "--models", type=Path, default=Path(platformdirs.user_cache_dir("antiphon")) / "models"
    )
    arguments = parser.parse_args()
    real = real_encoder(arguments.models)
    if real is None:
        print(f"no encoder in {arguments.models}: the row for the real one is left out")
    for size in arguments.sizes:
        bench(size, arguments.queries, real)


if __name__ == "__main__":
    main()
