"""Ears: where speech starts and pauses; devices; recognition on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from orchestrator.speech.devices import FRAME_SAMPLES, SoundCard, WavPair
from orchestrator.speech.ears import RATE, WINDOW, Boundary, Ears, silero
from orchestrator.speech.listener import Guess, Listener
from orchestrator.speech.recognition import Words, recognise
from specialists.errors import BadInput, SpecialistFailed, Unavailable
from specialists.fakes import Scripted, card, words
from specialists.runtime import LocalRuntime
from tests.unit.orchestrator import virtual

Samples = np.ndarray


def scripted(*probabilities: float) -> Ears:
    """Ears that judge their windows as given, then as silence."""
    script = iter(probabilities)
    return Ears(lambda _: next(script, 0.0))


def windows(count: int, level: float = 0.1) -> Samples:
    return np.full(count * WINDOW, level, np.float32)


def listen(ears: Ears, sound: Samples) -> list[tuple[float, Boundary]]:
    """What happened, with the seconds heard by then."""
    found = []
    for at in range(0, len(sound), FRAME_SAMPLES):
        found += [((at + FRAME_SAMPLES) / RATE, b) for b in ears.feed(sound[at : at + FRAME_SAMPLES])]
    return found


def test_speech_in_a_recording_is_found_where_it_is(media: Path) -> None:
    sound, _ = soundfile.read(media / "question.wav", dtype="float32")
    ears = Ears(silero())
    (started, first), (paused, last) = listen(ears, sound)
    assert (first, last) == (Boundary.STARTED, Boundary.PAUSED)
    # The voice is there from 0.50 to 2.24 s.
    assert ears.onset / RATE == pytest.approx(0.5, abs=0.05)
    assert started - 0.5 < 0.1
    assert ears.last_voiced / RATE == pytest.approx(2.24, abs=0.05)
    assert paused - 2.24 < 0.25
    assert -30 < ears.level < -10


def test_the_first_sound_is_kept_with_what_came_before_it(media: Path) -> None:
    sound, _ = soundfile.read(media / "question.wav", dtype="float32")
    ears = Ears(silero())
    listen(ears, sound)
    kept = ears.sound()
    assert len(kept) / RATE > 3.4 - 0.3
    begin = ears.onset - round(ears.PREROLL_SECONDS * RATE / WINDOW) * WINDOW
    np.testing.assert_array_equal(kept[:RATE], sound[begin : begin + RATE])
    ears.close()
    assert not ears.open and len(ears.sound()) == 0


@pytest.mark.parametrize("level", [0.0, 0.01, 0.1])
def test_noise_is_not_speech(level: float) -> None:
    noise = np.random.default_rng(7).normal(0, level, 3 * RATE).astype(np.float32)
    assert listen(Ears(silero()), noise) == []


def test_a_soft_window_does_not_end_speech_and_a_short_gap_is_no_pause() -> None:
    ears = scripted(0.1, 0.9, 0.4, 0.4, 0.2, 0.2, 0.9, 0.1)
    assert [b for _, b in listen(ears, windows(8))] == [Boundary.STARTED]
    assert ears.onset == WINDOW
    assert ears.voiced_samples == 4 * WINDOW


def test_behind_a_canceller_less_is_a_voice() -> None:
    ears = scripted(0.25, 0.25, 0.16, 0.1)
    ears.cancelled = True
    assert [b for _, b in listen(ears, windows(4))] == [Boundary.STARTED]
    assert ears.voiced_samples == 3 * WINDOW
    assert listen(scripted(0.25, 0.25, 0.16, 0.1), windows(4)) == []


def test_a_pause_and_speech_after_it_belong_to_one_utterance() -> None:
    ears = scripted(0.9, 0.9, *[0.0] * 6, 0.38, 0.9)
    boundaries = [b for _, b in listen(ears, windows(10))]
    # 0.38 goes on with speech, but does not start it again.
    assert boundaries == [Boundary.STARTED, Boundary.PAUSED, Boundary.RESUMED]
    assert ears.last_voiced == 10 * WINDOW
    assert len(ears.sound()) == 10 * WINDOW


def test_after_close_the_next_voice_starts_another_utterance() -> None:
    ears = scripted(0.9, 0.0, 0.9)
    listen(ears, windows(2))
    ears.close()
    assert [b for _, b in listen(ears, windows(1))] == [Boundary.STARTED]
    assert ears.onset == 2 * WINDOW
    assert ears.voiced_samples == WINDOW


def test_words_are_recognised_at_a_pause_and_again_when_speech_went_on() -> None:
    async def main() -> None:
        lengths: list[int] = []

        async def recognise(samples: Samples) -> Words:
            await asyncio.sleep(0.3)
            lengths.append(len(samples))
            return Words(f"{len(lengths)} pauses", 1.0)

        ears = scripted(*[0.9] * 10, *[0.0] * 6, *[0.9] * 10)
        listener, guesses = Listener(ears, recognise), list[Guess]()
        task = asyncio.create_task(listener.run(guesses.append))
        await asyncio.sleep(0)
        listener.feed(windows(16))
        await asyncio.sleep(0.1)
        assert listener.guess is None
        await asyncio.sleep(0.3)
        assert listener.covers_all
        listener.feed(windows(10))
        assert not listener.covers_all
        listener.feed(windows(8))
        await asyncio.sleep(0.4)
        assert listener.covers_all
        assert [guess.words.text for guess in guesses if guess.words] == ["1 pauses", "2 pauses"]
        assert lengths == [16 * WINDOW, 34 * WINDOW]
        task.cancel()

    virtual.run(main())


def test_words_of_an_utterance_that_is_over_are_dropped() -> None:
    async def main() -> None:
        async def recognise(_: Samples) -> Words:
            await asyncio.sleep(0.3)
            return Words("late", 1.0)

        listener, guesses = Listener(scripted(*[0.9] * 5), recognise), list[Guess]()
        task = asyncio.create_task(listener.run(guesses.append))
        listener.feed(windows(20))
        await asyncio.sleep(0.1)
        listener.close()
        await asyncio.sleep(1.0)
        assert guesses == [] and listener.guess is None
        task.cancel()

    virtual.run(main())


async def test_an_utterance_travels_to_the_recogniser_as_a_wav_file() -> None:
    asr = Scripted(card("asr", ["audio"]), words("Hello ", "there."))
    heard = await recognise(LocalRuntime([asr]), "t1", np.zeros(RATE, np.float32), RATE, 5.0)
    assert heard == Words("Hello there.", 1.0)
    (task,) = asr.tasks
    (part,) = task.parts
    assert part.blob is not None and part.facts["seconds"] == 1.0
    data = task.blobs.read(part.blob)
    assert data[:4] == b"RIFF" and len(data) == part.blob.size == 44 + 2 * RATE


async def test_a_recogniser_that_fails_says_so() -> None:
    asr = Scripted(card("asr", ["audio"]), {"never": ()})
    with pytest.raises(SpecialistFailed, match="asr"):
        await recognise(LocalRuntime([asr]), "t1", np.zeros(RATE, np.float32), RATE, 5.0)


class Tone:
    """A speaker that plays `level` of its choice."""

    def __init__(self, level: Callable[[], float]) -> None:
        self.level = level
        self.skipped = 0

    def render(self, count: int) -> Samples:
        return np.full(count, self.level(), np.float32)

    def skip(self, count: int) -> None:
        self.skipped += count


def wav(path: Path, samples: Samples, rate: int = RATE) -> Path:
    soundfile.write(path, samples, rate)
    return path


def test_a_pair_of_files_shares_one_timeline(tmp_path: Path) -> None:
    """What is played while the microphone hears its first sound stands at the same second of the file."""
    question = np.concatenate([np.zeros(8000), np.full(8000, 0.5)])
    device = WavPair(wav(tmp_path / "q.wav", question), tmp_path / "a.wav")
    heard: list[float] = []

    speaker = Tone(lambda: 0.25 if heard and heard[-1] > 0.4 else 0.0)

    async def main() -> float:
        loop = asyncio.get_running_loop()
        async with aclosing(device.frames(speaker)) as frames:
            async for frame in frames:
                heard.append(float(frame.mean()))
                if device.exhausted and len(heard) >= 75:
                    break
        return loop.time()

    assert virtual.run(main()) == pytest.approx(1.5, abs=1e-6)
    played, rate = soundfile.read(tmp_path / "a.wav")
    assert len(played) == pytest.approx(1.5 * rate, abs=rate * 0.021)
    first, last = np.flatnonzero(played)[[0, -1]] / rate
    # The answer to a frame is played from the next one on.
    assert first == pytest.approx(0.52) and last == pytest.approx(1.02, abs=1e-3)


def test_a_loudspeaker_that_is_not_fed_in_time_is_silent(tmp_path: Path) -> None:
    device = WavPair(wav(tmp_path / "q.wav", np.zeros(RATE)), tmp_path / "a.wav")
    speaker = Tone(lambda: 0.25)

    async def main() -> None:
        count = 0
        async with aclosing(device.frames(speaker)) as frames:
            async for _ in frames:
                count += 1
                if count == 10:
                    await asyncio.sleep(0.2)
                if count == 50:
                    break

    virtual.run(main())
    played, rate = soundfile.read(tmp_path / "a.wav")
    assert device.dropouts == pytest.approx(7, abs=1)
    assert np.count_nonzero(played == 0) == speaker.skipped == device.dropouts * rate // 50


def test_a_file_at_any_rate_and_with_any_channels_is_heard_at_16_khz(tmp_path: Path) -> None:
    stereo = np.full((48_000, 2), 0.5)
    device = WavPair(wav(tmp_path / "q.wav", stereo, 48_000), tmp_path / "a.wav")

    async def main() -> int:
        count = 0
        async with aclosing(device.frames(Tone(lambda: 0.0))) as frames:
            async for frame in frames:
                count += len(frame)
                if device.exhausted:
                    return count
        raise AssertionError

    assert virtual.run(main()) == RATE


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("this is not sound")
    for name in ("missing.wav", "text.wav"):
        with pytest.raises(BadInput, match=name):
            WavPair(tmp_path / name, tmp_path / "a.wav")
    with pytest.raises(BadInput, match="no sound"):
        WavPair(wav(tmp_path / "empty.wav", np.zeros(0)), tmp_path / "a.wav")


def test_a_sound_card_that_is_not_there_names_the_remedy() -> None:
    with pytest.raises(Unavailable) as caught:
        SoundCard("no such microphone")
    assert "--in and --out" in caught.value.remedy
