"""A spoken conversation in real time over a pair of WAV files, with an interruption, on the real models."""

from __future__ import annotations

import json
import re
import wave
from pathlib import Path

import numpy as np
import soxr

from specialists.models import ModelStore
from specialists.recogniser import Recogniser
from tests.integration.conftest import Run

CUT_IN = 9.78
"""Seconds into `interrupt.wav` at which the second request begins (examples/media/SOURCES.md)."""


def samples(path: Path, rate: int = 16_000) -> np.ndarray:
    with wave.open(str(path)) as sound:
        pcm = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
        return np.asarray(soxr.resample(pcm.astype(np.float32) / 32768, sound.getframerate(), rate))


def voiced(sound: np.ndarray, rate: int = 16_000) -> np.ndarray:
    """The times, in seconds, of the 20 ms blocks that are louder than -46 dB."""
    block = rate // 50
    whole = sound[: len(sound) // block * block].reshape(-1, block)
    loud = np.sqrt((whole**2).mean(axis=1)) > 0.005
    return np.asarray(np.flatnonzero(loud) * 0.02)


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def test_an_interruption_stops_the_voice_and_keeps_what_was_heard(
    antiphon: Run, media: Path, tmp_path: Path, model_store: ModelStore
) -> None:
    spoken, events_file = tmp_path / "A.wav", tmp_path / "E.jsonl"
    talked = antiphon(
        "talk", "--in", media / "interrupt.wav", "--out", spoken, "--events", events_file, "--session", "v"
    )
    assert talked.returncode == 0, talked.stderr
    events = [json.loads(line) for line in events_file.read_text().splitlines()]
    sound = samples(spoken)
    loud = voiced(sound)

    # The timeline is shared: nothing before the first request ends, the answer soon after it.
    request_end = 2.78
    assert not len(loud[loud < request_end])
    assert loud[0] < request_end + 4

    # The voice is silent soon after the second request begins, until that has ended.
    stopped = loud[(loud > CUT_IN) & (loud < 11.6)]
    assert not len(stopped) or stopped[-1] < CUT_IN + 1.0
    assert len(loud[loud > 11.6]), "the second request is answered"

    # What is kept as said is what was heard, to within a word or two of what Whisper hears in the file.
    (cut,) = [e for e in events if e["type"] == "speech.heard" and not e["complete"]]
    heard = words(cut["heard"])
    said = words(" ".join(s.text for s in Recogniser(model_store).transcribe(sound[: int(CUT_IN * 16_000)])))
    assert heard, cut
    assert cut["unheard"].strip()
    assert abs(len(heard) - len(said)) <= 3, (cut["heard"], said)
    assert set(heard[-4:]) & set(said[-6:])
    shown = json.loads(antiphon("sessions", "show", "v", "--json").stdout)
    kept = [e["heard"] for e in shown if e["type"] == "speech.heard" and not e["complete"]]
    assert kept == [cut["heard"]]
    records = json.loads(antiphon("memory", "search", "lighthouse", "--json").stdout)
    told = [hit["record"]["text"] for hit in records if hit["record"]["role"] == "assistant"]
    assert told
    assert all("".join(words(cut["unheard"])) not in "".join(words(text)) for text in told)
