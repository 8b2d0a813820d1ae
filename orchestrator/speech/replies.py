"""Replies: asks the session for them, one at a time, and feeds their sound to the playout."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import numpy as np

from orchestrator.events import Failed, SpeechDelta, TextDelta, TurnStarted
from orchestrator.speech.playout import Playout, Samples
from orchestrator.speech.remarks import VOICE
from orchestrator.speech.session import SpokenSession
from orchestrator.turn import Cue
from specialists.errors import AntiphonError

STOP_SECONDS = 2.0
"""How long an interrupted reply may take to end before its stream is closed."""


class Replies:
    """The assistant's side of the floor.

    `told` gets REPLY_AUDIO, REPLY_FINISHED and FAILED of the newest reply, the last with its problem, which
    has a `seq` when the session has noted it. `start` and `interrupt` return at once; what they ask for is
    done in order by `run`.
    """

    def __init__(
        self, session: SpokenSession, playout: Playout, told: Callable[[Cue, Failed | None], None]
    ) -> None:
        self.turn = 0
        """The session's number of the newest turn, 0 before the first is known."""
        self._session = session
        self._playout = playout
        self._told = told
        self._number = 0
        self._begun = asyncio.Event()
        self._reply: asyncio.Task[None] | None = None
        self._acts: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()

    def start(self, text: str) -> None:
        """Send what the person said. Sound of any reply before is dropped from now on."""
        self.drop()
        number = self._number
        self._playout.begin(number)
        self._acts.put_nowait(lambda: self._start(text, number))

    def remark(self, sound: Samples) -> None:
        """Play this within the newest reply, after what of it has come."""
        self._playout.remark(self._number, sound)

    def tell(self, sound: Samples) -> None:
        """Play this in place of a reply."""
        self.drop()
        self._playout.stop()
        self._playout.begin(self._number)
        self._playout.remark(self._number, sound)
        self._playout.finish(self._number)

    def drop(self) -> None:
        """Take no more of the newest reply."""
        self._number += 1

    def interrupt(self, heard: str) -> None:
        """Stop the newest turn and keep only `heard` of its reply."""
        self.drop()
        self._acts.put_nowait(lambda: self._interrupt(heard))

    async def run(self) -> None:
        """Carry out what was asked for, until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            while True:
                act = await self._acts.get()
                await act()
                self._acts.task_done()

    async def close(self) -> None:
        """Finish what was asked for, and end the reply that still runs. `run` must be running."""
        await self._acts.join()
        if self._reply is not None:
            self._reply.cancel()
            await asyncio.gather(self._reply, return_exceptions=True)

    async def _start(self, text: str, number: int) -> None:
        self._begun.clear()
        self._reply = self._group.create_task(self._read(text, number), name=f"reply {number}")

    async def _interrupt(self, heard: str) -> None:
        if self._reply is None:
            return
        # Before its turn has begun, the session would take the words to be about the turn before.
        begun = asyncio.create_task(self._begun.wait())
        await asyncio.wait({begun, self._reply}, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        await self._session.interrupt(heard=heard)
        await asyncio.wait({self._reply}, timeout=STOP_SECONDS)
        self._reply.cancel()  # closing the stream stops the turn, if the session did not

    async def _read(self, text: str, number: int) -> None:
        said, spoken, sounded = "", "", False
        problem: Failed | None = None
        try:
            events = self._session.send(text, voice=True)
            async with aclosing(events) as stream:  # type: ignore[type-var]
                async for event in stream:
                    match event:
                        case TurnStarted():
                            self.turn = event.turn
                            self._begun.set()
                        case TextDelta():
                            said += event.text
                        case Failed():
                            problem = event
                        case SpeechDelta():
                            spoken += f" {event.text}"
                            sounded = self._play(event, number) or sounded
        except AntiphonError as error:
            problem = self._failed(error.code, error.part, error.message, error.remedy)
        self._session.read()
        unspoken = _words(said) > _words(spoken)
        if unspoken and problem is None:
            problem = self._failed("unavailable", VOICE, "the reply could not be spoken")
        if number == self._number:
            self._playout.finish(number)
            if problem is not None and (unspoken or not sounded):
                self._told(Cue.FAILED, problem)
            else:
                self._told(Cue.REPLY_FINISHED, None)

    def _failed(self, code: str, part: str, reason: str, remedy: str = "") -> Failed:
        return Failed(turn=self.turn, code=code, part=part, reason=reason, remedy=remedy)

    def _play(self, piece: SpeechDelta, number: int) -> bool:
        samples = np.frombuffer(piece.pcm, "<i2").astype(np.float32) / np.float32(32768)
        if number != self._number or not len(samples):
            return False
        if played := self._playout.add(number, piece.text, samples, piece.rate):
            self._told(Cue.REPLY_AUDIO, None)
        return played


def _words(text: str) -> int:
    """How many words of a text can be spoken: not marks alone."""
    return sum(any(map(str.isalnum, word)) for word in text.split())
