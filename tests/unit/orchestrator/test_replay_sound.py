"""The sound of a replay: each reply where it was played, cut where it was interrupted."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from memory.store import MemoryStore
from orchestrator.cli.main import build
from orchestrator.speech.again import RATE, Line, mixed, voices

SECOND = base64.urlsafe_b64encode(np.full(RATE, 8192, "<i2").tobytes()).decode()


def event(kind: str, time: float, turn: int = 1, **more: Any) -> dict[str, Any]:
    return {"session": "s", "type": kind, "turn": turn, "time": time, **more}


def spoken(*tail: dict[str, Any]) -> list[dict[str, Any]]:
    """Three seconds of speech, written at 102 s of the log's clock; the ears began to listen at 101 s."""
    events = [
        event("session.opened", 100.0, 0, wall_time=0.0, resumed=False),
        event("floor.changed", 101.5, state="assistant", reason="reply_audio", at=0.5),
        *(event("reply.speech", 102.0 + n / 10, text=f"w{n}", rate=RATE, pcm=SECOND) for n in range(3)),
        *tail,
    ]
    return [{**values, "seq": seq} for seq, values in enumerate(events, 1)]


def heard(end: float, *, complete: bool) -> dict[str, Any]:
    return event("speech.heard", 105.0, heard="w0", complete=complete, start=1.25, end=end)


def test_a_reply_sounds_from_when_to_when_it_was_heard() -> None:
    (voice,) = voices(spoken(heard(2.75, complete=False)))
    assert voice.cut
    assert voice.start == pytest.approx(2.25)
    assert len(voice.samples) == round(1.5 * RATE)
    assert abs(voice.samples[-1]) < 1e-6
    line = mixed([voice])
    assert not line[: round(2.25 * RATE)].any()
    assert line[round(2.25 * RATE) + 10] == pytest.approx(0.25)


def test_a_reply_that_was_heard_out_is_whole() -> None:
    (voice,) = voices(spoken(heard(4.25, complete=True)))
    assert not voice.cut
    assert len(voice.samples) == 3 * RATE


def test_a_typed_turn_that_was_stopped_is_cut_where_it_ended() -> None:
    (voice,) = voices(spoken(event("turn.finished", 103.0, outcome="interrupted", text="")))
    assert voice.cut
    assert len(voice.samples) == RATE


def test_a_line_plays_on_over_lost_time() -> None:
    line = Line(np.arange(10, dtype=np.float32))
    assert list(line.render(3)) == [0, 1, 2]
    line.skip(4)
    assert list(line.render(5)) == [7, 8, 9, 0, 0]


def test_the_command_writes_what_was_heard(tmp_path: Path) -> None:
    with MemoryStore.open(tmp_path / "memory") as store:
        store.log.append("s", spoken(heard(2.75, complete=False)))
    wav = tmp_path / "out.wav"
    command = ["sessions", "replay", "s", "--instant", "--say", str(wav)]
    done = CliRunner().invoke(build(), command, env={"ANTIPHON_DATA": str(tmp_path)})
    assert done.exit_code == 0, done.output
    samples, rate = soundfile.read(wav)
    assert rate == RATE
    assert len(samples) == pytest.approx(3.75 * RATE, abs=2)
