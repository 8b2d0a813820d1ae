"""Sessions of another process, over the native API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from orchestrator.client import Client
from orchestrator.events import (
    Event,
    PartRejected,
    Replanned,
    SessionOpened,
    SpeechDelta,
    TextDelta,
    TurnFinished,
    TurnStarted,
    to_dict,
)
from orchestrator.session import Attachment
from specialists.base import Chunk
from specialists.content import BlobRef, Part, message
from specialists.errors import BadInput, Unavailable, UnknownName
from specialists.fakes import Gated, Scripted, card, words
from tests.unit.orchestrator.api_stage import Serve, Served, b64, png, serve_in

LOOKED = message("user", "Look", Part("image", blob=BlobRef("", 0, "")))


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    return serve_in(tmp_path)


@asynccontextmanager
async def client_of(served: Served, key: str = "") -> AsyncIterator[Client]:
    async with Client(served.url, key) as client:
        yield client


async def collect(events: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]


def one(events: list[Event], kind: type) -> Event:
    (found,) = [event for event in events if isinstance(event, kind)]
    return found


async def test_a_turn_is_the_same_events_as_here(serve: Serve, tmp_path: Path) -> None:
    picture = tmp_path / "cat.png"
    picture.write_bytes(png())
    async with serve() as served, client_of(served) as client:
        session = client.session("trip")
        there = await collect(session.send("What is this? Read it to me", images=[picture], speak=True))
        here = served.engine.session("trip")
        logged = [event async for event in first(here.events(), len(there) + 1)]
        assert there == logged[1:]
    assert one(there, TurnStarted).message.media[0].name == "cat.png"
    assert one(there, TurnFinished).outcome == "answered"
    assert any(isinstance(event, SpeechDelta) and event.pcm for event in there)


async def test_speech_that_nobody_would_hear_is_not_made_there_either(serve: Serve) -> None:
    async with serve() as served, client_of(served) as client:
        there = await collect(client.session("trip").send("say hello out loud", speak="never"))
    assert any(isinstance(event, Replanned) for event in there)
    assert not any(isinstance(event, SpeechDelta) for event in there)


async def first(events: AsyncIterator[Event], count: int) -> AsyncIterator[Event]:
    async for event in events:
        yield event
        count -= 1
        if not count:
            return


async def test_files_of_every_kind_arrive(serve: Serve, media: Path) -> None:
    async with serve() as served, client_of(served) as client:
        events = await collect(
            client.session("s").send(
                "Describe these",
                images=[Attachment(data=png(), name="a.png")],
                audio=[media / "question.wav"],
                video=[str(media / "clip.mp4")],
                files=[Attachment(data="Grüße".encode(), name="note.txt", media_type="text/plain")],
            )
        )
        parts = one(events, TurnStarted).message.parts
        assert [(part.kind, part.name) for part in parts[1:]] == [
            ("image", "a.png"),
            ("audio", "question.wav"),
            ("video", "clip.mp4"),
            ("text", "note.txt"),
        ]
        assert parts[4].text == "Grüße"


async def test_a_bad_file_does_not_end_the_turn(serve: Serve) -> None:
    async with serve() as served, client_of(served) as client:
        events = await collect(
            client.session("s").send(
                "What do these show?",
                images=[Attachment(data=b"words", name="../b.png"), Attachment(data=png(), name="a.png")],
            )
        )
        assert one(events, PartRejected).part == "b.png"
        assert one(events, TurnFinished).outcome == "partial"


async def test_json_turns_carry_attachments_too(serve: Serve) -> None:
    async with serve() as served:
        body = {"text": "What is this?", "attachments": [{"data": b64(png()), "name": "a.png"}]}
        answer = await served.http.post("/sessions/s/turns", json=body)
        ids = [line for line in answer.text.splitlines() if line.startswith("id: ")]
        data = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
        assert [f"id: {event['seq']}" for event in data] == ids
        assert data[0]["message"]["parts"][1]["kind"] == "image"


async def test_closing_the_iterator_cancels_the_turn(serve: Serve) -> None:
    chat = Gated(card("chat"), words("one ", "two "))
    async with serve(chat) as served, client_of(served) as client:
        chat.gate.release()
        events = client.session("s").send("Hello")
        async for event in events:
            if isinstance(event, TextDelta):
                break
        await events.aclose()
        await asyncio.wait_for(chat.cancelled.wait(), 10)


async def test_interrupting_keeps_what_was_heard(serve: Serve) -> None:
    chat = Gated(card("chat"), words("one ", "two ", "three"))
    async with serve(chat) as served, client_of(served) as client:
        chat.gate.release()
        chat.gate.release()
        session = client.session("s")
        events = []
        async for event in session.send("Hello"):
            events.append(event)
            if isinstance(event, TextDelta) and event.text == "two ":
                await session.interrupt(heard="one")
        finished = one(events, TurnFinished)
        assert (finished.outcome, finished.text) == ("interrupted", "one")
        await session.interrupt()  # without a turn nothing happens


async def test_events_are_resumed_where_they_stopped(serve: Serve) -> None:
    async with serve() as served, client_of(served) as client:
        session = client.session("s")
        sent = await collect(session.send("Hello"))
        seen = [event async for event in first(session.events(), len(sent) + 1)]
        assert [event.seq for event in seen] == list(range(1, len(sent) + 2))
        after = seen[3].seq
        later = [event async for event in first(session.events(after), len(sent) + 1 - after)]
        assert later == seen[after:]
        # Last-Event-ID is what a browser sends when it connects again; it goes before the query.
        headers = {"last-event-id": str(after)}
        async with served.http.stream("GET", "/sessions/s/events?since=1", headers=headers) as answer:
            line = await anext(line async for line in answer.aiter_lines() if line.startswith("id: "))
            assert line == f"id: {after + 1}"


async def test_events_go_on_live(serve: Serve) -> None:
    async with serve() as served, client_of(served) as client:
        follower = client.session("s").events()
        assert (await anext(follower)).type == "session.opened"
        sent = await collect(client.session("s").send("Hello"))
        followed = [await anext(follower) for _ in sent]
        assert followed == sent
        await follower.aclose()


async def test_lists_and_plans(serve: Serve) -> None:
    async with serve() as served, client_of(served) as client:
        assert await client.sessions() == []
        await collect(client.session("Été 1").send("Hello"))
        (info,) = await client.sessions()
        assert (info.name, info.turns, info.title) == ("Été 1", 1, "Hello")
        cards = {card.name: card for card in await client.cards()}
        assert {card.name: card for card in served.engine.cards()} == cards
        health = await client.health()
        assert health["chat"].state == "ready" and health["imagegen"].state == "unavailable"
        plan = await client.plan("What does this page say?", ["image"])
        assert [step["specialist"] for step in plan["steps"]][:1] == ["ocr"]
        again = await client.plan("Read it to me", [], [LOOKED])
        assert set(again) >= {"steps", "outputs", "reuse", "controls"}


async def test_blobs_are_read_by_digest(serve: Serve) -> None:
    painter = Scripted(
        card("imagegen", ["text"], ["image"], examples=("draw a cat", "paint a picture of a house")),
        (Chunk("image", data=png("blue"), media_type="image/png"),),
    )
    async with serve(painter) as served, client_of(served) as client:
        events = await collect(client.session("s").send("Draw a picture of a cat"))
        ready = next(event for event in events if event.type == "reply.media")
        assert await client.read(ready.part.blob) == png("blue")
        with pytest.raises(UnknownName):
            await client.read(BlobRef("0" * 64, 1, ""))


async def test_what_goes_wrong_is_told_as_our_errors(serve: Serve, tmp_path: Path) -> None:
    async with serve(server={"api_key": "right"}) as served:
        async with client_of(served, "wrong") as client:
            with pytest.raises(Unavailable, match="key"):
                await collect(client.session("s").send("Hello"))
        async with client_of(served, "right") as client:
            with pytest.raises(BadInput, match="session name"):
                await collect(client.session("../etc").send("Hello"))
            with pytest.raises(BadInput, match=r"gone\.png"):
                await collect(client.session("s").send("Hello", images=[tmp_path / "gone.png"]))
            events = await collect(client.session("s").send("Hello"))
            assert {event.session for event in events} == {"s"}  # and not the key's full name
    async with Client(served.url) as client:
        with pytest.raises(Unavailable, match="antiphon serve"):
            await client.sessions()
    for url in ("not a url", "ftp://localhost", "http://[::1"):
        with pytest.raises(BadInput):
            async with Client(url) as client:
                await client.sessions()


async def test_a_server_that_is_something_else_is_told(serve: Serve) -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(page, "127.0.0.1", 0)
    async with server, Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
        with pytest.raises(Unavailable, match="something else"):
            await client.sessions()


async def test_a_broken_connection_is_taken_up_again() -> None:
    opened = [to_dict(SessionOpened(session="s", seq=seq)) for seq in (1, 2)]
    asked: list[bytes] = []

    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        data = f"id: {len(asked)}\ndata: {json.dumps(opened[len(asked) - 1])}\n\n".encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head + f"{len(data):x}\r\n".encode() + data + b"\r\n")  # and no last chunk
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(breaks, "127.0.0.1", 0)
    async with server, Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
        seen = [event.seq async for event in first(client.session("s").events(), 2)]
    assert seen == [1, 2]
    assert b"last-event-id: 1" in asked[1].lower()
