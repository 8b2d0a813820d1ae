"""Fault injection: hundreds of turns over a real engine whose specialists fail in every way we know.

Each call draws what its specialist does, by a seed: answer, hang, crash, stream garbage, never end, refuse,
come back with nothing. Turns have attachments, several steps and spoken replies, run in several sessions at
once, and are interrupted at random moments. Checked for every turn: it says something, it ends within its
bound, every planned step has an end in the trace, no step and no task outlives it; and at the end that no
task and no thread is left. The time limits are short, so that a hang costs half a second. Takes about a
minute; the exit code is 1 when anything is wrong.

    python benchmarks/faults.py [--turns 520] [--seed 1]
"""

from __future__ import annotations

import argparse
import asyncio
import io
import math
import sys
import tempfile
import threading
import time
import wave
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from PIL import Image

from orchestrator.config import Config
from orchestrator.conversation import EngineSession
from orchestrator.engine import Orchestrator
from orchestrator.events import (
    Event,
    MediaReady,
    Planned,
    Replanned,
    SpeechDelta,
    StepFailed,
    StepFinished,
    TurnFinished,
)
from orchestrator.plan import SPEAKS, Plan
from orchestrator.session import Attachment
from specialists import fakes
from specialists.base import Card, Chunk, Parameter, Specialist, Task
from specialists.content import AUDIO, IMAGE, TEXT, Anchor, Box
from specialists.errors import AntiphonError, BadInput, Ours, SpecialistFailed, TransientFailure, Unavailable
from specialists.fakes import card, words
from specialists.runtime import GRACE, LocalRuntime

TURNS = 520
SESSIONS = 6
STEP_SECONDS = 0.5
TURN_SECONDS = 1.6
BOUND = TURN_SECONDS + GRACE + 1.5
"""Seconds in which a turn must be over: its own, what a call may take to stop, and a busy machine's share."""
RIGHT = 0.45
"""The share of calls in which a specialist does what it should."""

REQUESTS: Sequence[tuple[str, str]] = (
    ("What is the capital of France?", ""),
    ("How do I boil an egg?", ""),
    ("Tell me a short story about a lighthouse", ""),
    ("Tell me a joke and read it to me", ""),
    ("Write a poem about the sea, draw it and read it to me", ""),
    ("Draw a red fox in the snow", ""),
    ('Say this aloud: "The train to Leeds leaves at nine."', ""),
    ("What did I tell you about the boiler last week?", ""),
    ("What animal is this?", "image"),
    ("What does this page say?", "image"),
    ("Read this page to me", "image"),
    ("Translate the words in this picture into French", "image"),
    ("Translate the words in this picture into French and read them to me", "image"),
    ("Summarise this letter", "image"),
    ("Describe this photo and read the text on it", "image"),
    ("Write a poem about this photo, draw it and read it to me", "image"),
    ("", "image"),
    ("What is said in this recording?", "audio"),
    ("Summarise this voice message and draw what it is about", "audio"),
    ("", "audio"),
    ("Compare what the note says with what the picture shows", "image text"),
    ("What is in the picture and what is said in the recording?", "image audio"),
    ("What is this?", "broken"),
    ("What is this?", "image broken"),
    ("", ""),
)


class Odd(BaseException):
    """What no handler of exceptions expects."""


class Mute(Exception):
    """An error that fails when it is asked what it is."""

    def __str__(self) -> str:
        raise ValueError("no words")


ERRORS: Mapping[str, Callable[[], BaseException]] = {
    "an error": lambda: RuntimeError("segment \udcff missing"),
    "a long error": lambda: ValueError("x" * 1_000_000),
    "an odd error": Odd,
    "a mute error": Mute,
    "no memory": MemoryError,
    "an exit": lambda: SystemExit(3),
    "a cancellation": asyncio.CancelledError,
    "an end": StopAsyncIteration,
    "a closing": GeneratorExit,
    "a bug": lambda: Ours("an invariant is broken"),
    "a bare error": lambda: AntiphonError("bare \ud800"),
    "a lost connection": lambda: ConnectionResetError("reset by peer"),
    "a passing failure": lambda: TransientFailure("busy", part="it"),
    "a failure": lambda: SpecialistFailed("no", part="it"),
    "a refusal": lambda: BadInput("I do not do that", part="it", remedy="Ask another"),
    "an absence": lambda: Unavailable("gone", part="it"),
}


def png(rng: Random) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 12), (rng.randrange(256), rng.randrange(256), rng.randrange(256))).save(out, "PNG")
    return out.getvalue()


def wav(rng: Random) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(rng.randbytes(3_200))
    return out.getvalue()


