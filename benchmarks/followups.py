"""Follow-ups: how many specialist calls memory and history spare, and how often they are trusted wrongly.

The conversations of `benchmarks/data/followups.jsonl` over the real default models, each with memories of its
own. Every turn says which pictures, pages, recordings and films its answer must be taken from: `looks` at
them anew, or `rests` on what an earlier turn obtained. Counted per turn from the engine's own events:

  needed    calls of perception without any reuse: one for each thing that the answer is taken from
  made      calls that were made
  avoided   things that it rightly rested on without a call
  wrong     things it had to look at and did not, or rested on evidence of something else: wrong reuse
  missed    things it looked at again although it had what it needed: missed reuse
  astray    things it had to look at, and looked at others, or with another sense
  asked     things left open because it asked the person what was meant
  needless  steps of perception that nothing in the turn asked for, called or from memory

    python -m benchmarks.followups            # about three minutes on two cores; always exits 0
    python -m benchmarks.followups --errors   # and every turn that was not right
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import media
from orchestrator.cli.models import ensure
from orchestrator.config import Config, load
from orchestrator.conversation import EngineSession
from orchestrator.engine import Orchestrator
from orchestrator.events import Planned, Routed, StepFinished, StepStarted, TurnFinished
from orchestrator.execution import RECALLS
from orchestrator.session import Attachment
from specialists.content import TEXT
from specialists.models import ModelStore

SCRIPT = Path(__file__).parent / "data" / "followups.jsonl"
SAMPLES = Path(__file__).parent.parent / "examples" / "media"

REPLY_TOKENS = 24
"""What chat may write: nobody reads it here."""

COLUMNS = ("needed", "made", "avoided", "wrong", "missed", "astray", "asked", "needless")


@dataclass(frozen=True, slots=True)
class Thing:
    """What an answer is taken from: the digests of one or more files, and the specialists that can tell."""

    name: str
    specialists: frozenset[str]
    digests: frozenset[str]


@dataclass(frozen=True, slots=True)
class Turn:
    """What is said, with which files, and what the answer is taken from. `fresh` begins another session."""

    say: str
    attached: tuple[Attachment, ...] = ()
    looks: tuple[Thing, ...] = ()
    rests: tuple[Thing, ...] = ()
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    id: str
    category: str
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Perceived:
    """One step of a perceiving specialist: the digests it worked on."""

    specialist: str
    digests: frozenset[str]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a turn did. `held` are the digests whose evidence its session had before it."""

    calls: int
    looked: tuple[Perceived, ...]
    reused: tuple[Perceived, ...]
    recalled: bool
    held: frozenset[str]
    asked: bool = False
    controls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """A turn with its counts."""

    conversation: Conversation
    turn: Turn
    seen: Seen
    counts: Counter[str]


def judge(turn: Turn, seen: Seen) -> Counter[str]:
    """Count one turn: see the module's docstring."""
    counts: Counter[str] = Counter(needed=len(turn.looks) + len(turn.rests), made=seen.calls)
    if seen.asked:
        counts["asked"] = counts["needed"]
        return counts
    for thing in turn.looks:
        if not any(_tells(step, thing) for step in seen.looked):
            counts["astray" if seen.looked else "wrong"] += 1
    for thing in turn.rests:
        counts[_rested(thing, turn, seen)] += 1
    asked = frozenset[str]().union(*(thing.digests for thing in (*turn.looks, *turn.rests)))
    if not turn.looks:
        counts["needless"] += sum(not step.digests & asked for step in seen.looked)
    if not asked:
        counts["needless"] += len(seen.reused)
    return counts


def _rested(thing: Thing, turn: Turn, seen: Seen) -> str:
    if any(step.digests & thing.digests for step in seen.looked):
        return "missed"
    if any(_tells(step, thing) for step in seen.reused):
        return "avoided"
    asked = frozenset[str]().union(*(other.digests for other in turn.rests))
    if any(not step.digests & asked for step in seen.reused):
        return "wrong"
    return "avoided" if seen.recalled or thing.digests <= seen.held else "wrong"


def _tells(step: Perceived, thing: Thing) -> bool:
    return step.specialist in thing.specialists and thing.digests <= step.digests


class Script:
    """Reads conversations and makes the files in them."""

    def __init__(self, models: ModelStore, samples: Path = SAMPLES) -> None:
        self._speaker = media.Speaker(models)
        self._samples = samples

    def read(self, path: Path = SCRIPT) -> list[Conversation]:
        """The conversations of a file of JSON lines."""
        lines = path.read_text(encoding="utf-8").splitlines()
        return [self.conversation(json.loads(line)) for line in lines]

    def conversation(self, values: Mapping[str, Any]) -> Conversation:
        """One line of the file."""
        made: dict[str, bytes] = {}
        for name, how in values.get("files", {}).items():
            made[name] = self._made(how, made)

        def bytes_of(name: str) -> bytes:
            return made[name] if name in made else (self._samples / name).read_bytes()

        def thing(written: str) -> Thing:
            specialists, _, names = written.partition(":")
            digests = (hashlib.sha256(bytes_of(name)).hexdigest() for name in names.split(","))
            return Thing(written, frozenset(specialists.split("|")), frozenset(digests))

        turns = [
            Turn(
                turn["say"],
                tuple(Attachment(data=bytes_of(name), name=Path(name).name) for name in turn.get("with", ())),
                tuple(map(thing, turn.get("looks", ()))),
                tuple(map(thing, turn.get("rests", ()))),
                turn.get("session") == "new",
            )
            for turn in values["turns"]
        ]
        return Conversation(values["id"], values["category"], tuple(turns))

    def _made(self, how: Mapping[str, Any], made: Mapping[str, bytes]) -> bytes:
        match how:
            case {"picture": words, **style}:
                return media.picture(words, **style)
            case {"scan": words}:
                return media.scan(words)
            case {"page": words}:
                return media.page(words)
            case {"say": words}:
                return self._speaker.say(words)
            case {"same as": name}:
                return made[name] if name in made else (self._samples / name).read_bytes()
            case _:
                raise ValueError(f"no way to make a file: {how}")


