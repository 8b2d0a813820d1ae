"""What the shell does to a running command: Ctrl-C, a reader that leaves, a place that cannot be written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import Run

STORY = "Tell me a long story about a lighthouse."


def begun(environment: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    """An `antiphon ask` whose reply has begun: eight bytes of it are read."""
    asking = subprocess.Popen(
        [sys.executable, "-m", "tui", "ask", STORY, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Whoever runs the tests in the background hands on a SIGINT that is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    assert asking.stdout is not None
    assert len(os.read(asking.stdout.fileno(), 8)) > 0, "the reply had begun"
    return asking


def outcomes(antiphon: Run, session: str) -> list[str]:
    events = json.loads(antiphon("sessions", "show", session, "--json").stdout)
    return [event["outcome"] for event in events if event["type"] == "turn.finished"]


def test_ctrl_c_interrupts_the_turn(antiphon: Run, environment: dict[str, str]) -> None:
    with begun(environment, "--session", "s") as asking:
        asking.send_signal(signal.SIGINT)
        _, errors = asking.communicate(timeout=20)
    assert asking.returncode == 130
    assert b"Traceback" not in errors
    assert outcomes(antiphon, "s") == ["interrupted"]


def test_a_reader_that_leaves_ends_the_command_quietly(antiphon: Run, environment: dict[str, str]) -> None:
    with begun(environment, "--session", "s") as asking:
        assert asking.stdout is not None
        asking.stdout.close()
        assert asking.stderr is not None
        errors = asking.stderr.read()
        assert asking.wait(timeout=20) == 1
    assert b"Traceback" not in errors
    assert b"BrokenPipe" not in errors
    assert outcomes(antiphon, "s") == ["interrupted"]


@pytest.mark.parametrize("where", ["nowhere/out", "."])
def test_a_place_that_cannot_be_written_is_named_before_the_work(
    antiphon: Run, tmp_path: Path, where: str
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": 1, "text": "hello"}\n')
    target = tmp_path / where
    for arguments in (["plan", "--batch", source, "--out", target], ["ask", "hello", "--say", target]):
        done = antiphon(*arguments)
        assert done.returncode == 1
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert str(target) in done.stderr
    assert not (tmp_path / "data").exists(), "no turn was begun"


def test_a_place_that_fails_in_the_end_costs_no_answer(antiphon: Run) -> None:
    """/dev/full takes no byte: the answer is printed all the same, and the failure is said."""
    done = antiphon("ask", "What is the capital of France?", "--say", "/dev/full", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["outcome"] == "answered"
    assert "/dev/full: cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_bytes_that_are_no_utf8_are_words_all_the_same(antiphon: Run) -> None:
    typed = os.fsdecode(b"What is a caf\xe9?")
    planned = antiphon("plan", typed, "--json")
    assert planned.returncode == 0, planned.stderr
    asked = antiphon("ask", typed, "--json")
    assert asked.returncode == 0, asked.stderr
