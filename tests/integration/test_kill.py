"""kill -9 in the middle of a turn: what was acknowledged is there, and the session opens again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from tests.integration.conftest import Run


def test_a_killed_turn_loses_nothing_that_was_acknowledged(
    antiphon: Run, environment: dict[str, str], media: Path
) -> None:
    first = antiphon("ask", "What animal is this?", "--image", media / "cat.jpg", "--session", "s", "--json")
    assert first.returncode == 0, first.stderr
    command = [
        sys.executable,
        "-m",
        "tui",
        "ask",
        "Tell me a long story about a lighthouse.",
        "--session",
        "s",
    ]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as killed:
        assert killed.stdout is not None
        assert killed.stdout.read(8), "the reply had begun"
        killed.send_signal(signal.SIGKILL)
    events = json.loads(antiphon("sessions", "show", "s", "--json").stdout)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    started = [event for event in events if event["type"] == "turn.started"]
    assert [event["turn"] for event in started] == [1, 2]
    (finished,) = [event for event in events if event["type"] == "turn.finished"]
    assert finished["text"] == json.loads(first.stdout)["text"]
    again = antiphon("ask", "What is the capital of France?", "--session", "s", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["turn"] == 3
    after = json.loads(antiphon("sessions", "show", "s", "--json").stdout)
    outcomes = [event["outcome"] for event in after if event["type"] == "turn.finished"]
    assert outcomes == ["answered", "interrupted", "answered"]
