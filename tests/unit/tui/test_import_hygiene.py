"""What importing loads, seen from a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "transformers",
    "ray",
    "faiss",
    "langgraph",
    "onnxruntime",
    "faster_whisper",
    "rapidocr",
    "av",
)

HEADLESS = (
    "orchestrator.events",
    "orchestrator.session",
    "orchestrator.plan",
    "orchestrator.config",
    "orchestrator.engine",
    "orchestrator.client",
    "memory.records",
    "memory.store",
    "memory.log",
    "specialists.registry",
    "specialists.runtime",
    "serving.config",
    "tui.__main__",
    "tui.command",
)


def loaded(module: str, then: str = "") -> set[str]:
    """The top-level packages that a fresh process has loaded once it imported a module and ran a line."""
    told = "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    code = f"import json, sys, {module}\n{then}\n{told}"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", HEADLESS)
def test_nothing_without_a_screen_loads_textual(module: str) -> None:
    assert "textual" not in loaded(module)


def test_the_screen_loads_no_model_library() -> None:
    assert not loaded("tui.app") & set(HEAVY)


def test_the_command_line_loads_nothing_heavy() -> None:
    found = loaded("tui.__main__", "tui.__main__.app()")
    assert not found & {*HEAVY, "textual", "pydantic", "numpy", "fastapi", "httpx", "PIL"}
