"""How far ahead of the loudspeaker a reply is synthesised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from orchestrator.config import Config
from orchestrator.context import Services, TurnContext
from orchestrator.events import Event, SpeechDelta
from orchestrator.plan import PartRef, Step
from orchestrator.speech.mouth import AHEAD_SECONDS, Mouth
from specialists.base import Chunk, Task
from specialists.content import AUDIO, TEXT
from specialists.fakes import card

RATE = 8_000
CLAUSE_SECONDS = 2.0
SLOW = 0.55
STORY = "".join(
    f"This is the sentence of number {word}. " for word in ["one", "two", "three", "four", "five", "six"]
)


class Stage:
    """A turn on a clock that moves only when somebody waits for it."""

    def __init__(self, *, voice: bool = True, turn_seconds: float = 120.0, a_letter: float = 0.0) -> None:
        """Clauses take 0.1 s to synthesise; where a letter sounds so many seconds, SLOW of that."""
        self.a_letter = a_letter
        self.now = 0.0
        self.waits: list[float] = []
        self.made: list[float] = []
        """When each clause was asked for."""
        self.events: list[Event] = []
        config = Config.model_validate({"engine": {"turn_seconds": turn_seconds}})
        services = Services(
            config=config,
            call=self._speak,
            cards=lambda: (card("tts", [TEXT], [AUDIO]),),
            costs=dict,
            latencies=dict,
            controller=None,  # type: ignore[arg-type]
            memory=None,  # type: ignore[arg-type]
            blobs=None,  # type: ignore[arg-type]
            door=None,  # type: ignore[arg-type]
            clock=lambda: self.now,
            pause=self._pause,
        )
        self.context = TurnContext(
            services=services,
            session="s",
            number=1,
            text="Tell me a story.",
            attachments=(),
            history=(),
            emit=self._emit,
            flush=self._flush,
            started=0.0,
            voice=voice,
        )

    async def spoken(self, text: str) -> float:
        """Speak all of a text; seconds of sound."""
        mouth = Mouth(self.context, Step("s1", "tts", (PartRef(0, TEXT),)))
        try:
            mouth.write(text)
            assert await mouth.finish() is None
        finally:
            await mouth.close()
        return sum(len(e.pcm) / 2 / RATE for e in self.events if isinstance(e, SpeechDelta))

    async def _speak(self, task: Task) -> AsyncIterator[Chunk]:
        self.made.append(self.now)
        seconds = self.a_letter * len(task.parts[0].text) or CLAUSE_SECONDS
        self.now += seconds * SLOW if self.a_letter else 0.1
        pcm = b"\x01\x00" * round(seconds * RATE)
        yield Chunk(AUDIO, text=task.parts[0].text, data=pcm, media_type=f"audio/pcm;rate={RATE}")

    async def _pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def _emit(self, event: Event) -> Event:
        self.events.append(event)
        return event

    async def _flush(self) -> None:
        return None


async def test_a_spoken_conversation_is_not_given_sound_long_before_it_is_played() -> None:
    stage = Stage()
    seconds = await stage.spoken(STORY)
    assert seconds >= 5 * CLAUSE_SECONDS
    began = stage.made[0] + 0.1
    for number, asked in enumerate(stage.made[1:], 1):
        ahead = number * CLAUSE_SECONDS - (asked + 0.1 - began)
        assert ahead <= AHEAD_SECONDS + 0.1
        assert ahead > 0, "never behind"
    assert stage.waits


async def test_a_slow_voice_is_asked_earlier_for_a_long_clause() -> None:
    stage = Stage(a_letter=0.1)
    await stage.spoken("One two three. " + "Four five six seven eight nine ten eleven twelve thirteen. " * 6)
    lengths = [len(e.pcm) / 2 / RATE for e in stage.events if isinstance(e, SpeechDelta)]
    assert max(lengths) * SLOW > AHEAD_SECONDS
    sounding = stage.made[0] + lengths[0] * SLOW
    for number, asked in list(enumerate(stage.made))[2:]:
        comes = asked + lengths[number] * SLOW
        assert comes <= sounding + sum(lengths[:number]), "a hole in the reply"


async def test_who_reads_is_not_kept_waiting_for_the_sound() -> None:
    stage = Stage(voice=False)
    await stage.spoken(STORY)
    assert stage.waits == []


async def test_a_turn_whose_time_runs_out_makes_haste() -> None:
    stage = Stage(turn_seconds=4.0)
    await stage.spoken(STORY)
    assert stage.now < 4.0
