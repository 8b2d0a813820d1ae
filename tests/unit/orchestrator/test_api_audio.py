"""Transcriptions, speech and embeddings, through the official client."""

from __future__ import annotations

import asyncio
import io
import struct
import wave
from pathlib import Path

import openai
import pytest

from specialists.base import Chunk, Parameter
from specialists.content import Anchor, Span
from specialists.errors import Unavailable
from specialists.fakes import Failing, Gated, Scripted, card
from specialists.media import inspect
from tests.unit.orchestrator.api_stage import Serve, serve_in
from tests.unit.orchestrator.conftest import PCM

HEARD = (
    Chunk("text", "Good morning.", anchor=Anchor(span=Span(0.5, 1.25))),
    Chunk("text", " It is nine.", anchor=Anchor(span=Span(3661.0, 3662.5))),
)
SOUND = Chunk("audio", text="Hi.", data=PCM, media_type="audio/pcm;rate=24000")
FORMATS = {"mp3": "mpeg", "wav": "wav", "flac": "flac", "opus": "ogg", "aac": "aac"}
SILENCE = (Chunk("text", label="no speech"),)


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    return serve_in(tmp_path)


@pytest.fixture
def wav(media: Path) -> Path:
    return media / "question.wav"


def asr(*chunks: Chunk) -> Scripted:
    parameters = (Parameter("language", "string", ""), Parameter("words", "boolean", ""))
    return Scripted(card("asr", ["audio"], parameters=parameters), chunks)


async def test_a_transcript_in_every_form(serve: Serve, wav: Path) -> None:
    hears = asr(*HEARD)
    async with serve(hears) as served:
        create = served.openai.audio.transcriptions.create
        plain = await create(model="antiphon", file=wav)
        assert plain.text == "Good morning. It is nine."
        assert plain.usage.seconds == pytest.approx(3.7, abs=1)
        assert await create(model="antiphon/asr", file=wav, response_format="text") == plain.text + "\n"
        verbose = await create(model="antiphon", file=wav, response_format="verbose_json", language="en")
        assert [(s.start, s.end, s.text) for s in verbose.segments] == [
            (0.5, 1.25, "Good morning."),
            (3661.0, 3662.5, " It is nine."),
        ]
        assert hears.tasks[-1].params == {"language": "en"}
        assert await create(model="antiphon", file=wav, response_format="srt") == (
            "1\n00:00:00,500 --> 00:00:01,250\nGood morning.\n\n"
            "2\n01:01:01,000 --> 01:01:02,500\nIt is nine.\n"
        )
        assert (await create(model="antiphon", file=wav, response_format="vtt")).startswith(
            "WEBVTT\n\n00:00:00.500 --> 00:00:01.250\nGood morning.\n"
        )
        words = await create(
            model="antiphon", file=wav, response_format="verbose_json", timestamp_granularities=["word"]
        )
        assert hears.tasks[-1].params == {"words": True}
        assert [(w.word, w.start) for w in words.words] == [("Good morning.", 0.5), ("It is nine.", 3661.0)]


async def test_a_transcript_streams(serve: Serve, wav: Path) -> None:
    async with serve(asr(*HEARD)) as served:
        stream = await served.openai.audio.transcriptions.create(model="antiphon", file=wav, stream=True)
        events = [event async for event in stream]
    assert [event.delta for event in events[:-1]] == ["Good morning.", " It is nine."]
    assert (events[-1].type, events[-1].text) == ("transcript.text.done", "Good morning. It is nine.")


async def test_silence_is_an_empty_transcript(serve: Serve, wav: Path) -> None:
    async with serve(asr(*SILENCE)) as served:
        create = served.openai.audio.transcriptions.create
        assert (await create(model="antiphon", file=wav)).text == ""
        assert (await create(model="antiphon", file=wav, response_format="verbose_json")).segments == []


