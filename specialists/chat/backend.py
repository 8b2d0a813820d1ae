"""What chat needs of a language model, and the helper that makes a blocking model closable."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from specialists.chat.form import Form

POLL = 0.05
"""Seconds after which a silent stream yields an empty string, so that its reader can close it."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message as a model gets it: role system, user or assistant, and text without control tokens."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to write. `temperature` 0 always takes the likeliest token. `grammar` is GBNF.

    A `form` goes with every backend; a backend that cannot enforce it may leave it to its caller to check.
    """

    max_tokens: int = 256
    temperature: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    grammar: str = ""
    form: Form | None = None

    @property
    def gbnf(self) -> str:
        """The grammar to write under, whichever way it was given; empty for none."""
        return self.form.grammar() if self.form else self.grammar


class Backend(Protocol):
    """A loaded language model that serves concurrent callers."""

    context_tokens: int
    """How many tokens a prompt and its answer may have together."""

    def count(self, text: str) -> int:
        """How many tokens a text has, control tokens aside."""
        ...

    def stream(self, messages: Sequence[Said], sampling: Sampling) -> Generator[str, None, None]:
        """Write the next message, piece by piece. Blocks.

        Pieces may be empty: they come at least every `POLL` seconds, and between any two the generator
        may be closed, which returns once the model has stopped. Raises BadInput for what cannot be
        sampled, SpecialistFailed or TransientFailure when the model fails.
        """
        ...


@runtime_checkable
class Foretelling(Protocol):
    """A Backend that can tell whether a message is over."""

    def ends(self, messages: Sequence[Said]) -> Generator[float | None, None, None]:
        """How likely it is, 0 to 1, that the last message, marks at its end aside, ends where it does, as the
        model would go on with it. Blocks, and has the prompt read for a `stream` of the same messages.

        Before that there may be None, at least every `POLL` seconds, and the generator may be closed: what
        was read until then stays read. Raises SpecialistFailed.
        """
        ...


Emit = Callable[[str], bool]
"""Hands over a piece; True says that nobody wants more."""


def pump(work: Callable[[Emit], None]) -> Generator[str, None, None]:
    """Turn a blocking call that hands over pieces into a generator.

    The call runs in a thread of its own; closing the generator makes its next `emit` answer True and then
    waits for it to return. What it raises is raised here.
    """
    pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    closed = threading.Event()
    errors: list[BaseException] = []

    def emit(piece: str) -> bool:
        pieces.put(piece)
        return closed.is_set()

    def guarded() -> None:
        try:
            work(emit)
        except BaseException as error:  # noqa: BLE001 - carried over to the reader, who raises it
            errors.append(error)
        finally:
            pieces.put(None)

    worker = threading.Thread(target=guarded, name="chat model", daemon=True)
    worker.start()
    try:
        while True:
            try:
                piece = pieces.get(timeout=POLL)
            except queue.Empty:
                yield ""
                continue
            if piece is None:
                break
            yield piece
    finally:
        closed.set()
        worker.join()
    if errors:
        raise errors[0]


def take(turns: threading.Semaphore, emit: Emit) -> bool:
    """Wait for one of `turns` for as long as somebody reads; True when it was taken."""
    while not turns.acquire(timeout=POLL):
        if emit(""):
            return False
    return True
