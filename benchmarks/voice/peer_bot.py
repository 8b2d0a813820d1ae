"""A pipecat bot in the room, with the models of Antiphon; `peer.py` runs it in an interpreter of its own.

Everything is pipecat's default (1.14: Silero VAD, smart-turn v3.2, sentence aggregation) but for the models,
which lie on local paths, and the transport, which is ours on pipecat's base classes: frames of 20 ms in, and
a loudspeaker that takes sound no faster than it plays it.

    python peer_bot.py PLAN.json        as peer.py writes it; leaves the room's files and figures.json
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Generator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import InputAudioRawFrame, OutputAudioRawFrame, StartFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.piper.tts import PiperTTSService
from pipecat.services.whisper.stt import WhisperSTTService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

from benchmarks.voice.clip import RATE, Clip, Samples
from benchmarks.voice.room import Condition, Room, Script

OUT_RATE = 22_050


class Loudspeaker:
    """What pipecat writes, played in real time: a chunk is taken when the one before is nearly played."""

    def __init__(self) -> None:
        self._line: Samples = np.zeros(0, np.float32)
        self._taken = asyncio.Event()

    async def write(self, pcm: bytes) -> None:
        while len(self._line) > OUT_RATE // 50:
            self._taken.clear()
            await self._taken.wait()
        self._line = np.concatenate([self._line, np.frombuffer(pcm, "<i2").astype(np.float32) / 32768])

    def render(self, count: int) -> Samples:
        block = np.zeros(count, np.float32)
        piece = self._line[:count]
        block[: len(piece)] = piece
        self._line = self._line[count:]
        self._taken.set()
        return block

    def skip(self, count: int) -> None:
        pass


class Input(BaseInputTransport):
    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)


class Output(BaseOutputTransport):
    def __init__(self, params: TransportParams, loudspeaker: Loudspeaker) -> None:
        super().__init__(params)
        self._loudspeaker = loudspeaker

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        await self._loudspeaker.write(frame.audio)
        return True


def services(plan: dict[str, Any]) -> tuple[WhisperSTTService, OpenAILLMService, PiperTTSService]:
    voice = Path(plan["voice"])
    return (
        WhisperSTTService(
            compute_type=plan["compute_type"], settings=WhisperSTTService.Settings(model=plan["whisper"])
        ),
        OpenAILLMService(
            base_url=plan["llm"],
            api_key=plan["key"],
            settings=OpenAILLMService.Settings(model="local", temperature=0.0, max_tokens=plan["tokens"]),
        ),
        PiperTTSService(
            download_dir=voice.parent, settings=PiperTTSService.Settings(voice=voice.name[: -len(".onnx")])
        ),
    )


def person(plan: dict[str, Any], clips: list[Clip]) -> Script:
    """Asks one question after the other, each when the answer to the one before is over; or says nothing."""

    def script(room: Room) -> Generator[Condition, None, None]:
        yield room.after(plan["silence"])
        for clip in clips:
            said = room.say(clip)
            yield room.over(said)
            yield room.sounding(said.last, 20.0)
            yield room.settled(2.0, 60.0)

    return script


async def talk(plan: dict[str, Any], clips: list[Clip]) -> None:
    began = time.perf_counter()
    stt, llm, tts = services(plan)
    loudspeaker = Loudspeaker()
    params = TransportParams(
        audio_in_enabled=True,
        audio_out_enabled=True,
        audio_in_sample_rate=RATE,
        audio_out_sample_rate=OUT_RATE,
    )
    heard, spoken = Input(params), Output(params, loudspeaker)
    context = LLMContext(messages=[{"role": "system", "content": plan["system"]}])
    aggregators = LLMContextAggregatorPair(
        context, user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    )
    worker = PipelineWorker(
        Pipeline([heard, stt, aggregators.user(), llm, tts, spoken, aggregators.assistant()]),
        params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=OUT_RATE),
        enable_rtvi=False,
        idle_timeout_secs=None,
    )
    ready = asyncio.Event()

    @worker.event_handler("on_pipeline_started")
    async def _started(*_: object) -> None:
        ready.set()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await ready.wait()
    room = Room(Path(plan["folder"]), person(plan, clips), seed=plan["seed"])
    figures = {"ready": time.perf_counter() - began}
    before = resource.getrusage(resource.RUSAGE_SELF)
    async with aclosing(room.frames(loudspeaker)) as frames:  # type: ignore[type-var]
        async for frame in frames:
            pcm = np.round(frame * 32767).astype("<i2").tobytes()
            await heard.push_audio_frame(InputAudioRawFrame(audio=pcm, sample_rate=RATE, num_channels=1))
            if room.exhausted:
                break
    after = resource.getrusage(resource.RUSAGE_SELF)
    figures["seconds"] = room.now
    figures["cpu"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    figures["peak_mb"] = after.ru_maxrss / 1024
    figures["dropouts"] = room.dropouts
    figures["messages"] = context.get_messages()
    await worker.cancel()
    await running
    (Path(plan["folder"]) / "figures.json").write_text(json.dumps(figures, default=str), encoding="utf-8")


def main() -> None:
    logger.remove()
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    stored, clips = np.load(plan["clips"]), []
    for fields in plan["said"]:
        count = fields.pop("count")
        clips.append(Clip(**fields, samples=stored[:count]))
        stored = stored[count:]
    asyncio.run(talk(plan, clips))


if __name__ == "__main__":
    main()
