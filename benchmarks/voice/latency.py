"""Measure 1: from the end of speech to the first sound, where the time goes, and a peer beside us.

Time runs from the last voiced sample of the person (known from the corpus) to the first audible one of the
reply in played.wav. A remark that bridges the wait does not end it, and is counted. Every conversation begins
with a question that is not counted. Replies have 60 tokens at most.

Beside us: the plain sum of the same models called one after another (recognise the whole question, write
until the first sentence is complete, synthesise that), once with recognition as for a file, a window of 30 s
as everybody calls Whisper, and once with our recognition of short utterances; and pipecat with the same
models in alternating conversations (see `peer.py`), with its default and with int8 recognition.

    python -m benchmarks.voice.latency [--no-peer | --peers default] [--blocks 5] [--each 8] [--keep FOLDER]
        about 55 minutes with the peer (and its installation the first time), 25 without
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.voice import corpus
from benchmarks.voice.clip import RATE, Clip
from benchmarks.voice.measure import SPREAD, first_sound, read, spread
from benchmarks.voice.peer import Peer, Ran, peer
from benchmarks.voice.rig import CONDITIONS, Recording, bars, converse, engine, kept_in, settings
from benchmarks.voice.room import Condition, Room, Said, Script
from orchestrator.engine import Orchestrator
from orchestrator.events import FloorChanged, SpeechDelta, TextDelta, Transcript, TurnFinished, TurnStarted
from orchestrator.speech.recognition import recognise
from specialists.base import Task
from specialists.content import text_part
from specialists.models import ModelStore
from specialists.recogniser import Recogniser

TOKENS = 60
PEERS = ("default", "int8")
SHARE = 0.6
"""Of the peer's median, at most."""


@dataclass(slots=True)
class Turn:
    """How long one question waited, and when what had happened, in seconds after the end of speech."""

    condition: str
    waited: float = float("inf")
    bridged: bool = False
    """Whether something else was said before the reply: "one moment, please"."""
    stages: dict[str, float] = field(default_factory=dict)
    apart: float | None = None
    """Seconds by which our own event of the first sound is off."""


def person(clips: Sequence[Clip]) -> Script:
    """Asks one question after the other, each when the reply to the one before is over."""

    def script(room: Room) -> Generator[Condition, None, None]:
        yield room.after(1.0)
        for clip in clips:
            said = room.say(clip)
            yield room.over(said)
            yield room.sounding(said.last, 20.0)
            yield room.settled(2.0, 60.0)

    return script


async def ours(opened: Orchestrator, folder: Path, clips: Sequence[Clip], condition: str) -> list[Turn]:
    recording = await converse(opened, folder.name, folder, person(clips), condition=condition)
    turns, replies = [], list(recording.replies)
    ends = [*(said.first for said in recording.said[1:]), 1e6]
    for said, end in zip(recording.said, ends, strict=True):
        turn = Turn(condition)
        anything = first_sound(recording.played, recording.rate, said.last, end)
        while replies and turn.waited == float("inf"):
            if not (tracks := recording.tracks(replies[0], said.last, end)):
                if recording.began(replies[0].turn) is not None:
                    break  # it belongs to a later question
                replies.pop(0)  # never played
                continue
            reply = replies.pop(0)
            turn.waited = tracks[0].start - said.last
            turn.bridged = anything is not None and anything < tracks[0].start - 0.1
            turn.stages = _stages(recording, said, reply.turn) | {"first sound": turn.waited}
            began = recording.began(reply.turn)
            turn.apart = None if began is None or turn.bridged else began - tracks[0].start
        turns.append(turn)
    return turns[1:]


