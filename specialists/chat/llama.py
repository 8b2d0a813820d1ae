"""GGUF models on llama.cpp, in this process."""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from specialists.chat.backend import Emit, Said, Sampling, pump, take
from specialists.errors import BadInput, SpecialistFailed, Unavailable

_SLOTS = 2
"""Calls served at once. Each keeps the prompt it read last, so that a constant beginning is read once."""

_BATCH = 64
"""Tokens of a prompt read between two looks at whether the call was closed: about 0.3 s on one core."""

_MARK = "\N{SYMBOL FOR UNIT SEPARATOR}"
"""Where a message ends within a prompt."""

_STOPS = " .,;:!?…"

_LIKELY = 40
"""So many of the likeliest next tokens are looked at for those that end a message."""

_ENDS = re.compile(r"\s*[.?!]|\n|<\|im_end\|>")
"""The beginning of a token that ends one."""

_PATIENCE = 0.2
"""Seconds for which a question about the end of a message waits for its turn: its answer is soon stale."""


class LlamaBackend:
    """One model in memory with `_SLOTS` contexts of `context_tokens` each; further callers wait."""

    def __init__(self, path: Path, *, context_tokens: int, threads: int = 0) -> None:
        """Load the model. Blocks. `threads` 0 means half the cores.

        Raises Unavailable when it cannot be loaded.
        """
        import httpx
        import xllamacpp

        self.context_tokens = context_tokens
        self._path = path
        self._turns = threading.BoundedSemaphore(_SLOTS)
        # llama.cpp also listens on loopback, where other users of this machine could reach it.
        key = secrets.token_urlsafe(32)
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx = context_tokens * _SLOTS
        parameters.n_parallel = _SLOTS
        parameters.n_batch = parameters.n_ubatch = _BATCH
        # The threads wait for each other at every layer: where other work keeps one core busy, taking all
        # cores was measured 20 to 100 times slower than leaving some.
        workers = threads or max(1, (os.cpu_count() or 1) // 2)
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = workers
        parameters.port = 0
        parameters.api_keys = [key]
        parameters.ui = False
        parameters.endpoint_slots = False
        parameters.cache_ram_mib = 0
        parameters.verbosity = -1
        try:
            self._server = xllamacpp.Server(parameters)
        except (RuntimeError, ValueError) as error:
            raise Unavailable(
                f"llama.cpp cannot load this model: {error}", part=str(path), remedy="Name a sound GGUF file"
            ) from error
        # Its tokenizer has no other door than HTTP.
        self._http = httpx.Client(
            base_url=self._server.listening_address,
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
        )

    def count(self, text: str) -> int:
        answer = self._http.post("/tokenize", json={"content": text})
        return len(answer.raise_for_status().json()["tokens"])

    def ends(self, messages: Sequence[Said]) -> Generator[float | None, None, None]:
        *before, last = messages
        # Its template has no other door than HTTP, either: what it writes behind the last message is cut off.
        # Whether a mark follows is the question, so there is none.
        said = [*before, Said(last.role, f"{last.text.rstrip(_STOPS)}{_MARK}")]
        answer = self._http.post("/apply-template", json={"messages": _messages(said)})
        prompt = answer.raise_for_status().json()["prompt"].partition(_MARK)[0]
        request = {
            "prompt": prompt,
            "n_predict": 1,
            "n_probs": _LIKELY,
            "temperature": 0.0,
            "stream": True,
            "return_progress": True,
        }

        def work(emit: Emit) -> None:
            if not self._turns.acquire(timeout=_PATIENCE):
                raise SpecialistFailed("llama.cpp: all its places are taken", part=self._path.name)
            try:
                self._server.handle_completions(json.dumps(request), emit)
            except (RuntimeError, ValueError) as error:
                raise SpecialistFailed(f"llama.cpp: {error}", part=self._path.name) from error
            finally:
                self._turns.release()

        told = False
        events = pump(work)
        try:
            for event in events:
                chance = self._chance(event) if event and not told else None
                told = told or chance is not None
                yield chance
        finally:
            events.close()
        if not told:
            raise SpecialistFailed("llama.cpp: told no likely tokens", part=self._path.name)

    def _chance(self, event: str) -> float | None:
        """The share of the likeliest next tokens that end a message; None in an event that tells none."""
        try:
            values = json.loads(event)
            if "error" in values:
                raise SpecialistFailed(f"llama.cpp: {values['error']}", part=self._path.name)
            found = values["choices"][0]["logprobs"]
            if found is None:
                return None
            (token,) = found["content"]
            likely = [(one["token"], math.exp(one["logprob"])) for one in token["top_logprobs"]]
        except (LookupError, ValueError, TypeError) as error:
            raise SpecialistFailed(f"llama.cpp: cannot be read: {error!r}", part=self._path.name) from error
        return min(1.0, sum(chance for token, chance in likely if _ENDS.match(token)))

    def stream(self, messages: Sequence[Said], sampling: Sampling) -> Generator[str, None, None]:
        request = json.dumps(_request(messages, sampling))

        def work(emit: Emit) -> None:
            if not take(self._turns, emit):
                return
            try:
                self._write(request, emit)
            finally:
                self._turns.release()

        return pump(work)

    def _write(self, request: str, emit: Emit) -> None:
        problem: dict[str, Any] = {}

        def receive(event: str) -> bool:
            # An error raised in here would be lost inside llama.cpp: it only notes and passes on.
            values = json.loads(event)
            if "error" in values:
                problem.update(values["error"])
                return True
            choices = values.get("choices") or [{}]
            return emit(choices[0].get("delta", {}).get("content") or "")

        try:
            self._server.handle_chat_completions(request, receive)
        except (RuntimeError, ValueError) as error:
            raise SpecialistFailed(f"llama.cpp: {error}", part=self._path.name) from error
        if problem:
            kind = BadInput if problem.get("code") == 400 else SpecialistFailed
            raise kind(f"llama.cpp: {problem.get('message', problem)}", part=self._path.name)


def _messages(messages: Sequence[Said]) -> list[dict[str, str]]:
    return [{"role": said.role, "content": said.text} for said in messages]


def _request(messages: Sequence[Said], sampling: Sampling) -> dict[str, Any]:
    """The call in the words of llama.cpp's chat API."""
    request: dict[str, Any] = {
        "messages": _messages(messages),
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "stream": True,
        # Reports while a prompt is read are the only moments at which reading can be stopped.
        "return_progress": True,
    }
    if sampling.seed is not None:
        request["seed"] = sampling.seed
    if sampling.stop:
        request["stop"] = list(sampling.stop)
    if sampling.gbnf:
        request["grammar"] = sampling.gbnf
    return request