async def converse(orchestrator: Orchestrator, conversation: Conversation) -> list[Judged]:
    """Hold one conversation, apart from all others, and judge each turn."""
    scope, number = f"{conversation.id}.", 1
    session = orchestrator.session(f"{scope}{number}", scope)
    held: frozenset[str] = frozenset()
    judged = []
    for turn in conversation.turns:
        if turn.fresh:
            number += 1
            session, held = orchestrator.session(f"{scope}{number}", scope), frozenset()
        seen = await _take(orchestrator, session, turn, held)
        held = held.union(*(step.digests for step in (*seen.looked, *seen.reused)))
        judged.append(Judged(conversation, turn, seen, judge(turn, seen)))
    return judged


async def _take(orchestrator: Orchestrator, session: EngineSession, turn: Turn, held: frozenset[str]) -> Seen:
    perceiving = {card.name for card in orchestrator.cards() if set(card.consumes) - {TEXT}}
    calls, recalled, asked = 0, False, False
    controls: tuple[str, ...] = ()
    looked: list[Perceived] = []
    reused: list[Perceived] = []
    async for event in session.send(turn.say, files=turn.attached):
        match event:
            case Routed():
                controls = event.controls
            case Planned():
                asked = bool(event.plan.question)
            case StepStarted(specialist=name, attempt=1) if name in perceiving:
                calls += 1
            case StepFinished(specialist=name) if name in perceiving and event.record:
                step = Perceived(name, frozenset(orchestrator.store.get(event.record).blobs))
                (reused if event.reused else looked).append(step)
            case TurnFinished():
                recalled = RECALLS in event.calls
            case _:
                pass
    return Seen(calls, tuple(looked), tuple(reused), recalled, held, asked, controls)


def report(judged: Sequence[Judged], *, errors: bool = False) -> None:
    """Print the table by category, and with `errors` every turn that was not right."""
    print(f"{'':18} {'turns':>6} " + " ".join(f"{name:>8}" for name in COLUMNS))
    for category in [*dict.fromkeys(each.conversation.category for each in judged), "all"]:
        rows = [each for each in judged if category in ("all", each.conversation.category)]
        total = sum((each.counts for each in rows), Counter())
        print(f"{category:18} {len(rows):6} " + " ".join(f"{total[name]:8}" for name in COLUMNS))
    total = sum((each.counts for each in judged), Counter())
    rests = sum(len(each.turn.rests) for each in judged)
    looks = sum(len(each.turn.looks) for each in judged)
    print(f"\ncalls avoided: {total['avoided']} of the {rests} that could be, {total['missed']} missed")
    print(f"wrong reuses: {total['wrong']} in {looks + rests} things that answers were taken from")
    for each in judged if errors else ():
        wrong = {name: each.counts[name] for name in COLUMNS[3:] if each.counts[name]}
        if wrong:
            things = [f"look {t.name}" for t in each.turn.looks] + [f"rest {t.name}" for t in each.turn.rests]
            done = [f"{s.specialist} called" for s in each.seen.looked]
            done += [f"{s.specialist} reused" for s in each.seen.reused]
            print(f"  {each.conversation.id}: {each.turn.say!r} ({', '.join(things) or 'nothing'}): {wrong}")
            print(f"      {' '.join(each.seen.controls)}  {', '.join(done)}")


async def run(settings: Config) -> list[Judged]:
    """All conversations, on the models that are configured."""
    chat = {**settings.specialists.get("chat", {}), "max_tokens": REPLY_TOKENS}
    conversations = Script(ModelStore(settings.engine.models)).read()
    with tempfile.TemporaryDirectory() as folder:
        engine = settings.engine.model_copy(update={"data": Path(folder)})
        update = {"engine": engine, "specialists": {**settings.specialists, "chat": chat}}
        async with Orchestrator.open(settings.model_copy(update=update)) as orchestrator:
            await orchestrator.warm("chat")
            return [each for held in conversations for each in await converse(orchestrator, held)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--errors", action="store_true", help="print every turn that was not right")
    errors = parser.parse_args().errors
    settings = load()
    ensure(settings)
    judged = asyncio.run(run(settings))
    print(f"{len({each.conversation.id for each in judged})} conversations, {len(judged)} turns")
    report(judged, errors=errors)


if __name__ == "__main__":
    main()
