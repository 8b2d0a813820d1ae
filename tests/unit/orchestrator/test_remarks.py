"""What is said aloud when there is no reply to say it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest

from orchestrator.events import Failed
from orchestrator.speech.remarks import Remark, Remarks, remark_on
from specialists.base import Chunk, Specialist, Task
from specialists.content import AUDIO
from specialists.errors import SpecialistFailed
from specialists.fakes import card
from specialists.runtime import LocalRuntime

RATE = 22_050


class Speaks(Specialist):
    """Says each text as one second of a steady level; breaks where it is told to."""

    def __init__(self, rate: int = 16_000, breaks_at: str = "") -> None:
        self.card = card("tts", ["text"], ["audio"])
        self._rate, self._breaks_at = rate, breaks_at

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        if task.parts[0].text == self._breaks_at:
            raise SpecialistFailed("the voice broke", part="tts")
        pcm = np.full(self._rate, 8000, "<i2").tobytes()
        yield Chunk(AUDIO, data=pcm, media_type=f"audio/pcm;rate={self._rate}")


async def test_they_are_spoken_ahead_at_the_rate_of_the_loudspeaker() -> None:
    remarks = Remarks(RATE)
    await remarks.load(LocalRuntime([Speaks()]))
    for remark in Remark:
        sound = remarks.sound(remark)
        assert len(sound) == pytest.approx(RATE, abs=2)
        assert float(np.median(np.abs(sound))) == pytest.approx(8000 / 32768, abs=0.01)


async def test_without_a_voice_they_are_tones_and_no_two_of_them_click() -> None:
    for runtime in (LocalRuntime(), LocalRuntime([Speaks(breaks_at=Remark.BRIDGE.value)])):
        remarks = Remarks(RATE)
        await remarks.load(runtime)
        sound = remarks.sound(Remark.BRIDGE)
        assert 0.2 < len(sound) / RATE < 0.5 and 0.1 < np.abs(sound).max() < 0.5
        assert abs(float(sound[0])) < 0.01 and abs(float(sound[-1])) < 0.01


async def test_those_that_were_made_before_the_voice_broke_are_kept() -> None:
    remarks = Remarks(RATE)
    await remarks.load(LocalRuntime([Speaks(breaks_at=Remark.WENT_WRONG.value)]))
    assert len(remarks.sound(Remark.NOT_CAUGHT)) == pytest.approx(RATE, abs=2)


@pytest.mark.parametrize(
    ("code", "part", "sounded", "remark"),
    [
        ("nothing_heard", "asr", False, Remark.NOT_CAUGHT),
        ("specialist_failed", "asr", False, Remark.HEARS_NOTHING),
        ("deadline_exceeded", "turn", False, Remark.TOO_LATE),
        ("deadline_exceeded", "tts", True, Remark.VOICE_LOST),
        ("unavailable", "tts", False, Remark.NO_VOICE),
        ("specialist_failed", "chat", False, Remark.WENT_WRONG),
    ],
)
def test_each_problem_has_its_words(code: str, part: str, sounded: bool, remark: Remark) -> None:
    problem = Failed(code=code, part=part, reason="because")
    assert remark_on(problem, sounded=sounded) is remark
