"""A process that dies while it builds, saves or erases leaves an index file that is whole or ignored."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from crowd import clustered, crowded, nearest

from memory.database import Database
from memory.index import VectorIndex

D = 64
START = 1500

CHURN = """
import sys
from itertools import count
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from crowd import clustered, join, leave
from memory.database import Database
from memory.index import VectorIndex

folder = Path(sys.argv[1])
database = Database(folder / "memory.db")
index = VectorIndex(database, folder / "index.faiss", flat_below=1000)
for n in count():
    rows = join(database, clustered(200, 64, seed=1000 * int(sys.argv[3]) + n))
    print("joined", flush=True)
    index.search(1, clustered(1, 64, seed=n)[0], 10)
    print("searched", flush=True)
    if n % 3 == 0:
        index.settle()
    index.save()
    print("saved", flush=True)
    leave(database, rows[::9])
    print("left", flush=True)
    index.erase()
    print("erased", flush=True)
    if n % 4 == 3:
        index.close()
        (folder / "index.faiss").unlink(missing_ok=True)
        index = VectorIndex(database, folder / "index.faiss", flat_below=1000)
"""


def stored(database: Database) -> dict[int, bytes]:
    with database.read() as connection:
        return dict(connection.execute("SELECT record, vector FROM vectors"))


def test_the_file_is_whole_or_ignored(tmp_path: Path) -> None:
    chance = random.Random(5)
    crowded(tmp_path, clustered(START, D, seed=1)).close()
    taken = erased = 0
    for turn in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", CHURN, str(tmp_path), str(Path(__file__).parent), str(turn)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        steps = [child.stdout.readline() for _ in range(chance.randrange(1, 30))]
        time.sleep(chance.uniform(0.0, 0.05))  # into the middle of the next step
        child.kill()
        steps += child.stdout.readlines()
        erased += steps.count("erased\n")
        child.wait()
        database = Database(tmp_path / "memory.db")
        index = VectorIndex(database, tmp_path / "index.faiss", flat_below=10**9)
        truth = stored(database)
        index.erase()  # as the deletion that was cut short would have gone on
        index.search(1, clustered(1, D, seed=2)[0], 1)
        assert not list(tmp_path.glob("*.tmp"))
        taken += "approximate" in index.state()
        assert index._cells is not None
        assert set(np.flatnonzero(index._cells.held).tolist()) == set(truth)
        everything = np.zeros((max(truth), D), np.float32)
        for row, vector in truth.items():
            everything[row - 1] = np.frombuffer(vector, "<f4")
        queries = clustered(20, D, seed=3)
        for query in queries:
            found = {row for row, _ in index.search(1, query, 10)}
            assert found <= set(truth)
            assert len(found & {*nearest(everything, query, 10, list(truth))}) >= 7
        index.close()
        database.close()
    assert taken >= 2, "hardly an approximate index was ever saved"
    assert erased > 5
