"""The conformance suite: whether a specialist keeps the contract of `specialists.base`.

It runs the specialist as the engine does, on small samples of what its Card says it consumes.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from specialists.base import MEANINGS, Card, Chunk, Specialist, Task, pcm_rate
from specialists.content import AUDIO, TEXT, Kind, kinds
from specialists.errors import AntiphonError, BadInput, Unavailable
from specialists.runtime import LocalRuntime
from specialists.samples import Sample, SampleBlobs, make_samples

PROMPT_SECONDS = 2.0
"""How long a specialist may take to stop."""

CALL_SECONDS = 120.0
"""How long one call of the suite may take."""

_COMPARED = 2000
"""So many characters of two answers are compared."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_PARAMETER_TYPES = ("string", "number", "integer", "boolean")
_GARBAGE = bytes(range(256)) * 8


@dataclass(frozen=True, slots=True)
class Finding:
    """One question of the suite and its answer."""

    name: str
    passed: bool
    detail: str = ""


class Failed(Exception):
    """A question is answered with no; the message says why."""


@dataclass
class Subject:
    """The specialist under test, and what it is tried on."""

    runtime: LocalRuntime
    card: Card
    samples: Mapping[Kind, Sequence[Sample]]
    blobs: SampleBlobs
    tried: dict[Kind, list[Chunk]] = field(default_factory=dict)
    """The answers to the first sample of each kind."""
    _calls: int = 0

    def task(self, *samples: Sample, instruction: str = "") -> Task:
        self._calls += 1
        return Task(
            id=f"check-{self._calls}",
            specialist=self.card.name,
            parts=tuple(sample.part for sample in samples),
            instruction=instruction,
            deadline=CALL_SECONDS,
            blobs=self.blobs,
        )

    def sampled(self) -> Iterator[tuple[Kind, Sequence[Sample]]]:
        """The kinds it consumes of which there are samples."""
        for kind in self.card.consumes:
            if kind in self.samples:
                yield kind, self.samples[kind]

    async def answer(self, task: Task) -> list[Chunk]:
        async with aclosing(self.runtime.run(task)) as stream:  # type: ignore[type-var]
            return [chunk async for chunk in stream]


async def check(
    specialist: Specialist, samples: Mapping[Kind, Sequence[Sample]] | None = None
) -> list[Finding]:
    """Put every question of the suite to the specialist.

    `samples` adds two samples for each kind of the specialist's own, or replaces those there are. A
    specialist that is not available is only asked for its Card and its remedy, one with a wrong name for its
    Card alone.
    """
    offered: dict[Kind, Sequence[Sample]] = {**make_samples(), **(samples or {})}
    garbage = [Sample(kind, _GARBAGE, few[0].media_type, few[0].name) for kind, few in offered.items()]
    empty = [Sample(kind, b"", few[0].media_type, few[0].name) for kind, few in offered.items()]
    held = [sample for few in offered.values() for sample in few]
    # By a wrong name no runtime can call it.
    called = bool(_NAME.fullmatch(specialist.card.name))
    runtime = LocalRuntime([specialist] if called else [])
    subject = Subject(runtime, specialist.card, offered, SampleBlobs([*held, *garbage, *empty]))
    if not called:
        return [await _ask("its card is complete", _card_is_complete, subject)]
    asked = _QUESTIONS if specialist.card.available else _QUESTIONS_OF_ABSENT
    return [await _ask(name, question, subject) for name, question in asked.items()]


Question = Callable[[Subject], Awaitable[str]]
"""Raises Failed, or returns a remark."""


async def _ask(name: str, question: Question, subject: Subject) -> Finding:
    try:
        return Finding(name, True, await question(subject))
    except Failed as failure:
        return Finding(name, False, str(failure))
    except AntiphonError as error:
        return Finding(name, False, f"{type(error).__name__}: {error}")


