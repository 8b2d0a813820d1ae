"""Hearing with the real recogniser on real and made recordings."""

from __future__ import annotations

import asyncio
import hashlib
import re
from contextlib import aclosing
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pytest
import soundfile

from specialists.asr import NO_SPEECH, Asr
from specialists.base import Chunk, Task
from specialists.content import AUDIO, IMAGE, BlobRef, Part
from specialists.errors import BadConfig, BadInput
from specialists.media import encode_wav
from specialists.models import ModelStore
from specialists.recogniser import Recogniser
from specialists.registry import Setup
from specialists.runtime import LocalRuntime

NOISE = np.random.default_rng(0).standard_normal(48_000).astype(np.float32)
SECONDS = np.arange(48_000) / 16_000


class Held:
    """A blob reader over a few recordings."""

    def __init__(self, *recordings: bytes) -> None:
        self._held = {hashlib.sha256(data).hexdigest(): data for data in recordings}

    def read(self, ref: BlobRef) -> bytes:
        return self._held[ref.digest]

    def task(self, **params: object) -> Task:
        parts = tuple(
            Part(AUDIO, blob=BlobRef(digest, len(data), "audio/wav"), name="note.wav")
            for digest, data in self._held.items()
        )
        return Task("t", "asr", parts=parts, params=params, blobs=self)


@pytest.fixture(scope="module")
def ear(model_store: ModelStore) -> Asr:
    return Asr(Setup("asr", model_store, LocalRuntime()))


@pytest.fixture(scope="module")
def recogniser(model_store: ModelStore) -> Recogniser:
    return Recogniser(model_store)


async def heard(ear: Asr, task: Task) -> list[Chunk]:
    return [chunk async for chunk in ear.run(task)]


async def test_a_real_speech_is_written_down_with_its_times(ear: Asr, media: Path) -> None:
    chunks = await heard(ear, Held((media / "speech.flac").read_bytes()).task())
    text = "".join(chunk.text for chunk in chunks)
    assert "my fellow Americans" in text
    assert "ask what you can do for your country" in text
    assert text == text.strip()
    assert "  " not in text
    spans = [chunk.anchor.span for chunk in chunks if chunk.anchor and chunk.anchor.span]
    assert len(spans) == len(chunks)
    assert all(0 <= span.start < span.end <= 11.01 for span in spans)
    assert all(0 < (chunk.score or 0) <= 1 for chunk in chunks)


async def test_speech_is_anchored_to_when_it_was_said(ear: Asr, media: Path) -> None:
    chunks = await heard(ear, Held((media / "interrupt.wav").read_bytes()).task())
    story, stop = chunks[0], next(chunk for chunk in chunks if "top" in chunk.text)
    assert story.anchor is not None
    assert stop.anchor is not None
    assert story.anchor.span is not None
    assert stop.anchor.span is not None
    # The recording's own description: until 2.8 s, and from 9.8 to 11.7 s.
    assert story.anchor.span.end == pytest.approx(2.8, abs=0.5)
    assert stop.anchor.span.start == pytest.approx(9.8, abs=0.5)


async def test_words_have_times_of_their_own(ear: Asr, media: Path) -> None:
    task = Held((media / "question.wav").read_bytes()).task(words=True)
    chunks = await heard(ear, task)
    assert "".join(chunk.text for chunk in chunks) == "What is the capital of France?"
    assert [chunk.label for chunk in chunks] == ["word"] * 6
    starts = [chunk.anchor.span.start for chunk in chunks if chunk.anchor and chunk.anchor.span]
    assert len(starts) == 6
    assert starts == sorted(starts)


async def test_two_recordings_are_told_apart(ear: Asr, media: Path) -> None:
    task = Held((media / "question.wav").read_bytes(), (media / "note.flac").read_bytes()).task()
    chunks = await heard(ear, task)
    assert {chunk.anchor.part for chunk in chunks if chunk.anchor} == {0, 1}
    assert "France? Hello" in "".join(chunk.text for chunk in chunks)


async def test_of_a_piece_only_that_is_heard_at_the_times_of_the_recording(ear: Asr, media: Path) -> None:
    held = Held((media / "interrupt.wav").read_bytes())
    for params in ({"start": 9.0, "end": 13.0}, {"start": 9.0}):
        chunks = await heard(ear, held.task(**params))
        text = "".join(chunk.text for chunk in chunks)
        assert "top" in text
        assert "lighthouse" not in text
        span = chunks[0].anchor.span if chunks[0].anchor else None
        assert span is not None
        assert span.start == pytest.approx(9.8, abs=0.5)
    early = await heard(ear, held.task(end=4.0, words=True))
    assert "lighthouse" in "".join(chunk.text for chunk in early)
    assert all(chunk.anchor and chunk.anchor.span and chunk.anchor.span.end < 4.1 for chunk in early)


