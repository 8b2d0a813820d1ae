"""The configuration: one TOML file, checked on reading. `config.example.toml` explains every key."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator.budget import Budget
from specialists.chat.prompt import SYSTEM
from specialists.errors import BadConfig
from specialists.media import Limits
from specialists.models import cache_folder


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EngineTable(_Table):
    data: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("antiphon")))
    """Sessions, memory and blobs."""
    models: Path = Field(default_factory=cache_folder)
    turn_seconds: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    step_seconds: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    system_prompt: str = SYSTEM


class BudgetTable(_Table):
    seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Aimed at below `engine.turn_seconds`: what is nice to have is left out for it, never the answer."""
    price: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Never planned beyond, in the unit in which the specialists state their prices."""


class ControllerTable(_Table):
    kind: Literal["hybrid", "fitted", "exemplar", "llm"] = "hybrid"
    margin: float = Field(default=0.0, ge=0, le=1)
    """Hybrid: below this margin of the router the LLM decides between the candidates."""
    ask_below: float = Field(default=0.0, ge=0, le=1)
    """Below this margin the person is asked which of two meanings is meant; 0 never asks."""


class MemoryTable(_Table):
    reuse: bool = True
    reuse_like: float = Field(default=0.8, ge=0, le=1)
    """What was found in a picture is reused for one that is at least so alike (`memory.looks`); 0 never."""
    hits: int = Field(default=6, ge=0, le=100)
    keep_days: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Older than so many days is forgotten; 0 keeps everything."""
    max_bytes: int = Field(default=0, ge=0)
    """Beyond so many bytes the oldest is forgotten; 0 keeps everything."""
    wording: bool = False
    """Whether `chat` words summaries and facts; otherwise they consist of sentences as they were said."""


class SpeechTable(_Table):
    end_of_turn_seconds: float = Field(default=0.6, gt=0)
    turn_detector: str = ""
    """A Smart Turn v3 model that hears whether somebody is done, by its URI."""
    device_in: str = ""
    device_out: str = ""


class ServerTable(_Table):
    host: str = "127.0.0.1"
    port: int = Field(default=8321, ge=0, le=65535)
    api_key: str = ""
    """Needed to listen beyond loopback; several stand between commas, `$NAME` reads the environment."""
    allowed_hosts: tuple[str, ...] = ()
    """Hosts that URLs in requests may be fetched from."""


class RayTable(_Table):
    address: str = ""
    """Empty to start a local cluster."""
    replicas: dict[str, int | tuple[int, int]] = Field(default_factory=dict)
    """Of each specialist: so many, or from so many to so many, as calls come. One where nothing is said."""


class TelemetryTable(_Table):
    endpoint: str = Field(default="", pattern=r"^(https?://.+)?$")
    """Base URL of a collector that takes OTLP over HTTP. Empty: what OTEL_EXPORTER_OTLP_ENDPOINT names."""
    content: bool = False
    """Whether spans hold what was said and found, not only names, figures and codes."""


class Config(_Table):
    """Everything that can be set. `specialists` is open: each specialist checks its own table."""

    engine: EngineTable = EngineTable()
    budget: BudgetTable = BudgetTable()
    controller: ControllerTable = ControllerTable()
    memory: MemoryTable = MemoryTable()
    speech: SpeechTable = SpeechTable()
    server: ServerTable = ServerTable()
    ray: RayTable = RayTable()
    telemetry: TelemetryTable = TelemetryTable()
    limits: Limits = Limits()
    specialists: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @property
    def allowed(self) -> Budget:
        """What a turn may take when its request asks for nothing less."""
        return Budget(self.engine.turn_seconds).tighter(Budget(self.budget.seconds, self.budget.price))


def default_path() -> Path:
    return Path(platformdirs.user_config_dir("antiphon")) / "antiphon.toml"


def load(path: Path | None = None) -> Config:
    """Read the configuration.

    Order: `path`, then `$ANTIPHON_CONFIG`, then the user's own file, then the defaults. A file that was
    named must exist. `$ANTIPHON_DATA` and `$ANTIPHON_MODELS` override the two folders.
    Raises BadConfig, which names the key.
    """
    named = path or (Path(os.environ["ANTIPHON_CONFIG"]) if os.environ.get("ANTIPHON_CONFIG") else None)
    chosen = named or default_path()
    values: dict[str, Any] = {}
    if named is not None and not named.is_file():
        raise BadConfig("no such file", part=str(named), remedy="Give the path of an existing TOML file")
    if chosen.is_file():
        values = _read(chosen)
    for variable, key in (("ANTIPHON_DATA", "data"), ("ANTIPHON_MODELS", "models")):
        if os.environ.get(variable):
            values.setdefault("engine", {})[key] = os.environ[variable]
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise BadConfig(_explain(error), part=str(chosen)) from error


def router_table(values: dict[str, Any]) -> ControllerTable:
    """The settings of a controller. Raises BadConfig, which names the key."""
    try:
        return ControllerTable.model_validate(values)
    except ValidationError as error:
        raise BadConfig(_explain(error), part="controller") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise BadConfig(f"cannot be read: {error}", part=str(path)) from error


def _explain(error: ValidationError) -> str:
    sentences = []
    for problem in error.errors():
        key = ".".join(str(piece) for piece in problem["loc"])
        if problem["type"] == "extra_forbidden":
            sentences.append(f"unknown key {key!r}; config.example.toml lists those there are")
        else:
            sentences.append(f"key {key!r}: {problem['msg']}")
    return "; ".join(sentences)
