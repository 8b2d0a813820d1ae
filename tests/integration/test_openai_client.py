"""The official client against `antiphon serve` with the default models."""

from __future__ import annotations

import base64
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from specialists.media import inspect
from specialists.models import ModelStore
from tests.conftest import MEDIA


@pytest.fixture(scope="module")
def client(model_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    folder = tmp_path_factory.mktemp("served")
    config = folder / "antiphon.toml"
    config.touch()
    variables = {
        "ANTIPHON_CONFIG": str(config),
        "ANTIPHON_DATA": str(folder / "data"),
        "ANTIPHON_MODELS": str(model_store.root),
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tui", "serve", "--port", "0"],
        cwd=MEDIA.parent.parent,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("Antiphon serves on ").strip()
        assert url.startswith("http://127.0.0.1:"), "the server did not start"
        with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=120) as made:
            yield made
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def test_a_streamed_chat(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="antiphon",
        messages=[{"role": "user", "content": "Say hello to Anna in one sentence."}],
        stream=True,
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert len(text.split()) >= 2
    assert sum(bool(chunk.choices[0].delta.content) for chunk in chunks) > 2  # as it is written, not at once
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_picture(client: openai.OpenAI) -> None:
    cat = base64.b64encode((MEDIA / "cat.jpg").read_bytes()).decode()
    answer = client.chat.completions.create(
        model="antiphon",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What animal is in this picture?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{cat}"}},
                ],
            }
        ],
    )
    assert "cat" in answer.choices[0].message.content.lower()
    assert "vision" in answer.model_extra["antiphon"]["calls"]


def test_what_is_spoken_is_understood(client: openai.OpenAI) -> None:
    said = "The train to Westport leaves at nine in the morning."
    spoken = client.audio.speech.create(model="antiphon", voice="default", input=said, response_format="mp3")
    assert inspect(spoken.content, "said.mp3").facts["seconds"] == pytest.approx(3, abs=1.5)
    heard = client.audio.transcriptions.create(
        model="antiphon", file=("said.mp3", io.BytesIO(spoken.content)), response_format="verbose_json"
    )
    assert "train" in heard.text.lower() and "nine" in heard.text.lower().replace("9", "nine")
    assert 0 <= heard.segments[0].start < heard.segments[-1].end <= heard.duration + 0.1


def test_a_spoken_answer(client: openai.OpenAI) -> None:
    question = base64.b64encode((MEDIA / "question.wav").read_bytes()).decode()
    content = [{"type": "input_audio", "input_audio": {"data": question, "format": "wav"}}]
    answer = client.chat.completions.create(
        model="antiphon",
        messages=[{"role": "user", "content": content}],
        modalities=["text", "audio"],
        audio={"voice": "default", "format": "wav"},
    )
    audio = answer.choices[0].message.audio
    assert audio.transcript.strip()
    assert inspect(base64.b64decode(audio.data), "answer.wav").facts["seconds"] > 0.5


def test_meanings_as_vectors(client: openai.OpenAI) -> None:
    texts = ["The cat sleeps on the sofa.", "A kitten naps on the couch.", "Interest rates rose in May."]
    first, near, far = (
        entry.embedding for entry in client.embeddings.create(model="antiphon", input=texts).data
    )

    def likeness(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    assert likeness(first, near) > 0.5 > likeness(first, far)


def test_a_named_session_answers_from_memory(client: openai.OpenAI) -> None:
    page = base64.b64encode(Path(MEDIA / "receipt.png").read_bytes()).decode()
    ask = [
        {"type": "text", "text": "What does it say on this receipt?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{page}"}},
    ]
    create = client.chat.completions.create
    body = {
        "model": "antiphon",
        "messages": [{"role": "user", "content": ask}],
        "extra_body": {"session": "r"},
    }
    first, again = create(**body), create(**body)
    assert "ocr" in first.model_extra["antiphon"]["calls"]
    assert "ocr" not in again.model_extra["antiphon"]["calls"]
    assert "ocr" in again.model_extra["antiphon"]["reused"]
