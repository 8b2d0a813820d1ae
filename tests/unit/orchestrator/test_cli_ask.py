"""What `antiphon ask` tells beside the answer."""

from __future__ import annotations

import pytest

from orchestrator.cli.ask import _Turn
from orchestrator.events import Replanned
from orchestrator.plan import Step


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (Step("s2", "tts"), "plan: without tts: why; --say OUT.wav writes speech to a file"),
        (Step("s2", "chat"), "plan: without chat: why"),
    ],
)
def test_speech_that_is_not_made_is_told_with_the_way_to_get_it(
    lost: Step, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _Turn(quiet=False, stream=True).take(Replanned(turn=1, cause="s1", reason="why", dropped=(lost,)))
    assert capsys.readouterr().err.strip() == told
