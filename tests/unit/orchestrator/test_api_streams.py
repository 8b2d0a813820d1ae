"""Streamed answers, played to an application server by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.api.streams import StreamedAnswer, sse
from specialists.errors import BadInput

Message = dict[str, Any]


class Peer:
    """The other side of an ASGI application: collects what is sent, and goes when it is told to."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.changed = asyncio.Event()
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self.changed.set()

    async def until(self, text: bytes) -> None:
        while text not in self.body:
            self.changed.clear()
            await self.changed.wait()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def whole(self) -> bool:
        return self.sent[-1].get("more_body") is False

    async def run(self, answer: StreamedAnswer) -> None:
        await asyncio.wait_for(answer({"type": "http"}, self.receive, self.send), 10)


async def never(closed: asyncio.Event) -> AsyncGenerator[bytes, None]:
    try:
        yield b"first"
        await asyncio.Event().wait()
    finally:
        closed.set()


async def failing(*items: bytes) -> AsyncGenerator[bytes, None]:
    for item in items:
        yield item
    raise BadInput("is torn", part="page")


async def test_silence_is_filled() -> None:
    peer, closed = Peer(), asyncio.Event()
    answer = StreamedAnswer(never(closed), media_type="text/event-stream", events=True, heartbeat=0.01)
    running = asyncio.create_task(peer.run(answer))
    await asyncio.wait_for(peer.until(b": still here\n\n: still here\n\n"), 10)
    peer.gone.set()
    await running
    assert closed.is_set() and not peer.whole


async def test_it_ends_whole_when_the_server_stops() -> None:
    peer, closed, stop = Peer(), asyncio.Event(), asyncio.Event()
    answer = StreamedAnswer(never(closed), media_type="text/event-stream", events=True, until=stop)
    running = asyncio.create_task(peer.run(answer))
    await peer.until(b"first")
    stop.set()
    await running
    assert closed.is_set() and peer.whole


async def test_an_error_before_the_first_item_is_the_answer() -> None:
    peer = Peer()
    await peer.run(StreamedAnswer(failing(), media_type="audio/wav"))
    assert peer.sent[0]["status"] == 400
    assert json.loads(peer.body)["error"]["message"] == "page: is torn"


async def test_a_later_error_is_an_event_among_events() -> None:
    peer = Peer()
    await peer.run(StreamedAnswer(failing(b"data: 1\n\n"), media_type="text/event-stream", events=True))
    assert peer.sent[0]["status"] == 200
    assert peer.body.startswith(b"data: 1\n\nevent: error\ndata: {") and peer.whole


async def test_a_later_error_breaks_what_is_no_event_stream() -> None:
    peer = Peer()
    with pytest.raises(BadInput):
        await peer.run(StreamedAnswer(failing(b"half a file"), media_type="audio/wav"))
    assert not peer.whole


@example("one\u2028two\x85three\r\nfour", 1)
@given(st.text(), st.integers(0))
def test_an_event_is_one_line_of_data(text: str, seq: int) -> None:
    first, second, last = sse({"text": text}, seq=seq).decode().splitlines()
    assert first == f"id: {seq}" and last == ""
    assert json.loads(second.removeprefix("data: ")) == {"text": text}
