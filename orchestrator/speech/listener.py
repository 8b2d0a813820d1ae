"""The listener: the utterance that is being spoken, and its words as far as they are known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from orchestrator.speech.ears import Boundary, Ears, Samples
from orchestrator.speech.recognition import Words
from specialists.errors import AntiphonError

Recognise = Callable[[Samples], Awaitable[Words]]
"""The words in samples at 16 kHz. Raises AntiphonError."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What was recognised of the open utterance. `upto` is the place of the last voice that it covers."""

    upto: int
    words: Words | None
    error: AntiphonError | None = None


class Listener:
    """Recognises the open utterance whenever it pauses, so that the words are there when it ends.

    One recognition runs at a time; what was asked for meanwhile follows with all that was heard by then.
    """

    def __init__(self, ears: Ears, recognise: Recognise) -> None:
        self.ears = ears
        self.guess: Guess | None = None
        self._recognise = recognise
        self._wanted = asyncio.Event()

    @property
    def covers_all(self) -> bool:
        """Whether the guess covers all that was said until now."""
        return self.guess is not None and self.guess.upto >= self.ears.last_voiced

    def feed(self, samples: Samples) -> list[Boundary]:
        boundaries = self.ears.feed(samples)
        if Boundary.PAUSED in boundaries:
            self._wanted.set()
        return boundaries

    def want_words(self) -> None:
        """Recognise what was said so far, without waiting for a pause."""
        self._wanted.set()

    def close(self) -> None:
        """End the utterance and forget its words."""
        self.ears.close()
        self.guess = None
        self._wanted.clear()

    async def run(self, told: Callable[[Guess], None]) -> None:
        """Recognise until cancelled; `told` gets every guess about an utterance that is still open."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            onset, upto = self.ears.onset, self.ears.last_voiced
            try:
                guess = Guess(upto, await self._recognise(self.ears.sound()))
            except AntiphonError as error:
                guess = Guess(upto, None, error)
            if self.ears.open and self.ears.onset == onset:
                self.guess = guess
                told(guess)