def _stages(recording: Recording, said: Said, turn: int) -> dict[str, float]:
    """When each step of the way was done, by our own events, in seconds after the end of speech."""
    floors = recording.of(FloorChanged)
    zero = min(event.time - event.at for event in floors if event.at)  # events come late, never early
    asked = recording.floor("utterance", said.first)
    begun = [event.time - zero for event in recording.of(TurnStarted) if event.turn == turn]
    if asked is None or not begun:
        return {}
    heard = [e for e in recording.of(Transcript) if said.first < e.time - zero <= asked + 0.001]
    words = [event.time - zero for event in heard if event.text == heard[-1].text]
    finished = [event for event in recording.of(TurnFinished) if event.turn == turn]
    marks = finished[0].timings if finished else {}
    stages = {"words recognised": min(words, default=asked), "end of turn decided": asked}
    for name in ("recall", "route", "plan"):
        if name in marks:
            stages[f"{name} done"] = begun[0] + marks[name]
    for name, kind in (("first words written", TextDelta), ("first clause synthesised", SpeechDelta)):
        times = [event.time - zero for event in recording.of(kind) if event.turn == turn]
        if times:
            stages[name] = times[0]
    return {name: at - said.last for name, at in stages.items()}


@dataclass(frozen=True, slots=True)
class Sum:
    """Seconds of the same models one after another."""

    file: float
    """Recognition of the question as a file: Whisper over a window of 30 s."""
    short: float
    """Recognition of it as a short utterance, as our ears have it."""
    written: float
    """The first sentence of the reply."""
    spoken: float
    """Its synthesis."""

    @property
    def plain(self) -> float:
        return self.file + self.written + self.spoken

    @property
    def with_short(self) -> float:
        return self.short + self.written + self.spoken


async def plain(opened: Orchestrator, clips: Sequence[Clip], recogniser: Recogniser) -> list[Sum]:
    found = []
    for number, clip in enumerate(clips):
        asked = time.perf_counter()
        await asyncio.to_thread(recogniser.transcribe, clip.samples)
        began = time.perf_counter()
        words = await recognise(opened.runtime, f"plain-{number}", clip.samples, RATE, 30.0)
        heard = time.perf_counter()
        sentence = await _sentence(opened, f"plain-chat-{number}", words.text)
        written = time.perf_counter()
        task = Task(f"plain-tts-{number}", "tts", parts=(text_part(sentence),))
        async with aclosing(opened.runtime.run(task)) as spoken:  # type: ignore[type-var]
            async for _ in spoken:
                pass
        found.append(Sum(began - asked, heard - began, written - heard, time.perf_counter() - written))
    return found


async def _sentence(opened: Orchestrator, id_: str, asked: str) -> str:
    text = ""
    async with aclosing(opened.runtime.run(Task(id_, "chat", instruction=asked))) as written:  # type: ignore[type-var]
        async for chunk in written:
            text += chunk.text
            for mark in (". ", "! ", "? ", ".\n", "\n\n"):
                if mark in text:
                    return text.split(mark)[0] + mark[0]
    return text


def theirs(ran: Ran) -> list[float]:
    """The waits of the peer's conversation, without the first."""
    import json

    played, rate = read(ran.folder / "played.wav")
    said = [Said(**one) for one in json.loads((ran.folder / "said.json").read_text(encoding="utf-8"))]
    ends = [*(one.first for one in said[1:]), 1e9]
    found = []
    for one, end in list(zip(said, ends, strict=True))[1:]:
        first = first_sound(played, rate, one.last, end)
        found.append(float("inf") if first is None else first - one.last)
    return found


@dataclass(slots=True)
class Result:
    turns: list[Turn] = field(default_factory=list)
    plain: list[Sum] = field(default_factory=list)
    peers: dict[str, list[float]] = field(default_factory=dict)


async def run(
    opened: Orchestrator, folder: Path, blocks: int, each: int, other: Peer | None, kinds: Sequence[str]
) -> Result:
    result = Result()
    recogniser = Recogniser(ModelStore(opened.config.engine.models))
    await asyncio.to_thread(recogniser.load)
    questions = corpus.clips("question", blocks * each)
    first = corpus.clips("question", 48)[-1:]
    for block in range(blocks):
        clips = first + questions[block * each : (block + 1) * each]
        result.turns += await ours(opened, folder / f"clean-{block}", clips, "clean")
        result.plain += await plain(opened, clips[1:], recogniser)
        for kind in kinds if other else ():
            assert other is not None
            ran = await asyncio.to_thread(
                other.run,
                folder / f"peer-{kind}-{block}",
                clips,
                compute_type=kind,
                tokens=TOKENS,
                seed=block + 1,
            )
            result.peers.setdefault(kind, []).extend(theirs(ran))
        print(f"block {block + 1} of {blocks}", file=sys.stderr)
    for number, condition in enumerate(CONDITIONS[1:]):
        clips = first + corpus.clips("question", each * (number + 1), turn=number + 1)[-each:]
        result.turns += await ours(opened, folder / condition.replace(" ", ""), clips, condition)
    return result