PCM = b"\x01\x00" * 2205
SOUND = Chunk(AUDIO, "words", PCM, "audio/pcm;rate=22050")
PICTURE = Chunk(IMAGE, data=png(Random(0)), media_type="image/png")

CAST: Sequence[tuple[Card, Sequence[Chunk], Sequence[Chunk]]] = (
    (card("chat"), words("Here is ", "what I think. ", "It is fine."), ()),
    (card("vision", [IMAGE]), words("It shows ", "a cat."), ()),
    (
        card("looker", [IMAGE], parameters=(Parameter("instruction", "string", "What to say of it"),)),
        words("It looks like a cat."),
        (),
    ),
    (
        card("ocr", [IMAGE, "document"]),
        [Chunk(TEXT, "Dear Anna\n", anchor=Anchor(0, Box(1, 2, 3, 4)), score=0.9), Chunk(TEXT, "Ben\n")],
        [Chunk(TEXT, label="no text")],
    ),
    (card("asr", [AUDIO]), words("Move it ", "to Friday."), [Chunk(TEXT, label="no speech")]),
    (card(SPEAKS, [TEXT], [AUDIO]), [SOUND, SOUND], ()),
    (card("imagegen", [TEXT], [IMAGE]), [PICTURE], ()),
)
"""Each specialist's Card, what it says, and what it says when there is nothing."""


def moods(card: Card, right: Sequence[Chunk], nothing: Sequence[Chunk]) -> dict[str, Specialist]:
    """Everything that a specialist may be in a call, by name."""
    made = card.produces[0]
    first = right[0]
    garbage: dict[str, Sequence[object]] = {
        "no chunks": ["plain text"],
        "none": [first, None],
        "a wrong kind": [Chunk("banana", "yellow", b"\x00", "banana/ripe")],
        "a picture that is none": [Chunk(IMAGE, data=b"not a picture", media_type="image/png")],
        "a lying media type": [Chunk(made, data=b"RIFF....WAVE", media_type="image/../../etc")],
        "half a sample": [Chunk(AUDIO, "x", b"\x00", "audio/pcm;rate=16000")],
        "sound at 0 hertz": [Chunk(AUDIO, "x", PCM, "audio/pcm;rate=0")],
        "bytes as text": [Chunk(made, b"bytes")],  # type: ignore[arg-type]
        "text as bytes": [Chunk(made, data="text")],  # type: ignore[arg-type]
        "half characters": [Chunk(made, "caf\udce9 \ud800", first.data, first.media_type, label="\udfff")],
        "an anchor to nowhere": [Chunk(made, "x", first.data, first.media_type, Anchor("a", page="b"))],  # type: ignore[arg-type]
        "a score beyond number": [Chunk(made, "x", first.data, first.media_type, score=math.nan), *right],
    }
    endless = {
        "empty": Chunk(made),
        "small": Chunk(made, "z " if made == TEXT else "", first.data[:64], first.media_type),
        "huge": Chunk(made, "z" * 300_000 if made == TEXT else "", first.data * 2_000, first.media_type),
    }
    if made == IMAGE:
        endless["small"] = endless["huge"] = PICTURE
    return {
        "right": fakes.Scripted(card, right),
        "nothing": fakes.Scripted(card, nothing),
        "hangs": fakes.Hanging(card),
        "hangs, stops late": fakes.Stubborn(card, 0.2),
        "slow": fakes.Slow(card, right, 0.1),
        "too slow": fakes.Slow(card, [*right] * 20, 0.1),
        "blocks a thread": fakes.Blocking(card, [*right] * 3, 0.05),
        **{f"crashes: {name}": fakes.Crashing(card, error) for name, error in ERRORS.items()},
        "crashes later": fakes.Crashing(card, lambda: RuntimeError("boom"), right[:1]),
        "drops the line later": fakes.Crashing(card, lambda: ConnectionResetError("reset"), right[:1]),
        **{f"garbage: {name}": fakes.Garbage(card, things) for name, things in garbage.items()},
        **{f"endless: {name}": fakes.Endless(card, chunk) for name, chunk in endless.items()},
    }


@dataclass
class Report:
    """What a campaign saw. `faults` counts the outcomes of the turns in which a fault was drawn."""

    turns: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    disturbed: Counter[str] = field(default_factory=Counter)
    faults: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    wrong: list[str] = field(default_factory=list)


