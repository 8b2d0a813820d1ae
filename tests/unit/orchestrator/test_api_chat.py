"""Chat completions, through the official client."""

from __future__ import annotations

import asyncio
import base64
import io
import wave
from pathlib import Path

import openai
import pytest

from specialists.base import Chunk
from specialists.errors import SpecialistFailed, TransientFailure, Unavailable
from specialists.fakes import Failing, Gated, Scripted, card, words
from tests.unit.orchestrator.api_stage import Serve, asking, b64, data_url, image, png, serve_in
from tests.unit.orchestrator.conftest import PCM

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
SPOKEN = {"modalities": ["text", "audio"], "audio": {"voice": "joe", "format": "wav"}}


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    return serve_in(tmp_path)


async def test_a_whole_answer(serve: Serve) -> None:
    async with serve() as served:
        answer = await served.openai.chat.completions.create(model="antiphon", messages=QUESTION)
    (choice,) = answer.choices
    assert choice.message.content == "Paris is the capital."
    assert (choice.message.role, choice.finish_reason, answer.object) == (
        "assistant",
        "stop",
        "chat.completion",
    )
    assert answer.usage is None
    extra = answer.model_extra["antiphon"]
    assert (extra["outcome"], extra["calls"], extra["problems"]) == ("answered", ["chat"], [])


async def test_a_streamed_answer_has_the_role_first_and_the_reason_last(serve: Serve) -> None:
    async with serve() as served:
        stream = await served.openai.chat.completions.create(
            model="antiphon", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    *told, reason, usage = chunks
    assert told[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].delta.content for chunk in told] == ["", "Paris ", "is the capital."]
    assert reason.choices[0].finish_reason == "stop"
    assert reason.model_extra["antiphon"]["outcome"] == "answered"
    assert usage.choices == [] and usage.usage is None
    assert len({chunk.id for chunk in chunks}) == 1