async def test_the_end_of_a_recording_can_be_asked_for(ear: Asr, media: Path) -> None:
    whole = await heard(ear, Held((media / "speech.flac").read_bytes()).task(words=True))
    late = await heard(ear, Held((media / "speech.flac").read_bytes()).task(start=-4.0, words=True))
    assert "".join(chunk.text for chunk in late).rstrip(".").endswith("your country")
    assert len(late) < len(whole)
    assert all(chunk.anchor and chunk.anchor.span and chunk.anchor.span.start > 6.5 for chunk in late)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"start": "1:20"}, "start: must be a number of seconds"),
        ({"end": float("nan")}, "end: must be a number of seconds"),
        ({"start": 5, "end": 2}, "end: must be after the start"),
        ({"start": 400}, r"note\.wav: is 3\.0 s long"),
        ({"end": -400}, r"note\.wav: is 3\.0 s long"),
    ],
)
async def test_a_piece_that_is_none_is_refused(ear: Asr, params: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        await heard(ear, Held(encode_wav(NOISE, 16_000)).task(**params))


async def test_concurrent_calls_do_not_mix(ear: Asr, media: Path) -> None:
    tasks = [Held((media / name).read_bytes()).task() for name in ("question.wav", "interrupt.wav")]
    question, interrupt = await asyncio.gather(*(heard(ear, task) for task in tasks))
    assert "capital of France" in "".join(chunk.text for chunk in question)
    assert "lighthouse" in "".join(chunk.text for chunk in interrupt)


@pytest.mark.parametrize(
    "samples",
    [np.zeros(48_000, np.float32), NOISE * 0.1, NOISE * 0.001, 0.3 * np.sin(2 * np.pi * 440 * SECONDS)],
    ids=["silence", "noise", "hiss", "tone"],
)
async def test_nobody_speaking_is_said_so(ear: Asr, samples: np.ndarray) -> None:
    chunks = await heard(ear, Held(encode_wav(samples, 16_000)).task())
    assert [(chunk.text, chunk.label) for chunk in chunks] == [("", NO_SPEECH)]


async def test_the_work_ends_when_the_reader_leaves(ear: Asr, media: Path) -> None:
    async with aclosing(ear.run(Held((media / "note.flac").read_bytes()).task())) as answer:
        assert (await anext(answer)).text.startswith("Hello")


@pytest.mark.parametrize("count", [0, 1, 100])
def test_hardly_any_samples_hold_no_speech(recogniser: Recogniser, count: int) -> None:
    assert recogniser.transcribe(np.zeros(count, np.float32)) == []


async def test_an_unknown_language_is_refused(ear: Asr, media: Path) -> None:
    held = Held((media / "question.wav").read_bytes())
    with pytest.raises(BadInput, match="language: this model does not understand 'de'"):
        await heard(ear, held.task(language="de"))
    assert await heard(ear, held.task(language="EN"))


async def test_what_is_no_recording_is_refused(ear: Asr) -> None:
    with pytest.raises(BadInput):
        await heard(ear, Held(b"RIFF, but not really").task())
    with pytest.raises(BadInput, match="no recording"):
        await heard(ear, Task("t", "asr"))
    with pytest.raises(BadInput, match=r"cat\.jpg: cannot hear image"):
        await heard(ear, Task("t", "asr", parts=(Part(IMAGE, name="cat.jpg"),)))
    with pytest.raises(BadInput, match="words"):
        await heard(ear, Held(encode_wav(NOISE, 16_000)).task(words="yes"))


@pytest.mark.parametrize("options", [{"language": "de"}, {"language": 5}, {"device": "tpu"}, {"beam": 3}])
def test_bad_options_are_refused(model_store: ModelStore, options: dict[str, object]) -> None:
    with pytest.raises(BadConfig):
        Asr(Setup("asr", model_store, LocalRuntime(), options=options))


async def test_what_is_no_model_is_refused(model_store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"nonsense")
    broken = Asr(Setup("asr", model_store, LocalRuntime(), options={"model": f"path:{tmp_path}"}))
    with pytest.raises(BadConfig, match="Whisper model"):
        await broken.load()


def test_the_card_offers_requests_and_says_what_it_cannot(ear: Asr) -> None:
    assert len(set(ear.card.examples)) >= 20
    assert "English only" in ear.card.description
    meanings = {parameter.name: parameter.meaning for parameter in ear.card.parameters}
    assert meanings == {
        "language": "source_language",
        "start": "start",
        "end": "end",
        "words": "",
        "live": "",
    }


async def test_live_words_are_those_of_the_whole_half_minute(ear: Asr, media: Path) -> None:
    for name in ("speech.flac", "note.flac"):
        recording = Held((media / name).read_bytes())
        chunks = await heard(ear, recording.task(live=True))
        live = "".join(chunk.text for chunk in chunks)
        whole = "".join(found.text for found in await heard(ear, recording.task()))
        plain = [re.findall(r"[a-z']+", text.lower()) for text in (live, whole)]
        assert SequenceMatcher(None, *plain, autojunk=False).ratio() > 0.95
        assert all(chunk.score is not None and chunk.score > 0.6 for chunk in chunks)
        assert all(chunk.anchor is not None and chunk.anchor.span is not None for chunk in chunks)


def test_short_speech_is_not_said_over_and_over(recogniser: Recogniser, media: Path) -> None:
    """What happens when Whisper sees a few seconds and nothing behind them."""
    samples, _ = soundfile.read(media / "question.wav", dtype="float32")
    (segment,) = recogniser.quick(samples)
    assert segment.text == "What is the capital of France?"
    assert recogniser.quick(samples[: int(1.5 * 16_000)])[0].text.startswith("What is the")


@pytest.mark.parametrize("sound", [0.1 * NOISE, 0.3 * np.sin(2 * np.pi * 440 * SECONDS), 0 * NOISE])
def test_no_words_are_made_up_live(recogniser: Recogniser, sound: np.ndarray) -> None:
    assert recogniser.quick(sound.astype(np.float32)) == []


def test_longer_speech_than_fits_is_recognised_all_the_same(recogniser: Recogniser, media: Path) -> None:
    speech, note = (soundfile.read(media / name, dtype="float32")[0] for name in ("speech.flac", "note.flac"))
    found = recogniser.quick(np.concatenate([speech, note, speech]))
    text = " ".join(segment.text for segment in found).lower()
    assert "fellow americans" in text and "blue folder" in text and text.count("your country") >= 3


async def test_live_words_have_no_times(ear: Asr, media: Path) -> None:
    with pytest.raises(BadInput, match="live"):
        await heard(ear, Held((media / "note.flac").read_bytes()).task(live=True, words=True))