class Stage:
    """The specialists of a campaign, and what each did in which turn."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.drawn: defaultdict[str, list[str]] = defaultdict(list)
        self.cast = [self._actor(*roles) for roles in CAST]

    def running(self, turn: str) -> list[str]:
        """The calls of a turn that are being worked on."""
        return [task for actor in self.cast for task in actor.running if task.startswith(f"{turn}-")]

    def _actor(self, card: Card, right: Sequence[Chunk], nothing: Sequence[Chunk]) -> fakes.Moody:
        known = moods(card, right, nothing)
        families = sorted({name.partition(":")[0] for name in known} - {"right"})

        def mood(task: Task) -> str:
            rng = Random(f"{self._seed} {task.id}")
            family = "right" if rng.random() < RIGHT else rng.choice(families)
            drawn = rng.choice([name for name in known if name.partition(":")[0] == family])
            self.drawn["-".join(task.id.split("-")[:2])].append(drawn)
            return drawn

        return fakes.Moody(card, known, mood)


@dataclass
class Watch:
    """Follows one session's events and judges each turn as it ends."""

    session: EngineSession
    stage: Stage
    report: Report
    ended: int = 0
    _events: list[Event] = field(default_factory=list)

    async def follow(self) -> None:
        async with aclosing(self.session.events()) as events:  # type: ignore[type-var]
            async for event in events:
                self.report.events[event.type] += 1
                self._events.append(event)
                if isinstance(event, TurnFinished):
                    self._judge(event)
                    self._events.clear()

    def _judge(self, end: TurnFinished) -> None:
        self.ended += 1
        report, turn = self.report, f"{self.session.name}-{end.turn}"
        report.turns += 1
        report.outcomes[end.outcome] += 1
        for fault in set(self.stage.drawn[turn]):
            report.faults[fault][end.outcome] += 1
        report.slowest = max(report.slowest, end.timings["total"])
        told = f"turn {turn} ({end.outcome}; {', '.join(self.stage.drawn[turn])})"
        report.wrong += [f"{told}: {wrong}" for wrong in self._wrong(end, turn)]

    def _wrong(self, end: TurnFinished, turn: str) -> list[str]:
        wrong = []
        if not said(end, self._events):
            wrong.append("is silent")
        if end.timings["total"] > BOUND:
            wrong.append(f"took {end.timings['total']:.1f} s, more than {BOUND:.1f}")
        if running := self.stage.running(turn):
            wrong.append(f"ended before {', '.join(running)}")
        if tasks := left_of(f"{self.session.name} turn {end.turn} ", f"task {turn}-"):
            wrong.append(f"left the tasks {', '.join(tasks)}")
        if end.outcome in ("answered", "partial") and (steps := unended(self._events)):
            wrong.append(f"its trace gives no end of {', '.join(steps)}")
        return wrong


def said(end: TurnFinished, events: Sequence[Event]) -> bool:
    """Whether the person got something: an answer, or why there is none; heard, where it was to be heard."""
    if end.outcome in ("interrupted", "waited"):
        return True
    if not end.text.strip() and not any(isinstance(event, MediaReady) for event in events):
        return False
    speaks = any(step.specialist == SPEAKS for step in plan_of(events).steps)
    sounded = any(isinstance(event, SpeechDelta) for event in events)
    return sounded or not speaks or end.outcome != "answered"


def plan_of(events: Sequence[Event]) -> Plan:
    return next((event.plan for event in events if isinstance(event, Planned)), Plan())


def unended(events: Sequence[Event]) -> list[str]:
    """The planned steps that neither finished nor failed nor were dropped."""
    ended = {event.step for event in events if isinstance(event, StepFinished)}
    ended |= {event.step for event in events if isinstance(event, StepFailed) and event.then == "give up"}
    changes = [event for event in events if isinstance(event, Replanned)]
    planned = [*plan_of(events).steps, *(event.instead for event in changes if event.instead)]
    ended |= {step.id for event in changes for step in event.dropped}
    return [f"{step.id} {step.specialist}" for step in planned if step.id not in ended]


def left_of(*names: str) -> list[str]:
    """The tasks of these names that are not done."""
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith(names)]