async def _card_is_complete(subject: Subject) -> str:
    card = subject.card
    wrong = {
        "its name is not made of small letters, digits, - and _": not _NAME.fullmatch(card.name),
        "it has no description": not card.description.strip(),
        "it has no version": not card.version.strip(),
        "it consumes nothing": not card.consumes,
        "it produces nothing": not card.produces,
        "its cost in seconds is not above 0": not card.cost.seconds > 0,
        "two parameters share a name": max(Counter(p.name for p in card.parameters).values(), default=1) > 1,
        f"a parameter's type is none of {', '.join(_PARAMETER_TYPES)}": any(
            parameter.type not in _PARAMETER_TYPES for parameter in card.parameters
        ),
        "a parameter's meaning is none of " + ", ".join(MEANINGS): any(
            parameter.meaning and parameter.meaning not in MEANINGS for parameter in card.parameters
        ),
        "a parameter has no description": any(not p.description.strip() for p in card.parameters),
        "an example is empty or stands there twice": not all(map(str.strip, card.examples))
        or len(set(card.examples)) < len(card.examples),
    }
    if found := [sentence for sentence, is_so in wrong.items() if is_so]:
        raise Failed("; ".join(found))
    return "" if card.examples else "without examples no request is routed to it, it can only be called"


async def _kinds_are_known(subject: Subject) -> str:
    known = kinds()
    unknown = sorted({kind for kind in (*subject.card.consumes, *subject.card.produces) if kind not in known})
    if unknown:
        raise Failed(f"nobody registered {', '.join(unknown)}: call specialists.content.register_kind")
    missing = [kind for kind in subject.card.consumes if kind not in subject.samples]
    return f"not tried on {', '.join(missing)}: there is no sample" if missing else ""


async def _loads_twice(subject: Subject) -> str:
    began = time.perf_counter()
    await subject.runtime.load(subject.card.name)
    first = time.perf_counter() - began
    await subject.runtime.load(subject.card.name)
    return f"loaded in {first:.2f} s"


async def _answers(subject: Subject) -> str:
    remarks = []
    for kind, few in subject.sampled():
        task = subject.task(few[0])
        began = time.perf_counter()
        try:
            chunks = await subject.answer(task)
        except BadInput as error:  # it may need several kinds at once
            together = subject.task(*(others[0] for _, others in subject.sampled()))
            if len(together.parts) == 1:
                raise Failed(f"refuses {kind}, which it consumes: {error}") from error
            task, chunks = together, await subject.answer(together)
        if not chunks:
            raise Failed(f"gives no answer to {kind}")
        for chunk in chunks:
            _check_chunk(chunk, subject.card, len(task.parts))
        subject.tried[kind] = chunks
        remarks.append(f"{kind} in {time.perf_counter() - began:.2f} s")
    return ", ".join(remarks)


def _check_chunk(chunk: Chunk, card: Card, parts: int) -> None:
    if chunk.kind not in card.produces:
        raise Failed(f"yields {chunk.kind}, which its card does not name")
    if chunk.kind == TEXT and chunk.data:
        raise Failed("yields text as data: it belongs in `text`")
    if chunk.kind != TEXT and not chunk.media_type:
        raise Failed(f"yields {chunk.kind} without a media type")
    if chunk.kind == AUDIO:
        try:
            pcm_rate(chunk.media_type)
        except ValueError as error:
            raise Failed(f"yields sound that is {error}") from error
        if len(chunk.data) % 2:
            raise Failed("yields sound with half a sample at its end")
    if chunk.score is not None and not 0 <= chunk.score <= 1:
        raise Failed(f"yields a score of {chunk.score}, which is not from 0 to 1")
    if chunk.anchor is not None and not 0 <= chunk.anchor.part < parts:
        raise Failed(f"yields an anchor in part {chunk.anchor.part} of {parts}")


async def _streams(subject: Subject) -> str:
    remarks = []
    for kind in subject.tried:
        arrivals, began = [], time.perf_counter()
        async with aclosing(subject.runtime.run(subject.task(subject.samples[kind][0]))) as stream:  # type: ignore[type-var]
            async for _ in stream:
                arrivals.append(time.perf_counter() - began)
        total = time.perf_counter() - began
        # A quick answer may come in one go, and so may the few pieces that a model finds in one step.
        if len(arrivals) > 3 and total > 1.0 and arrivals[0] > 0.9 * total:
            raise Failed(f"holds its answer to {kind} back for {arrivals[0]:.2f} of {total:.2f} s")
        first = arrivals[0] if arrivals else total
        remarks.append(f"{kind}: {len(arrivals)} pieces, the first after {first:.2f} of {total:.2f} s")
    return ", ".join(remarks)


