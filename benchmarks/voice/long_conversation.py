"""How long conversations stay quick: when replies begin, turn by turn, without any sound.

Eighteen questions as somebody asks them aloud: their words come two by two and are read along, the reply is
prepared when they are all there, and sent for 0.4 s later. The next one begins when this reply would have
been heard out. Real models, one session. A model that reads its
history anew for every reply shows from the ninth turn on, when not all of it is given.

    python -m benchmarks.voice.long_conversation            # five minutes
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.voice.corpus import utterances
from benchmarks.voice.rig import bars, engine, settings
from orchestrator.conversation import EngineSession
from orchestrator.events import SpeechDelta

TURNS = 18
ALL_GIVEN = 8
"""Turns in which all of the history is given."""
A_PAIR = 0.5
"""Seconds that two words take."""
DECIDED = 0.4
"""Seconds from the last words to the end of the turn."""
MORE = 0.3
"""Seconds by which later replies may begin later."""


async def waited(session: EngineSession, question: str) -> float:
    """Seconds from the end of a turn to the first sound of its reply."""
    words = question.split()
    for count in range(2, len(words), 2):
        await session.ends(" ".join(words[:count]))
        await asyncio.sleep(A_PAIR)
    await session.ends(question)
    session.prepare(question)
    await asyncio.sleep(DECIDED)
    began, first, sounds = time.perf_counter(), float("inf"), 0.0
    async for event in session.send(question, voice=True, speak=True):
        if isinstance(event, SpeechDelta):
            first = min(first, time.perf_counter() - began)
            sounds += len(event.pcm) / 2 / event.rate
    session.read()
    if sounds:
        await asyncio.sleep(max(0.0, began + first + sounds - time.perf_counter()))
    return first


async def measure(folder: Path) -> bool:
    times = []
    async with engine(settings(folder)) as opened:
        for name in ("chat", "tts"):
            await opened.runtime.load(name)
        session = opened.session("long")
        await session.open()
        for asked in utterances("question")[:TURNS]:
            times.append(await waited(session, asked.text))
            print(f"turn {len(times):2}: {times[-1]:6.2f} s  {asked.text}")
    early, late = (statistics.median(some) for some in (times[:ALL_GIVEN], times[ALL_GIVEN:]))
    print(f"\nmedian of the first {ALL_GIVEN} turns {early:.2f} s, of the others {late:.2f} s", end=", ")
    print(f"the slowest of these {max(times[ALL_GIVEN:]):.2f} s")
    return bars(("replies begin as soon in long conversations", late <= early + MORE))


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="antiphon-voice-") as folder:
        raise SystemExit(0 if asyncio.run(measure(Path(folder))) else 1)


if __name__ == "__main__":
    main()