@dataclass
class Person:
    """Sends random requests into one session, and loses patience at random moments."""

    session: EngineSession
    rng: Random
    report: Report

    async def talk(self, turns: Callable[[], bool]) -> None:
        while turns():
            await self._turn()

    async def _turn(self) -> None:
        text, kinds = self.rng.choice(REQUESTS)
        files = [self._attachment(kind) for kind in kinds.split()]
        mode = self.rng.choice(("", "", "", "", "voice", "speak"))
        flags = {mode: True} if mode else {}
        act = self.rng.choice(("wait", "wait", "wait", "wait", "interrupt", "leave", "talk over", "close"))
        self.report.disturbed[act] += 1
        reading = asyncio.create_task(self._read(text, files, flags, closing=act == "close"))
        if act in ("interrupt", "leave", "talk over"):
            await asyncio.sleep(self.rng.choice((0.0, 0.01, 0.1, 0.6)) * self.rng.random())
            if act == "interrupt":
                await self.session.interrupt(heard=self.rng.choice((None, "", "Here")))
            elif act == "leave":
                reading.cancel()
            else:
                await self._over(
                    asyncio.create_task(self._read("Stop. What is the capital of Spain?", [], {}))
                )
        await self._over(reading)

    async def _over(self, reading: asyncio.Task[None]) -> None:
        done, _ = await asyncio.wait({reading}, timeout=2 * BOUND)
        if not done:
            self.report.wrong.append(f"{self.session.name}: a reader still waits after {2 * BOUND:.1f} s")
            reading.cancel()
        elif not reading.cancelled() and (error := reading.exception()) is not None:
            self.report.wrong.append(f"{self.session.name}: a turn raises {error!r}")

    async def _read(
        self, text: str, files: Sequence[Attachment], flags: Mapping[str, bool], *, closing: bool = False
    ) -> None:
        events = self.session.send(text, files=files, voice="voice" in flags, speak="speak" in flags)
        async with aclosing(events) as stream:  # type: ignore[type-var]
            left = self.rng.randrange(1, 12) if closing else -1
            async for _ in stream:
                left -= 1
                if left == 0:
                    return

    def _attachment(self, kind: str) -> Attachment:
        rng = self.rng if self.rng.random() < 0.7 else Random(0)  # at times one that was there before
        match kind:
            case "image":
                return Attachment(data=png(rng), name="page.png")
            case "audio":
                return Attachment(data=wav(rng), name="note.wav")
            case "text":
                return Attachment(data=b"It lives in Leeds.", name="note.txt")
            case _:
                return Attachment(data=b"this is no picture", name="lie.png")


async def campaign(folder: Path, *, turns: int, seed: int, sessions: int = SESSIONS) -> Report:
    """Run at least `turns` turns and judge them."""
    report, stage = Report(), Stage(seed)
    before, threads = asyncio.all_tasks(), set(threading.enumerate())
    limits = {"data": folder, "models": folder, "turn_seconds": TURN_SECONDS, "step_seconds": STEP_SECONDS}
    began = time.perf_counter()
    async with Orchestrator.open(
        Config.model_validate({"engine": limits}), runtime=LocalRuntime(stage.cast)
    ) as engine:
        await engine.warm()
        opened = [engine.session(f"s{number}") for number in range(sessions)]
        watches = [Watch(session, stage, report) for session in opened]
        watching = [asyncio.create_task(watch.follow()) for watch in watches]
        people = [Person(s, Random(f"{seed} {s.name}"), report) for s in opened]
        await asyncio.gather(*(person.talk(lambda: report.turns < turns) for person in people))
        for session in opened:
            await session.close()
        await asyncio.gather(*watching)
        report.wrong += [
            f"{watch.session.name}: {watch.session.history.turns - watch.ended} turns began and did not end"
            for watch in watches
            if watch.session.history.turns != watch.ended
        ]
    report.seconds = time.perf_counter() - began
    report.wrong += [f"the task {task.get_name()} is left" for task in asyncio.all_tasks() - before]
    report.wrong += [f"{task} is left at work" for actor in stage.cast for task in actor.running]
    report.wrong += [
        f"the thread {thread.name} is left"
        for thread in set(threading.enumerate()) - threads
        if not thread.name.startswith("asyncio_")  # the event loop's own pool, which lives as long as it
    ]
    return report


def show(report: Report) -> None:
    outcomes = ("answered", "partial", "failed", "interrupted", "waited")
    print(f"{report.turns} turns in {report.seconds:.0f} s; {SESSIONS} sessions at once")
    print("outcomes: " + ", ".join(f"{name} {report.outcomes[name]}" for name in outcomes))
    print("readers:  " + ", ".join(f"{name} {count}" for name, count in report.disturbed.most_common()))
    told = ("step.failed", "turn.replanned", "turn.problem", "reply.speech", "reply.media")
    print("events:   " + ", ".join(f"{name} {report.events[name]}" for name in told))
    print(f"slowest turn {report.slowest:.2f} s; bound {BOUND:.1f} s\n")
    print(f"{'turns with a call that':32}" + "".join(f"{name:>12}" for name in outcomes))
    for fault, counts in sorted(report.faults.items()):
        print(f"{fault:32}" + "".join(f"{counts[name] or '':>12}" for name in outcomes))
    print(f"\nwrong: {len(report.wrong)}")
    for wrong in report.wrong:
        print(f"  {wrong}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(campaign(Path(folder), turns=chosen.turns, seed=chosen.seed))
    show(report)
    sys.exit(1 if report.wrong else 0)


if __name__ == "__main__":
    main()
