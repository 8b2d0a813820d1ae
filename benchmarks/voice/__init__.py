"""Talking with Antiphon, measured from outside: from the sound that was played, not from what we say of it.

    python -m benchmarks.voice.latency                 1. end of speech to first sound, with pipecat, 55 min
    python -m benchmarks.voice.interruptions           2. ducked, silent, and what is kept as said, 15 min
    python -m benchmarks.voice.false_interruptions     3. signs of listening, noises, coughs, echo, 15 min
    python -m benchmarks.voice.turn_ends               4. thinking pauses
    python -m benchmarks.voice.ears                    5. words while they are spoken
    python -m benchmarks.voice.endurance virtual       6. an hour on a clock that jumps, 5 min
    python -m benchmarks.voice.endurance real             ten minutes on the models, with pipecat, 22 min
    python -m benchmarks.voice.long_conversation          when replies begin in long ones, 4 min
    python -m benchmarks.voice.faults                  7. parts killed, hung and slowed, 3 min

Run one at a time on a machine that does nothing else: all but the virtual ones are in real time. `--no-peer`
leaves pipecat out, `--count`, `--blocks`, `--minutes` and `--turns` make them shorter, `--keep FOLDER` keeps
sound and events. Each prints which bars are reached and exits with 1 when one is missed.

The parts: `corpus` (what people say, spoken by `voices`, and `noises`), `room` (a person, a microphone and a
loudspeaker in real time, with echo), `rig` (a conversation of the room's person with the engine), `measure`
(times and losses read off the files), `loops` (a clock that jumps), `peer` and `peer_bot` (pipecat in the
room).
"""
