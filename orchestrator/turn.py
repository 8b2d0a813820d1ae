"""The floor of a spoken conversation, as a pure state machine: (state, cue) -> (state, commands).

    IDLE        nobody speaks
    LISTENING   the person speaks
    DECIDING    the person paused: are they done, and what did they say?
    THINKING    the assistant has the turn and has not been heard yet
    SPEAKING    the assistant speaks
    DUCKED      the person speaks over it; it speaks on, softly
    HELD        the person speaks on; it is silent, but could still go on
    DOUBTED     the person speaks before the assistant was heard; nothing is played until it is clear why
    TELLING     the assistant says unasked that something did not work, or what has come that was waited for;
                whoever speaks has the floor at once

No clock and no I/O: whoever drives the machine carries out the commands in their order, and gives the cue
TIMEOUT when a state lasts longer than its bound. Repeated timeouts lead from every state to IDLE.
"""

from __future__ import annotations

from enum import Enum

from specialists.errors import Ours


class State(Enum):
    IDLE = "idle"
    LISTENING = "listening"
    DECIDING = "deciding"
    THINKING = "thinking"
    SPEAKING = "speaking"
    DUCKED = "ducked"
    HELD = "held"
    DOUBTED = "doubted"
    TELLING = "telling"


class Cue(Enum):
    """What the machine is told."""

    SPEECH_STARTED = "speech_started"
    SPEECH_PERSISTED = "speech_persisted"
    """Speech over the assistant lasts longer than a short sound would."""
    SPEECH_STOPPED = "speech_stopped"
    UTTERANCE = "utterance"
    """The person is done, and their words ask for a turn."""
    NOTHING_ASKED = "nothing_asked"
    """The person is done, and nothing has to follow."""
    NOTHING_HEARD = "nothing_heard"
    """The person is done, but no words were recognised."""
    BACKCHANNEL = "backchannel"
    """What was said over the assistant asks for nothing: a sign of listening, or noise."""
    INTERRUPTION = "interruption"
    REPLY_AUDIO = "reply_audio"
    REPLY_FINISHED = "reply_finished"
    """All of the reply has arrived; what of it is sound may still be playing."""
    PLAYBACK_FINISHED = "playback_finished"
    ANNOUNCEMENT = "announcement"
    """What a standing request waited for has come."""
    FAILED = "failed"
    TIMEOUT = "timeout"


class Command(Enum):
    """What the driver must do."""

    START_TURN = "start_turn"
    DUCK = "duck"
    UNDUCK = "unduck"
    HOLD = "hold"
    """Stop playing, keep the place."""
    RESUME = "resume"
    STOP_PLAYBACK = "stop_playback"
    KEEP_HEARD = "keep_heard"
    """Record how much of the reply was heard."""
    CANCEL_TURN = "cancel_turn"
    END_UTTERANCE = "end_utterance"
    """Treat what was said so far as all of it."""
    ANNOUNCE = "announce"
    """Say what has come: at once, or behind the reply that is being spoken."""
    SAY_SO = "say_so"
    """Tell the person that something did not work: aloud, unless they speak."""


_S, _C, _D = State, Cue, Command
_CUT = (_D.STOP_PLAYBACK, _D.KEEP_HEARD, _D.CANCEL_TURN)

Transition = tuple[State, tuple[Command, ...]]

