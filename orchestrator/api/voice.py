"""A spoken conversation over a WebSocket: sound both ways as binary messages, events as text.

The client sends the microphone, 16 bit PCM, mono, 16 kHz, in pieces of any length, as it comes; it gets the
loudspeaker's sound in the same form at the rate it asked for, 20 ms at a time and in time, and every event of
the session as JSON, of speech the number of samples in place of the sound itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from orchestrator.api.service import Service, voice_session
from orchestrator.conversation import EngineSession
from orchestrator.events import readable
from orchestrator.speech.devices import FRAME_SAMPLES, FRAME_SECONDS, MICROPHONE_RATE, Samples, Speaker
from orchestrator.speech.talk import Conversation
from specialists.errors import AntiphonError

router = APIRouter(tags=["Antiphon"])

MOST_MESSAGE = 1 << 20
"""Bytes of one message: half a minute of sound."""
MOST_WAITING = MICROPHONE_RATE // 2
"""Samples of the microphone that may wait; of more, frames are taken faster until it has caught up."""
MOST_KEPT = 30 * MICROPHONE_RATE
"""Samples after which a client that sends faster than time passes is turned away."""
MOST_UNSENT = 2.0
"""Seconds a client may take to accept a block of sound before it is given up."""
BAD_DATA, BUSY, FAILED = 1003, 1008, 1011
"""Close codes of WebSockets (RFC 6455, section 7.4.1)."""


class SocketDevice:
    """The client's microphone and loudspeaker, on a clock of its own: what is late is silence."""

    def __init__(self, socket: WebSocket, rate: int, latency: float) -> None:
        self.rate = rate
        self.latency = latency
        self._socket = socket
        self._heard = np.zeros(0, np.float32)
        self._odd = b""

    exhausted = False

    async def frames(self, speaker: Speaker) -> AsyncIterator[Samples]:
        """Ends when the client has gone."""
        loop = asyncio.get_running_loop()
        reading = asyncio.create_task(self._read(), name="microphone")
        count, start, tick = round(self.rate * FRAME_SECONDS), loop.time(), 0
        try:
            while not reading.done():
                block = np.clip(speaker.render(count), -1.0, 1.0)
                async with asyncio.timeout(MOST_UNSENT):
                    await self._socket.send_bytes((block * 32_767).astype("<i2").tobytes())
                tick += 1
                await asyncio.sleep(max(0.0, start + tick * FRAME_SECONDS - loop.time()))
                yield self._frame()
                while len(self._heard) > MOST_WAITING:
                    yield self._frame()
            await reading
        except (WebSocketDisconnect, RuntimeError, TimeoutError):
            return  # the client has gone, or takes nothing any more
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            data = message.get("bytes")
            if data is None or len(data) > MOST_MESSAGE or len(self._heard) > MOST_KEPT:
                reason = "the microphone comes as binary messages, in time"
                await self._socket.close(BAD_DATA, reason)
                return
            data = self._odd + data
            self._odd = data[len(data) - len(data) % 2 :]
            pcm = np.frombuffer(data, "<i2", len(data) // 2).astype(np.float32) / np.float32(32_768)
            self._heard = np.concatenate([self._heard, pcm])

    def _frame(self) -> Samples:
        frame = np.zeros(FRAME_SAMPLES, np.float32)
        piece, self._heard = self._heard[:FRAME_SAMPLES], self._heard[FRAME_SAMPLES:]
        frame[: len(piece)] = piece
        return frame


@router.websocket("/sessions/{name}/voice")
async def voice(
    socket: WebSocket,
    name: str,
    rate: Annotated[int, Query(ge=8_000, le=48_000, multiple_of=50)] = 24_000,
    latency_ms: Annotated[float, Query(ge=0, le=2_000)] = 100.0,
) -> None:
    """Talk in a session. `latency_ms` is the time from a block's arrival to the ear: what is on its way when
    the person interrupts was not heard."""
    service: Service = socket.app.state.service
    await socket.accept()
    try:
        with voice_session(service, name, str(socket.state.scope)) as session:
            await _converse(socket, service, session, rate, latency_ms / 1000)
    except AntiphonError as error:
        await _close(socket, BUSY if error.code == "bad_input" else FAILED, str(error))
    else:
        await _close(socket, 1000, "")


async def _converse(
    socket: WebSocket, service: Service, session: EngineSession, rate: int, latency: float
) -> None:
    engine = service.engine
    device = SocketDevice(socket, rate, latency)
    conversation = Conversation(session, device, engine.runtime, engine.config)
    await conversation.load()
    await session.open()
    telling = asyncio.create_task(_tell(socket, session), name="events")
    talking = asyncio.create_task(conversation.run(), name="talk")
    stopping = asyncio.create_task(service.stopping.wait())
    try:
        await asyncio.wait({talking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if talking.done():
            talking.result()
    finally:
        for task in (talking, telling, stopping):
            task.cancel()
        await asyncio.gather(talking, telling, stopping, return_exceptions=True)


async def _tell(socket: WebSocket, session: EngineSession) -> None:
    async with contextlib.aclosing(session.events(session.seq)) as events:  # type: ignore[type-var]
        async for event in events:
            if socket.application_state is not WebSocketState.CONNECTED:
                return
            await socket.send_text(json.dumps(readable(event), ensure_ascii=False))


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    if socket.application_state is WebSocketState.CONNECTED:
        with contextlib.suppress(RuntimeError):  # the client was quicker
            await socket.close(code, reason.encode()[:120].decode(errors="ignore"))
