"""What survives: processes are killed at random moments while they write, forget, index and consolidate.

    python -m benchmarks.durability [--rounds 200] [--seed 7] [--folder DIR]

About 5 minutes for 200 rounds on two cores. In every round two processes of six threads each work on one
store: two write (blob, records, events), one forgets (records, sessions, what holds a word), one embeds texts
and their tokens, and builds and saves an approximate index, one recalls (at two speeds, by kind and by
session), one consolidates. Each writes down in a pipe what a call has acknowledged. After a random time both
are killed (SIGKILL). Then the store is opened, and everything that was acknowledged must be there, everything
that was acknowledged as forgotten gone, also from the bytes of all files, its tokens among them, and the
audit must find nothing wrong: SQLite's integrity check, logs without gaps, words, vectors, tokens and the
file of the index in step with the records.

Every fourth round runs on a full disk: a tmpfs of a few megabytes, filled but for a random rest, where it
can be mounted; else with a limit on the size of files (RLIMIT_FSIZE). There calls may fail, with the error
that says so and no other, and what they acknowledged must still be there when there is space again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import faiss  # noqa: F401  # before the processes are forked, so that each starts at once
import numpy as np

from memory.forgetting import Forget
from memory.index import VectorIndex
from memory.proof import Needles
from memory.records import Query, Record
from memory.store import MemoryStore
from memory.vectors import Floats
from specialists.embed import Encoded
from specialists.errors import Unavailable, UnknownName

PROCESSES = 2
READY_SECONDS = 20.0
TURNS = 12
"""Turns of a session, after which a writer begins the next one."""
FLAT_BELOW = 300
DISK_BYTES = 48 << 20
BLOCK = 1 << 16
REST_BYTES = 400_000
"""So much is left at most of a disk that is full."""
FRESH_BYTES = 16 << 20
"""A store that has grown beyond is left for an empty one, so that rounds stay short."""
FULL_EVERY = 4
TOKEN_BYTES = 28


def said(word: str) -> str:
    return f"I moved to {word} today"


def seen(word: str) -> str:
    return f"a picture of {word}"


def embed(texts: Sequence[str]) -> Floats:
    """Hashed words as unit rows [n, 32]: enough to tell records apart, and free."""
    rows = np.full((len(texts), 32), 1e-3, dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in text.split():
            row[zlib.crc32(word.encode()) % 32] += 1
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def tokens(texts: Sequence[str]) -> list[Encoded]:
    """The same vectors, and a token a word: int8 [words, 16], a little different in every text as a real
    encoder's are."""
    return [
        Encoded(vector, _states(text), np.zeros((len(text.split()), 2), np.int32))
        for text, vector in zip(texts, embed(texts), strict=True)
    ]


def _states(text: str) -> np.ndarray:
    words = [_drawn(word, 16, 120) for word in text.split()]
    return np.reshape(np.array(words, np.int8) + _drawn(text, 16, 8), (-1, 16))


def _drawn(text: str, count: int, most: int) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(text.encode())).integers(-most, most, count, dtype=np.int8)


# --- the processes that are killed -----------------------------------------------------------------------


