"""A spoken conversation on a file pair, in virtual time: real ears and playout, a scripted assistant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from orchestrator.config import Config
from orchestrator.events import (
    Event,
    Failed,
    FloorChanged,
    Heard,
    Remarked,
    SpeechDelta,
    StandingMet,
    TextDelta,
    Transcript,
    TurnFinished,
    TurnStarted,
)
from orchestrator.speech.devices import WavPair
from orchestrator.speech.echo import EchoCanceller, webrtc
from orchestrator.speech.playout import DUCKED
from orchestrator.speech.remarks import Remark
from orchestrator.speech.talk import Conversation
from orchestrator.standing import Standing
from specialists.base import Chunk, Parameter, Specialist, Task
from specialists.content import TEXT, message
from specialists.errors import SpecialistFailed, Unavailable
from specialists.fakes import card
from specialists.runtime import LocalRuntime
from tests.unit.orchestrator import virtual
from tests.unit.orchestrator.conftest import Open

RATE = 16_000
LEVEL = 0.5
CONFIG = Config.model_validate({"engine": {"turn_seconds": 8}})

Clause = tuple[str, float]
"""Words, and the seconds they take to say."""
STORY: tuple[Clause, ...] = (
    ("Once there was a lighthouse.", 4.0),
    ("It was very old.", 4.0),
    ("It stood.", 4.0),
)


@dataclass
class Actor:
    """A Session that answers each `send` with the next reply: clauses, an error, or nothing ever."""

    replies: list[tuple[Clause, ...] | Exception | None]
    thinks: float = 0.3
    name: str = "test"
    noted: list[Event] = field(default_factory=list)
    sent: list[tuple[str, bool]] = field(default_factory=list)
    prepared: list[str] = field(default_factory=list)
    whole: dict[str, float] = field(default_factory=dict)
    kept: list[str | None] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    read_after: list[int] = field(default_factory=list)
    text_only: bool = False
    happens: tuple[tuple[float, Event], ...] = ()
    """What happens around the turns, each so many seconds after the one before."""
    seq: int = 0

    def __post_init__(self) -> None:
        self._stop = asyncio.Event()

    async def send(self, text: str = "", *, voice: bool = False, **_: Any) -> AsyncIterator[Event]:
        self.sent.append((text, voice))
        self._stop.clear()
        number, reply = len(self.sent), self.replies.pop(0)
        yield TurnStarted(turn=number, message=message("user", text), voice=voice)
        if isinstance(reply, Exception):
            raise reply
        stopped = await self._stopped(1e6 if reply is None else self.thinks)
        outcome = "interrupted" if stopped else "answered"
        for index, (words, seconds) in enumerate(reply or ()):
            if outcome == "interrupted":
                break
            yield TextDelta(turn=number, text=words)
            pcm = np.full(round(seconds * 22_050), LEVEL * 32767, "<i2").tobytes()
            if not self.text_only:
                yield SpeechDelta(turn=number, text=words, rate=22_050, pcm=pcm, index=index)
        self.outcomes.append(outcome)
        yield TurnFinished(turn=number, outcome=outcome)  # type: ignore[arg-type]

    async def _stopped(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True

    async def ends(self, text: str) -> float | None:
        return self.whole.get(text)

    def prepare(self, text: str) -> bool:
        self.prepared.append(text)
        return True

    def read(self) -> None:
        self.read_after.append(len(self.outcomes))

    async def interrupt(self, *, heard: str | None = None) -> None:
        self.kept.append(heard)
        self._stop.set()

    async def events(self, since: int = 0) -> AsyncIterator[Event]:
        for seconds, event in self.happens:
            await asyncio.sleep(seconds)
            yield event
        await asyncio.Event().wait()

    async def note(self, event: Event) -> Event:
        self.noted.append(event)
        return event

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.noted if isinstance(event, kind)]


class Hears(Specialist):
    """Recognises what stands in its script, one line a call; the last line again when there are no more."""

    def __init__(self, *lines: str | Exception, seconds: float = 0.3, live: bool = False) -> None:
        parameters = (Parameter("live", "boolean", "While somebody speaks"),) if live else ()
        self.card = card("asr", ["audio"], parameters=parameters)
        self._lines = list(lines)
        self._seconds = seconds

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        await asyncio.sleep(self._seconds)
        line = self._lines.pop(0) if len(self._lines) > 1 else self._lines[0]
        if isinstance(line, Exception):
            raise line
        yield Chunk(TEXT, line)


class HangsOnce(Hears):
    """Its first call never ends."""

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines, seconds=0.1)
        self._calls = 0

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        self._calls += 1
        if self._calls == 1:
            await asyncio.Event().wait()
        async with aclosing(super().run(task)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk


@dataclass
class Played:
    """What came out of a conversation."""

    actor: Actor
    sound: np.ndarray
    rate: int
    asked: np.ndarray
    """The sound of the person, at 16 kHz."""

    def level(self, start: float, end: float) -> float:
        return float(np.abs(self.sound[round(start * self.rate) : round(end * self.rate)]).max())

    def sounds(self) -> tuple[float, float]:
        """When the first and the last sound was played."""
        places = np.flatnonzero(np.abs(self.sound) > 1e-3)
        return float(places[0]) / self.rate, float(places[-1]) / self.rate


Talk = Callable[..., Played]


@pytest.fixture
def talk(tmp_path: Path) -> Talk:
    def talk(
        asked: np.ndarray,
        actor: Actor,
        asr: Specialist,
        canceller: Callable[[], EchoCanceller | None] = webrtc,
    ) -> Played:
        soundfile.write(tmp_path / "q.wav", asked, RATE)
        device = WavPair(tmp_path / "q.wav", tmp_path / "a.wav")

        async def main() -> None:
            conversation = Conversation(actor, device, LocalRuntime([asr]), CONFIG, canceller=canceller)
            await conversation.load()
            await conversation.run()

        virtual.run(main())
        sound, rate = soundfile.read(tmp_path / "a.wav")
        return Played(actor, sound, rate, asked)

    return talk


@pytest.fixture
def question(media: Path) -> np.ndarray:
    """ "What is the capital of France?", from 0.5 to 2.24 s, then 1.5 s of silence."""
    return soundfile.read(media / "question.wav")[0]


@pytest.fixture
def story(media: Path) -> np.ndarray:
    """A request until 2.78 s; "Stop." at 9.78, "What time is it?" from 10.68 to 11.66 s."""
    return soundfile.read(media / "interrupt.wav")[0]


@pytest.fixture
def remark(story: np.ndarray, question: np.ndarray) -> np.ndarray:
    """A question, and at 6.0 s one short word."""
    sound = np.concatenate([question, np.zeros(4 * RATE)])
    word = story[round(9.78 * RATE) : round(10.28 * RATE)]
    sound[6 * RATE : 6 * RATE + len(word)] = word
    return sound


def test_a_question_is_answered_on_the_shared_timeline(talk: Talk, question: np.ndarray) -> None:
    reply = (("The capital is", 1.0), ("Paris.", 1.0))
    done = talk(question, Actor([reply]), Hears("What is the capital of France?"))
    actor = done.actor
    assert actor.sent == [("What is the capital of France?", True)]
    (transcript,) = (event for event in actor.of(Transcript) if event.final)
    assert (transcript.start, transcript.end) == (pytest.approx(0.5, abs=0.05), pytest.approx(2.24, abs=0.05))
    first, last = done.sounds()
    # Recognition starts in the silence that is waited for; then 0.3 s of thought.
    assert first - transcript.end == pytest.approx(0.16 + 0.3 + 0.3, abs=0.08)
    assert last - first == pytest.approx(2.0, abs=0.01)
    (heard,) = actor.of(Heard)
    assert heard.complete and heard.heard == "The capital is Paris." and heard.turn == 1
    assert (heard.start, heard.end) == (pytest.approx(first, abs=0.001), pytest.approx(last, abs=0.001))
    assert len(done.sound) / done.rate >= len(question) / RATE
    assert actor.kept == []
    assert [(e.state, e.reason) for e in actor.of(FloorChanged)] == [
        ("person", "speech_started"),
        ("assistant", "utterance"),
        ("assistant", "reply_audio"),
        ("nobody", "playback_finished"),
    ]


def test_a_reply_is_prepared_in_the_pause_that_may_be_the_end(talk: Talk, story: np.ndarray) -> None:
    word, rest = story[round(9.3 * RATE) : round(10.4 * RATE)], story[round(10.6 * RATE) :]
    asked = np.concatenate([word, np.zeros(RATE // 4), rest])
    actor = Actor([(("Five.", 1.0),)])
    talk(asked, actor, Hears("So what I want is", "So what I want is the time.", seconds=0.05))
    assert actor.prepared == ["So what I want is", "So what I want is the time."]
    assert [text for text, _ in actor.sent] == ["So what I want is the time."]


@pytest.mark.parametrize(("whole", "waits"), [(0.9, False), (0.05, True)])
def test_what_the_chat_model_doubts_is_waited_for_longer(
    talk: Talk, question: np.ndarray, whole: float, waits: bool
) -> None:
    words = "What is the capital of France?"
    asked = np.concatenate([question, np.zeros(RATE)])
    done = talk(asked, Actor([(("Paris.", 1.0),)], whole={words: whole}), Hears(words, seconds=0.05))
    (transcript,) = (event for event in done.actor.of(Transcript) if event.final)
    first, _ = done.sounds()
    assert (first - transcript.end > 1.0) == waits
    assert done.actor.sent == [(words, True)]


def test_words_are_noted_while_they_are_spoken(talk: Talk, question: np.ndarray) -> None:
    lines = (
        "What",
        "What is the",
        "What is the capitol",
        "What is the capital of",
        "What is the capital of France?",
    )
    actor = Actor([(("Paris.", 1.0),)])
    talk(question, actor, Hears(*lines, seconds=0.05, live=True))
    *partials, final = actor.of(Transcript)
    assert final.final and final.text == lines[-1] and final.confirmed == len(final.text)
    assert [partial.text for partial in partials][: len(lines)] == list(lines)
    sure = [partial.text[: partial.confirmed] for partial in partials]
    assert sure[:5] == ["", "What", "What is the", "What is the", "What is the capital of"]
    # The same words, confirmed as far, are not noted twice; the voice ends at 2.24 s.
    assert len({(partial.text, partial.confirmed) for partial in partials}) == len(partials)
    assert partials[0].end < 1.0 and partials[3].end < 2.2


def test_an_interruption_ducks_silences_and_keeps_what_was_heard(talk: Talk, story: np.ndarray) -> None:
    asr = Hears("Tell me a long story.", "Stop.", "Stop. What time is it?")
    done = talk(story, Actor([STORY, (("It is five.", 1.0),)]), asr)
    actor = done.actor
    assert done.level(5.0, 9.7) == pytest.approx(LEVEL, abs=0.01)
    # The person's voice starts at 9.78 s.
    assert done.level(9.78 + 0.17, 9.78 + 0.19) == pytest.approx(LEVEL * DUCKED, abs=0.01)
    assert done.level(9.78 + 0.30, 12.0) == 0.0
    cut = next(event for event in actor.of(Heard) if not event.complete)
    assert cut.heard.startswith("Once there was a lighthouse. It") and cut.unheard.endswith("stood.")
    assert f"{cut.heard} {cut.unheard}".split() == " ".join(words for words, _ in STORY).split()
    assert cut.end == pytest.approx(10.05, abs=0.05)
    # The turn's text was long done, so the kept reply is corrected.
    assert actor.outcomes == ["answered", "answered"]
    assert actor.read_after == [1, 2]
    assert actor.kept == [cut.heard]
    assert [text for text, _ in actor.sent] == ["Tell me a long story.", "Stop. What time is it?"]
    assert done.level(12.0, 13.5) == pytest.approx(LEVEL, abs=0.01)
    assert actor.of(Heard)[-1].complete


def test_a_backchannel_lets_the_reply_go_on(talk: Talk, remark: np.ndarray) -> None:
    done = talk(remark, Actor([STORY]), Hears("What is the capital of France?", "Mm-hm."))
    actor = done.actor
    assert actor.kept == []
    (heard,) = actor.of(Heard)
    assert heard.complete
    assert "backchannel" in [event.reason for event in actor.of(FloorChanged)]
    # It is silent while it is not clear what the person wants, and says all of its words.
    assert done.level(6.4, 6.6) == 0.0
    assert np.count_nonzero(np.abs(done.sound) > 0.9 * LEVEL) / done.rate >= 12.0 - 0.5
    assert len(actor.sent) == 1


def test_a_noise_without_words_lets_the_reply_go_on(talk: Talk, remark: np.ndarray) -> None:
    done = talk(remark, Actor([STORY]), Hears("What is the capital of France?", ""))
    assert done.actor.kept == [] and done.actor.of(Heard)[0].complete
    assert "noise" in [event.reason for event in done.actor.of(FloorChanged)]


def test_a_bare_stop_is_obeyed_and_answered_with_silence(talk: Talk, remark: np.ndarray) -> None:
    done = talk(remark, Actor([STORY]), Hears("What is the capital of France?", "Stop."))
    assert len(done.actor.sent) == 1
    (heard,) = done.actor.of(Heard)
    assert not heard.complete and done.actor.kept == [heard.heard]
    assert done.level(6.5, 8.0) == 0.0
    assert done.actor.of(FloorChanged)[-1].state == "nobody"


def test_who_goes_on_speaking_before_the_reply_is_not_talked_over(talk: Talk, story: np.ndarray) -> None:
    """The first pause was taken for the end; the answer comes while the person speaks again."""
    word, rest = story[round(9.3 * RATE) : round(10.4 * RATE)], story[round(10.6 * RATE) :]
    asked = np.concatenate([word, np.zeros(RATE), rest])
    actor = Actor([(("Why?", 1.0),), (("Five.", 1.0),)], thinks=0.5)
    done = talk(asked, actor, Hears("Is that all?", "What time is it?", seconds=0.1))
    # Nothing was heard of the answer to the first half, so both are one request.
    assert [text for text, _ in actor.sent] == ["Is that all?", "Is that all? What time is it?"]
    assert actor.kept == [""]
    first, last = done.sounds()
    assert first > 1.6 + 1.06 and last - first == pytest.approx(1.0, abs=0.01)


def test_a_silent_reply_that_ends_while_the_person_pauses_gives_them_the_floor(
    talk: Talk, story: np.ndarray
) -> None:
    word, rest = story[round(9.3 * RATE) : round(10.4 * RATE)], story[round(10.6 * RATE) :]
    asked = np.concatenate([word, np.zeros(round(1.2 * RATE)), rest])
    # The reply ends at 3.75 s: the person paused at 3.36 s, and their words are not known yet.
    actor = Actor([(), (("Five.", 1.0),)], thinks=1.8)
    done = talk(asked, actor, Hears("Is that all?", "What time is it?", seconds=0.8))
    assert [text for text, _ in actor.sent] == ["Is that all?", "What time is it?"]
    assert actor.kept == [] and len(done.sound) / done.rate < 15


@pytest.mark.parametrize(
    ("asr", "part"),
    [(Hears(""), "asr"), (Hears(SpecialistFailed("the model broke", part="asr")), "asr")],
)
def test_failing_to_hear_is_said(talk: Talk, question: np.ndarray, asr: Specialist, part: str) -> None:
    done = talk(question, Actor([]), asr)
    (failed,) = done.actor.of(Failed)
    assert failed.part == part and failed.reason
    assert done.actor.sent == [] and done.actor.of(FloorChanged)[-1].state == "nobody"
    # Aloud, though there is no voice to say it in words.
    assert done.sounds()[0] > 2.24
    assert len(done.actor.of(Remarked)) == 1 and done.actor.of(Heard) == []


def test_a_recogniser_that_hangs_is_given_up(talk: Talk, question: np.ndarray) -> None:
    done = talk(question, Actor([]), Hears("never", seconds=1e6))
    (failed,) = done.actor.of(Failed)
    assert failed.code == "deadline_exceeded" and failed.part == "asr"
    assert len(done.sound) / done.rate < 20 and done.sounds()


def test_a_recogniser_that_hangs_once_is_asked_again(talk: Talk, question: np.ndarray) -> None:
    actor = Actor([(("Paris.", 1.0),)])
    done = talk(question, actor, HangsOnce("What is the capital of France?"))
    assert actor.of(Failed) == [] and [text for text, _ in actor.sent] == ["What is the capital of France?"]
    assert done.sounds()[0] < 10.0


def test_a_turn_that_fails_is_said(talk: Talk, question: np.ndarray) -> None:
    actor = Actor([Unavailable("no model", part="chat", remedy="Pull one")])
    done = talk(question, actor, Hears("What is the capital of France?"))
    assert done.sounds()
    (failed,) = actor.of(Failed)
    assert (failed.part, failed.reason, failed.remedy) == ("chat", "no model", "Pull one")
    assert actor.of(FloorChanged)[-1].state == "nobody"


def test_that_an_answer_takes_a_while_is_said_once(talk: Talk, question: np.ndarray) -> None:
    actor = Actor([(("Paris.", 1.0),)], thinks=6.0)
    done = talk(question, actor, Hears("What is the capital of France?", seconds=0.1))
    (bridge,) = actor.of(Remarked)
    assert bridge.text == Remark.BRIDGE.value
    first, last = done.sounds()
    assert first == pytest.approx(bridge.at, abs=0.05) and 2.5 < bridge.at - 2.6 < 3.5
    # What was said meanwhile is no part of the reply.
    (heard,) = actor.of(Heard)
    assert heard.heard == "Paris." and heard.complete
    assert heard.start == pytest.approx(last - 1.0, abs=0.03)


MET = StandingMet(
    turn=1, id="1", standing=Standing("clock", seconds=300.0, urgent=True), text="5 minutes are over."
)


def test_what_was_waited_for_is_said_when_nobody_speaks(talk: Talk) -> None:
    actor = Actor([], happens=((1.0, MET),))
    done = talk(np.zeros(3 * RATE), actor, Hears("never"))
    assert [remark.text for remark in actor.of(Remarked)] == ["5 minutes are over."]
    assert done.sounds()[0] == pytest.approx(1.0, abs=0.1)
    assert actor.sent == [] and actor.of(FloorChanged)[-1].state == "nobody"


def test_what_was_waited_for_is_said_behind_the_reply(talk: Talk, question: np.ndarray) -> None:
    actor = Actor([(("The capital is Paris.", 2.0),)], happens=((3.5, MET),))
    done = talk(question, actor, Hears("What is the capital of France?"))
    (heard,) = actor.of(Heard)
    assert heard.heard == "The capital is Paris." and heard.complete
    assert done.sounds()[1] > heard.start + 2.1


@pytest.mark.parametrize("urgent", [True, False])
def test_only_who_asked_to_be_stopped_is_cut_into(talk: Talk, question: np.ndarray, urgent: bool) -> None:
    met = replace(MET, standing=replace(MET.standing, urgent=urgent))
    actor = Actor([(("Paris.", 1.0),)], happens=((1.2, met),))
    # Without a canceller: in the half second in which it learns that nothing echoes, it would hear a pause.
    done = talk(question, actor, Hears("What is the capital of France?"), lambda: None)
    assert len(actor.of(Remarked)) == 1
    assert (done.sounds()[0] < 2.0) is urgent, "the person speaks from 0.5 to 2.24 s"
    assert [text for text, _ in actor.sent] == ["What is the capital of France?"]


def test_who_is_never_understood_is_not_asked_for_ever(talk: Talk, question: np.ndarray) -> None:
    done = talk(np.tile(question, 4), Actor([]), Hears(""))
    assert [remark.text for remark in done.actor.of(Remarked)] == [Remark.NOT_CAUGHT.value] * 2
    assert done.actor.of(FloorChanged)[-1].state == "nobody"


def test_a_problem_that_the_session_told_is_not_noted_twice(talk: Talk, question: np.ndarray) -> None:
    class Mute(Actor):
        async def send(self, text: str = "", *, voice: bool = False, **_: Any) -> AsyncIterator[Event]:
            yield TurnStarted(turn=1, message=message("user", text), voice=voice)
            yield TextDelta(turn=1, text="Paris.")
            yield Failed(turn=1, seq=7, code="specialist_failed", part="tts", reason="made no sound")
            yield TurnFinished(turn=1, outcome="partial")

    done = talk(question, Mute([]), Hears("What is the capital of France?"))
    assert done.actor.of(Failed) == []
    assert [remark.text for remark in done.actor.of(Remarked)] == [Remark.NO_VOICE.value]
    assert done.sounds()


def test_a_reply_that_was_half_spoken_when_time_ran_out_is_told(talk: Talk, question: np.ndarray) -> None:
    class Slow(Actor):
        async def send(self, text: str = "", *, voice: bool = False, **_: Any) -> AsyncIterator[Event]:
            yield TurnStarted(turn=1, message=message("user", text), voice=voice)
            pcm = np.full(22_050, LEVEL * 32767, "<i2").tobytes()
            yield TextDelta(turn=1, text="It is Paris. And Lyon is another town.")
            yield SpeechDelta(turn=1, text="It is Paris.", rate=22_050, pcm=pcm)
            yield Failed(turn=1, seq=7, code="deadline_exceeded", part="turn", reason="took too long")
            yield TurnFinished(turn=1, outcome="failed")

    done = talk(question, Slow([]), Hears("What is the capital of France?"))
    assert [remark.text for remark in done.actor.of(Remarked)] == [Remark.TOO_LATE.value]
    (heard,) = done.actor.of(Heard)
    assert heard.heard == "It is Paris."


def test_stop_right_after_the_last_word_asks_for_nothing(talk: Talk, remark: np.ndarray) -> None:
    actor = Actor([(("Paris.", 1.5),)])  # until 4.6 s; the word comes at 6.0
    talk(remark, actor, Hears("What is the capital of France?", "Stop."))
    assert len(actor.sent) == 1


def test_a_turn_that_never_answers_is_cancelled(talk: Talk, question: np.ndarray) -> None:
    actor = Actor([None])
    done = talk(question, actor, Hears("What is the capital of France?"))
    assert actor.kept == [""] and actor.outcomes == ["interrupted"]
    assert [failed.code for failed in actor.of(Failed)] == ["deadline_exceeded"]
    assert [remark.text for remark in actor.of(Remarked)] == [Remark.BRIDGE.value, Remark.TOO_LATE.value]
    assert len(done.sound) / done.rate < 2.8 + CONFIG.engine.turn_seconds + 6


def test_a_reply_that_cannot_be_spoken_is_named(talk: Talk, question: np.ndarray) -> None:
    actor = Actor([(("Paris.", 1.0),)], text_only=True)
    done = talk(question, actor, Hears("What is the capital of France?"))
    (failed,) = actor.of(Failed)
    assert (failed.code, failed.part) == ("unavailable", "tts")
    assert [remark.text for remark in actor.of(Remarked)] == [Remark.NO_VOICE.value] and done.sounds()
    assert actor.of(FloorChanged)[-1].state == "nobody"


def test_a_reply_that_lasts_too_long_ends_with_the_conversation(talk: Talk, question: np.ndarray) -> None:
    actor = Actor([(("A saga without an end.", 100.0),)])
    done = talk(question, actor, Hears("What is the capital of France?"))
    (heard,) = done.actor.of(Heard)
    assert not heard.complete and heard.heard.startswith("A saga")
    assert done.actor.kept == [heard.heard]
    assert 60 < len(done.sound) / done.rate < 70


def test_silence_is_followed_by_nothing(talk: Talk) -> None:
    done = talk(np.zeros(RATE), Actor([]), Hears("never"))
    assert done.actor.noted == []
    assert not done.sound.any() and len(done.sound) / done.rate >= 1.0


def test_a_fault_of_ours_is_not_swallowed(talk: Talk, question: np.ndarray) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        talk(question, Actor([ValueError("a bug")]), Hears("What is the capital of France?"))
    assert caught.group_contains(ValueError, match="a bug")


def test_without_a_recogniser_nobody_can_talk(tmp_path: Path, question: np.ndarray) -> None:
    soundfile.write(tmp_path / "q.wav", question, RATE)
    device = WavPair(tmp_path / "q.wav", tmp_path / "a.wav")
    missing = Hears("never")
    missing.card = replace(missing.card, available=False, remedy="Install Whisper")
    for runtime in (LocalRuntime(), LocalRuntime([missing])):

        async def load(runtime: LocalRuntime = runtime) -> None:
            await Conversation(Actor([]), device, runtime, CONFIG).load()

        with pytest.raises(Unavailable, match="asr") as caught:
            virtual.run(load())
        assert caught.value.remedy


async def test_a_conversation_is_recorded_in_the_session(
    open_engine: Open, media: Path, tmp_path: Path
) -> None:
    """The engine itself, in real time, with scripted specialists."""
    async with open_engine() as engine:
        session = engine.session("spoken")
        device = WavPair(media / "question.wav", tmp_path / "a.wav")
        await Conversation(session, device, engine.runtime, engine.config).run()
    async with open_engine() as engine:
        recorded: list[Event] = []
        async for event in engine.session("spoken").events():
            recorded.append(event)
            if len(recorded) > 1 and event.type == "session.opened":
                break
        assert engine.session("spoken").history.messages[-1].text == "Paris is the capital."
    assert [event.seq for event in recorded] == list(range(1, len(recorded) + 1))
    (started,) = (event for event in recorded if isinstance(event, TurnStarted))
    assert started.voice and started.message.text == "Move the meeting to Friday."
    (heard,) = (event for event in recorded if isinstance(event, Heard))
    assert heard.complete and heard.turn == started.turn
    assert [event.state for event in recorded if isinstance(event, FloorChanged)] == [
        "person",
        "assistant",
        "assistant",
        "nobody",
    ]


def test_the_two_files_belong_together(media: Path) -> None:
    import typer

    from orchestrator.cli.talk import talk

    app = typer.Typer()
    app.command()(talk)
    result = CliRunner().invoke(app, ["--in", str(media / "question.wav")])
    assert result.exit_code == 2
    assert "belong together" in result.output


def test_on_a_terminal_the_words_that_come_stand_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestrator.cli.talk import Screen

    monkeypatch.setenv("COLUMNS", "80")
    events = [
        TextDelta(text="It is"),
        Transcript(text="Tell", final=False),
        Transcript(text="Tell me a star", final=False, confirmed=7),
        Transcript(text="Tell me a story.", final=True),
        Transcript(text="on " * 200 + "and on", final=False),
        TextDelta(text="Once."),
    ]
    screen = Screen(terminal=True)
    for event in events:
        screen.show(event)
    shown = capsys.readouterr().out
    assert shown.startswith(
        "It is\nyou … \x1b[2mTell\x1b[22m\r\x1b[Kyou … Tell me\x1b[2m a star\x1b[22m\r\x1b[K"
    )
    assert "\r\x1b[Kyou: Tell me a story.\nyou … \x1b[2m" in shown
    assert shown.endswith("and on\x1b[22m\r\x1b[KOnce.") and len(shown.rsplit("you … ", 1)[1]) < 120
    screen = Screen(terminal=False)
    for event in events[:4]:
        screen.show(event)
    assert capsys.readouterr().out == "It is\nyou … Tell\nyou … Tell me a star\nyou: Tell me a story.\n"


def test_the_level_is_shown_where_nothing_else_is(capsys: pytest.CaptureFixture[str]) -> None:
    from orchestrator.cli.talk import QUIETEST, Screen

    screen = Screen(terminal=True)
    screen.meter(QUIETEST / 2)
    screen.meter(QUIETEST - 20)
    shown = capsys.readouterr().out
    assert shown.count("\u2588") == 12 and "-60 dB" in shown and "\n" not in shown
    screen.show(Transcript(text="What is", final=False))
    capsys.readouterr()
    screen.meter(-3.0)
    assert capsys.readouterr().out == "", "words that come are not overwritten"
    screen.show(Transcript(text="What is it?", final=True))
    assert capsys.readouterr().out.endswith("you: What is it?\n")
    screen.show(TextDelta(text="It is"))
    screen.meter(-3.0)
    assert capsys.readouterr().out == "It is"


def test_an_event_line_counts_samples_in_place_of_the_sound() -> None:
    from orchestrator.events import readable

    line = readable(SpeechDelta(text="hi", rate=22_050, pcm=b"\0\0" * 7))
    assert line["samples"] == 7 and line["rate"] == 22_050 and "pcm" not in line
    assert readable(TextDelta(text="hi"))["type"] == "reply.text"
