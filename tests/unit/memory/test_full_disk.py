"""A full disk: every way of writing says so, does nothing by halves, and goes on when there is space."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from memory.store import MemoryStore

# A process of its own, whose files may not grow from a certain point on: to SQLite and to the blob folder
# that is a disk that takes no more. Its limit is lifted again in the end.
CHILD = """
import base64, json, os, resource, signal, sys
from pathlib import Path
import numpy as np
from memory.corrections import Correction
from memory.forgetting import Forget
from memory.records import Record
from memory.retention import Policy
from memory.store import MemoryStore
from specialists.errors import Unavailable

def embed(texts):
    rows = np.zeros((len(texts), 8), np.float32)
    rows[:, 0] = 1
    return rows

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = Path(sys.argv[1])
store = MemoryStore.open(folder, embed)
(kept,) = store.remember([Record("kept", "text", "user", "s", 1)])
(other,) = store.remember([Record("other " * 50, "text", "user", "s", 2)])
store.log.append("s", [{"type": "turn.started", "turn": 1, "seq": 1, "time": 0.0}])
store.embed_pending()
store.recall("kept")
wide = "word " * 200_000
pcm = base64.urlsafe_b64encode(os.urandom(300_000)).decode()
ways = {
    "blob": lambda: store.blobs.put(os.urandom(400_000), "image/png"),
    "remember": lambda: store.remember([Record(wide, "text", "user", "s", 3)]),
    "append": lambda: store.log.append("s", [{"type": "x", "turn": 1, "seq": 2, "time": 0.0, "text": wide}]),
    "sound": lambda: store.log.append("s", [{"type": "x", "turn": 1, "seq": 2, "time": 0.0, "pcm": pcm}]),
    "forget": lambda: store.forget([other.id]),
    "erase": lambda: store.erase(Forget(ids=(other.id,))),
    "retain": lambda: store.retain(Policy(max_bytes=1)),
    "correct": lambda: store.corrections.add(Correction("", wide, ("x",))),
    "open": lambda: MemoryStore.open(folder / "new"),
}
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
said = {}
for name, way in ways.items():
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        way()
        said[name] = "done"
    except Unavailable as error:
        said[name] = f"{error} {error.remedy}"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
state = [[r.text for r in store.records()], len(store.log.read("s")), store.blobs.usage().count]
wrong = [f.check for f in store.audit() if f.wrong]
for way in list(ways.values())[:3]:
    way()
store.erase(Forget(ids=(other.id,)))
after = [len(store.records()), store.log.last_seq("s"), store.blobs.usage().count]
print(json.dumps([said, state, wrong, after]))
store.close()
"""


def test_every_way_of_writing_says_so_and_goes_on_later(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "memory")], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    said, state, wrong, after = json.loads(run.stdout)
    assert all("full" in sentence for sentence in said.values()), said
    assert state == [["kept", "other " * 50], 1, 0]
    assert wrong == []
    assert after == [2, 2, 1]
    with MemoryStore.open(tmp_path / "memory") as store:
        assert [finding.check for finding in store.audit() if finding.wrong] == []
