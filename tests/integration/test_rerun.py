"""A session with the real models, run again by another process, moved, and refused when tampered with."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.conftest import Run


def test_a_session_runs_again_in_another_process_and_moves(
    antiphon: Run, media: Path, tmp_path: Path
) -> None:
    for words, *more in (
        ("What does this picture show?", "--image", media / "cat.jpg"),
        ("Read the text on this receipt", "--image", media / "receipt.png", "--say", tmp_path / "a.wav"),
        ("Tell me about the sea",),
    ):
        asked = antiphon("ask", words, *more, "--session", "trip", "--quiet")
        assert asked.returncode == 0, asked.stderr
    again = antiphon("sessions", "rerun", "trip", "--json")
    assert again.returncode == 0, again.stdout + again.stderr
    assert json.loads(again.stdout)["turns"] == 3

    forked = antiphon("sessions", "fork", "trip", "--at", "2", "--to", "other")
    assert forked.returncode == 0, forked.stderr
    assert antiphon("sessions", "rerun", "other").returncode == 0

    file = tmp_path / "trip.antiphon"
    assert antiphon("sessions", "export", "trip", file).returncode == 0
    taken = antiphon("sessions", "import", file, "--as", "taken")
    assert taken.returncode == 0, taken.stderr
    assert antiphon("sessions", "rerun", "taken").returncode == 0
    flipped = bytearray(file.read_bytes())
    flipped[len(flipped) // 3] ^= 4
    file.write_bytes(bytes(flipped))
    refused = antiphon("sessions", "import", file, "--as", "refused")
    assert refused.returncode == 1
    assert "its checksum does not match" in refused.stderr
