"""Conversations of the room's person with the real engine, and what came out of them."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.voice import corpus
from benchmarks.voice.clip import Samples
from benchmarks.voice.measure import Below, Track, read, track
from benchmarks.voice.room import Room, Said, Script
from orchestrator.config import Config, load
from orchestrator.engine import Orchestrator
from orchestrator.events import Event, FloorChanged, Heard, SpeechDelta, to_dict
from orchestrator.speech.talk import Conversation
from orchestrator.turn import State
from specialists.runtime import Runtime

LEFT = "left"
CONDITIONS = ("clean", "20 dB", "10 dB", "echo")
"""Quiet room; noise so far below the voice; the loudspeaker in the microphone."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A spoken reply: its clauses as they were written and synthesised."""

    turn: int
    clauses: tuple[tuple[str, Samples], ...]

    @property
    def audible(self) -> int:
        """How many of its clauses hold sound."""
        return sum(sounds(samples) for _, samples in self.clauses)

    @property
    def text(self) -> str:
        return " ".join(text for text, _ in self.clauses)


class Recording:
    """The files of a conversation and its events."""

    def __init__(
        self, folder: Path, said: list[Said], events: list[tuple[float, Event]], dropouts: int
    ) -> None:
        self.folder = folder
        self.said = said
        self.events = events
        """With the room's time at which each arrived."""
        self.dropouts = dropouts

    def of(self, *kinds: type) -> list[Any]:
        return [event for _, event in self.events if isinstance(event, kinds)]

    def timed(self, kind: type) -> list[tuple[float, Any]]:
        return [(at, event) for at, event in self.events if isinstance(event, kind)]

    @cached_property
    def played(self) -> Samples:
        return self._read[0]

    @property
    def rate(self) -> int:
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[Samples, int]:
        return read(self.folder / "played.wav")

    @cached_property
    def replies(self) -> list[Reply]:
        """Every reply that was synthesised, in order, at the loudspeaker's rate."""
        import soxr

        turns: dict[int, list[tuple[str, Samples]]] = {}
        for piece in self.of(SpeechDelta):
            samples = np.frombuffer(piece.pcm, "<i2").astype(np.float32) / np.float32(32768)
            if piece.rate != self.rate:
                samples = np.asarray(soxr.resample(samples, piece.rate, self.rate), np.float32)
            clauses = turns.setdefault(piece.turn, [])
            if clauses and not piece.text.strip():
                text, before = clauses.pop()
                clauses.append((text, np.concatenate([before, samples])))
            else:
                clauses.append((piece.text, samples))
        return [Reply(turn, tuple(clauses)) for turn, clauses in turns.items()]

    def tracks(self, reply: Reply, since: float, until: float = 1e9) -> list[Track]:
        """How each clause of the reply was played; ends with the first that was not.

        `since` must lie before its first sound and after the sound of the reply before.
        """
        found = []
        for _, samples in reply.clauses:
            if not sounds(samples):
                continue
            way = track(self.played, samples, self.rate, since, until)
            if way is None:
                break
            found.append(way)
            since = max(since, way.end - 0.005)
        return found

    def gaps(self, tracks: Sequence[Track]) -> list[tuple[float, float]]:
        """When, and for how long, a reply stopped: inside its clauses and between them."""
        found = [jump for way in tracks for jump in way.jumps]
        for one, other in pairwise(tracks):
            begun = other.start - other.blocks[0].index * other.size / other.rate
            if begun - one.end > 0.001:
                found.append((one.end, begun - one.end))
        return sorted(found)

    def left(self, reply: Reply, tracks: Sequence[Track], since: float) -> float:
        """Seconds of the reply's audible speech that were not played before `since`."""
        after = [samples for _, samples in reply.clauses if sounds(samples)][len(tracks) :]
        return sum(way.left(since) for way in tracks) + sum(len(samples) / self.rate for samples in after)

    def below(self, reply: Reply, tracks: Sequence[Track], gain: float, since: float) -> Below | None:
        """When, from `since` on, the reply is first played with no more than `gain`; see `Track.below`."""
        for way in tracks:
            if way.end > since and (at := way.below(gain, since)) is not None:
                return at
        if len(tracks) == reply.audible:
            return None
        return Below(max(since, tracks[-1].sounded if tracks else since), False)  # the next never came

    def floor(self, reason: str, since: float, until: float = 1e9) -> float | None:
        """When the floor first changed for that reason, by our own events."""
        times = [e.at for e in self.of(FloorChanged) if e.reason == reason and since <= e.at < until]
        return times[0] if times else None

    def began(self, turn: int) -> float | None:
        """When the reply of a turn was first heard, by our own events."""
        times = [e.at for e in self.of(FloorChanged) if e.reason == "reply_audio" and e.turn == turn]
        return times[0] if times else None

    def heard(self, turn: int) -> Heard | None:
        found = [event for event in self.of(Heard) if event.turn == turn]
        return found[-1] if found else None


