"""What was acknowledged survives: killed processes, processes and threads that write at once."""

from __future__ import annotations

import base64
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from memory.ids import new_id
from memory.records import Record
from memory.store import MemoryStore
from memory.vectors import Floats

WRITER = """
import base64, os, sys
from itertools import count
from pathlib import Path
from memory.records import Record
from memory.store import MemoryStore

store = MemoryStore.open(Path(sys.argv[1]))
session, limit = sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
for n in count():
    if limit and n == limit:
        break
    blob = store.blobs.put(os.urandom(3000), "image/png")
    print("blob", blob.digest, flush=True)
    said = Record(f"{session} {n}", "text", "user", session=session, blobs=(blob.digest,))
    (record,) = store.remember([said])
    print("record", record.id, flush=True)
    seq = store.log.last_seq(session) + 1
    pcm = base64.urlsafe_b64encode(os.urandom(3000)).decode()
    store.log.append(session, [
        {"type": "reply.speech", "turn": n, "seq": seq, "time": n / 10, "pcm": pcm},
        {"type": "turn.finished", "turn": n, "seq": seq + 1, "time": n / 10, "text": "done"},
    ])
    print("event", seq + 1, flush=True)
"""


def start(folder: Path, session: str, limit: int = 0) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITER, str(folder), session, str(limit)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check_whole(folder: Path) -> None:
    direct = sqlite3.connect(folder / "memory.db")
    assert direct.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert direct.execute("PRAGMA foreign_key_check").fetchall() == []
    direct.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
    direct.close()


def test_a_killed_process_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(11)
    acknowledged: list[tuple[str, str]] = []
    for _ in range(15):
        child = start(tmp_path, "trip")
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        lines = [child.stdout.readline() for _ in range(chance.randrange(0, 40))]
        child.kill()
        # What it still got out before it died was acknowledged as well; a last line may be torn.
        lines += child.stdout.read().splitlines(keepends=True)
        child.wait()
        acknowledged += [tuple(line.split()) for line in lines if line.endswith("\n")]  # type: ignore[misc]
        with MemoryStore.open(tmp_path) as store:
            for what, value in acknowledged:
                if what == "record":
                    (digest,) = store.get(value).blobs
                    assert len(store.blobs.read(digest)) == 3000
                elif what == "blob":
                    assert len(store.blobs.read(value)) == 3000
            highest = max([int(value) for what, value in acknowledged if what == "event"], default=0)
            events = store.log.read("trip")
            assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
            assert len(events) >= highest
            assert len(events) % 2 == 0, "half of an append was kept"
            assert all(len(base64.urlsafe_b64decode(event["pcm"])) == 3000 for event in events[::2])
    assert len(acknowledged) > 100
    check_whole(tmp_path)


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    children = [start(tmp_path, name, limit=60) for name in ("one", "two")]
    for child in children:
        _, complaint = child.communicate(timeout=100)
        assert child.returncode == 0, complaint
    with MemoryStore.open(tmp_path) as store:
        for name in ("one", "two"):
            assert [record.text for record in store.records(name)] == [f"{name} {n}" for n in range(60)]
            assert store.log.last_seq(name) == 120
        ids = [record.id for record in store.records()]
        assert len(set(ids)) == 120
        assert store.stats().blobs == 240
    check_whole(tmp_path)


def test_two_processes_in_one_session_never_share_a_number(tmp_path: Path) -> None:
    children = [start(tmp_path, "same", limit=30) for _ in range(2)]
    failures = 0
    for child in children:
        _, complaint = child.communicate(timeout=100)
        assert child.returncode == 0 or "comes next" in complaint, complaint
        failures += child.returncode != 0
    assert failures < 2
    with MemoryStore.open(tmp_path) as store:
        seqs = [event["seq"] for event in store.log.read("same")]
        assert seqs == list(range(1, len(seqs) + 1))


def test_who_reads_and_then_writes_keeps_other_processes_out(store: MemoryStore, tmp_path: Path) -> None:
    with MemoryStore.open(tmp_path / "memory") as other:
        writing = threading.Thread(target=other.remember, args=([Record("b", "text", "user")],))
        with store._database.write() as connection:
            assert connection.execute("SELECT count(*) FROM records").fetchone() == (0,)
            writing.start()
            writing.join(0.2)
            assert writing.is_alive(), "the other one wrote in between"
            connection.execute("INSERT INTO sessions (name, opened, touched) VALUES ('x', 0, 0)")
        writing.join()
        assert len(store.records()) == 1


def test_threads_share_one_store(store: MemoryStore) -> None:
    photo = store.blobs.put(b"photo", "image/png")
    done = threading.Event()

    def write(name: str) -> None:
        for n in range(25):
            record = Record(f"cat {name} {n}", "text", "user", session=name, blobs=(photo.digest,))
            store.remember([record, record])
            store.log.append(name, [{"type": "x", "turn": n, "seq": n + 1, "time": 0.0}])
            if n % 5 == 0:
                store.forget([store.records(name)[-1].id])

    def read() -> None:
        while not done.is_set():
            for hit in store.recall("cat", k=20):
                assert hit.record.text.startswith("cat")
            store.stats()

    with ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        writers = [pool.submit(write, f"w{n}") for n in range(4)]
        for writer in writers:
            writer.result()
        done.set()
        for reader in readers:
            reader.result()
    assert len(store.records()) == 4 * (50 - 5)
    assert len(store.recall("cat", k=500)) == 180
    assert [store.log.last_seq(f"w{n}") for n in range(4)] == [25] * 4
    check_whole(store.path)


def test_threads_that_ask_first_all_find_the_vectors(reopen: Callable[..., MemoryStore]) -> None:
    reopen(None).remember([Record("a cat", "text", "user")])
    for shift in range(40):  # each encoder is a new one to the store

        def embed(texts: Sequence[str], shift: int = shift) -> Floats:
            rows = np.zeros((len(texts), 40), np.float32)
            rows[:, shift] = 1
            return rows

        store, together = reopen(embed), threading.Barrier(4)

        def ask(store: MemoryStore = store, together: threading.Barrier = together) -> dict[str, int]:
            together.wait()
            return dict(store.recall("cat")[0].ranks)

        with ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(ask) for _ in range(4)]
        assert [answer.result() for answer in answers] == [{"lexical": 1, "dense": 1}] * 4


def test_ids_are_unique_and_in_order_over_threads() -> None:
    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(lambda _: [new_id() for _ in range(2000)], range(4)))
    for batch in batches:
        assert batch == sorted(batch)
    assert len({value for batch in batches for value in batch}) == 8000
    assert {len(value) for batch in batches for value in batch} == {26}


def test_a_call_that_is_refused_stores_none_of_its_records(store: MemoryStore) -> None:
    from specialists.errors import BadInput

    good = Record("good", "text", "user")
    for bad in (
        Record("half \ud800", "text", "user"),
        Record("x", "", "user"),
        Record("x", "text", ""),
        Record("x", "text", "user", blobs=("../../etc",)),
        Record("x", "text", "user", facts={"f": object()}),
        Record("x", "text", "user", facts={"f": float("nan")}),
        Record("x", "text", "user", score=float("inf")),
        Record("x", "text", "user", turn=2**63),
        Record("x", "text", "user", time=float("nan")),
        Record("x", "text", "user", session="a/b"),
        Record("x", "text", "user", id="01MINE"),
    ):
        with pytest.raises(BadInput):
            store.remember([good, bad])
    assert store.records() == []
