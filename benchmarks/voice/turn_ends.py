"""The end of a turn: how often a pause to think is taken for it, and how long is waited after it.

Seven sets of utterances. Six are parts of `benchmarks/data/turn-ends.jsonl`, in Piper voices: the rules were
written with what three of them showed in view ("develop", "final", "fresh"); the fourth came from another
hand after that ("unseen"), was heard once, and then led to changes as well; two more ("later", "newest")
came from others after all of it, and nothing was fitted to them. The last are the 64 pauses of the voice
corpus in all of its voices, clean and with noise ("corpus"), which were in view, too. An utterance is cut off
when its turn ends inside one of its pauses. What is waited after a whole one counts from its last voiced
sample.

    python -m benchmarks.voice.turn_ends [--set newest] [--no-chat] [--detector URI]       # two minutes a set
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.voice import corpus
from benchmarks.voice.clip import RATE, Clip, Samples
from benchmarks.voice.hearing import hear
from benchmarks.voice.voices import VOICES
from orchestrator.config import load
from orchestrator.speech.smart_turn import SmartTurn
from specialists.base import Task
from specialists.chat.llama import LlamaBackend
from specialists.chat.prompt import SMALL_MODEL_EXAMPLES, Budget, build
from specialists.content import message
from specialists.models import DEFAULTS, ModelStore, default_folder
from specialists.recogniser import Recogniser

SETS = ("develop", "final", "fresh", "unseen", "later", "newest", "corpus")
DATA = Path(__file__).parents[1] / "data" / "turn-ends.jsonl"
NOISES = ("clean", "20 dB", "10 dB")
CONTEXT = 1024
"""Tokens of a prompt."""
MOST = 0.08
"""Of the utterances with pauses may be cut off."""


def said(name: str) -> list[tuple[str, Clip, Samples | None]]:
    """The utterances of a set: what kind of pause they have, their sound, and the noise with it."""
    if name == "corpus":
        beds = [None, corpus.bed("pink", 20, 10), corpus.bed("pink", 10, 10)]
        return [(NOISES[n % 3], clip, beds[n % 3]) for n, clip in enumerate(corpus.clips("pause"))]
    voices = [voice for voice in VOICES if not voice.style]
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["part"] == name]
    return [
        (row["kind"], corpus.clip(corpus.Utterance(row["id"], row["kind"], row["text"]), voice), None)
        for number, row in enumerate(rows)
        for voice in [voices[number % 3], *([voices[(number + 1) % 3]] if row["kind"] != "complete" else [])]
    ]


def chat_model(models: ModelStore) -> Callable[[str], float]:
    """How likely a text is all there is, by the default chat model, as at the beginning of a conversation."""
    backend = LlamaBackend(models.resolve(DEFAULTS["chat"][0]), context_tokens=CONTEXT)
    system = message("system", load().engine.system_prompt)
    budget = Budget(CONTEXT // 2, lambda text: len(text) // 3)

    def ends(text: str) -> float:
        task = Task("ends", "chat", instruction=text, context=(system,))
        told = backend.ends(build(task, budget, SMALL_MODEL_EXAMPLES))
        return next(chance for chance in told if chance is not None)

    return ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--set", choices=SETS, default="newest")
    parser.add_argument("--detector", default="", help="URI of a Smart Turn model that is asked as well")
    parser.add_argument("--no-chat", action="store_true", help="without the chat model, by rules alone")
    parser.add_argument("--every", type=int, default=1, help="only every so manieth utterance")
    wanted = parser.parse_args()
    models = ModelStore(default_folder())
    recogniser = Recogniser(models)
    detector = SmartTurn(models, wanted.detector) if wanted.detector else None
    ends = None if wanted.no_chat else chat_model(models)
    cut: dict[str, list[bool]] = defaultdict(list)
    waits: dict[str, list[float]] = defaultdict(list)
    for kind, clip, noise in said(wanted.set)[:: wanted.every]:
        last = clip.last / RATE
        listen = partial(
            hear, clip.samples, recogniser, noise=noise, detector=detector, ends=ends, live=False
        )
        heard = listen()
        early = heard.ended < last
        if clip.pauses:
            cut[kind].append(early)
        if early:
            heard = listen(until=last)
        waits[kind].append(heard.ended - last)
        print(
            f"{'CUT' if early else '   '} {heard.ended - last:5.2f} s  {clip.id} {clip.voice}: {heard.text}"
        )
    print(f"\n{'':16}{'utterances':>12}{'cut off':>9}{'share':>8}{'wait p50':>10}{'p90':>7}")
    waits["all"] = [wait for times in waits.values() for wait in times]
    everyone = [early for one in cut.values() for early in one]
    cut["all"] = everyone
    for kind, times in waits.items():
        early_ones = cut.get(kind, [])
        share = f"{statistics.mean(early_ones):8.1%}" if early_ones else f"{'':8}"
        late = sorted(times)[int(0.9 * len(times))]
        median = statistics.median(times)
        print(f"{kind:16}{len(times):12}{sum(early_ones):9}{share}{median:8.2f} s{late:5.2f} s")
    print(f"\n{'reached' if statistics.mean(everyone) < MOST else 'MISSED '}  fewer than {MOST:.0%} cut off")


if __name__ == "__main__":
    main()
