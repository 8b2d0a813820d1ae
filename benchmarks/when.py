"""How well memory understands the time that a question speaks of.

`benchmarks/data/when.jsonl`: questions with the stretch of time they mean, or the event beside which
something happened, or neither although they look so ("may", "second", "spring"). A stretch is right where it
and the expected one share half of what they cover together. Both parts were written before the grammar; the
misses of the part to develop on were looked at, those of the other were not.

    python benchmarks/when.py              # a second
    python benchmarks/when.py --misses     # with what is wrong in the part to develop on
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from memory.dates import EARLIEST
from memory.when import Beside, When, beside, when

DATA = Path(__file__).parent / "data" / "when.jsonl"
PARTS = ("develop", "held out")
SHARED = 0.5


def understood(row: Mapping[str, Any]) -> When | Beside | None:
    return when(row["ask"], datetime.fromisoformat(row["now"])) or beside(row["ask"])


def is_right(row: Mapping[str, Any], found: When | Beside | None) -> bool:
    if "to" in row:
        expected = [(row["from"], row["to"]), *([tuple(row["or"])] if "or" in row else [])]
        return isinstance(found, When) and any(_shared(row, span, found) >= SHARED for span in expected)
    if "event" in row:
        return isinstance(found, Beside) and (found.relation, found.event) == (row["relation"], row["event"])
    return found is None


def _shared(row: Mapping[str, Any], span: tuple[str | None, str], found: When) -> float:
    start = datetime.fromisoformat(span[0]) if span[0] else EARLIEST
    end = datetime.fromisoformat(row["now"] if span[1] == "now" else span[1])
    common = (min(end, found.end) - max(start, found.start)).total_seconds()
    return max(0.0, common) / (max(end, found.end) - min(start, found.start)).total_seconds()


def kind_of(row: Mapping[str, Any]) -> str:
    return "a time" if "to" in row else "an event" if "event" in row else "neither"


def report(rows: Sequence[Mapping[str, Any]], *, misses: bool) -> None:
    seconds: list[float] = []
    print(f"{len(rows)} questions{'':11}" + "".join(f"{part:>14}" for part in PARTS))
    for kind in ("a time", "an event", "neither"):
        cells = []
        for part in PARTS:
            asked = [row for row in rows if kind_of(row) == kind and row["part"] == part]
            right = 0
            for row in asked:
                began = time.perf_counter()
                found = understood(row)
                seconds.append(time.perf_counter() - began)
                right += is_right(row, found)
                if misses and part == "develop" and not is_right(row, found):
                    print(f"  {row['ask']}\n    {found}")
            cells.append(f"{right} of {len(asked)}")
        print(f"{kind + ', understood':24}" + "".join(f"{cell:>14}" for cell in cells))
    p50, p95 = np.percentile(seconds, (50, 95)) * 1000
    print(f"p50 {p50:.2f} ms, p95 {p95:.2f} ms")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--misses", action="store_true")
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    report(rows, misses=options.parse_args().misses)


if __name__ == "__main__":
    main()
