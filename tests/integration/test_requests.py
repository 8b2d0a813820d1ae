"""One real request of every kind, on the real models, through the command line."""

from __future__ import annotations

import json
import re
import wave
from pathlib import Path

import numpy as np
import pytest
import soxr

from specialists.models import ModelStore
from specialists.recogniser import Recogniser
from tests.integration.conftest import Run


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def transcribe(path: Path, models: ModelStore) -> list[str]:
    with wave.open(str(path)) as sound:
        pcm = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
        samples = soxr.resample(pcm.astype(np.float32) / 32768, sound.getframerate(), 16_000)
    return words(" ".join(segment.text for segment in Recogniser(models).transcribe(samples)))


def test_a_page_is_read_and_what_was_spoken_carries_its_words(
    antiphon: Run, media: Path, tmp_path: Path, model_store: ModelStore
) -> None:
    out = tmp_path / "out.wav"
    asked = antiphon(
        "ask", "What does this page say? Read it to me.", "--image", media / "page.png", "--say", out
    )
    assert asked.returncode == 0, asked.stderr
    assert "reading room will be closed" in asked.stdout
    assert "ocr" in asked.stderr
    spoken, read = set(transcribe(out, model_store)), [w for w in words(asked.stdout) if len(w) > 3]
    heard = sum(word in spoken for word in read) / len(read)
    # The small Whisper mishears names; the rest must be there.
    assert heard > 0.75, sorted(set(read) - spoken)


@pytest.mark.parametrize(
    ("text", "option", "file", "calls", "expected"),
    [
        ("Summarise this voice note", "--audio", "note.flac", ["asr", "chat"], r"meeting|folder|Friday"),
        ("What animal is this?", "--image", "cat.jpg", ["vision"], r"\bcat\b"),
        ("What happens in this clip?", "--video", "clip.mp4", ["video"], r"cat[\s\S]*espresso[\s\S]*9 to 5"),
        ("", "--image", "coffee.jpg", ["vision"], r"espresso"),
        ("What is the capital of France?", "", "", ["chat"], r"Paris"),
    ],
)
def test_each_kind_of_request_takes_the_right_specialists(
    antiphon: Run, media: Path, text: str, option: str, file: str, calls: list[str], expected: str
) -> None:
    attached = [option, media / file] if option else []
    asked = antiphon("ask", text, *attached, "--json")
    assert asked.returncode == 0, asked.stderr
    answer = json.loads(asked.stdout)
    assert answer["calls"] == calls
    assert re.search(expected, answer["text"]), answer["text"]


def test_a_second_question_about_a_picture_runs_no_perception(antiphon: Run, media: Path) -> None:
    image = ["--image", media / "cat.jpg", "--session", "trip"]
    assert antiphon("ask", "What animal is this?", *image).returncode == 0
    assert antiphon("ask", "What colours are in this picture?", *image).returncode == 0
    followed = antiphon("ask", "and which animal is it, say it again?", "--session", "trip", "--json")
    shown = antiphon("sessions", "show", "trip", "--json")
    finished = [event for event in json.loads(shown.stdout) if event["type"] == "turn.finished"]
    assert finished[0]["calls"] == ["vision"]
    assert finished[1]["calls"] == []
    assert finished[1]["reused"] == ["vision"]
    assert "vision" not in json.loads(followed.stdout)["calls"]
    assert "from memory" in antiphon("sessions", "show", "trip").stdout


def test_what_no_model_is_configured_for_says_what_to_configure(antiphon: Run) -> None:
    asked = antiphon("ask", "Draw a red fox in the snow", "--json")
    answer = json.loads(asked.stdout)
    assert asked.returncode == 1
    assert [step["specialist"] for step in answer["plan"]["steps"]] == ["imagegen"]
    assert "[specialists.imagegen]" in answer["text"]


def test_memory_and_sessions_are_there_for_another_process(antiphon: Run, media: Path) -> None:
    antiphon("ask", "What does this page say?", "--image", media / "page.png", "--session", "library")
    found = antiphon("memory", "search", "when is the reading room closed", "--json")
    assert any("reading room" in hit["record"]["text"] for hit in json.loads(found.stdout))
    listed = json.loads(antiphon("sessions", "list", "--json").stdout)
    assert [session["name"] for session in listed] == ["library"]
    replayed = antiphon("sessions", "replay", "library", "--instant")
    assert replayed.returncode == 0
    assert "reading room" in replayed.stdout
    assert json.loads(antiphon("memory", "stats", "--json").stdout)


def test_160_requests_are_planned(antiphon: Run, tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    lines = [
        {"id": f"r{i}", "text": f"What does sign number {i} say?", "attachments": ["image"], "history": []}
        for i in range(160)
    ]
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    planned = antiphon("plan", "--batch", source, "--out", target, timeout=60)
    assert planned.returncode == 0, planned.stderr
    answers = [json.loads(line) for line in target.read_text().splitlines()]
    assert [answer["id"] for answer in answers] == [line["id"] for line in lines]
    assert all(answer["steps"][0]["specialist"] == "ocr" for answer in answers)
