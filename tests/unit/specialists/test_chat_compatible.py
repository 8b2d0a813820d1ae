"""Chat on an OpenAI-compatible server: a real one on loopback, with a script for each answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from specialists.base import Task
from specialists.chat import Chat, create
from specialists.errors import (
    AntiphonError,
    BadConfig,
    BadInput,
    SpecialistFailed,
    TransientFailure,
    Unavailable,
)
from specialists.models import ModelStore
from specialists.registry import Setup
from specialists.runtime import LocalRuntime
from tests.unit.specialists.test_chat_form import FORM

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """Answers every request with `answer`; keeps what was asked, and tells when a client hung up."""

    answer: Answer
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)
    all_asked: list[dict[str, Any]] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        self.headers = {"path": head[0]} | dict(line.lower().split(": ", 1) for line in head[1:] if line)
        self.asked = json.loads(await reader.readexactly(int(self.headers["content-length"])))
        self.all_asked.append(self.asked)
        answering = asyncio.ensure_future(self.answer(writer))
        closing = asyncio.ensure_future(reader.read())
        done, _ = await asyncio.wait({answering, closing}, return_when=asyncio.FIRST_COMPLETED)
        if closing in done:
            self.hung_up.set()
        for task in (answering, closing):
            task.cancel()
        writer.close()


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Server]:
    server = Server(answer)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    async with listening:
        yield server


def event(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n"


def streamed(*lines: bytes, then: Awaitable[object] | None = None) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        for line in lines:
            writer.write(line)
            await writer.drain()
        if then is not None:
            await then

    return answer


def refused(status: int, body: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status} No\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return answer


def in_turn(*answers: Answer) -> Answer:
    pending = iter(answers)

    async def answer(writer: asyncio.StreamWriter) -> None:
        await next(pending)(writer)

    return answer


def chat_at(url: str, **options: object) -> Chat:
    table = {"model": f"openai:big-model@{url}"} | options
    return create(Setup("chat", ModelStore(Path()), LocalRuntime(), options=table))


async def ask(chat: Chat, **params: object) -> str:
    task = Task("t", "chat", instruction="Hello", params=params)
    return "".join([chunk.text async for chunk in chat.run(task)])


async def test_it_speaks_the_protocol() -> None:
    lines = (b": keep-alive\n\n", event("Hel"), event("lo"), event(""), b"data: [DONE]\n\n", event("no more"))
    async with serving(streamed(*lines)) as server:
        chat = chat_at(server.url, api_key="secret")
        assert await ask(chat, seed=3, stop=["."], temperature=0.5, max_tokens=9) == "Hello"
    assert server.headers["path"].startswith("POST /v1/chat/completions ")
    assert server.headers["authorization"] == "bearer secret"
    assert server.asked["messages"][-1] == {"role": "user", "content": "Hello"}
    wanted = {
        "model": "big-model",
        "stream": True,
        "seed": 3,
        "stop": ["."],
        "temperature": 0.5,
        "max_tokens": 9,
    }
    assert server.asked.items() >= wanted.items()


async def test_the_first_words_come_before_the_last_are_written() -> None:
    go = asyncio.Event()
    async with serving(streamed(event("first"), then=go.wait())) as server:
        answer = chat_at(server.url).run(Task("t", "chat", instruction="Hello"))
        async with aclosing(answer):
            assert (await anext(answer)).text == "first"
            go.set()
            assert [chunk.text async for chunk in answer] == []


@pytest.mark.parametrize("lines", [(event("first"),), ()])
async def test_cancelling_closes_the_connection(lines: tuple[bytes, ...]) -> None:
    """Between two words, and while the server is silent before the first."""
    async with serving(streamed(*lines, then=asyncio.Event().wait())) as server:
        reading = asyncio.create_task(ask(chat_at(server.url)))
        while not server.asked:
            await asyncio.wait({reading}, timeout=0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        async with asyncio.timeout(5):
            await server.hung_up.wait()


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, b'{"error": {"message": "bad key"}}', Unavailable, "401: bad key. Set api_key"),
        (404, b'{"error": "no such model"}', BadConfig, "named 'big-model'"),
        (400, b'{"message": "too long"}', SpecialistFailed, "400: too long"),
        (429, b"slow down", TransientFailure, "429"),
        (503, b"", TransientFailure, "503"),
    ],
)
async def test_a_refusal_says_what_to_do(
    status: int, body: bytes, kind: type[AntiphonError], words: str
) -> None:
    async with serving(refused(status, body)) as server:
        with pytest.raises(kind) as caught:
            await ask(chat_at(server.url))
    assert type(caught.value) is kind
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        b"data: not json\n\n",
        b'data: {"choices": [1]}\n\n',
        b"data: []\n\n",
        b'data: {"error": "out of memory"}\n\n',
    ],
)
async def test_an_answer_that_is_none_is_the_servers_failure(line: bytes) -> None:
    async with serving(streamed(line)) as server:
        with pytest.raises(SpecialistFailed) as caught:
            await ask(chat_at(server.url))
    assert type(caught.value) is SpecialistFailed


async def test_a_server_that_is_not_there_may_come_back() -> None:
    async with serving(streamed()) as server:
        pass
    with pytest.raises(TransientFailure, match="cannot be reached"):
        await ask(chat_at(server.url))


async def test_a_connection_that_breaks_is_told() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + event("half"))
        await writer.drain()

    async with serving(answer) as server:
        with pytest.raises(TransientFailure):
            await ask(chat_at(server.url))


async def test_a_grammar_is_refused() -> None:
    with pytest.raises(BadInput, match="no GBNF"):
        await ask(chat_at("http://127.0.0.1:9/v1"), grammar='root ::= "x"')


async def test_a_form_is_asked_for_as_structured_output() -> None:
    json_events = (event('{"line": "left'), event(' right"}'), b"data: [DONE]\n\n")
    async with serving(streamed(*json_events)) as server:
        assert await ask(chat_at(server.url), form=FORM.to_text()) == "left right stop"
    wanted = server.asked["response_format"]
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"]["schema"] == FORM.schema()


@pytest.mark.parametrize("status", [400, 422])
async def test_a_server_without_structured_outputs_is_asked_without_and_remembered(status: int) -> None:
    plain = streamed(event("left "), event("stop"))
    async with serving(in_turn(refused(status, b"{}"), plain, plain)) as server:
        chat = chat_at(server.url)
        assert await ask(chat, form=FORM.to_text()) == "left stop"
        assert await ask(chat, form=FORM.to_text()) == "left stop"
    assert ["response_format" in asked for asked in server.all_asked] == [True, False, False]


async def test_what_is_refused_without_a_form_too_was_not_refused_for_it() -> None:
    too_long = refused(400, b'{"message": "too long"}')
    structured = streamed(event('{"line": "go"}'))
    async with serving(in_turn(too_long, too_long, structured)) as server:
        chat = chat_at(server.url)
        with pytest.raises(SpecialistFailed, match="too long"):
            await ask(chat, form=FORM.to_text())
        assert await ask(chat, form=FORM.to_text()) == "go stop"
    assert ["response_format" in asked for asked in server.all_asked] == [True, False, True]


async def test_a_server_that_ignores_the_form_is_passed_on_as_it_is() -> None:
    async with serving(streamed(event("I would go left."))) as server:
        assert await ask(chat_at(server.url), form=FORM.to_text()) == "I would go left."