async def test_a_recording_that_is_none_is_refused(serve: Serve, wav: Path) -> None:
    data = await asyncio.to_thread(wav.read_bytes)
    async with serve() as served:
        for name, content in {
            "empty.wav": b"",
            "torn.wav": data[: len(data) // 2],
            "words.wav": b"these are words",
        }.items():
            with pytest.raises(openai.BadRequestError) as caught:
                await served.openai.audio.transcriptions.create(model="antiphon", file=(name, content))
            assert caught.value.param == "file" and name in caught.value.message
        with pytest.raises(openai.NotFoundError):
            await served.openai.audio.transcriptions.create(model="whisper-1", file=wav)


async def test_the_recording_is_not_kept(serve: Serve, wav: Path) -> None:
    async with serve(asr(*HEARD)) as served:
        await served.openai.audio.transcriptions.create(model="antiphon", file=wav)
        assert served.engine.blobs.usage().count == 0


async def test_speech_in_every_format(serve: Serve) -> None:
    chunk = Chunk("audio", text="Hi.", data=PCM * 5, media_type="audio/pcm;rate=22050")
    speaks = Scripted(card("tts", ["text"], ["audio"]), (Chunk("audio", text="—"), chunk, chunk))
    async with serve(speaks) as served:
        for name, media_type in FORMATS.items():
            answer = await served.openai.audio.speech.create(
                model="antiphon", voice="alloy", input="Hello there.", response_format=name
            )
            assert answer.response.headers["content-type"] == f"audio/{media_type}"
            assert inspect(answer.content, f"a.{name}").facts["seconds"] == pytest.approx(1.0, abs=0.15)
        answer = await served.openai.audio.speech.create(
            model="antiphon/tts", voice="alloy", input="Hello.", response_format="pcm"
        )
        assert len(answer.content) == pytest.approx(len(PCM) * 10 * 24000 / 22050, rel=0.01)
        assert [part.text for part in speaks.tasks[0].parts] == ["Hello there."]


async def test_speech_is_sent_while_it_is_made(serve: Serve) -> None:
    speaks = Gated(card("tts", ["text"], ["audio"]), (SOUND, SOUND))
    async with serve(speaks) as served:
        speaks.gate.release()
        body = {"model": "antiphon", "input": "Hello.", "response_format": "wav"}
        async with served.http.stream("POST", "/v1/audio/speech", json=body) as answer:
            pieces = answer.aiter_bytes()
            first = b""
            while len(first) < 44 + len(PCM):  # the second piece stands at its gate
                first += await anext(pieces)
            assert not speaks.finished.is_set()
            speaks.gate.release()
            rest = b"".join([piece async for piece in pieces])
        with wave.open(io.BytesIO(first + rest)) as file:
            assert file.getframerate() == 24000
            assert file.readframes(10**6) == PCM * 2


async def test_leaving_stops_the_voice(serve: Serve) -> None:
    speaks = Gated(card("tts", ["text"], ["audio"]), (Chunk("audio"),))
    async with serve(speaks) as served:
        body = {"model": "antiphon", "input": "Hello.", "response_format": "wav"}
        asking = asyncio.create_task(served.http.post("/v1/audio/speech", json=body))
        await asyncio.wait_for(speaks.started.wait(), 10)
        asking.cancel()
        await asyncio.wait_for(speaks.cancelled.wait(), 10)


async def test_a_voice_takes_the_parameters_its_card_declares(serve: Serve) -> None:
    parameters = (Parameter("voice", "string", ""), Parameter("speed", "number", ""))
    speaks = Scripted(
        card("tts", ["text"], ["audio"], parameters=parameters),
        (SOUND,),
    )
    async with serve(speaks) as served:
        create = served.openai.audio.speech.create
        await create(model="antiphon", voice="anna", input="Hello.", speed=1.5, response_format="pcm")
        assert speaks.tasks[0].params == {"voice": "anna", "speed": 1.5}


async def test_speech_that_cannot_be_is_refused(serve: Serve) -> None:
    async with serve() as served:
        create = served.openai.audio.speech.create
        with pytest.raises(openai.BadRequestError, match="speed"):
            await create(model="antiphon", voice="a", input="Hello.", speed=1.5)
        with pytest.raises(openai.BadRequestError, match="input"):
            await create(model="antiphon", voice="a", input="")
        with pytest.raises(openai.BadRequestError, match="response_format"):
            await create(model="antiphon", voice="a", input="Hi", response_format="wma")
    gone = Failing(card("tts", ["text"], ["audio"]), [Unavailable("gone", remedy="Install one")])
    async with serve(gone) as served:
        with pytest.raises(openai.InternalServerError, match="Install one") as caught:
            await served.openai.audio.speech.create(model="antiphon", voice="a", input="Hi")
        assert caught.value.status_code == 503


async def test_embeddings_as_floats_and_as_bytes(serve: Serve) -> None:
    vectors = [(0.6, 0.8), (1.0, 0.0)]
    chunks = tuple(Chunk("vector", data=struct.pack("<2f", *vector)) for vector in vectors)
    encodes = Scripted(card("embed", ["text"], ["vector"]), chunks)
    async with serve(encodes) as served:
        for encoding in ({}, {"encoding_format": "float"}):  # without it the client asks for base64
            answer = await served.openai.embeddings.create(model="antiphon", input=["a", "b"], **encoding)
            for entry, vector in zip(answer.data, vectors, strict=True):
                assert entry.embedding == pytest.approx(vector)
        assert [part.text for part in encodes.tasks[0].parts] == ["a", "b"]
        for wrong in ("", [], ["a", ""], [1, 2]):
            with pytest.raises(openai.BadRequestError):
                await served.openai.embeddings.create(model="antiphon", input=wrong)
        with pytest.raises(openai.BadRequestError):
            await served.openai.embeddings.create(model="antiphon", input=["a", "b"], dimensions=1)
