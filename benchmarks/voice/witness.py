"""A process that does nothing but sleep, beside one that is measured: what it oversleeps is the machine's.

python -m benchmarks.voice.witness      # prints when it awoke too late, and by how much, until ended
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

NAP = 0.005
LATE = 0.04
"""Seconds it oversleeps before it says so."""


class Witness:
    """`late` holds when it awoke too late, on the monotonic clock, and by how many seconds."""

    def __init__(self) -> None:
        self.late: list[tuple[float, float]] = []

    def stood_still(self, since: float, until: float) -> bool:
        """Whether the machine gave no time even to a process that wants hardly any, between two times."""
        return any(awoke >= since and awoke - seconds <= until for awoke, seconds in self.late)


@contextmanager
def witness() -> Iterator[Witness]:
    """Watch for as long as this lasts; what was seen is there at its end."""
    seen = Witness()
    command = [sys.executable, "-u", "-m", "benchmarks.voice.witness"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield seen
        finally:
            process.terminate()
            told, _ = process.communicate()
            seen.late += [(float(at), float(by)) for at, by in map(str.split, told.splitlines())]


def main() -> None:
    while True:
        began = time.monotonic()
        time.sleep(NAP)
        awoke = time.monotonic()
        if (late := awoke - began - NAP) > LATE:
            print(awoke, late)


if __name__ == "__main__":
    main()