def report(result: Result) -> bool:
    """Print the tables; whether every bar is reached."""
    print(f"\nend of speech to first sound, ms  {SPREAD}")
    for condition in CONDITIONS:
        some = [turn for turn in result.turns if turn.condition == condition]
        bridged = sum(turn.bridged for turn in some)
        print(
            f"  {condition:32}{spread([turn.waited for turn in some])}", f" {bridged} bridged" * bool(bridged)
        )
    print(f"  {'plain sum of the same models':32}{spread([one.plain for one in result.plain])}")
    print(f"  {'... with short recognition':32}{spread([one.with_short for one in result.plain])}")
    for kind, waits in result.peers.items():
        print(f"  {'pipecat, ' + kind:32}{spread(waits)}")
    clean = [turn for turn in result.turns if turn.condition == "clean"]
    print(
        "\nwhere it goes, clean, medians in ms: done after the end of speech, and that since the line above"
    )
    before = 0.0
    for name in [name for turn in clean[:1] for name in turn.stages]:
        at = statistics.median([turn.stages[name] for turn in clean if name in turn.stages])
        print(f"  {name:32}{at * 1000:7.0f}{(at - before) * 1000:+8.0f}")
        before = at
    parts = zip(*((one.file, one.short, one.written, one.spoken) for one in result.plain), strict=True)
    file, short, written, spoken = (statistics.median(part) * 1000 for part in parts)
    print(f"  plain sum: recognition {file:.0f} (short {short:.0f}), first sentence {written:.0f},", end=" ")
    print(f"synthesis {spoken:.0f}")
    apart = [turn.apart for turn in result.turns if turn.apart is not None]
    print(f"\nour event of the first sound, against it, ms\n  {'':32}{spread(apart)}")
    median = statistics.median([turn.waited for turn in clean])
    reached = [
        ("below the plain sum", median < statistics.median([one.plain for one in result.plain])),
        ("every turn answered", all(turn.waited < 60 for turn in result.turns)),
        ("our events within 30 ms of the sound", bool(apart) and max(map(abs, apart)) <= 0.03),
    ]
    if result.peers:
        share = median / statistics.median(result.peers["default"])
        reached.insert(0, (f"at most {SHARE} of pipecat's median (it is {share:.2f})", share <= SHARE))
    return bars(*reached)


async def measure(blocks: int, each: int, kinds: Sequence[str], folder: Path) -> bool:
    config = settings(folder / "data")
    chat = dict(config.specialists.get("chat", {})) | {"max_tokens": TOKENS}
    config = config.model_copy(update={"specialists": {**config.specialists, "chat": chat}})
    with ExitStack() as opened_peer:
        other = opened_peer.enter_context(peer()) if kinds else None
        async with engine(config) as opened:
            return report(await run(opened, folder, blocks, each, other, kinds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--no-peer", action="store_true", help="without pipecat")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS, help="pipecat's recognition")
    parser.add_argument("--blocks", type=int, default=5, help="conversations")
    parser.add_argument("--each", type=int, default=8, help="questions in a conversation that count")
    parser.add_argument("--keep", type=Path, help="keep sound and events in this folder")
    chosen = parser.parse_args()
    kinds = () if chosen.no_peer else chosen.peers
    with kept_in(chosen.keep) as folder:
        sys.exit(0 if asyncio.run(measure(chosen.blocks, chosen.each, kinds, folder)) else 1)


if __name__ == "__main__":
    main()
