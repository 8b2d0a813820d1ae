"""Evidence sufficiency: whether a question about an earlier picture or clip gets the sense it needs.

Each line of `benchmarks/data/sufficiency.jsonl` is a follow-up: which specialist looked at the medium before
(`caption` is a vision-language model, which read no words), what it found, what is asked now, and the sense
that this `needs`, empty where what was found suffices. The real router and text encoder decide, without and
with `orchestrator.sufficiency`. Its two thresholds were set on these questions, so this shows that it works
as meant, and not how well it does on others: `benchmarks.followups` does.

    python -m benchmarks.sufficiency     # about ten seconds on two cores; always exits 0
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from memory.records import Hit, Record
from orchestrator.cli.models import ensure
from orchestrator.config import load
from orchestrator.controller.route import Route, decision_of
from orchestrator.engine import Orchestrator
from orchestrator.sufficiency import sufficient
from orchestrator.tradeoffs import first_choices
from specialists.base import Card
from specialists.content import BlobRef, Message, Part, message, text_part
from specialists.embed import encoder
from specialists.models import ModelStore
from specialists.pool import ModelPool

QUESTIONS = Path(__file__).parent / "data" / "sufficiency.jsonl"
CAPTION = "caption"
MEDIUM = BlobRef("a" * 64, 1, "application/octet-stream")


async def decided(
    orchestrator: Orchestrator, asked: Mapping[str, Any], cosine: float, cards: tuple[Card, ...]
) -> tuple[Route, Route]:
    """The routes of a question without and with the check."""
    part = Part(asked["kind"], blob=MEDIUM)
    before = [Message("user", (text_part(asked["first"]), part)), message("assistant", asked["found"])]
    chosen = await orchestrator.route(asked["say"], (), before)
    source = "vision" if asked["stored"] == CAPTION else asked["stored"]
    record = Record(asked["found"], asked["kind"], "evidence", source=source, blobs=(MEDIUM.digest,))
    return chosen, sufficient(chosen, [part], [Hit(record, 1.0, cosine=cosine)], cards)


def covered(asked: Mapping[str, Any], cards: tuple[Card, ...]) -> set[str]:
    """The senses that have looked."""
    if asked["stored"] == CAPTION:
        return {"vision"}
    return {asked["stored"], *(name for c in cards if c.name == asked["stored"] for name in c.requires)}


async def run() -> None:
    """Print how many questions do not get what they need, and how many get what they do not."""
    settings = load()
    ensure(settings)
    questions = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    model = encoder(ModelStore(settings.engine.models), settings.specialists.get("embed"), ModelPool())
    vectors = model.encode([text for asked in questions for text in (asked["say"], asked["found"])])
    cosines = (vectors[::2] * vectors[1::2]).sum(axis=1)
    missed, needless = [0, 0], [0, 0]
    async with Orchestrator.open(settings) as orchestrator:
        cards = first_choices(orchestrator.cards())
        reading = tuple(replace(c, requires=()) if c.name == "vision" else c for c in cards)
        for asked, cosine in zip(questions, cosines, strict=True):
            offered = reading if asked["stored"] == CAPTION else cards
            routes = await decided(orchestrator, asked, float(cosine), offered)
            for place, route in enumerate(routes):
                steps = set(decision_of(route.controls).steps) & {"vision", "ocr", "asr", "video"}
                missed[place] += bool(asked["needs"]) and asked["needs"] not in steps
                needless[place] += not asked["needs"] and bool(steps - covered(asked, cards))
    needing = sum(bool(asked["needs"]) for asked in questions)
    print(f"{len(questions)} questions, {needing} need a sense that has not looked")
    print(f"{'':22} without   with the check")
    print(f"not looked at again    {missed[0]:7}   {missed[1]}")
    print(f"looked at needlessly   {needless[0]:7}   {needless[1]}")


if __name__ == "__main__":
    asyncio.run(run())
