"""Models that transformers loads from a folder, on the GPU where there is one."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from specialists.chat.backend import Emit, Said, Sampling, pump, take
from specialists.chat.guide import Guide, guide_tokenizer
from specialists.errors import BadConfig, SpecialistFailed, Unavailable


class TransformerBackend:
    """One causal language model; calls are served one after another."""

    def __init__(self, path: Path, *, context_tokens: int, threads: int = 0) -> None:
        """Load the model. Blocks. `threads` 0 leaves torch's own choice.

        Raises Unavailable when it cannot be loaded, BadConfig when it is not a chat model.
        """
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        if threads:
            torch.set_num_threads(threads)
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(path, local_files_only=True)
            model: Any = AutoModelForCausalLM.from_pretrained(path, dtype="auto", local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise Unavailable(
                f"transformers cannot load this model: {error}",
                part=str(path),
                remedy="Name a folder with a causal language model and its tokenizer",
            ) from error
        if not self._tokenizer.chat_template:
            raise BadConfig(
                "this model has no chat template", part=str(path), remedy="Choose an instruction-tuned model"
            )
        self._model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        longest = getattr(model.config, "max_position_embeddings", None) or context_tokens
        self.context_tokens = min(context_tokens, longest)
        self._path = path
        self._turns = threading.BoundedSemaphore(1)

    def count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def stream(self, messages: Sequence[Said], sampling: Sampling) -> Generator[str, None, None]:
        def work(emit: Emit) -> None:
            if not take(self._turns, emit):
                return
            try:
                self._write(messages, sampling, emit)
            finally:
                self._turns.release()

        return pump(work)

    def _write(self, messages: Sequence[Said], sampling: Sampling, emit: Emit) -> None:
        import torch
        from transformers import LogitsProcessorList, StoppingCriteriaList

        prompt = self._tokenizer.apply_chat_template(
            [{"role": said.role, "content": said.text} for said in messages],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        ).to(self._model.device)
        writer = _writer(self._tokenizer, _UntilStop(sampling.stop, emit))
        options: dict[str, Any] = {"max_new_tokens": sampling.max_tokens, "do_sample": False}
        if sampling.temperature > 0:
            options |= {"do_sample": True, "temperature": sampling.temperature}
        guide = Guide(self._guide_tokenizer, sampling.gbnf) if sampling.gbnf else None
        if guide:
            options["logits_processor"] = LogitsProcessorList([lambda _, scores: guide.allowed(scores)])

        def ended(written: Any, *_: Any, **__: Any) -> bool:
            if guide:
                guide.take(int(written[0, -1]))
            return writer.ended or (guide is not None and guide.complete)

        if sampling.seed is not None:
            torch.manual_seed(sampling.seed)  # its own turn: nobody else draws meanwhile
        try:
            with torch.inference_mode():
                self._model.generate(
                    **prompt,
                    **options,
                    streamer=writer,
                    stopping_criteria=StoppingCriteriaList([ended]),
                )
        except (RuntimeError, ValueError, IndexError) as error:
            raise SpecialistFailed(f"transformers: {error}", part=self._path.name) from error

    @cached_property
    def _guide_tokenizer(self) -> Any:
        return guide_tokenizer(self._tokenizer)


class _UntilStop:
    """Passes pieces on up to the first stop string; holds back what may be the beginning of one."""

    def __init__(self, stops: Sequence[str], emit: Emit) -> None:
        self._stops = [stop for stop in stops if stop]
        self._emit = emit
        self._held = ""

    def __call__(self, piece: str) -> bool:
        """Take a piece; True when no more is wanted."""
        self._held += piece
        ends = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if ends:
            self._emit(self._held[: min(ends)])
            self._held = ""
            return True
        keep = max((self._overlap(stop) for stop in self._stops), default=0)
        ready, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return self._emit(ready)

    def flush(self) -> None:
        """The text is over: what was held back was no stop string."""
        self._emit(self._held)
        self._held = ""

    def _overlap(self, stop: str) -> int:
        """How many of the last characters held are a beginning of `stop`."""
        for length in range(min(len(stop) - 1, len(self._held)), 0, -1):
            if self._held.endswith(stop[:length]):
                return length
        return 0


def _writer(tokenizer: Any, take_piece: _UntilStop) -> Any:
    """A streamer that decodes tokens into whole words, hands them over and knows when to end."""
    from transformers import TextStreamer

    class Writer(TextStreamer):
        ended = False

        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            if not self.ended:
                self.ended = take_piece(text)
            if stream_end and not self.ended:
                take_piece.flush()

    return Writer(tokenizer, skip_prompt=True, skip_special_tokens=True)
