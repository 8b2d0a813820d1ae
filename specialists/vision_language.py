"""Questions about pictures, answered by any vision-language model of transformers."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Generator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specialists.base import Card, Chunk, Cost, Parameter, Resources, Specialist, Task
from specialists.content import IMAGE, TEXT, Anchor, Part
from specialists.errors import BadConfig, SpecialistFailed
from specialists.registry import Setup
from specialists.threads import in_thread, sleep_while_waiting, stream
from specialists.vision import pictures_of, read_picture

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST = 256
"""Tokens of an answer at most."""
NO_WORDS = "Describe this picture."


class Model:
    """A vision-language model with its processor, on the GPU where there is one."""

    def __init__(self, folder: Path, uri: str) -> None:
        sleep_while_waiting()
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor
        from transformers.utils import logging

        logging.disable_progress_bar()  # it would write over a terminal's screen
        gpu = torch.cuda.is_available()
        try:
            self._processor: Any = AutoProcessor.from_pretrained(folder)
            model: Any = AutoModelForImageTextToText.from_pretrained(
                folder, dtype="auto" if gpu else torch.float32
            )
        except Exception as error:
            # What reading a folder raises depends on the model's own code.
            raise BadConfig(
                f"not a vision-language model of transformers: {type(error).__name__}: {error}",
                part=uri,
                remedy="Name an hf: repository or a folder that holds one",
            ) from error
        if not getattr(self._processor, "chat_template", None):
            raise BadConfig(
                "has no chat template", part=uri, remedy="Name a model that is tuned to follow instructions"
            )
        self._model: Any = model.to("cuda" if gpu else "cpu").eval()

    def answer(self, image: Image, words: str, stop: threading.Event) -> Generator[str, None, None]:
        """Answer `words` about an RGB picture, piece by piece, until it ends or `stop` is set."""
        from transformers import TextIteratorStreamer

        content = [{"type": "image"}, {"type": "text", "text": words}]
        prompt = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        inputs = self._processor(text=prompt, images=[image], return_tensors="pt")
        inputs = inputs.to(self._model.device, dtype=self._model.dtype)
        pieces = TextIteratorStreamer(self._processor.tokenizer, skip_prompt=True, skip_special_tokens=True)
        failures: list[Exception] = []
        closed = threading.Event()

        def generate() -> None:
            try:
                self._model.generate(
                    **inputs,
                    max_new_tokens=LONGEST,
                    do_sample=False,
                    streamer=pieces,
                    stopping_criteria=[lambda *_, **__: stop.is_set() or closed.is_set()],
                )
            except Exception as error:  # noqa: BLE001 - raised again below, in the reader's thread
                failures.append(error)
                pieces.end()

        worker = threading.Thread(target=generate, name="vision-language")
        worker.start()
        try:
            for piece in pieces:
                if piece:
                    yield piece
        finally:
            closed.set()
            worker.join()
        if failures:
            raise failures[0]


class VisionLanguage(Specialist):
    """Answers the Task's instruction about each of its pictures, streaming."""

    def __init__(self, setup: Setup, uri: str, examples: tuple[str, ...]) -> None:
        self._setup = setup
        self._uri = uri
        self.card = Card(
            name=setup.name,
            description="Answers a question about what a picture shows.",
            consumes=(IMAGE,),
            produces=(TEXT,),
            version="1",
            # Declared, so that memory keeps the answers to different questions apart.
            parameters=(Parameter("instruction", "string", "What to say of the picture", NO_WORDS),),
            examples=examples,
            purpose="vision",
            cost=Cost(seconds=5.0),
            resources=Resources(cpus=2.0, memory_mb=8000),
            model=uri,
        )

    async def load(self) -> None:
        await in_thread(self._model)

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        pictures = pictures_of(task, self.card.name)
        stop = threading.Event()
        chunks = stream(lambda: self._answer(task, pictures, stop), on_stop=stop.set)
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    def _answer(
        self, task: Task, pictures: list[tuple[int, Part]], stop: threading.Event
    ) -> Generator[Chunk, None, None]:
        words = task.instruction.strip() or NO_WORDS
        for count, (index, part) in enumerate(pictures, 1):
            if stop.is_set():
                return
            anchor = Anchor(part=index)
            if len(pictures) > 1:
                yield Chunk(TEXT, ("\n" if count > 1 else "") + f"Picture {count}: ", anchor=anchor)
            image = read_picture(task, part, self._setup.limits)
            try:
                for piece in self._model().answer(image, words, stop):
                    yield Chunk(TEXT, piece, anchor=anchor)
            except (RuntimeError, ValueError, IndexError) as error:
                raise SpecialistFailed(f"{type(error).__name__}: {error}", part=self.card.name) from error

    def _model(self) -> Model:
        def load() -> Model:
            return Model(self._setup.models.resolve(self._uri), self._uri)

        return self._setup.pool.lend(("vision-language", self._uri), load)