async def test_the_stream_ends_as_the_protocol_says(serve: Serve) -> None:
    async with serve() as served:
        body = {"model": "antiphon", "messages": QUESTION, "stream": True}
        answer = await served.http.post("/v1/chat/completions", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith("data: [DONE]\n\n")


async def test_a_picture_reaches_the_specialist_that_sees(serve: Serve) -> None:
    vision = Scripted(card("vision", ["image"]), words("It shows a cat."))
    async with serve(vision) as served:
        answer = await served.openai.chat.completions.create(
            model="antiphon", messages=asking("What is in this picture?", image(png()))
        )
        assert "cat" in answer.choices[0].message.content
        part = next(part for part in vision.tasks[0].parts if part.kind == "image")
        assert vision.tasks[0].blobs.read(part.blob) == png()


async def test_sound_and_files_are_accepted(serve: Serve, media: Path) -> None:
    sound = {
        "type": "input_audio",
        "input_audio": {"data": b64((media / "question.wav").read_bytes()), "format": "wav"},
    }
    film = (media / "clip.mp4").read_bytes()
    file = {"type": "file", "file": {"file_data": data_url(film, "video/mp4"), "filename": "clip.mp4"}}
    async with serve() as served:
        said = await served.openai.chat.completions.create(
            model="antiphon", messages=asking("Write down what is said in this recording", sound)
        )
        assert "asr" in said.model_extra["antiphon"]["calls"]
        seen = await served.openai.chat.completions.create(
            model="antiphon", messages=asking("What happens in this video?", file)
        )
        assert "video" in seen.model_extra["antiphon"]["calls"]


async def test_a_spoken_answer_carries_its_sound_and_words(serve: Serve) -> None:
    async with serve() as served:
        answer = await served.openai.chat.completions.create(model="antiphon", messages=QUESTION, **SPOKEN)
        message = answer.choices[0].message
        assert message.content is None
        assert message.audio.transcript == "Paris is the capital."
        with wave.open(io.BytesIO(base64.b64decode(message.audio.data))) as file:
            assert file.getframerate() == 22050
            assert file.getnframes() * 2 % len(PCM) == 0 and file.getnframes()
        # The id stands for the words in the next request.
        chat = served.engine.runtime._specialists["chat"]
        later = [
            *QUESTION,
            {"role": "assistant", "audio": {"id": message.audio.id}},
            *asking("And of Italy?"),
        ]
        await served.openai.chat.completions.create(model="antiphon", messages=later)
        assert "Paris is the capital." in [m.text for m in chat.tasks[-1].context]


async def test_streamed_speech_is_pcm_at_24_khz(serve: Serve) -> None:
    async with serve() as served:
        stream = await served.openai.chat.completions.create(
            model="antiphon",
            messages=QUESTION,
            stream=True,
            modalities=["text", "audio"],
            audio={"voice": "joe", "format": "pcm16"},
        )
        audio = [c.choices[0].delta.audio async for c in stream if c.choices[0].delta.audio is not None]
    assert "".join(a.transcript or "" for a in audio) == "Paris is the capital."
    sound = b"".join(base64.b64decode(a.data) for a in audio if a.data)
    assert len(sound) / 2 / 24000 == pytest.approx(len(PCM) / 2 / 22050, rel=0.01)
    assert audio[-1].expires_at > 0
    assert len({a.id for a in audio}) == 1


async def test_a_picture_made_for_the_answer_stands_in_its_message(serve: Serve) -> None:
    drawn = png("blue")
    painter = Scripted(
        card("imagegen", ["text"], ["image"], examples=("draw a cat", "paint a picture of a house")),
        (Chunk("image", data=drawn, media_type="image/png"),),
    )
    async with serve(painter) as served:
        body = {"model": "antiphon", "messages": asking("Draw a picture of a cat")}
        answer = await served.openai.chat.completions.create(**body)
        images = answer.choices[0].message.model_extra["images"]
        assert images == [{"type": "image_url", "image_url": {"url": data_url(drawn)}}]
        stream = await served.openai.chat.completions.create(**body, stream=True)
        deltas = [chunk.choices[0].delta.model_extra.get("images") async for chunk in stream]
        assert [d for d in deltas if d] == [images]


async def test_earlier_messages_reach_the_model_and_leave_no_session(serve: Serve) -> None:
    chat = Scripted(card("chat"), words("Rome."))
    messages = [
        {"role": "developer", "content": "Answer in one word."},
        *QUESTION,
        {"role": "assistant", "content": "Paris."},
        {"role": "user", "content": "And of Italy?"},
    ]
    async with serve(chat) as served:
        await served.openai.chat.completions.create(model="antiphon", messages=messages)
        context = [(message.role, message.text) for message in chat.tasks[0].context]
        assert ("assistant", "Paris.") in context
        assert ("user", "What is the capital of France?") in context
        assert (await served.http.get("/sessions")).json() == {"sessions": []}


async def test_a_named_session_remembers(serve: Serve) -> None:
    vision = Scripted(card("vision", ["image"]), words("It shows a cat."))
    async with serve(vision) as served:
        ask = served.openai.chat.completions.create
        first = asking("What is in this picture?", image(png()))
        await ask(model="antiphon", messages=first, extra_body={"session": "trip"})
        again = await ask(model="antiphon", messages=first, metadata={"session": "trip"})
        assert again.model_extra["antiphon"]["session"] == "trip"
        assert again.model_extra["antiphon"]["turn"] == 2
        assert again.model_extra["antiphon"]["reused"] == ["vision"]
        assert len(vision.tasks) == 1
        (session,) = (await served.http.get("/sessions")).json()["sessions"]
        assert (session["name"], session["turns"]) == ("trip", 2)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_cancels_the_turn(serve: Serve, stream: bool) -> None:
    chat = Gated(card("chat"), words("never ", "sent"))
    async with serve(chat) as served:
        body = {"model": "antiphon", "messages": QUESTION, "stream": stream}

        async def ask() -> None:
            await served.http.post("/v1/chat/completions", json=body)

        asking = asyncio.create_task(ask())
        await asyncio.wait_for(chat.started.wait(), 10)
        asking.cancel()
        await asyncio.wait_for(chat.cancelled.wait(), 10)
        assert not chat.finished.is_set()


async def test_leaving_in_the_middle_of_a_stream_cancels_the_turn(serve: Serve) -> None:
    chat = Gated(card("chat"), words("one ", "two "))
    async with serve(chat) as served:
        chat.gate.release()
        stream = await served.openai.chat.completions.create(model="antiphon", messages=QUESTION, stream=True)
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await stream.close()
        await asyncio.wait_for(chat.cancelled.wait(), 10)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unavailable("has no model", part="chat", remedy="Pull one"), 503),
        (SpecialistFailed("broke", part="chat"), 502),
    ],
)
async def test_a_turn_that_comes_to_nothing_is_an_error(serve: Serve, error: Exception, status: int) -> None:
    async with serve(Failing(card("chat"), [error] * 5)) as served:
        with pytest.raises(openai.APIStatusError) as caught:
            await served.openai.chat.completions.create(model="antiphon", messages=QUESTION)
        assert caught.value.status_code == status
        assert caught.value.response.headers["x-should-retry"] == "false"
        stream = await served.openai.chat.completions.create(model="antiphon", messages=QUESTION, stream=True)
        with pytest.raises(openai.APIError):
            async for _ in stream:
                pass