def sounds(samples: Samples) -> bool:
    """Whether there is anything to be heard in them."""
    return float(np.abs(samples).max(initial=0.0)) > 0.01


def settings(folder: Path, **speech: object) -> Config:
    """The defaults, with data of their own in `folder`."""
    config = load()
    return config.model_copy(
        update={
            "engine": config.engine.model_copy(update={"data": folder}),
            "speech": config.speech.model_copy(update=speech),
        }
    )


@asynccontextmanager
async def engine(config: Config, runtime: Runtime | None = None) -> AsyncIterator[Orchestrator]:
    """An engine whose models are fetched, loaded and warm."""
    from orchestrator.cli.models import ensure

    ensure(config, None if runtime is None else ["embed"])
    async with Orchestrator.open(config, runtime=runtime) as opened:
        await opened.warm()
        yield opened


async def converse(
    opened: Orchestrator,
    name: str,
    folder: Path,
    script: Script,
    *,
    condition: str = "clean",
    bed: str = "pink",
    seed: int = 1,
    keep: Callable[[Event], bool] = lambda _: True,
) -> Recording:
    """One conversation in a session of its own, in real time; everything of it lies in `folder`.

    `keep` says which events stay in memory; all of them, without their sound, are in events.jsonl.
    """
    room = Room(folder, script, echo=condition == "echo", noise=noise(condition, bed, seed), seed=seed)
    session = opened.session(name)
    talk = Conversation(session, room, opened.runtime, opened.config)
    room.idle = lambda: talk.state is State.IDLE
    await talk.load()
    first = await session.note(FloorChanged(state="nobody", reason="ready"))
    events: list[tuple[float, Event]] = []

    def kept(event: Event) -> None:
        if keep(event):
            events.append((room.now, event))

    log = folder / "events.jsonl"
    follower = asyncio.create_task(_follow(session, first.seq - 1, log, kept), name="follower")
    try:
        await talk.run()
    finally:
        await session.note(FloorChanged(state="nobody", reason=LEFT, at=talk.now))
        await follower
    return Recording(folder, room.said, events, room.dropouts)


def noise(condition: str, bed: str, seed: int) -> Samples | None:
    if not condition.endswith("dB"):
        return None
    return corpus.bed(bed, float(condition.split(maxsplit=1)[0]), 30.0, seed)


async def _follow(session: Any, since: int, log: Path, kept: Callable[[Event], None]) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        async with aclosing(session.events(since)) as stream:
            async for event in stream:
                silent = replace(event, pcm=b"") if isinstance(event, SpeechDelta) else event
                file.write(json.dumps(to_dict(silent), ensure_ascii=False) + "\n")
                kept(event)
                if isinstance(event, FloorChanged) and event.reason == LEFT:
                    return


@contextmanager
def kept_in(folder: Path | None) -> Iterator[Path]:
    """A folder for what a benchmark leaves behind: the one that was named, or one that goes with it."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise SystemExit(f"{folder} is not empty: memory from before would be in the replies")
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="antiphon-voice-") as temporary:
        yield Path(temporary)


def keep_trials(folder: Path, trials: Sequence[Any]) -> None:
    """Leave what was measured beside the sound."""
    rows = [asdict(trial) for trial in trials]
    (folder / "trials.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")


def bars(*reached: tuple[str, bool]) -> bool:
    """Print each bar and whether it is reached; whether all are."""
    print()
    for text, yes in reached:
        print(f"{'reached' if yes else 'MISSED ':8} {text}")
    return all(yes for _, yes in reached)
