"""The command line as people use it: a process of its own, real models, a data folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from specialists.models import ModelStore

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path, model_store: ModelStore) -> dict[str, str]:
    """An environment whose sessions and memory are the test's own."""
    return os.environ | {
        "ANTIPHON_DATA": str(tmp_path / "data"),
        "ANTIPHON_MODELS": str(model_store.root),
        "COLUMNS": "100",
    }


@pytest.fixture
def antiphon(environment: dict[str, str]) -> Run:
    """Runs `antiphon` with arguments and returns what it printed."""

    def run(
        *arguments: str | Path, timeout: float = 120, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tui", *map(str, arguments)],
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run
