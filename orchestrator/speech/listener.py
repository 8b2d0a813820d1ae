"""The listener: the utterance that is being spoken, and its words as far as they are known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from orchestrator.speech.agreement import after, agreed
from orchestrator.speech.ears import RATE, WINDOW, Boundary, Ears, Samples
from orchestrator.speech.recognition import Words
from specialists.errors import AntiphonError

Recognise = Callable[[Samples], Awaitable[Words]]
"""The words in samples at 16 kHz. Raises AntiphonError."""

Judge = Callable[[Samples, str], Awaitable[float]]
"""How likely it is, 0 to 1, that who said these samples, this text, will not go on."""

Foretell = Callable[[str], Awaitable[float | None]]
"""How likely it is, 0 to 1, that this text is all that somebody says; None where it cannot be told."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What was recognised of the open utterance.

    `upto` is the place of the last voice in it, `heard` that of the last sample. `confirmed` counts the
    characters of the text that hardly change any more: those on which two guesses in a row agree, or all
    of them where guesses are made at pauses alone. `complete` is how likely the person is done, 0 to 1, by
    the sound of it; None where that was not judged.
    """

    upto: int
    words: Words | None
    error: AntiphonError | None = None
    heard: int = 0
    confirmed: int = 0
    complete: float | None = None
    whole: float | None = None

    @property
    def text(self) -> str:
        return self.words.text if self.words else ""


@dataclass(frozen=True, slots=True)
class _Cut:
    """A place in a pause, and the words before it."""

    place: int
    text: str


class Listener:
    """Recognises the open utterance whenever it pauses, so that the words are there when it ends.

    `live` tells whether recognition is quick enough to be repeated while somebody speaks as well. One
    recognition runs at a time; what was asked for meanwhile follows with all that was heard by then. Of a
    long utterance only what follows an earlier pause is recognised again.
    """

    EVERY = 0.3
    """Seconds of new sound after which a live recognition is repeated."""
    SHARE = 0.2
    """Of the time that live recognition may take; it works on two cores, so this is 40 % of one."""
    TAIL = 0.06
    """Seconds of silence that recognition needs to have the last word right. They may be the end, so live
    recognition does not wait for a pause then."""
    LONG_TAIL = 0.1
    """The same where each word counts: with more silence a word or two in a hundred change, in noise and in
    short utterances."""
    NEW = 0.15
    """Seconds of new sound that this takes."""
    LONG = 12.0
    """Seconds from which on what was said before a pause is left alone."""
    KEPT = 2.0
    """Seconds before now in which nothing is cut."""

    def __init__(
        self,
        ears: Ears,
        recognise: Recognise,
        *,
        live: Callable[[], bool] = lambda: False,
        judge: Judge | None = None,
        foretell: Foretell | None = None,
    ) -> None:
        self.ears = ears
        self.guess: Guess | None = None
        self.thorough = False
        """Whether a word that is misheard would cost more than a moment."""
        self._recognise = recognise
        self._live = live
        self._judge = judge
        self._foretell = foretell
        self._wanted = asyncio.Event()
        self._busy = False
        self._heard = 0  # where the last recognition began
        self._every = self.EVERY
        self._older: Guess | None = None  # what the next guess has to agree with: one of much less sound
        self._before = ""  # the words before `_since`, which are not recognised again
        self._since = 0
        self._paused: _Cut | None = None
        self._cuts: list[_Cut] = []

    @property
    def covers_all(self) -> bool:
        """Whether the guess covers all that was said until now."""
        return self.guess is not None and self._covers(self.guess.heard)

    @property
    def covers_voice(self) -> bool:
        """Whether the guess covers every voice until now, though its last word may be wrong."""
        return self.guess is not None and self.guess.heard > self.ears.last_voiced

    @property
    def sure_text(self) -> str | None:
        """The words that can be relied on: all after a pause, before one those that are confirmed."""
        if self.guess is None or self.guess.words is None:
            return None
        if self.covers_all:
            return self.guess.text
        return self.guess.text[: self.guess.confirmed] or None

    def feed(self, samples: Samples) -> list[Boundary]:
        boundaries = self.ears.feed(samples)
        if Boundary.RESUMED in boundaries and self._paused is not None:
            middle = (self._paused.place + self.ears.clock - WINDOW) // 2
            self._cuts.append(replace(self._paused, place=middle))
            self._paused = None
        if (Boundary.PAUSED in boundaries and not self._under_way) or self._due():
            self._wanted.set()
        return boundaries

    def want_words(self) -> None:
        """Recognise what was said so far, without waiting for a pause."""
        self._wanted.set()

    def close(self) -> None:
        """End the utterance and forget its words."""
        self.ears.close()
        self.guess = self._older = None
        self._wanted.clear()
        self._before, self._since = "", 0
        self._paused, self._cuts = None, []

    async def run(self, told: Callable[[Guess], None]) -> None:
        """Recognise until cancelled; `told` gets every guess about an utterance that is still open."""
        clock = asyncio.get_running_loop().time
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            onset, began, self._busy = self.ears.onset, clock(), True
            try:
                guess = await self._guess()
                self._every = max(self.EVERY, (clock() - began) / self.SHARE)
                if self._covers(guess.heard):  # this may be all: what follows from it depends on that
                    guess = await self._foretold(guess)
            finally:
                self._busy = False
            if self._is_open(onset):
                self._keep(guess)
                told(guess)
                await self._weigh(guess, onset)
                # The model reads along, and has the less to read at the end; not when that may be now.
                if guess.whole is None and self.ears.silence < self.TAIL:
                    await self._foretold(guess)

    def _due(self) -> bool:
        """Whether it is time to recognise what is being said."""
        ears = self.ears
        if not ears.speaking or self._busy:
            return False
        new = ears.clock - max(self._heard, ears.onset)
        silent = ears.silence >= self.TAIL and self._heard <= ears.last_voiced
        return new >= (self.NEW if silent else self._every) * RATE and self._live()

    @property
    def _under_way(self) -> bool:
        """Whether the words of all that was said are being recognised."""
        return self._busy and self._covers(self._heard)

    def _covers(self, heard: int) -> bool:
        """Whether what was heard up to this place is enough to have the words of all that was said."""
        tail = self.LONG_TAIL if self.thorough else self.TAIL
        return heard - tail * RATE >= self.ears.last_voiced

    def _is_open(self, onset: int) -> bool:
        return self.ears.open and self.ears.onset == onset

    async def _guess(self) -> Guess:
        self._cut()
        ears = self.ears
        upto, self._heard = ears.last_voiced, ears.clock
        before, last = self._before, self._older
        try:
            words = await self._recognise(ears.sound(self._since))
        except AntiphonError as error:
            return Guess(upto, None, error, heard=self._heard)
        text = " ".join(filter(None, (before, words.text)))
        confirmed = agreed(last.text if last else "", text) if self._live() else len(text)
        return Guess(upto, replace(words, text=text), heard=self._heard, confirmed=confirmed)

    def _keep(self, guess: Guess) -> None:
        self.guess = guess
        if guess.words and (self._older is None or guess.heard - self._older.heard >= self.EVERY * RATE):
            self._older = guess
        if self.covers_all and not self.ears.speaking and guess.text:
            self._paused = _Cut(guess.upto, guess.text)

    async def _foretold(self, guess: Guess) -> Guess:
        """The guess with how likely its words are all there is. Over a reply, whose model is at work, nobody
        is asked."""
        if self._foretell is None or not guess.text or self.thorough:
            return guess
        return replace(guess, whole=await self._foretell(guess.text))

    async def _weigh(self, guess: Guess, onset: int) -> None:
        """Judge by the sound of it whether the person is done; the words are there meanwhile."""
        if self._judge is None or self.ears.speaking or not guess.text:
            return
        complete = await self._judge(self.ears.sound(), guess.text)
        if self._is_open(onset) and self.guess is guess:
            self.guess = replace(guess, complete=complete)

    def _cut(self) -> None:
        """Leave alone what was said before a pause, once there is much to recognise and its words stay."""
        ears = self.ears
        if self.guess is None or ears.clock - max(self._since, ears.onset) < self.LONG * RATE:
            return
        text = self.guess.text
        for cut in reversed(self._cuts):
            count = len(cut.text.split())
            known = text[: after(text, count)]
            stays = len(text.split()) >= count and agreed(cut.text, known) == len(known)
            if stays and ears.clock - cut.place >= self.KEPT * RATE:
                self._before, self._since = known, cut.place
                self._cuts = [later for later in self._cuts if later.place > cut.place]
                return
