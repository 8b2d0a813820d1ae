"""Recording: the services of a session, with all that a turn takes in through them written down."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from memory.records import Hit, Record
from orchestrator.config import Config
from orchestrator.context import Services
from orchestrator.controller.request import Request
from orchestrator.controller.route import Route
from orchestrator.journal import Journal
from orchestrator.latency import Latency
from orchestrator.rerun import tape
from orchestrator.rerun.codec import encode, encode_error, pack
from orchestrator.session import Attachment
from specialists.base import Card, Chunk, Task
from specialists.cancellation import being_cancelled
from specialists.content import TEXT, Message, Part
from specialists.errors import Ours

log = logging.getLogger("antiphon")

HIT_TEXT = 200
"""Characters of a memory hit that a turn makes use of."""

SETTINGS = {
    "engine": {"turn_seconds", "step_seconds", "system_prompt"},
    "budget": True,
    "controller": {"ask_below"},
    "memory": True,
    "limits": True,
}
"""The settings that a turn depends on: no path, no key, no address."""


def recorded(services: Services, journal: Journal) -> Services:
    """The services whose calls are written into the journal, at the moment their results are used."""
    return _Recorder(services, journal).services()


@dataclass
class Counter:
    """Names what a turn asks for, by what it is and how often it was asked for before."""

    asked: dict[tuple[int, str], int] = field(default_factory=dict)

    def key(self, turn: int, name: str) -> str:
        self.asked[turn, name] = number = self.asked.get((turn, name), 0) + 1
        return f"{name} {turn}.{number}"


@dataclass
class _Recorder:
    inner: Services
    journal: Journal
    counter: Counter = field(default_factory=Counter)
    known: tuple[Card, ...] | None = None

    def take(self, kind: str, key: str = "", value: Any = None) -> None:
        self.journal.take(kind, key, value)

    def services(self) -> Services:
        inner = self.inner
        return replace(
            inner,
            call=self.call,
            cards=self.cards,
            costs=self.costs,
            latencies=self.latencies,
            controller=_Controller(self),
            door=self.door,  # type: ignore[arg-type]
            clock=lambda: self.read("clock", inner.clock()),
            wall=lambda: self.read("wall", inner.wall()),
            chance=lambda: self.read("chance", inner.chance()),
            accept=self.accept,
            pause=self.pause,
            timer=self.timer,
        )

    async def call(self, task: Task) -> AsyncIterator[Chunk]:
        key = call_key(task)
        self.take(tape.BEGIN, key, task_digest(task, self.inner.cards()))
        try:
            async with aclosing(self.inner.call(task)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    self.take(tape.CHUNK, key, _chunk(chunk))
                    yield chunk
        except asyncio.CancelledError as error:
            if not being_cancelled():  # somebody cancelled the call, and not its reader
                self.take(tape.ERROR, key, encode_error(error))
            raise
        except Exception as error:
            self.take(tape.ERROR, key, encode_error(error))
            raise
        self.take(tape.END, key)

    def cards(self) -> tuple[Card, ...]:
        cards = self.inner.cards()
        if cards != self.known:
            self.known = cards
            self.take(tape.SETUP, "", pack({"cards": cards, "settings": settings(self.inner.config)}))
        return cards

    def costs(self) -> Mapping[str, float]:
        costs = dict(self.inner.costs())
        self.take(tape.READ, "costs", [encode(costs)])
        return costs

    def latencies(self) -> Mapping[str, Latency]:
        latencies = dict(self.inner.latencies())
        self.take(tape.READ, "latencies", [encode(latencies)])
        return latencies

    def read(self, name: str, figure: float) -> float:
        self.take(tape.READ, name, [figure])
        return figure

    async def door(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        name = call.__name__
        return await self.noted(
            self.key(name),
            door_digest(args),
            self.inner.door(call, *args, **kwargs),
            lambda result: door_result(name, result),
        )

    async def accept(self, given: Sequence[Attachment], *more: Any) -> tuple[list[Part], list[Any]]:
        def written(result: tuple[list[Part], list[Any]]) -> Any:
            return [encode(tuple(result[0])), [encode_error(error) for error in result[1]]]

        return await self.noted(self.key("accept"), "", self.inner.accept(given, *more), written)

    async def pause(self, seconds: float) -> None:
        await self.noted(self.key("pause"), "", self.inner.pause(seconds), encode)

    def timer(self, seconds: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        def late() -> None:
            self.take(tape.LATE)
            act()

        return self.inner.timer(seconds, late)

    async def noted(
        self, key: str, digest: str, awaited: Awaitable[Any], written: Callable[[Any], Any]
    ) -> Any:
        self.take(tape.BEGIN, key, digest)
        try:
            result = await awaited
        except Exception as error:
            self.take(tape.ERROR, key, encode_error(error))
            raise
        try:
            self.take(tape.VALUE, key, written(result))
        except Ours as error:  # the turn itself lacks nothing
            log.error("this turn cannot run again as it was: %s", error)
            self.take(tape.ERROR, key, encode_error(error))
        return result

    def key(self, name: str) -> str:
        return self.counter.key(self.journal.turn, name)


@dataclass(frozen=True)
class _Controller:
    recorder: _Recorder

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        recorder = self.recorder
        key = recorder.key("route")
        routing = recorder.inner.controller.route(request, cards)
        return await recorder.noted(key, request_digest(request, cards), routing, encode)


def call_key(task: Task) -> str:
    """A call's name within its session: the turn, the step and the try."""
    return f"call {task.id[task.id.rfind(f'-{task.turn}-') + 1 :]}"


def task_digest(task: Task, cards: Sequence[Card]) -> str:
    """What a specialist works on, in short. What was said before counts where it works on words."""
    card = next((card for card in cards if card.name == task.specialist), None)
    words = card is not None and TEXT in card.consumes
    return _digest(
        [
            task.specialist,
            [_part(part) for part in task.parts],
            task.instruction,
            sorted((name, str(value)) for name, value in task.params.items() if name != "scope"),
            [_message(message) for message in task.context] if words else [],
        ]
    )


def request_digest(request: Request, cards: Sequence[Card]) -> str:
    """What a controller decides on, in short."""
    offered = [[card.name, card.consumes, card.produces, card.available] for card in cards]
    said = [[said.role, said.text, said.attachments] for said in request.history]
    return _digest([request.text, request.attachments, said, offered])


def door_digest(args: Sequence[Any]) -> str:
    """What memory is asked by name, in short; the rest of what it is given is told by its results."""
    return _digest([arg for arg in args if isinstance(arg, str)])


def door_result(name: str, result: Any) -> Any:
    """What a call of memory gave, as it is written down."""
    if name == "remember":  # the words stand in the events already
        return [[record.id, record.time] for record in result]
    if name == "put":
        return None
    if isinstance(result, list) and all(isinstance(hit, Hit) for hit in result):
        return encode([_trimmed(hit) for hit in result])
    return encode(result)


def settings(config: Config) -> str:
    """The settings that a turn depends on, as JSON text."""
    return json.dumps(config.model_dump(mode="json", include=SETTINGS), sort_keys=True)  # type: ignore[arg-type]


def _trimmed(hit: Hit) -> Hit:
    record: Record = hit.record
    return replace(hit, record=replace(record, text=record.text[:HIT_TEXT]))


def _chunk(chunk: Chunk) -> Any:
    return chunk.text if chunk == Chunk(TEXT, text=chunk.text) else encode(chunk)


def _part(part: Part) -> list[str]:
    return [part.kind, part.key or part.text, part.name]


def _message(message: Message) -> list[Any]:
    return [message.role, [_part(part) for part in message.parts]]


def _digest(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