async def test_a_passing_fault_is_survived(serve: Serve) -> None:
    chat = Failing(card("chat"), [TransientFailure("busy", part="chat")], words("Paris."))
    async with serve(chat) as served:
        answer = await served.openai.chat.completions.create(model="antiphon", messages=QUESTION)
        assert answer.choices[0].message.content == "Paris."


REFUSED: list[tuple[dict[str, object], str | None]] = [
    ({"n": 2}, "n"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    ({"stop": ["."]}, "stop"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"logprobs": True}, "logprobs"),
    ({"modalities": ["audio"]}, "audio"),
    ({"modalities": ["audio"], "audio": {"voice": "x", "format": "mp3"}, "stream": True}, "audio.format"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages[0].role"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": "  "}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
    ({"messages": asking({"type": "video_url"})}, "messages[0].content[0]"),
    (
        {"messages": asking("Hi", {"type": "image_url", "image_url": {}})},
        "messages[0].content[1].image_url.url",
    ),
    ({"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}, *QUESTION]}, "messages[0].audio.id"),
    ({"session": "../etc"}, "session '../etc'"),
    ({"session": "x" * 200}, None),
]


async def test_what_cannot_be_served_is_refused_by_name(serve: Serve) -> None:
    async with serve() as served:
        for extra, param in REFUSED:
            body = {"model": "antiphon", "messages": QUESTION, **extra}
            answer = await served.http.post("/v1/chat/completions", json=body)
            assert answer.status_code == 400, (extra, answer.text)
            assert param is None or answer.json()["error"]["param"].startswith(param), answer.text


async def test_harmless_parameters_are_ignored(serve: Serve) -> None:
    async with serve() as served:
        answer = await served.openai.chat.completions.create(
            model="antiphon", messages=QUESTION, temperature=0.2, max_tokens=50, seed=1, n=1, user="anna"
        )
        assert answer.choices[0].message.content


async def test_an_unknown_model_is_not_found(serve: Serve) -> None:
    async with serve() as served:
        for model in ("gpt-4o", "antiphon/chat", ""):
            with pytest.raises(openai.NotFoundError) as caught:
                await served.openai.chat.completions.create(model=model, messages=QUESTION)
            assert caught.value.code == "model_not_found"


async def test_models_are_listed(serve: Serve) -> None:
    async with serve() as served:
        names = [model.id async for model in served.openai.models.list()]
        assert names[0] == "antiphon" and "antiphon/vision" in names
        assert "antiphon/imagegen" not in names  # not available
        assert (await served.openai.models.retrieve("antiphon/vision")).id == "antiphon/vision"
        with pytest.raises(openai.NotFoundError):
            await served.openai.models.retrieve("gpt-4o")
