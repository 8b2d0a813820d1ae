"""The floor: legal sequences, illegal pairs, and what must hold of any sequence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.turn import FLOOR, OVERLAP, TABLE, Command, Cue, State, allows, bounds, step
from specialists.errors import Ours

QUESTION = (Cue.SPEECH_STARTED, Cue.SPEECH_STOPPED, Cue.UTTERANCE)
ANSWER = (*QUESTION, Cue.REPLY_AUDIO)


def walk(cues: tuple[Cue, ...], state: State = State.IDLE) -> tuple[State, list[Command]]:
    done: list[Command] = []
    for cue in cues:
        state, commands = step(state, cue)
        done += commands
    return state, done


def test_a_question_is_answered_and_what_was_heard_is_kept() -> None:
    state, commands = walk((*ANSWER, Cue.REPLY_FINISHED, Cue.PLAYBACK_FINISHED))
    assert state is State.IDLE
    assert commands == [Command.START_TURN, Command.KEEP_HEARD]


def test_a_pause_within_an_utterance_starts_no_turn() -> None:
    state, commands = walk((*QUESTION[:2], Cue.SPEECH_STARTED))
    assert state is State.LISTENING
    assert commands == []


def test_an_interruption_ducks_then_holds_then_stops_keeps_and_cancels_in_this_order() -> None:
    state, commands = walk((*ANSWER, Cue.SPEECH_STARTED, Cue.SPEECH_PERSISTED, Cue.INTERRUPTION))
    assert state is State.LISTENING
    assert commands[1:] == [
        Command.DUCK,
        Command.HOLD,
        Command.STOP_PLAYBACK,
        Command.KEEP_HEARD,
        Command.CANCEL_TURN,
    ]


@pytest.mark.parametrize(
    ("overlap", "command"),
    [((), Command.UNDUCK), ((Cue.SPEECH_PERSISTED,), Command.RESUME)],
)
def test_a_backchannel_gives_the_voice_back(overlap: tuple[Cue, ...], command: Command) -> None:
    state, commands = walk((*ANSWER, Cue.SPEECH_STARTED, *overlap, Cue.SPEECH_STOPPED, Cue.BACKCHANNEL))
    assert state is State.SPEAKING
    assert commands[-1] is command
    assert Command.CANCEL_TURN not in commands


def test_nothing_plays_over_a_person_who_speaks_while_the_assistant_thinks() -> None:
    state, commands = walk((*QUESTION, Cue.SPEECH_STARTED, Cue.REPLY_AUDIO))
    assert state is State.HELD
    assert commands[-1] is Command.HOLD
    assert walk((Cue.BACKCHANNEL,), state) == (State.SPEAKING, [Command.RESUME])


def test_a_reply_without_sound_gives_the_floor_back() -> None:
    assert walk((*QUESTION, Cue.REPLY_FINISHED))[0] is State.IDLE


@pytest.mark.parametrize("cue", [Cue.NOTHING_HEARD, Cue.FAILED, Cue.TIMEOUT])
def test_a_failure_to_hear_is_said(cue: Cue) -> None:
    assert walk((*QUESTION[:2], cue)) == (State.TELLING, [Command.SAY_SO])


def test_who_speaks_while_a_failure_is_told_has_the_floor_at_once() -> None:
    state, commands = walk((*QUESTION, Cue.FAILED, Cue.SPEECH_STARTED))
    assert state is State.LISTENING
    assert commands[1:] == [Command.SAY_SO, Command.STOP_PLAYBACK]
    assert walk((*QUESTION, Cue.FAILED, Cue.PLAYBACK_FINISHED))[0] is State.IDLE


@pytest.mark.parametrize(
    ("state", "cue"),
    [
        (State.IDLE, Cue.REPLY_AUDIO),
        (State.IDLE, Cue.TIMEOUT),
        (State.LISTENING, Cue.UTTERANCE),
        (State.HELD, Cue.PLAYBACK_FINISHED),
        (State.SPEAKING, Cue.BACKCHANNEL),
    ],
)
def test_an_illegal_pair_is_our_fault_and_is_named(state: State, cue: Cue) -> None:
    assert not allows(state, cue)
    with pytest.raises(Ours, match=f"{cue.value} is not legal while {state.value}"):
        step(state, cue)


def test_every_state_has_a_floor_and_all_but_idle_a_bound() -> None:
    assert set(FLOOR) == set(State) == set(TABLE)
    assert set(bounds(30.0)) == set(State) - {State.IDLE}
    assert bounds(30.0)[State.THINKING] > 30.0


@given(st.data())
def test_any_sequence_of_legal_cues(data: st.DataObject) -> None:
    state, turns, cut = State.IDLE, 0, 0
    for _ in range(data.draw(st.integers(0, 60))):
        cue = data.draw(st.sampled_from(sorted(TABLE[state], key=lambda c: c.value)))
        before = state
        state, commands = step(state, cue)
        # Speech over the assistant's voice lowers it first, and decides nothing yet.
        if before is State.SPEAKING and cue is Cue.SPEECH_STARTED:
            assert (state, commands) == (State.DUCKED, (Command.DUCK,))
        # A turn is cancelled only after its sound stopped and what was heard was kept.
        if Command.CANCEL_TURN in commands:
            order = [commands.index(c) for c in (Command.STOP_PLAYBACK, Command.KEEP_HEARD)]
            assert order == sorted(order) and max(order) < commands.index(Command.CANCEL_TURN)
            cut += 1
        # Silence kept for the person ends with a resume or a stop.
        if before in (State.HELD, State.DOUBTED) and state in (State.SPEAKING, State.THINKING):
            assert Command.RESUME in commands
        if before is State.DUCKED and state is State.SPEAKING:
            assert Command.UNDUCK in commands
        turns += Command.START_TURN in commands
        assert cut <= turns
    # Never stuck: left alone, it is idle after a few bounds, whatever came before.
    for _ in range(3):
        if state is not State.IDLE:
            state, _ = step(state, Cue.TIMEOUT)
    assert state is State.IDLE


@given(st.sampled_from(sorted(OVERLAP, key=lambda s: s.value)))
def test_every_overlap_can_end_either_way(state: State) -> None:
    assert step(state, Cue.INTERRUPTION)[0] is State.LISTENING
    assert step(state, Cue.BACKCHANNEL)[0] in (State.SPEAKING, State.THINKING)