class Worker:
    """One process: its store, and what its threads know of each other's work."""

    def __init__(self, folder: Path, name: str, acks: Connection) -> None:
        self._store = MemoryStore.open(folder, embed, tokens)
        self._folder = folder
        self._name = name
        self._pipe = acks.fileno()
        self._done: list[str] = []
        self._ids: list[str] = []
        self._words: list[str] = []

    def run(self) -> None:
        self._tell("ready")
        works = (self._write, self._write, self._forget, self._index, self._recall, self._consolidate)
        threads = [threading.Thread(target=self._go_on, args=(work, n)) for n, work in enumerate(works)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _tell(self, *words: object) -> None:
        """One line, in one piece: what stands in the pipe was acknowledged."""
        os.write(self._pipe, (" ".join(map(str, words)) + "\n").encode())

    def _refused(self, error: Unavailable) -> None:
        self._tell("full", " ".join(str(error).split())[:300])
        time.sleep(0.002)

    def _go_on(self, work: Callable[[int], None], number: int) -> None:
        while True:
            try:
                work(number)
            except Unavailable as error:
                self._refused(error)
            except Exception as error:  # noqa: BLE001 - whatever it is, the report must name it
                self._tell("bug", work.__name__, type(error).__name__, " ".join(str(error).split())[:300])
                return

    def _write(self, number: int) -> None:
        session = f"{self._name}-{number}-{secrets.token_hex(4)}"
        self._tell("begins", session)
        for turn in range(1, TURNS + 1):
            store, word = self._store, f"zq{secrets.token_hex(12)}"
            blob = store.blobs.put(secrets.token_bytes(700), "image/png")
            wish = Record(said(word), "text", "user", session, turn)
            found = Record(
                seen(word), "text", "evidence", session, turn, "ocr", word, (blob.digest,), ("image",)
            )
            self._tell("writes", session, word)
            stored = store.remember([wish, found])
            for record in stored:
                self._tell("record", record.id, session, blob.digest, word)
            seq = store.log.last_seq(session)
            parts = [{"kind": "text", "text": wish.text}]
            asked = {"type": "turn.started", "message": {"role": "user", "parts": parts}}
            answered = {"type": "turn.finished", "text": f"ok {word}"}
            common = {"turn": turn, "time": 0.0}
            events = [{**asked, **common, "seq": seq + 1}, {**answered, **common, "seq": seq + 2}]
            store.log.append(session, events)
            self._tell("event", session, seq + 2)
            self._ids.append(stored[0].id)
            self._words.append(word)
        self._done.append(session)

    def _forget(self, number: int) -> None:
        kind = random.random()
        if kind < 0.4 and self._ids:
            name = self._ids.pop(random.randrange(len(self._ids)))
            self._tell("forgets", name)
            self._gone(lambda: self._store.forget([name]))
            self._tell("forgot", name)
        elif kind < 0.7 and self._done:
            session = self._done.pop(random.randrange(len(self._done)))
            self._tell("erases", session)
            self._gone(lambda: self._store.erase(Forget(session=session)))
            self._tell("erased", session)
        elif self._words:
            word = self._words.pop(random.randrange(len(self._words)))
            self._tell("unsays", word)
            self._gone(lambda: self._store.erase(Forget(query=word)))
            self._tell("unsaid", word)
        else:
            time.sleep(0.005)

    def _gone(self, forget: Callable[[], object]) -> None:
        """Forget until it is acknowledged; another wish may have taken it along."""
        while True:
            try:
                forget()
            except UnknownName:
                self._store.audit(repair=True)
            except Unavailable as error:
                self._refused(error)
                continue
            return

    def _index(self, number: int) -> None:
        path = self._folder / "index.faiss"
        index = VectorIndex(self._store._database, path, flat_below=FLAT_BELOW)
        self._store.embed_pending(64)
        space = self._store._vectors.space()
        index.search(space, embed(["a picture of something"])[0], 10)
        index.settle()
        index.save()

    def _recall(self, number: int) -> None:
        word = random.choice(self._words or ["something"])
        self._store.recollect(f"Where did I move to while there was a picture of {word}?", k=5)
        self._store.recall(Query("picture today", k=5, kinds=("image",), scope=self._name, hurried=True))
        if self._done:
            self._store.recall("picture today", k=5, session=random.choice(self._done))

    def _consolidate(self, number: int) -> None:
        if not self._store.consolidate(4):
            time.sleep(0.005)


def work(folder: Path, name: str, acks: Connection, file_bytes: int | None) -> None:
    """The main function of a process that will be killed."""
    if file_bytes is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    while True:
        try:
            worker = Worker(folder, name, acks)
        except Unavailable:
            os.write(acks.fileno(), b"full\n")
            time.sleep(0.01)
            continue
        worker.run()


# --- what was acknowledged, and whether it is so ---------------------------------------------------------


@dataclass(slots=True)
class Ledger:
    """What the processes said, over all rounds on one store."""

    records: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Session, digest and word of each record that was acknowledged, by its id."""
    events: dict[str, int] = field(default_factory=dict)
    wished: set[str] = field(default_factory=set)
    """Ids, sessions and words whose forgetting began: they may be gone."""
    gone: set[str] = field(default_factory=set)
    """Those whose forgetting was acknowledged: they must be gone."""
    words: dict[str, set[str]] = field(default_factory=dict)
    """The words that were to be written in each session."""
    acks: int = 0
    full: int = 0
    why: str = ""
    """What the last call said that was refused for want of space."""
    bugs: list[str] = field(default_factory=list)

    def note(self, line: str) -> None:
        what, *rest = line.split(" ")
        if what == "record":
            self.records[rest[0]] = (rest[1], rest[2], rest[3])
        elif what == "event":
            self.events[rest[0]] = int(rest[1])
        elif what == "writes":
            self.words.setdefault(rest[0], set()).add(rest[1])
        elif what in ("forgets", "erases", "unsays"):
            self.wished.add(rest[0])
        elif what in ("forgot", "erased", "unsaid"):
            self.gone.add(rest[0])
        elif what == "full":
            self.full += 1
            self.why = " ".join(rest)
        elif what == "bug":
            self.bugs.append(" ".join(rest))
        self.acks += what in ("record", "event", "forgot", "erased", "unsaid")

    def touched(self, record: str) -> bool:
        """Whether this record may have been forgotten: it, its session, or a word of its turn."""
        session, _, word = self.records[record]
        return not self.wished.isdisjoint((record, session, word))


@dataclass(slots=True)
class Outcome:
    """One round: what was lost, found wrong, and how long opening took in seconds."""

    losses: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


def check(folder: Path, ledger: Ledger) -> Outcome:
    """Open the store and hold it against the ledger."""
    outcome = Outcome()
    began = time.perf_counter()
    store = MemoryStore.open(folder, embed, tokens)
    outcome.seconds = time.perf_counter() - began
    with store:
        there = {record.id: record for record in store.records()}
        for name, (_, digest, _) in ledger.records.items():
            if name in there:
                for blob in there[name].blobs:
                    if not store.blobs.has(blob):
                        outcome.losses.append(f"blob of {name}")
            elif not ledger.touched(name):
                outcome.losses.append(f"record {name} with {digest[:8]}")
        last = {info.name: info.events for info in store.log.sessions()}
        for session, seq in ledger.events.items():
            wiped = session in ledger.wished or not ledger.wished.isdisjoint(ledger.words[session])
            if last.get(session, 0) < seq and not (wiped and session not in last):
                outcome.losses.append(f"event {seq} of {session}")
        for name in ledger.gone & there.keys():
            outcome.wrong.append(f"record {name} is back")
        outcome.wrong += [f"session {session} is back" for session in ledger.gone & last.keys()]
        finished = store.audit(repair=bool(ledger.wished - ledger.gone))
        outcome.wrong += [f"{f.check}: {f.count} {f.what} {f.examples}" for f in finished if f.wrong]
        store.embed_pending()
        outcome.wrong += _tokens_amiss(store)
        some = random.sample(sorted(there), min(5, len(there)))
        for name in some:
            if name not in {hit.record.id for hit in store.recall(there[name].text, k=3)}:
                outcome.wrong.append(f"{name} is not found by its own words")
        store.consolidate(2)
    outcome.wrong += _bytes_left(folder, ledger)
    return outcome


def _tokens_amiss(store: MemoryStore) -> list[str]:
    """Once nothing waits, what has a vector has its tokens, and nothing else has any."""
    with store._database.read() as connection:
        with_vectors, with_tokens = (
            set(connection.execute(f"SELECT record, space FROM {table}")) for table in ("vectors", "tokens")
        )
    amiss = sorted(with_vectors ^ with_tokens)
    return [f"{len(amiss)} records have a vector or tokens without the other: {amiss[:5]}"] if amiss else []


def _bytes_left(folder: Path, ledger: Ledger) -> list[str]:
    """The files in which a word stands that was acknowledged as forgotten everywhere, or the beginning of the
    tokens of what was said or seen with it."""
    words = {name for name in ledger.gone if name.startswith("zq")}
    words.update(word for session in ledger.gone for word in ledger.words.get(session, ()))
    texts = [text for word in words for text in (said(word), seen(word))]
    begins = [encoded.states.tobytes()[:TOKEN_BYTES] for encoded in tokens(texts)]
    needles = Needles.of([*(word.encode() for word in words), *begins], [])
    # The store is closed: SQLite holds no locks that reading its files could take away.
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    held = {name: len(needles.in_bytes(data)) for name, data in files.items()}
    return [f"{name} still holds {count} pieces" for name, count in held.items() if count]


# --- rounds ----------------------------------------------------------------------------------------------


class Killer:
    """Runs rounds on one store, and begins another one where it has grown."""

    def __init__(self, base: Path, chance: random.Random, disk_bytes: int | None) -> None:
        """`disk_bytes` is the size of the disk that `base` lies on, None for one that has room."""
        self._base = base
        self._chance = chance
        self._disk_bytes = disk_bytes
        self._context = multiprocessing.get_context("forkserver")
        # Its parent has imported everything: each process begins at once.
        self._context.set_forkserver_preload([__name__])
        self._round = 0
        self._fresh()

    def _fresh(self) -> None:
        self.ledger = Ledger()
        self._folder = self._base / f"store-{self._round}"

    def round(self, *, limited: bool = False) -> tuple[Outcome, Ledger]:
        """Work, kill, look. With `limited`, files may not grow much."""
        self._round += 1
        if self._folder.exists() and _size(self._folder) > FRESH_BYTES:
            shutil.rmtree(self._folder)
            self._fresh()
        before = (self.ledger.acks, self.ledger.full)
        if not self._folder.exists():
            MemoryStore.open(self._folder, embed).close()
        limit = None
        if limited:
            largest = max(path.stat().st_size for path in self._folder.iterdir() if path.is_file())
            limit = largest + self._chance.randrange(REST_BYTES)
        self._work_and_kill(limit)
        outcome = check(self._folder, self.ledger)
        outcome.wrong += self.ledger.bugs
        self.ledger.bugs.clear()
        if self._disk_bytes is None and not limited and self.ledger.full > before[1]:
            outcome.wrong.append(f"refused though there is space: {self.ledger.why}")
        self.acks, self.full = self.ledger.acks - before[0], self.ledger.full - before[1]
        return outcome, self.ledger

    def _work_and_kill(self, limit: int | None) -> None:
        readers, processes = [], []
        for number in range(PROCESSES):
            ours, theirs = self._context.Pipe(duplex=False)
            name = f"r{self._round}p{number}"
            process = self._context.Process(target=work, args=(self._folder, name, theirs, limit))
            process.start()
            theirs.close()
            processes.append(process)
            lines: list[bytes] = []
            reader = threading.Thread(target=_drain, args=(ours, lines))
            reader.start()
            readers.append((reader, lines))
        try:
            ready = time.monotonic() + READY_SECONDS
            while not all(lines for _, lines in readers) and time.monotonic() < ready:
                time.sleep(0.005)
            self._fill()
            time.sleep(self._chance.uniform(0.0, 1.2))
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                process.join()
            (self._base / "ballast").unlink(missing_ok=True)
        for reader, lines in readers:
            reader.join()
            for line in b"".join(lines).decode().splitlines(keepends=True):
                if line.endswith("\n"):
                    self.ledger.note(line[:-1])

    def _fill(self) -> None:
        """Fill the small disk but for a random rest."""
        if self._disk_bytes is None:
            return
        room = shutil.disk_usage(self._base).free - self._chance.randrange(REST_BYTES)
        # What the processes wrote meanwhile may have taken more than the rest: then it is full at once.
        with suppress(OSError), (self._base / "ballast").open("wb", buffering=0) as file:
            for _ in range(0, room, BLOCK):
                file.write(bytes(BLOCK))


def _drain(pipe: Connection, lines: list[bytes]) -> None:
    while data := os.read(pipe.fileno(), 1 << 16):
        lines.append(data)
    pipe.close()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A disk of DISK_BYTES at `folder`; False where this process may not mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    can = shutil.which("mount") is not None
    mounted = can and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


@dataclass(slots=True)
class Totals:
    """Over all rounds."""

    rounds: int = 0
    full_rounds: int = 0
    acks: int = 0
    refused: int = 0
    losses: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    disk: str = ""


def run(rounds: int, seed: int, base: Path, say: Callable[[str], None] = lambda text: None) -> Totals:
    """So many rounds, every fourth on a full disk; the base folder must exist and be empty."""
    chance, totals = random.Random(seed), Totals()
    (base / "roomy").mkdir()
    with small_disk(base / "small") as mounted:
        totals.disk = f"a tmpfs of {DISK_BYTES >> 20} MB" if mounted else "RLIMIT_FSIZE"
        roomy = Killer(base / "roomy", chance, None)
        full = Killer(base / "small", chance, DISK_BYTES if mounted else None)
        for number in range(1, rounds + 1):
            on_full = number % FULL_EVERY == 0
            killer = full if on_full else roomy
            outcome, _ = killer.round(limited=on_full and not mounted)
            totals.rounds += 1
            totals.full_rounds += on_full
            totals.acks += killer.acks
            totals.refused += killer.full
            totals.seconds.append(outcome.seconds)
            for kind, found, where in (
                ("LOST", outcome.losses, totals.losses),
                ("WRONG", outcome.wrong, totals.wrong),
            ):
                where += [f"round {number}: {sentence}" for sentence in found]
                for sentence in found[:5]:
                    say(f"round {number}: {kind} {sentence}")
            told = f"{killer.acks} acknowledged, {killer.full} refused, opened in {outcome.seconds:.2f} s"
            say(f"round {number}: {told}")
    return totals


def main() -> None:
    parser = argparse.ArgumentParser(description="kill -9 under load: what survives")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--folder", type=Path, help="where the stores are made; a temporary folder without it"
    )
    arguments = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        totals = run(
            arguments.rounds, arguments.seed, Path(folder), lambda text: print(text, file=sys.stderr)
        )
    seconds = sorted(totals.seconds)
    print(f"rounds of kill -9                {totals.rounds}")
    print(f"  of them with the disk full     {totals.full_rounds} ({totals.disk})")
    print(f"acknowledged calls               {totals.acks}")
    print(f"refused for want of space        {totals.refused}")
    print(f"acknowledged and lost            {len(totals.losses)}")
    print(f"found wrong                      {len(totals.wrong)}")
    print(f"open after the kill, median      {statistics.median(seconds):.3f} s")
    print(f"open after the kill, slowest     {seconds[-1]:.3f} s")
    print(f"whole run                        {time.perf_counter() - began:.0f} s")
    if totals.losses or totals.wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
