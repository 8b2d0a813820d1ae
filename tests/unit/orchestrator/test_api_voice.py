"""Talking over a WebSocket: a real server, a real client, real ears, scripted specialists."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from specialists.base import Chunk
from specialists.fakes import Scripted, card
from tests.unit.orchestrator.api_stage import Serve, Served, serve_in

FRAME = 640
"""Bytes of 20 ms of the microphone."""
LOUD = np.full(22_050, 8_000, "<i2").tobytes()


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    return serve_in(tmp_path)


@pytest.fixture
def question(media: Path) -> bytes:
    return soundfile.read(media / "question.wav", dtype="int16")[0].tobytes()


def voice() -> Scripted:
    said = Chunk("audio", text="Paris is the capital.", data=LOUD, media_type="audio/pcm;rate=22050")
    return Scripted(card("tts", ["text"], ["audio"]), (said,))


@dataclass
class Heard:
    """What came from the server."""

    sound: bytearray = field(default_factory=bytearray)
    events: list[dict[str, object]] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, object]]:
        return [event for event in self.events if event["type"] == kind]

    @property
    def level(self) -> int:
        return int(np.abs(np.frombuffer(bytes(self.sound), "<i2").astype(np.int32)).max(initial=0))


def at(served: Served, path: str = "/sessions/trip/voice") -> str:
    return served.url.replace("http://", "ws://") + path


async def speak(socket: ClientConnection, sound: bytes) -> None:
    """Send the microphone's sound in time, and then silence, until the connection ends."""
    loop = asyncio.get_running_loop()
    start, sent = loop.time(), 0
    while True:
        piece = sound[sent * FRAME : (sent + 1) * FRAME] or bytes(FRAME)
        await socket.send(piece)
        sent += 1
        await asyncio.sleep(max(0.0, start + sent * 0.02 - loop.time()))


async def listen(socket: ClientConnection, heard: Heard, until: str) -> None:
    async for message in socket:
        if isinstance(message, bytes):
            heard.sound += message
            continue
        heard.events.append(json.loads(message))
        if heard.events[-1]["type"] == until:
            return


async def test_a_question_is_heard_and_answered_aloud(serve: Serve, question: bytes) -> None:
    heard = Heard()
    async with serve(voice()) as served, connect(at(served) + "?rate=16000") as socket:
        speaking = asyncio.create_task(speak(socket, question))
        async with asyncio.timeout(20):
            await listen(socket, heard, "speech.heard")
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
    assert heard.of("turn.started")[0]["voice"] is True
    assert heard.of("speech.heard")[0]["heard"] == "Paris is the capital."
    assert 7_000 < heard.level < 9_000
    assert "pcm" not in heard.of("reply.speech")[0]
    # In time, and no more: a second of speech takes a second.
    assert len(heard.sound) % 640 == 0


async def test_who_leaves_leaves_nothing_running(serve: Serve, question: bytes) -> None:
    async with serve(voice()) as served:
        for _ in range(2):  # the session is free again
            async with connect(at(served)) as socket:
                await socket.send(question[:FRAME])
                await socket.recv()
            left = [t for t in asyncio.all_tasks() if t.get_name() in ("talk", "microphone", "events")]
            async with asyncio.timeout(10):
                await asyncio.gather(*left, return_exceptions=True)


async def test_one_conversation_a_session(serve: Serve) -> None:
    async with serve(voice()) as served, connect(at(served)) as first:
        await first.recv()
        async with connect(at(served)) as second:
            with pytest.raises(ConnectionClosed) as closed:
                await second.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008 and "trip" in closed.value.rcvd.reason


async def test_without_ears_it_says_so(serve: Serve) -> None:
    deaf = Scripted(card("asr", ["audio"], available=False, remedy="Install Whisper"), ())
    async with serve(voice(), deaf) as served, connect(at(served)) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011 and "Install Whisper" in closed.value.rcvd.reason


async def test_what_is_no_sound_is_refused(serve: Serve) -> None:
    async with serve(voice()) as served, connect(at(served)) as socket:
        await socket.send("words")
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await socket.recv()
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1003


@pytest.mark.parametrize("query", ["?rate=1", "?rate=22051", "?latency_ms=-1"])
async def test_a_rate_that_cannot_be_is_refused(serve: Serve, query: str) -> None:
    async with serve(voice()) as served:
        with pytest.raises(InvalidStatus):
            async with connect(at(served) + query):
                pass


async def test_a_key_is_needed_where_one_is_set(serve: Serve) -> None:
    async with serve(voice(), server={"api_key": "right"}) as served:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(at(served)):
                pass
        assert refused.value.response.status_code in (401, 403)
        async with connect(at(served), additional_headers={"authorization": "Bearer right"}) as socket:
            assert isinstance(await socket.recv(), bytes)
