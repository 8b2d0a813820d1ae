"""The chat specialist: a prompt, a backend, and text that streams."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Generator
from contextlib import aclosing
from functools import lru_cache
from importlib.util import find_spec

from specialists.base import Chunk, Specialist, Task
from specialists.chat import options as settings
from specialists.chat.backend import Backend, Foretelling
from specialists.chat.card import ENDS, card
from specialists.chat.options import Options
from specialists.chat.prompt import SMALL_MODEL_EXAMPLES, Budget, build
from specialists.content import TEXT
from specialists.errors import BadInput
from specialists.models import DEFAULTS, ModelStore
from specialists.pool import ModelPool
from specialists.registry import Setup
from specialists.threads import in_thread, stream

_MEMORY_MB = {"llama.cpp": 400, "transformers": 1500, "openai": 50}
"""For the embedded default and models of its size; weights and context together."""

# A phrase of 12 characters or more that stands three times at the end: a small model that is caught in it
# never leaves it. (Sampling penalties against repetition were tried: they also punish quoting a finding.)
_LOOP = re.compile(r"(\S.{10,198}?\S)(?:\s*\1){2}$", re.DOTALL)


def create(setup: Setup) -> Chat:
    """The factory. Raises BadConfig for options that cannot be used."""
    return Chat(settings.read(setup), setup.models, setup.pool, setup.name)


class Chat(Specialist):
    """Answers from text with whichever language model is configured."""

    def __init__(self, options: Options, models: ModelStore, pool: ModelPool, name: str = "chat") -> None:
        self._options = options
        self._models = models
        self._pool = pool
        self._count = lru_cache(maxsize=2048)(lambda text: self._backend().count(text))
        embedded = options.model.text == DEFAULTS["chat"][0]
        self._examples = SMALL_MODEL_EXAMPLES if embedded else ()
        self.card = card(
            options.model.text,
            seconds=1.5,
            memory_mb=_MEMORY_MB[options.backend],
            remedy=_missing(options),
            name=name,
            foretells=options.backend == "llama.cpp",
        )

    async def load(self) -> None:
        """Load the model and let it read what every prompt begins with."""
        if self._options.backend == "openai":
            return
        hello = Task("load", "chat", instruction="Hello", params={"max_tokens": 1})
        await in_thread(lambda: list(self._answer(hello)))

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        if task.params.get(ENDS) is True:
            async with aclosing(stream(lambda: self._ends(task))) as told:
                async for chance in told:
                    if chance is not None:
                        yield Chunk(TEXT, score=chance)
            return
        async with aclosing(stream(lambda: self._answer(task))) as pieces:
            async for piece in pieces:
                if piece:
                    yield Chunk(TEXT, text=piece)

    def _answer(self, task: Task) -> Generator[str, None, None]:
        backend = self._backend()
        sampling = settings.override(self._options.sampling, task.params, backend.context_tokens)
        room = backend.context_tokens - sampling.max_tokens
        # Where the form of the answer is fixed, examples of another form would only mislead.
        examples = () if sampling.grammar or sampling.form else self._examples
        messages = build(task, Budget(room, self._count), examples)
        answer = ""
        pieces = backend.stream(messages, sampling)
        try:
            for piece in pieces:
                answer += piece
                yield piece
                if piece and _LOOP.search(answer[-800:]):
                    return
        finally:
            pieces.close()

    def _ends(self, task: Task) -> Generator[float | None, None, None]:
        """How likely it is that the person who said the words of the task is done."""
        backend = self._backend()
        if not isinstance(backend, Foretelling):
            raise BadInput(f"this model does not tell {ENDS}", part=self.card.name)
        room = backend.context_tokens - self._options.sampling.max_tokens
        return backend.ends(build(task, Budget(room, self._count), self._examples))

    def _backend(self) -> Backend:
        chosen = self._options
        key = (chosen.model.text, chosen.backend, chosen.context_tokens, chosen.threads, chosen.api_key)
        return self._pool.lend(key, lambda: open_backend(chosen, self._models))


def open_backend(options: Options, models: ModelStore) -> Backend:
    """Load the model that the options name. Blocks. Raises BadConfig or Unavailable."""
    if options.backend == "openai":
        from specialists.chat.compatible import CompatibleBackend

        return CompatibleBackend(
            options.model.name,
            options.model.url,
            context_tokens=options.context_tokens,
            api_key=options.api_key,
        )
    path = models.resolve(options.model.text)
    if options.backend == "llama.cpp":
        from specialists.chat.llama import LlamaBackend

        return LlamaBackend(path, context_tokens=options.context_tokens, threads=options.threads)
    from specialists.chat.transformer import TransformerBackend

    return TransformerBackend(path, context_tokens=options.context_tokens, threads=options.threads)


def _missing(options: Options) -> str:
    """What keeps this chat from working, as a remedy; empty when nothing does."""
    if options.api_key.startswith("$"):
        return f"Set the environment variable {options.api_key[1:]}"
    if options.backend == "llama.cpp" and find_spec("xllamacpp") is None:
        return "Install xllamacpp, or configure an hf: or openai: model for chat"
    if options.backend == "transformers" and find_spec("transformers") is None:
        return "Install transformers and torch, or configure a GGUF or openai: model for chat"
    return ""
