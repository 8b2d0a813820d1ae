"""The examples run as they are, and print what `docs/memory.md` says that they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from specialists.models import ModelStore

ROOT = Path(__file__).parents[2]


def run(model_store: ModelStore, example: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / example)],
        env={**os.environ, "ANTIPHON_MODELS": str(model_store.root)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _unnumbered(text: str) -> str:
    """How much the proof looked through is not the same on every platform."""
    return re.sub(r"\d+ pieces in \d+ places", "pieces in places", text)


def test_memory_by_itself(model_store: ModelStore) -> None:
    printed = run(model_store, "memory_api.py")
    page = (ROOT / "docs" / "memory.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```\npython examples/memory_api\.py\n\n(.*?)```", page, re.DOTALL)
    assert _unnumbered(printed) == _unnumbered(shown)
    assert "vision found: a tabby cat on a sofa" in printed
    assert "left: nothing" in printed


def test_the_python_in_the_page_runs(model_store: ModelStore, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "memory.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    (tmp_path / "cat.jpg").write_bytes((ROOT / "examples" / "media" / "cat.jpg").read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "ANTIPHON_MODELS": str(model_store.root)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "The boiler makes a knocking noise." in done.stdout
