"""Recognition while somebody speaks: how late words are, how many are taken back, and how right the end is.

Questions, requests, interruptions and pauses of the voice corpus, monologues made of its questions, and
two recordings from `examples/media`; in a quiet room, and with pink noise 20 and 10 dB below the voice. Each
is heard frame by frame as in a conversation, to its end, and once as a whole file with five beams. A word's
delay counts from its end in the sound, as the recognition of the whole file places it. A word is taken back
when it was shown, or confirmed, and another one stands in its place in the final text.

    python -m benchmarks.voice.ears [--each 12]   # about 10 minutes on two cores
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.silences import compare, words
from benchmarks.voice import corpus
from benchmarks.voice.clip import RATE, Clip
from benchmarks.voice.hearing import BEFORE, Hearing, hear, in_a_room
from orchestrator.speech.ears import WINDOW, silero
from specialists.models import ModelStore, default_folder
from specialists.recogniser import Recogniser, Segment

MEDIA = Path(__file__).parents[2] / "examples" / "media"
NOISES = (("clean", None), ("20 dB", 20.0), ("10 dB", 10.0))
NOTE = (
    "Hello, this is a note for the team. Thursday's meeting has been moved to Friday at ten o'clock. Please "
    "bring the blue folder with the budget in it, and call Anna before noon, so that she can book the small "
    "room. Thank you, and see you on Friday."
)
WORSE = 0.01
"""By which the final text's error rate may exceed the whole file's."""
ONSET = 0.15
"""Seconds from the first voiced sample to the ears' word for it, at the median."""
CORES = 0.4
"""Of one core, that recognition may keep busy while somebody speaks."""
COLUMNS = (
    "words",
    "file wrong",
    "final",
    "shown",
    "p90",
    "confirmed",
    "shown back",
    "conf. back",
    "onset",
    "cores",
)


@dataclass(slots=True)
class Tally:
    """What was counted under one condition."""

    said: int = 0
    whole: int = 0
    final: int = 0
    shown: list[float] = field(default_factory=list)
    confirmed: list[float] = field(default_factory=list)
    back: int = 0
    back_confirmed: int = 0
    onsets: list[float] = field(default_factory=list)
    seconds: float = 0.0
    computed: float = 0.0


def utterances(each: int) -> list[Clip]:
    found = [
        clip for kind in ("question", "story", "interruption", "pause") for clip in corpus.clips(kind, each)
    ]
    asked = corpus.clips("question", 6 * max(1, each // 4))
    return [*found, *(_joined(asked[n : n + 6]) for n in range(0, len(asked), 6)), *_recordings()]


def _joined(clips: Sequence[Clip]) -> Clip:
    """A monologue with breaths of 0.35 s."""
    gap = np.zeros(round(0.35 * RATE), np.float32)
    line = np.concatenate([part for clip in clips for part in (clip.samples[clip.first : clip.last], gap)])
    text = " ".join(clip.text for clip in clips)
    return Clip("monologue", "monologue", text, "several", line, 0, len(line) - len(gap))


def _recordings() -> list[Clip]:
    import soundfile

    note, _ = soundfile.read(MEDIA / "note.flac", dtype="float32")
    return [corpus.real()[0], Clip("note", "note", NOTE, "joe", note, 0, len(note))]


def count(tally: Tally, clip: Clip, heard: Hearing, whole: list[Segment]) -> None:
    truth, final = words(clip.text), words(heard.text)
    tally.said += len(truth)
    tally.final += _errors(truth, final)
    tally.whole += _errors(truth, words(" ".join(segment.text for segment in whole)))
    tally.onsets.append(heard.started - clip.first / RATE)
    tally.seconds += len(clip.samples) / RATE
    tally.computed += heard.computed
    ends = [word.span.end - BEFORE for segment in whole for word in segment.words for _ in words(word.text)]
    spoken = [word for segment in whole for word in words(segment.text)]
    for place, word in enumerate(final):
        seen = [p.at for p in heard.partials if words(p.text)[: place + 1] == final[: place + 1]]
        sure = [
            p.at for p in heard.partials if words(p.text[: p.confirmed])[: place + 1] == final[: place + 1]
        ]
        if place < len(ends) and place < len(spoken) and spoken[place] == word:
            tally.shown += [seen[0] - ends[place]] if seen else []
            tally.confirmed += [(sure[0] if sure else heard.ended) - ends[place]]
    tally.back += len(_others([p.text for p in heard.partials], final))
    tally.back_confirmed += len(_others([p.text[: p.confirmed] for p in heard.partials], final))


def _errors(truth: Sequence[str], found: Sequence[str]) -> int:
    errors = compare(truth, found)
    return errors.missing + errors.wrong + errors.made_up


def _others(texts: Sequence[str], final: Sequence[str]) -> set[tuple[int, str]]:
    """Words that stood in one of the texts where the final one has another."""
    shown = {(place, word) for text in texts for place, word in enumerate(words(text))}
    return shown - set(enumerate(final))


def silence(minutes: float) -> float:
    """Processor seconds a minute of the voice detector on a quiet room."""
    vad, random = silero(), np.random.default_rng(1)
    windows = random.normal(0, 1e-3, (round(minutes * 60 * RATE / WINDOW), WINDOW)).astype(np.float32)
    began = time.process_time()
    for window in windows:
        vad(window)
    return (time.process_time() - began) / minutes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--each", type=int, default=12, help="utterances of each kind")
    wanted = parser.parse_args()
    recogniser = Recogniser(ModelStore(default_folder()))
    recogniser.quick(np.zeros(RATE, np.float32))
    clips = utterances(wanted.each)
    print(f"{len(clips)} utterances\n{'':8}" + "".join(f"{title:>11}" for title in COLUMNS))
    reached = []
    for name, snr in NOISES:
        tally = Tally()
        for clip in clips:
            bed = None if snr is None else corpus.bed("pink", snr, 10)
            heard = hear(clip.samples, recogniser, noise=bed, until=clip.last / RATE)
            whole = recogniser.transcribe(in_a_room(clip.samples, bed), words=True)
            count(tally, clip, heard, whole)
        onset, cores = statistics.median(tally.onsets), tally.computed / tally.seconds
        figures = (
            str(tally.said),
            f"{tally.whole / tally.said:.1%}",
            f"{tally.final / tally.said:.1%}",
            f"{statistics.median(tally.shown):.2f} s",
            f"{sorted(tally.shown)[int(0.9 * len(tally.shown))]:.2f} s",
            f"{statistics.median(tally.confirmed):.2f} s",
            f"{tally.back / tally.said:.1%}",
            f"{tally.back_confirmed / tally.said:.1%}",
            f"{1000 * onset:.0f} ms",
            f"{cores:.2f}",
        )
        print(f"{name:8}" + "".join(f"{figure:>11}" for figure in figures), flush=True)
        worse = (tally.final - tally.whole) / tally.said
        reached += [(f"{name}: final text at most {WORSE:.0%} worse", worse <= WORSE)]
        reached += [(f"{name}: onset under {1000 * ONSET:.0f} ms", onset < ONSET)]
        reached += [(f"{name}: at most {CORES} of a core", cores <= CORES)]
    print(f"\nthe voice detector in silence: {silence(0.5):.1f} processor seconds a minute\n")
    for text, yes in reached:
        print(f"{'reached' if yes else 'MISSED ':8} {text}")


if __name__ == "__main__":
    main()
