"""Playout: order, gain, fades, and to the sample what was heard."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.speech.playout import DUCKED, FADE_SECONDS, Playout
from orchestrator.speech.words import words_within

RATE = 16_000
BLOCK = 320
FADE = round(RATE * FADE_SECONDS)


def tone(seconds: float, level: float = 0.5, rate: int = RATE) -> np.ndarray:
    return np.full(round(seconds * rate), level, np.float32)


def speaking(*clauses: tuple[str, float], latency: int = 0) -> Playout:
    playout = Playout(RATE, latency=latency)
    playout.begin(1)
    for text, seconds in clauses:
        assert playout.add(1, text, tone(seconds), RATE)
    return playout


def play(playout: Playout, seconds: float) -> np.ndarray:
    return np.concatenate([playout.render(BLOCK) for _ in range(round(seconds * RATE / BLOCK))])


def test_clauses_play_in_order_and_without_a_gap() -> None:
    playout = Playout(RATE)
    playout.begin(1)
    playout.add(1, "one", tone(0.105, 0.25), RATE)
    playout.add(1, "two", tone(0.1, 0.5), RATE)
    playout.finish(1)
    sound = play(playout, 0.3)
    expected = np.concatenate(
        [tone(0.105, 0.25), tone(0.1, 0.5), np.zeros(RATE // 10 * 3 - 3280, np.float32)]
    )
    np.testing.assert_array_equal(sound, expected)
    assert playout.finished
    assert playout.share().heard == "one two"
    assert (playout.share().start, playout.share().end) == (0, 3280)


def test_a_reply_is_not_finished_before_all_of_it_arrived() -> None:
    playout = speaking(("one", 0.1))
    play(playout, 0.2)
    assert not playout.finished
    playout.finish(1)
    assert playout.finished


def test_sound_at_another_rate_is_resampled_to_the_same_length() -> None:
    playout = Playout(RATE)
    playout.begin(1)
    wave = np.sin(2 * np.pi * 440 * np.arange(22_050) / 22_050).astype(np.float32) * 0.5
    playout.add(1, "one second", wave, 22_050)
    sound = play(playout, 1.2)
    assert abs(np.flatnonzero(np.abs(sound) > 1e-3)[-1] - RATE) < 100
    spectrum = np.abs(np.fft.rfft(sound[:RATE]))
    assert int(spectrum.argmax()) == 440


def spaced(before: float, level: float = 0.5) -> np.ndarray:
    return np.concatenate(
        [np.zeros(round(RATE * before), np.float32), tone(0.1, level), np.zeros(160, np.float32)]
    )


def test_a_reply_begins_at_once_and_pauses_only_at_marks() -> None:
    playout = Playout(RATE)
    playout.begin(1)
    for text in ("A loan", "that you take,", "and pay back."):
        playout.add(1, text, spaced(0.06), RATE)
    heard = np.abs(play(playout, 0.6)) > 0.1
    edges = np.flatnonzero(np.diff(heard.astype(int), prepend=0)) / RATE
    begins, ends = edges[::2], edges[1::2]
    assert begins[0] == pytest.approx(FADE_SECONDS)
    assert begins[1] - ends[0] == pytest.approx(0.01 + FADE_SECONDS)
    assert begins[2] - ends[1] == pytest.approx(0.01 + 0.06)
    assert playout.share().heard == "A loan that you take, and pay back."
    playout.begin(2)
    playout.add(2, "silence", np.zeros(RATE, np.float32), RATE)
    assert playout.sounding and not play(playout, 0.5).any()


def test_late_sound_of_another_turn_is_dropped() -> None:
    playout = speaking(("one", 0.1))
    playout.begin(2)
    assert not playout.add(1, "late", tone(0.1), RATE)
    assert not play(playout, 0.1).any()
    playout.finish(1)
    assert not playout.finished


def test_stop_fades_within_ten_milliseconds_and_takes_no_more() -> None:
    playout = speaking(("a long story about a lighthouse", 3.0))
    play(playout, 1.0)
    share = playout.stop()
    after = play(playout, 0.1)
    assert np.all(np.diff(after[: FADE + 1]) <= 0) and after[0] > 0.4
    assert not after[FADE:].any()
    assert not playout.add(1, "more", tone(0.1), RATE)
    assert playout.share().heard == share.heard
    assert playout.finished and not playout.sounding


def test_ducking_lowers_the_voice_by_twelve_decibels_without_a_click() -> None:
    playout = speaking(("a long story", 3.0))
    play(playout, 0.5)
    playout.duck()
    ducked = play(playout, 0.1)
    assert ducked[FADE:] == pytest.approx(0.5 * DUCKED)
    playout.unduck()
    raised = play(playout, 0.1)
    assert raised[FADE:] == pytest.approx(0.5)
    assert np.abs(np.diff(np.concatenate([ducked, raised]))).max() <= 0.5 / FADE + 1e-6
    assert playout.share().start == 0


def test_a_hold_keeps_the_place_and_resume_repeats_the_word_it_cut() -> None:
    playout = Playout(RATE)
    playout.begin(1)
    ramp = np.linspace(0.1, 0.9, RATE, dtype=np.float32)
    playout.add(1, "aaaa bbbb cccc dddd", ramp, RATE)
    first = words_within("aaaa bbbb cccc dddd", ramp, RATE)
    played = play(playout, 0.6)
    playout.hold()
    faded = play(playout, 0.3)
    assert not faded[FADE:].any() and not playout.sounding
    assert np.abs(np.diff(np.concatenate([played, faded]))).max() < 0.02
    playout.resume()
    again = play(playout, 0.3)
    word = next(start for start, end in first if start <= len(played) + FADE < end)
    np.testing.assert_allclose(again[FADE:], ramp[word + FADE : word + len(again)], atol=1e-6)


def test_what_arrives_during_a_hold_waits() -> None:
    playout = Playout(RATE)
    playout.begin(1)
    playout.hold()
    playout.add(1, "hello there", tone(0.2), RATE)
    assert not play(playout, 0.2).any()
    assert playout.share().heard == "" and playout.share().start is None
    playout.resume()
    assert play(playout, 0.1).any()


def test_a_piece_without_text_goes_on_with_the_words_before() -> None:
    playout = speaking(("one two three four", 0.5), ("", 0.5))
    play(playout, 0.5)
    assert playout.share().heard == "one two"
    assert playout.share().unheard == "three four"


def test_what_is_on_its_way_to_the_ear_was_not_heard() -> None:
    near, far = (
        speaking(("one two three four", 1.0)),
        speaking(("one two three four", 1.0), latency=RATE // 2),
    )
    for playout in (near, far):
        playout.finish(1)
        play(playout, 1.0)
    assert near.share().unheard == "" and near.finished
    assert far.share().heard == "one two" and not far.finished
    play(far, 0.5)
    assert far.share().complete and far.finished


def test_a_block_that_was_not_played_delays_the_rest_and_loses_nothing() -> None:
    playout = speaking(("one two", 0.1))
    playout.finish(1)
    playout.skip(BLOCK)
    play(playout, 0.04)
    playout.skip(BLOCK)
    play(playout, 0.1)
    assert playout.share().heard == "one two"
    assert (playout.share().start, playout.share().end) == (BLOCK, 2 * BLOCK + RATE // 10)


def test_silence_around_the_words_is_not_part_of_them() -> None:
    sound = np.concatenate([np.zeros(RATE), tone(1.0), np.zeros(RATE)])
    (first, middle), (_, last) = words_within("mama papa", sound, RATE)
    assert (first, last) == (RATE, 2 * RATE)
    assert middle == pytest.approx(1.5 * RATE, abs=1)


@given(
    st.lists(st.text(alphabet="ab,. 1", min_size=1, max_size=20), min_size=1, max_size=4),
    st.lists(st.sampled_from(["play", "duck", "unduck", "hold", "resume"]), max_size=40),
)
def test_heard_and_unheard_are_always_the_whole_reply_in_order(texts: list[str], acts: list[str]) -> None:
    texts = [text for text in texts if text.strip()] or ["a"]
    playout = speaking(*[(text, 0.05) for text in texts])
    heard = 0
    for act in acts:
        getattr(playout, act)() if act != "play" else play(playout, 0.02)
        share = playout.share()
        assert f"{share.heard} {share.unheard}".split() == " ".join(texts).split()
        heard = len(share.heard.split())
    assert len(playout.stop().heard.split()) == heard
    assert np.abs(play(playout, 0.04)).max() <= 0.5


def test_a_remark_is_played_in_its_place_and_is_no_part_of_what_was_heard() -> None:
    playout = Playout(RATE)
    playout.begin(1)
    assert playout.remark(1, tone(0.21, 0.25))
    playout.add(1, "one two", tone(0.2, 0.5), RATE)
    playout.add(1, "", tone(0.1, 0.5), RATE)
    assert playout.remark(1, tone(0.1, 0.125))
    playout.finish(1)
    sound = play(playout, 0.7)
    assert [float(sound[round(at * RATE)]) for at in (0.1, 0.3, 0.48, 0.55)] == [0.25, 0.5, 0.5, 0.125]
    share = playout.share()
    assert (share.heard, share.unheard, share.complete) == ("one two", "", True)
    assert share.start == round(0.21 * RATE)
    assert playout.finished and not playout.remark(2, tone(0.1))
