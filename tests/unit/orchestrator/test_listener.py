"""Words of an utterance while it is spoken, in virtual time, by a scripted recogniser."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from orchestrator.speech.ears import RATE, WINDOW, Ears
from orchestrator.speech.listener import Guess, Listener
from orchestrator.speech.recognition import Words, hears_live, recognise
from specialists.base import Parameter
from specialists.errors import SpecialistFailed
from specialists.fakes import Scripted, card, words
from specialists.runtime import LocalRuntime
from tests.unit.orchestrator import virtual

Samples = np.ndarray

SECOND = RATE // WINDOW
"""Windows in a second, nearly."""


def speech(*pattern: tuple[float, float]) -> tuple[Ears, Samples]:
    """Ears and the sound for them: for each pair, so many seconds of voice and then of silence."""
    script: list[float] = []
    for voice, pause in pattern:
        script += [0.9] * round(voice * SECOND) + [0.0] * round(pause * SECOND)
    probabilities = iter(script)
    return Ears(lambda _: next(probabilities, 0.0)), np.zeros(len(script) * WINDOW, np.float32)


class Stage:
    """A listener that is fed in real time, of a virtual clock, and what it guessed by when."""

    def __init__(
        self,
        said: Callable[[float], str],
        *pattern: tuple[float, float],
        takes: float = 0.05,
        live: bool = True,
        judge: Callable[[Samples, str], Awaitable[float]] | None = None,
        foretell: Callable[[str], Awaitable[float | None]] | None = None,
    ) -> None:
        """`said` is what is recognised in a sound of so many seconds."""
        self.ears, self.sound = speech(*pattern)
        self.lengths: list[float] = []
        self.guesses: list[tuple[float, Guess]] = []

        async def recognise(samples: Samples) -> Words:
            self.lengths.append(len(samples) / RATE)
            await asyncio.sleep(takes)
            return Words(said(len(samples) / RATE), 0.9)

        self.listener = Listener(self.ears, recognise, live=lambda: live, judge=judge, foretell=foretell)

    def run(self, seconds: float | None = None, *, close_after: float = 1e9) -> Stage:
        async def main() -> None:
            clock = asyncio.get_running_loop().time
            task = asyncio.create_task(self.listener.run(lambda g: self.guesses.append((clock(), g))))
            for at in range(0, round(seconds * RATE) if seconds else len(self.sound), WINDOW):
                await asyncio.sleep(WINDOW / RATE)
                self.listener.feed(self.sound[at : at + WINDOW])
                if at <= close_after * RATE < at + WINDOW:
                    self.listener.close()
            await asyncio.sleep(0.2)
            task.cancel()

        virtual.run(main())
        return self


def counted(seconds: float) -> str:
    """A word for each half second."""
    return " ".join(f"w{n}" for n in range(int(seconds * 2)))


def test_words_are_shown_while_they_are_spoken_and_confirmed_by_a_second_guess() -> None:
    stage = Stage(counted, (3.0, 0.5)).run()
    times = [at for at, _ in stage.guesses]
    assert times[0] < 0.5
    assert np.diff(times).max() < 0.45
    for (_, before), (_, now) in zip(stage.guesses[:-1], stage.guesses[1:], strict=True):
        assert before.text.startswith(now.text[: now.confirmed])
    for number, (_, now) in enumerate(stage.guesses[2:], 2):
        # A guess of hardly more sound agrees with itself.
        older = [one for _, one in stage.guesses[:number] if now.heard - one.heard >= Listener.EVERY * RATE]
        assert now.confirmed and any(now.text[: now.confirmed] == one.text for one in older)
    assert stage.guesses[0][1].confirmed == 0
    assert stage.listener.covers_all and stage.listener.sure_text == counted(3.4)


def test_words_that_are_still_spoken_count_as_far_as_they_are_confirmed() -> None:
    said = iter(["Yes", "Yesterday", "Yesterday I", "Yesterday I went"])
    stage = Stage(lambda _: next(said, "Yesterday I went away."), (4.0, 0.0))
    sure: list[str | None] = []

    async def main() -> None:
        task = asyncio.create_task(stage.listener.run(lambda _: sure.append(stage.listener.sure_text)))
        for at in range(0, 2 * RATE, WINDOW):
            await asyncio.sleep(WINDOW / RATE)
            stage.listener.feed(stage.sound[at : at + WINDOW])
        task.cancel()

    virtual.run(main())
    assert sure[:4] == [None, None, "Yesterday", "Yesterday I"]


def test_what_may_be_the_end_is_recognised_before_it_is_a_pause_and_once() -> None:
    stage = Stage(counted, (2.0, 0.6), takes=0.1).run()
    ended = stage.ears.last_voiced / RATE
    ((at, guess),) = [(at, guess) for at, guess in stage.guesses if at > ended + Listener.TAIL]
    assert at - 0.1 == pytest.approx(ended + Listener.TAIL, abs=0.04)
    assert guess.heard - Listener.TAIL * RATE >= guess.upto == stage.ears.last_voiced
    assert stage.listener.covers_all and stage.listener.covers_voice


def test_where_each_word_counts_it_is_recognised_again_with_more_silence() -> None:
    stage = Stage(counted, (2.0, 0.6), takes=0.1)
    stage.listener.thorough = True
    stage.run()
    ended = stage.ears.last_voiced
    first, second = [guess.heard - ended for _, guess in stage.guesses if guess.heard > ended]
    assert Listener.TAIL <= first / RATE < Listener.LONG_TAIL <= second / RATE
    assert stage.listener.covers_all


def test_a_pause_is_recognised_when_what_may_be_the_end_was_not() -> None:
    """A guess that began a window after the last voice lacks the silence that it needs."""
    stage = Stage(counted, (0.35, 0.6), takes=0.01).run()
    begun = [guess.heard - stage.ears.last_voiced for _, guess in stage.guesses]
    assert begun[-1] >= Listener.TAIL * RATE and stage.listener.covers_all


def test_words_of_an_utterance_that_is_over_confirm_none_of_the_next() -> None:
    stage = Stage(lambda _: "Stop.", (1.0, 1.0), (1.0, 0.5), takes=0.2).run(close_after=1.2)
    late = [guess for at, guess in stage.guesses if at > 2.0]
    assert late[0].confirmed == 0 and late[-1].confirmed == len("Stop.")


def test_a_slow_recogniser_is_asked_less_often() -> None:
    stage = Stage(counted, (9.0, 0.0), takes=0.6).run(9.0)
    starts = np.array([at - 0.6 for at, _ in stage.guesses])
    assert np.diff(starts).min() == pytest.approx(0.6 / Listener.SHARE, abs=0.05)


def test_a_recogniser_that_is_not_live_is_asked_at_pauses_only() -> None:
    stage = Stage(counted, (2.0, 0.5), (2.0, 0.5), live=False).run()
    assert [at for at, _ in stage.guesses] == pytest.approx([2.2, 4.65], abs=0.1)
    assert all(guess.confirmed == len(guess.text) for _, guess in stage.guesses)


def test_a_guess_without_the_silence_after_the_last_word_is_not_the_last_one() -> None:
    """It began while the voice was there: what of the word was not voiced is missing in it."""
    stage = Stage(counted, (1.0, 0.1)).run()
    assert stage.guesses and not stage.listener.covers_all


def test_what_was_said_long_before_a_pause_is_not_recognised_again() -> None:
    stage = Stage(lambda s: " ".join(["on"] * int(s)), *[(6.0, 0.4)] * 5).run()
    assert max(stage.lengths) < Listener.LONG + 1.0
    # A word a second; some are lost where the sound was cut.
    assert len(stage.guesses[-1][1].text.split()) == pytest.approx(32, abs=4)
    assert stage.listener.covers_all


def test_words_that_changed_after_a_pause_are_recognised_again() -> None:
    """Only words that later guesses kept are left alone."""
    stage = Stage(lambda s: f"{round(10 * s)} tenths.", *[(6.0, 0.4)] * 3).run()
    assert max(stage.lengths) > 18.0
    assert stage.guesses[-1][1].text.count("tenths") == 1


def test_the_sound_of_a_pause_is_judged_once_the_words_are_there() -> None:
    asked: list[tuple[float, str]] = []

    async def judge(samples: Samples, text: str) -> float:
        asked.append((len(samples) / RATE, text))
        await asyncio.sleep(0.05)
        return 0.25

    stage = Stage(counted, (1.0, 0.5), judge=judge).run()
    assert len(asked) == 1 and asked[0][1] == counted(1.2)
    assert stage.guesses[-1][1].complete is None
    assert stage.listener.guess is not None and stage.listener.guess.complete == 0.25


def test_who_foretells_reads_along_and_is_heard_before_the_last_words_count() -> None:
    asked: list[tuple[float, str]] = []

    async def foretell(text: str) -> float | None:
        asked.append((asyncio.get_running_loop().time(), text))
        await asyncio.sleep(0.03)
        return 0.4

    stage = Stage(counted, (2.0, 0.6), foretell=foretell).run()
    (at, last) = stage.guesses[-1]
    assert last.whole == 0.4 and stage.listener.guess == last
    assert asked[-1] == (pytest.approx(at - 0.03), last.text), "once for the last words"
    assert all(guess.whole is None for _, guess in stage.guesses[:-1])
    assert [text for _, text in asked] == [guess.text for _, guess in stage.guesses if guess.text]


def test_over_a_reply_nothing_is_foretold() -> None:
    async def foretell(text: str) -> float | None:
        raise AssertionError(text)

    stage = Stage(counted, (1.0, 0.5), foretell=foretell)
    stage.listener.thorough = True
    stage.run()
    assert stage.guesses and stage.guesses[-1][1].whole is None


def test_what_fails_while_somebody_speaks_is_tried_again() -> None:
    tries: list[float] = []

    def said(seconds: float) -> str:
        tries.append(seconds)
        if len(tries) < 3:
            raise SpecialistFailed("the model broke", part="asr")
        return "Hello."

    stage = Stage(said, (2.0, 0.5)).run()
    assert [guess.error is not None for _, guess in stage.guesses[:3]] == [True, True, False]
    assert stage.listener.sure_text == "Hello."


def test_closing_forgets_what_was_cut_off() -> None:
    stage = Stage(lambda s: " ".join(["on"] * int(s)), *[(6.0, 0.4)] * 3, (2.0, 0.0)).run(close_after=19.2)
    first = [guess.text for at, guess in stage.guesses if at < 19.2]
    assert len(first[-1].split()) > 15
    assert stage.listener.guess is not None and 0 < len(stage.listener.guess.text.split()) <= 2


async def test_a_recogniser_is_asked_for_live_words_if_it_says_that_it_can() -> None:
    plain = Scripted(card("asr", ["audio"]), words("Hello."))
    quick = Scripted(card("asr", ["audio"], parameters=(Parameter("live", "boolean", ""),)), words("Hello."))
    for asr, live in ((plain, False), (quick, True)):
        runtime = LocalRuntime([asr])
        assert hears_live(runtime) is live
        assert (await recognise(runtime, "t1", np.zeros(RATE, np.float32), RATE, 5.0)).text == "Hello."
        assert asr.tasks[0].params == ({"live": True} if live else {})
    assert not hears_live(LocalRuntime())
