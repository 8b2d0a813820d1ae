"""The options of the chat specialist, checked once, and what a Task may override."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from specialists.chat import form
from specialists.chat.backend import Sampling
from specialists.errors import AntiphonError, BadConfig, BadInput
from specialists.models import DEFAULTS, ModelUri, parse_uri
from specialists.registry import Setup

NAMES = ("model", "backend", "max_tokens", "temperature", "context_tokens", "threads", "api_key")
BACKENDS = ("llama.cpp", "transformers", "openai")

_CONTEXT = {"llama.cpp": 2048, "transformers": 2048, "openai": 8192}
"""Default context_tokens."""

_LONGEST = 1 << 20
"""The most tokens that may be asked for; a mistyped number must not reserve all memory."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was configured. `threads` 0 leaves the backend its own choice."""

    model: ModelUri
    backend: str
    sampling: Sampling
    context_tokens: int
    threads: int
    api_key: str


def read(setup: Setup) -> Options:
    """The options of one configuration. Raises BadConfig, which names the key."""
    setup.check_options(*NAMES)
    part = f"specialists.{setup.name}"
    model = parse_uri(str(setup.option("model", DEFAULTS["chat"][0])))
    backend = str(setup.option("backend", _backend_for(model)))
    if backend not in BACKENDS or (backend == "openai") != (model.scheme == "openai"):
        raise BadConfig(
            f"backend {backend!r} cannot run {model}", part=part, remedy=f"Backends: {', '.join(BACKENDS)}"
        )
    context = setup.option("context_tokens", _CONTEXT[backend])
    context = _whole(context, "context_tokens", 64, part, BadConfig)
    longest = _whole(setup.option("max_tokens", 256), "max_tokens", 1, part, BadConfig)
    if longest >= context:
        raise BadConfig(f"max_tokens {longest} leaves no room in context_tokens {context}", part=part)
    return Options(
        model=model,
        backend=backend,
        sampling=Sampling(longest, _temperature(setup.option("temperature", 0.0), part, BadConfig)),
        context_tokens=context,
        threads=_whole(setup.option("threads", 0), "threads", 0, part, BadConfig),
        api_key=_secret(str(setup.option("api_key", ""))),
    )


def override(sampling: Sampling, params: Mapping[str, object], context_tokens: int) -> Sampling:
    """The sampling of one Task. Raises BadInput for a parameter that cannot be used."""
    for name, value in params.items():
        if name == "max_tokens":
            longest = _whole(value, name, 1, name, BadInput)
            sampling = replace(sampling, max_tokens=min(longest, context_tokens - 1))
        elif name == "temperature":
            sampling = replace(sampling, temperature=_temperature(value, name, BadInput))
        elif name == "seed":
            sampling = replace(sampling, seed=_whole(value, name, 0, name, BadInput))
        elif name == "stop":
            sampling = replace(sampling, stop=_stops(value))
        elif name == "grammar" and isinstance(value, str):
            sampling = replace(sampling, grammar=value)
        elif name == "form" and isinstance(value, str):
            sampling = replace(sampling, form=form.read(value))
        else:
            raise BadInput(
                "chat has no such parameter, or not of this type",
                part=name,
                remedy="Parameters: max_tokens, temperature, seed, stop, grammar, form",
            )
    return sampling


def _backend_for(model: ModelUri) -> str:
    if model.scheme == "openai":
        return "openai"
    return "llama.cpp" if model.path.lower().endswith(".gguf") else "transformers"


def _whole(value: object, name: str, least: int, part: str, kind: type[AntiphonError]) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _LONGEST:
        raise kind(f"{name} must be a whole number from {least} to {_LONGEST}, not {value!r}", part=part)
    return value


def _temperature(value: object, part: str, kind: type[AntiphonError]) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 2:
        raise kind(f"temperature must be a number from 0 to 2, not {value!r}", part=part)
    return float(value)


def _stops(value: object) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value
    if isinstance(stops, (list, tuple)) and len(stops) <= 8 and all(isinstance(s, str) and s for s in stops):
        return tuple(stops)
    raise BadInput("stop must be a text or up to eight texts", part="stop")


def _secret(value: str) -> str:
    """A value, or what the environment holds under `$NAME`; a name that is not set stays as it is written."""
    return os.environ.get(value[1:], value) if value.startswith("$") else value
