"""pipecat beside us: the same Whisper, Piper and llama.cpp models, in a virtual environment of its own.

The environment is made on first use in the user's cache (`$ANTIPHON_VOICE_PEER` names another folder) and
never touches the project's. llama.cpp runs in a second process, two threads, as a server would.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.voice.clip import Clip
from specialists.chat.prompt import SYSTEM
from specialists.models import DEFAULTS, ModelStore, default_folder

VERSION = "pipecat-ai[openai,piper,whisper]==1.14.0"
_ROOT = Path(__file__).parents[2]
_FIELDS = ("id", "kind", "text", "voice", "first", "last")
_SERVER = """
import sys, time, xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path, parameters.n_ctx, parameters.port = sys.argv[1], 2048, 0
parameters.api_keys = [sys.stdin.readline().strip()]
parameters.ui, parameters.verbosity = False, -1
parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 2
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """A conversation with the peer: the folder with the room's files, and its own figures."""

    folder: Path
    figures: dict[str, Any]


class Peer:
    """`with peer() as bot: bot.run(...)`; one conversation at a time."""

    def __init__(self, python: Path, llm: str, key: str, server: int) -> None:
        self._python = python
        self._llm = llm
        self._key = key
        self._server = server

    def run(
        self,
        folder: Path,
        clips: Sequence[Clip],
        *,
        compute_type: str = "default",
        silence: float = 1.0,
        tokens: int = 60,
        seed: int = 1,
    ) -> Ran:
        """One process, one conversation: `silence` seconds, then each clip after the reply to the one before.

        Raises RuntimeError with what it printed when it fails.
        """
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "clips.npy", np.concatenate([np.zeros(0, np.float32), *(c.samples for c in clips)]))
        models = ModelStore(default_folder())
        plan = {
            "folder": str(folder),
            "clips": str(folder / "clips.npy"),
            "said": [{k: getattr(c, k) for k in _FIELDS} | {"count": len(c.samples)} for c in clips],
            "whisper": str(models.resolve(DEFAULTS["asr"][0])),
            "voice": str(models.resolve(DEFAULTS["tts"][0])),
            "compute_type": compute_type,
            "llm": self._llm,
            "key": self._key,
            "tokens": tokens,
            "system": SYSTEM,
            "silence": silence,
            "seed": seed,
        }
        (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        used = _cpu(self._server)
        done = subprocess.run(
            [self._python, Path(__file__).with_name("peer_bot.py"), folder / "plan.json"],
            env=os.environ | {"PYTHONPATH": str(_ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the peer failed:\n{done.stderr[-3000:]}")
        figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
        figures["llm_cpu"] = _cpu(self._server) - used
        return Ran(folder, figures)


@contextmanager
def peer() -> Iterator[Peer]:
    """The peer with its language model loaded."""
    python = environment()
    model = ModelStore(default_folder()).resolve(DEFAULTS["chat"][0])
    key = secrets.token_urlsafe(16)
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(model)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            server.stdin.write(key + "\n")
            server.stdin.flush()
            address = server.stdout.readline().strip()
            if not address:
                raise RuntimeError("llama.cpp did not start")
            yield Peer(python, f"{address}/v1", key, server.pid)
        finally:
            server.kill()


def environment() -> Path:
    """The interpreter of the peer's environment, which is made where it is missing."""
    import platformdirs

    named = os.environ.get("ANTIPHON_VOICE_PEER")
    folder = Path(named) if named else Path(platformdirs.user_cache_dir("antiphon")) / "voice-peer"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"making an environment with {VERSION} in {folder}", file=sys.stderr)
        began = time.perf_counter()
        subprocess.run(["uv", "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, VERSION], check=True)
        (folder / "complete").write_text(VERSION, encoding="utf-8")
        print(f"made in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return python


def _cpu(process: int) -> float:
    """Seconds of processor time it has used."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