async def _cancels(subject: Subject) -> str:
    before = _workers()
    slowest = 0.0
    for kind in subject.tried:
        for pause in (0.0, 0.05, None):
            slowest = max(slowest, await _stop_after(subject, kind, pause))
    if left := _workers() - before:
        raise Failed(f"leaves {len(left)} threads at work after it was stopped")
    return f"within {slowest:.2f} s"


async def _stop_after(subject: Subject, kind: Kind, pause: float | None) -> float:
    """Stop a call after a pause, in seconds, or after its first Chunk; returns how long that took."""
    stream = subject.runtime.run(subject.task(subject.samples[kind][0]))
    first = asyncio.ensure_future(anext(stream, None))
    if pause is None:
        await first
    else:
        await asyncio.sleep(pause)
    began = time.perf_counter()
    first.cancel()
    stopping = asyncio.ensure_future(_end(first, stream))
    done, _ = await asyncio.wait({stopping}, timeout=PROMPT_SECONDS)
    if not done:
        stopping.cancel()
        raise Failed(f"has not stopped working on {kind} {PROMPT_SECONDS:.0f} s after it was told to")
    stopping.result()
    return time.perf_counter() - began


async def _end(first: asyncio.Future[Chunk | None], stream: object) -> None:
    await asyncio.gather(first, return_exceptions=True)
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()


def _workers() -> set[threading.Thread]:
    """The threads that `specialists.threads` started and that have not ended."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("specialist")}


async def _refuses_bad_input(subject: Subject) -> str:
    tasks = {"a task without any content": subject.task()}
    for kind, few in subject.sampled():
        if kind == TEXT:
            continue
        for name, data in (("garbage", _GARBAGE), ("nothing", b"")):
            sample = Sample(kind, data, few[0].media_type, few[0].name)
            tasks[f"{name} that is said to be {kind}"] = subject.task(sample)
    for what, task in tasks.items():
        try:
            await subject.answer(task)
        except BadInput as error:
            if not error.message.strip():
                raise Failed(f"refuses {what} without saying why") from error
        except AntiphonError as error:
            raise Failed(f"does not refuse {what} with BadInput but fails: {error}") from error
        else:
            raise Failed(f"answers {what} as if it were sound")
    return f"{len(tasks)} kinds of it"


async def _calls_do_not_mix(subject: Subject) -> str:
    for kind in subject.tried:
        samples = subject.samples[kind]
        alone = [_essence(await subject.answer(subject.task(sample))) for sample in samples]
        numbers = [number for number in range(len(samples)) for _ in range(2)]
        together = await asyncio.gather(*(subject.answer(subject.task(samples[n])) for n in numbers))
        for number, chunks in zip(numbers, together, strict=True):
            if not chunks:
                raise Failed(f"a call about {kind} stays without an answer when others run beside it")
            # Models may answer a little differently each time, so an answer has to be nearest to its own.
            nearness = [_nearness(_essence(chunks), other) for other in alone]
            if nearness[number] < max(nearness):
                raise Failed(f"a call about {kind} gets the answer of another that runs beside it")
    return ""


def _essence(chunks: list[Chunk]) -> tuple[str, bytes]:
    """What an answer says, however it is divided into Chunks."""
    return "".join(chunk.text for chunk in chunks)[:_COMPARED], b"".join(chunk.data for chunk in chunks)


def _nearness(one: tuple[str, bytes], other: tuple[str, bytes]) -> float:
    from difflib import SequenceMatcher

    return SequenceMatcher(None, one[0], other[0]).ratio() + (one[1] == other[1])


async def _says_what_is_missing(subject: Subject) -> str:
    if not subject.card.remedy.strip():
        raise Failed("its card says that it is not available, and not what to do about it")
    try:
        await subject.answer(subject.task(instruction="Hello"))
    except Unavailable as error:
        return error.remedy
    raise Failed("answers though its card says that it is not available")


_QUESTIONS: Mapping[str, Question] = {
    "its card is complete": _card_is_complete,
    "its kinds are known": _kinds_are_known,
    "it loads, and loads again": _loads_twice,
    "it answers with what its card names": _answers,
    "it streams": _streams,
    "it stops when told to": _cancels,
    "it refuses bad input": _refuses_bad_input,
    "its calls do not mix": _calls_do_not_mix,
}
_QUESTIONS_OF_ABSENT: Mapping[str, Question] = {
    "its card is complete": _card_is_complete,
    "its kinds are known": _kinds_are_known,
    "it says what is missing": _says_what_is_missing,
}
