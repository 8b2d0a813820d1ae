"""Bad input at the command line: the part is named, the exit code says failure, the session stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.conftest import Run
from tests.unit.orchestrator.test_intake import huge_png


@pytest.fixture
def bad(tmp_path: Path, media: Path) -> Path:
    """A folder of files that are not what they say."""
    (tmp_path / "text.png").write_text("this is text, not a picture")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "bomb.png").write_bytes(huge_png())
    whole = (media / "question.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    return tmp_path


def test_bad_files_are_named_and_the_session_goes_on(antiphon: Run, bad: Path) -> None:
    session = ["--session", "careful"]
    assert antiphon("ask", "What is the capital of France?", *session).returncode == 0
    for option, name in [
        ("--image", "text.png"),
        ("--image", "empty.png"),
        ("--image", "bomb.png"),
        ("--audio", "cut.wav"),
        ("--image", "nowhere.png"),
    ]:
        asked = antiphon("ask", "What is this?", option, bad / name, *session)
        assert asked.returncode == 1, name
        assert name in asked.stderr
        assert "Traceback" not in asked.stderr
    events = json.loads(antiphon("sessions", "show", "careful", "--json").stdout)
    outcomes = [event["outcome"] for event in events if event["type"] == "turn.finished"]
    assert outcomes == ["answered", *["failed"] * 5]
    assert antiphon("ask", "Thank you.", *session).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["specialists", "check", "nobody"], "nobody"),
        (["sessions", "show", "nothing-of-this-name"], "nothing-of-this-name"),
        (["models", "pull", "nobody"], "nobody"),
        (["memory", "show", "nothing"], "nothing"),
        (["ask", "hello", "--session", "../../etc"], "../../etc"),
        (["plan", "--batch", "nowhere.jsonl", "--out", "out.jsonl"], "nowhere.jsonl"),
    ],
)
def test_unknown_names_are_refused(antiphon: Run, arguments: list[str], named: str) -> None:
    done = antiphon(*arguments)
    assert done.returncode == 1
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_a_configuration_with_a_wrong_key_is_refused_by_every_door(antiphon: Run, tmp_path: Path) -> None:
    config = tmp_path / "wrong.toml"
    config.write_text("[engine]\nturn_secnds = 3\n")
    for command in (["ask", "hello"], ["doctor"], ["specialists", "list"], ["serve", "--port", "0"]):
        done = antiphon(*command, "--config", config)
        assert done.returncode == 1, command
        assert "turn_secnds" in done.stdout + done.stderr, command


def test_a_question_may_come_through_a_pipe(antiphon: Run) -> None:
    asked = antiphon("ask", "--quiet", stdin="What is the capital of France?\n")
    assert asked.returncode == 0, asked.stderr
    assert "Paris" in asked.stdout


def test_speech_is_written_where_it_can_be(antiphon: Run, tmp_path: Path) -> None:
    for target, reason in ((tmp_path / "nowhere" / "out.wav", "nowhere"), (tmp_path / "out.mp3", "WAV")):
        asked = antiphon("ask", "hello", "--say", target)
        assert asked.returncode == 1
        assert reason in asked.stderr
        assert "Traceback" not in asked.stderr