TABLE: dict[State, dict[Cue, Transition]] = {
    _S.IDLE: {
        _C.SPEECH_STARTED: (_S.LISTENING, ()),
        _C.ANNOUNCEMENT: (_S.TELLING, (_D.ANNOUNCE,)),
    },
    _S.LISTENING: {
        _C.ANNOUNCEMENT: (_S.LISTENING, (_D.ANNOUNCE,)),
        _C.SPEECH_STOPPED: (_S.DECIDING, ()),
        _C.FAILED: (_S.TELLING, (_D.SAY_SO,)),
        _C.TIMEOUT: (_S.DECIDING, (_D.END_UTTERANCE,)),
    },
    _S.DECIDING: {
        _C.SPEECH_STARTED: (_S.LISTENING, ()),
        _C.SPEECH_STOPPED: (_S.DECIDING, ()),
        _C.UTTERANCE: (_S.THINKING, (_D.START_TURN,)),
        _C.NOTHING_ASKED: (_S.IDLE, ()),
        _C.NOTHING_HEARD: (_S.TELLING, (_D.SAY_SO,)),
        _C.FAILED: (_S.TELLING, (_D.SAY_SO,)),
        _C.TIMEOUT: (_S.TELLING, (_D.SAY_SO,)),
    },
    _S.THINKING: {
        _C.SPEECH_STARTED: (_S.DOUBTED, (_D.HOLD,)),
        _C.REPLY_AUDIO: (_S.SPEAKING, ()),
        _C.REPLY_FINISHED: (_S.IDLE, ()),
        _C.FAILED: (_S.TELLING, (_D.SAY_SO,)),
        _C.TIMEOUT: (_S.TELLING, (*_CUT, _D.SAY_SO)),
    },
    _S.SPEAKING: {
        _C.SPEECH_STARTED: (_S.DUCKED, (_D.DUCK,)),
        _C.REPLY_AUDIO: (_S.SPEAKING, ()),
        _C.REPLY_FINISHED: (_S.SPEAKING, ()),
        _C.ANNOUNCEMENT: (_S.SPEAKING, (_D.ANNOUNCE,)),
        _C.PLAYBACK_FINISHED: (_S.IDLE, (_D.KEEP_HEARD,)),
        _C.FAILED: (_S.SPEAKING, (_D.SAY_SO,)),
        _C.TIMEOUT: (_S.TELLING, (*_CUT, _D.SAY_SO)),
    },
    _S.DUCKED: {
        _C.SPEECH_STARTED: (_S.DUCKED, ()),
        _C.SPEECH_PERSISTED: (_S.HELD, (_D.HOLD,)),
        _C.SPEECH_STOPPED: (_S.DUCKED, ()),
        _C.BACKCHANNEL: (_S.SPEAKING, (_D.UNDUCK,)),
        _C.INTERRUPTION: (_S.LISTENING, _CUT),
        _C.REPLY_AUDIO: (_S.DUCKED, ()),
        _C.REPLY_FINISHED: (_S.DUCKED, ()),
        _C.PLAYBACK_FINISHED: (_S.LISTENING, (_D.KEEP_HEARD,)),
        _C.FAILED: (_S.DUCKED, (_D.SAY_SO,)),
        _C.TIMEOUT: (_S.SPEAKING, (_D.UNDUCK,)),
    },
    _S.HELD: {
        _C.SPEECH_STARTED: (_S.HELD, ()),
        _C.SPEECH_STOPPED: (_S.HELD, ()),
        _C.BACKCHANNEL: (_S.SPEAKING, (_D.RESUME,)),
        _C.INTERRUPTION: (_S.LISTENING, _CUT),
        _C.REPLY_AUDIO: (_S.HELD, ()),
        _C.REPLY_FINISHED: (_S.HELD, ()),
        _C.FAILED: (_S.HELD, (_D.SAY_SO,)),
        _C.TIMEOUT: (_S.SPEAKING, (_D.RESUME,)),
    },
    _S.DOUBTED: {
        _C.SPEECH_STARTED: (_S.DOUBTED, ()),
        _C.SPEECH_STOPPED: (_S.DOUBTED, ()),
        _C.BACKCHANNEL: (_S.THINKING, (_D.RESUME,)),
        _C.INTERRUPTION: (_S.LISTENING, _CUT),
        _C.REPLY_AUDIO: (_S.HELD, ()),
        _C.REPLY_FINISHED: (_S.LISTENING, ()),
        _C.FAILED: (_S.LISTENING, (_D.SAY_SO,)),
        _C.TIMEOUT: (_S.THINKING, (_D.RESUME,)),
    },
    _S.TELLING: {
        _C.SPEECH_STARTED: (_S.LISTENING, (_D.STOP_PLAYBACK,)),
        _C.PLAYBACK_FINISHED: (_S.IDLE, ()),
        _C.TIMEOUT: (_S.IDLE, (_D.STOP_PLAYBACK,)),
    },
}
"""Every legal pair. What does not stand here is a fault of the driver."""

OVERLAP = frozenset({State.DUCKED, State.HELD, State.DOUBTED})
"""The person speaks while the assistant has the turn, and it is not decided what that means."""

FLOOR = {
    State.IDLE: "nobody",
    State.LISTENING: "person",
    State.DECIDING: "person",
    State.THINKING: "assistant",
    State.SPEAKING: "assistant",
    State.DUCKED: "assistant",
    State.HELD: "person",
    State.DOUBTED: "person",
    State.TELLING: "assistant",
}
"""Who may speak."""


def bounds(turn_seconds: float) -> dict[State, float]:
    """How long each state may last, in seconds; IDLE may last for ever.

    SPEAKING is bounded from the last sample that was played, not from its start.
    """
    return {
        State.LISTENING: 60.0,
        State.DECIDING: 20.0,
        State.THINKING: turn_seconds + 5.0,
        State.SPEAKING: 20.0,
        State.DUCKED: 6.0,
        State.HELD: 12.0,
        State.DOUBTED: 12.0,
        State.TELLING: 20.0,
    }


def step(state: State, cue: Cue) -> Transition:
    """The next state, and the commands that lead there. Raises Ours for a pair that is not legal."""
    try:
        return TABLE[state][cue]
    except KeyError:
        raise Ours(f"{cue.value} is not legal while {state.value}", part="turn") from None


def allows(state: State, cue: Cue) -> bool:
    """Whether the pair is legal."""
    return cue in TABLE[state]
