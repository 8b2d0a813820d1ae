"""Replay of a whole multimodal session, deterministic: made, run again elsewhere, with a part swapped, moved.

    python -m benchmarks.replay [--keep FOLDER]

A session of more than 20 turns is made with the default models on the sample media: words, pictures, a
document, a recording, a clip, and speech both ways over a pair of WAV files with two interruptions. Another
process reruns it and must get every event again, bit for bit but for times. Then the vision specialist is
replaced by another one, and exactly the turns that depend on it may come out otherwise. At last the session
is exported, taken in by another store, rerun there, and refused once a single bit is flipped. Takes about
five minutes on two cores; exits with 1 when anything is not as it must be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from memory.store import MemoryStore
from orchestrator.config import Config, load
from orchestrator.engine import Orchestrator
from orchestrator.speech.devices import WavPair
from orchestrator.speech.talk import Conversation
from specialists.base import Chunk, Specialist, Task
from specialists.content import TEXT
from specialists.registry import Setup
from specialists.vision import create

ROOT = Path(__file__).parent.parent
MEDIA = ROOT / "examples" / "media"
NAME = "everything"

SAID: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("What is the capital of France?", {}),
    ("Read the text on this receipt", {"images": ["receipt.png"]}),
    ("What is said in this recording?", {"audio": ["speech.flac"]}),
    ("What does the note say?", {"audio": ["note.flac"]}),
    ("Read this page", {"files": ["page.png"]}),
    ("Say it aloud: good morning to everybody", {}),
    ("Read the text on this receipt", {"images": ["receipt.png"]}),
    ("Write two sentences about the sea and read them to me", {"speak": True}),
)
"""Before anything is looked at: none of these depends on what a picture shows."""

SEEN: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("What does this picture show?", {"images": ["cat.jpg"]}),
    ("Describe this picture", {"images": ["coffee.jpg", "missing.jpg"]}),
    ("What does this picture show?", {"images": ["cat.jpg"]}),
    ("no, read the text in it", {}),
    ("Describe this picture and read what is written on it aloud", {"images": ["rocket.jpg"]}),
    ("What happens in this clip?", {"video": ["clip.mp4"]}),
    ("Read the text on this receipt", {"images": ["receipt.png"]}),
    ("What is said in this recording?", {"audio": ["speech.flac"]}),
    ("Thank you, what did I show you first?", {}),
    ("", {"images": ["astronaut.jpg"]}),
)


class Other(Specialist):
    """Sees the same in every picture."""

    def __init__(self, setup: Setup) -> None:
        # Offered as before, so that nothing is routed otherwise; another model, so that nothing is reused.
        self.card = replace(create(setup).card, model="other", version="other", available=True)

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        yield Chunk(TEXT, text="It shows a lighthouse in a storm. ")


def other(setup: Setup) -> Specialist:
    """The factory of `Other`."""
    return Other(setup)


@dataclass(frozen=True)
class Row:
    """A line of the table: what was done, how long it took, what came of it, and whether it had to."""

    what: str
    seconds: float
    result: str
    good: bool


async def made(config: Config) -> int:
    """Make the session; how many times somebody was interrupted."""
    async with Orchestrator.open(config) as engine:
        session = engine.session(NAME)
        for text, given in SAID:
            await _said(session, text, given)
        await _talked(engine, session, config, 1)
        for text, given in SEEN:
            await _said(session, text, given)
    async with Orchestrator.open(config) as engine:  # another opening goes on
        await _talked(engine, engine.session(NAME), config, 2)
        await _said(engine.session(NAME), "What is the capital of France?", {})
    with MemoryStore.open(config.engine.data / "memory") as store:
        events = store.log.read(NAME, audio=False)
    return sum(event["type"] == "speech.heard" and not event["complete"] for event in events)


async def _said(session: Any, text: str, given: Mapping[str, Any]) -> None:
    files = {name: [MEDIA / file for file in value] for name, value in given.items() if name != "speak"}
    async for event in session.send(text, speak=bool(given.get("speak")), **files):
        if event.type == "turn.finished":
            print(f"  turn {event.turn:<3} {event.outcome:<12} {text[:50]}", file=sys.stderr, flush=True)


async def _talked(engine: Orchestrator, session: Any, config: Config, number: int) -> None:
    device = WavPair(MEDIA / "interrupt.wav", config.engine.data / f"spoken-{number}.wav")
    conversation = Conversation(session, device, engine.runtime, config)
    await conversation.load()
    await conversation.run()


def antiphon(data: Path, *args: object) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own, over another data folder."""
    environment = {**os.environ, "ANTIPHON_DATA": str(data), "PYTHONPATH": str(ROOT)}
    command = "import sys; from orchestrator.cli.main import build, run; run(build())"
    return subprocess.run(
        [sys.executable, "-c", command, *map(str, args)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def reran(data: Path, where: str) -> Row:
    began = time.perf_counter()
    done = antiphon(data, "sessions", "rerun", NAME, "--json")
    found = json.loads(done.stdout) if done.stdout.strip() else {}
    told = f"{found.get('events')} events of {found.get('turns')} turns"
    if not found.get("identical"):
        told = f"{found.get('difference')} {done.stderr}"
    return Row(f"rerun {where}", time.perf_counter() - began, told, done.returncode == 0)


def swapped(data: Path, events: Sequence[Mapping[str, Any]]) -> list[Row]:
    began = time.perf_counter()
    done = antiphon(data, "sessions", "swap", NAME, "vision=benchmarks.replay:other", "--json")
    seconds = time.perf_counter() - began
    if done.returncode:
        return [Row("swap vision", seconds, done.stderr, good=False)]
    found = json.loads(done.stdout)
    asks = {
        event["turn"]
        for event in events
        if event["type"] == "step.finished" and event["specialist"] in ("vision", "video")
    }
    live = {call["turn"] for call in found["calls"]}
    changed = set(found["changed"])
    turns = {turn["turn"] for turn in found["turns"]}
    first = min(asks)
    return [
        Row("swap vision", seconds, f"{len(changed)} of {len(turns)} turns are others now", bool(changed)),
        Row("- turns that look at something", 0.0, _list(asks), asks <= live),
        Row("- turns that come out otherwise", 0.0, _list(changed), changed <= live),
        Row("- of those, by what was said before", 0.0, _list(changed - asks), first <= min(changed)),
        Row("- turns without any live call", 0.0, _list(turns - live), not (turns - live) & changed),
    ]


def moved(data: Path, other_data: Path, file: Path) -> list[Row]:
    began = time.perf_counter()
    rows = []
    done = antiphon(data, "sessions", "export", NAME, file)
    size = f"{file.stat().st_size:,} bytes" if file.exists() else done.stderr
    rows.append(Row("export", time.perf_counter() - began, size, done.returncode == 0))
    bad = bytearray(file.read_bytes())
    bad[len(bad) // 2] ^= 1
    broken = file.with_name("flipped.antiphon")
    broken.write_bytes(bytes(bad))
    refused = antiphon(other_data, "sessions", "import", broken)
    told = refused.stderr.strip().partition(": not taken: ")[2][:90]
    rows.append(Row("import with one bit flipped", 0.0, told, refused.returncode == 1 and "checksum" in told))
    taken = antiphon(other_data, "sessions", "import", file)
    rows.append(Row("import elsewhere", 0.0, taken.stderr.strip(), taken.returncode == 0))
    rows.append(reran(other_data, "elsewhere"))
    said = antiphon(other_data, "sessions", "replay", NAME, "--instant", "--say", file.with_suffix(".wav"))
    told = next((line.strip() for line in said.stderr.splitlines() if "speech:" in line), said.stderr)
    rows.append(Row("replay with its sound", 0.0, told.partition(", in ")[0], said.returncode == 0))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--keep", type=Path, help="make the session in this folder, or take it from there")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = chosen.keep or Path(folder)
        data = root / "data"
        began = time.perf_counter()
        if not (data / "memory").exists():
            base = load()
            config = base.model_copy(update={"engine": base.engine.model_copy(update={"data": data})})
            asyncio.run(made(config))
        seconds = time.perf_counter() - began
        with MemoryStore.open(data / "memory") as store:
            info, events = store.log.session(NAME), store.log.read(NAME, audio=False)
        cut = sum(event["type"] == "speech.heard" and not event["complete"] for event in events)
        told = f"{info.turns} turns, {info.events} events, {cut} interruptions"
        rows = [Row("the session", seconds, told, info.turns >= 20 and cut == 2)]
        rows.append(reran(data, "in another process"))
        rows += swapped(data, events)
        rows += moved(data, Path(folder) / "elsewhere", Path(folder) / "session.antiphon")
    for row in rows:
        print(f"{row.what:38} {row.seconds:7.1f} s  {'ok  ' if row.good else 'BAD '} {row.result}")
    return 0 if all(row.good for row in rows) else 1


def _list(turns: set[int]) -> str:
    return " ".join(map(str, sorted(turns))) or "none"


if __name__ == "__main__":
    sys.exit(main())
