"""`antiphon plan`: what would be done, without doing it."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.common import (
    ConfigPath,
    Json,
    MaxPrice,
    Within,
    budget,
    check_writable,
    print_json,
    say,
    writing,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from memory.corrections import Correction
    from memory.store import MemoryStore
    from orchestrator.budget import Budget
    from orchestrator.config import Config, ControllerTable
    from orchestrator.controller.features import Embed
    from orchestrator.controller.route import Controller
    from orchestrator.events import HitSummary
    from orchestrator.latency import Latency
    from orchestrator.trace import Trace
    from specialists.base import Card

HITS = 3
"""So many memories are shown of those that a plan would fetch."""


def plan(
    text: Annotated[str | None, typer.Argument(help="The request.")] = None,
    image: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="As if attached.")] = None,
    audio: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="As if attached.")] = None,
    video: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="As if attached.")] = None,
    file: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="As if attached.")] = None,
    batch: Annotated[Path | None, typer.Option(metavar="IN.jsonl", help="Plan every line of a file.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="OUT.jsonl", help="Where the plans of a batch go.")
    ] = None,
    catalogue: Annotated[
        Path | None, typer.Option(metavar="TOOLS.json", help="Plan over these tools, not the registry.")
    ] = None,
    within: Within = None,
    max_price: MaxPrice = None,
    as_json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Show what would be done for a request, and why. Files are not read: their kinds are enough."""
    from orchestrator.config import load

    if (batch is None) != (out is None):
        raise typer.BadParameter("--batch and --out go together")
    if batch is None and text is None:
        raise typer.BadParameter("give a request, or --batch and --out")
    if out is not None:
        check_writable(out)
    settings = load(config)
    asked = budget(within, max_price)
    _fetch(settings)
    if batch is not None and out is not None:
        answers = asyncio.run(_batch(batch, settings, catalogue, asked))
        with writing(out):
            out.write_text("".join(answer + "\n" for answer in answers), encoding="utf-8")
        say(f"{len(answers)} plans in {out}")
        return
    attached = [("image", file.name) for file in image or []]
    attached += [("audio", file.name) for file in audio or []]
    attached += [("video", file.name) for file in video or []]
    attached += _by_name(file or [])
    allowed = asked.tighter(settings.allowed)
    traced = asyncio.run(_one(text or "", attached, settings, catalogue, allowed))
    if as_json:
        from orchestrator.trace import to_dict

        print_json({"id": "", **to_dict(traced)})
    else:
        from orchestrator.cli.plan_view import show

        show(traced)


def _fetch(settings: Config) -> None:
    """The models that routing needs: the encoder, and the chat model where it may be asked."""
    from orchestrator.cli.models import ensure

    ensure(settings, ["embed", "chat"] if _may_ask(settings.controller) else ["embed"])


def _may_ask(table: ControllerTable) -> bool:
    return table.kind == "llm" or (table.kind == "hybrid" and table.margin > 0)


@contextlib.asynccontextmanager
async def _controller(
    settings: Config, catalogue: Path | None
) -> AsyncIterator[tuple[Controller, tuple[Card, ...], Embed]]:
    """The controller of the configuration, the Cards it chooses from, and the encoder."""
    from orchestrator.batch import read_catalogue
    from orchestrator.controller.build import by_example, controller
    from orchestrator.recall import CARD as MEMORY
    from orchestrator.vectors import cached
    from specialists.embed import encoder
    from specialists.models import ModelStore
    from specialists.registry import build

    models = ModelStore(settings.engine.models)
    found = encoder(models, settings.specialists.get("embed"))
    embed = cached(found.encode, settings.engine.models / "derived", found.model)
    runtime = build(models, settings.specialists, settings.limits)
    cards = (*runtime.cards(), MEMORY) if catalogue is None else read_catalogue(catalogue)
    try:
        yield (
            controller(settings.controller, by_example(settings.controller, embed), runtime.run),
            cards,
            embed,
        )
    finally:
        await runtime.close()


def _latencies(settings: Config, cards: tuple[Card, ...]) -> Mapping[str, Latency]:
    from orchestrator.latency import Latencies

    kept = Latencies(settings.engine.data / Latencies.FILE)
    if settings.engine.data.is_dir():  # planning alone leaves nothing behind
        kept.load()
    return kept.expected(cards)


async def _batch(source: Path, settings: Config, catalogue: Path | None, budget: Budget) -> list[str]:
    """The plans of a file. They rest on the Cards' own figures, so that they are the same everywhere."""
    from orchestrator.batch import plan_line, read_lines, to_json

    async with _controller(settings, catalogue) as (controller, cards, _):
        return [
            to_json(line.id, *await plan_line(line, controller, cards, budget=budget))
            for line in read_lines(source)
        ]


async def _one(
    text: str,
    attached: Sequence[tuple[str, str]],
    settings: Config,
    catalogue: Path | None,
    budget: Budget,
) -> Trace:
    from orchestrator.batch import Line, plan_line
    from orchestrator.trace import trace

    typed = text.encode("utf-8", "replace").decode()  # an argument may hold bytes that are no UTF-8
    line = Line(id="", text=typed, attachments=tuple(kind for kind, _ in attached))
    async with _controller(settings, catalogue) as (inner, cards, embed):
        with _memory(settings, embed) if catalogue is None else contextlib.nullcontext() as store:
            controller = inner if store is None else _corrected(inner, store, embed)
            latencies = _latencies(settings, cards)
            planned, chosen = await plan_line(
                line, controller, cards, latencies=latencies, budget=budget, person=""
            )
            recalls = store is not None and any(step.specialist == "memory" for step in planned.steps)
            hits = _hits(store, typed) if store is not None and recalls else ()
    names = [name for _, name in attached]
    return trace(line.request(), names, chosen, planned, cards, latencies, hits=hits, timed=catalogue is None)


def _memory(settings: Config, embed: Embed) -> contextlib.AbstractContextManager[MemoryStore | None]:
    """The memory, where there is one."""
    from memory.store import MemoryStore

    folder = settings.engine.data / "memory"
    return MemoryStore.open(folder, embed) if folder.is_dir() else contextlib.nullcontext()


def _corrected(inner: Controller, store: MemoryStore, embed: Embed) -> Controller:
    """The controller with this person's corrections before it, as in a turn."""
    from orchestrator.controller.corrected import CorrectedController

    async def of(person: str) -> Sequence[Correction]:
        return store.corrections.of(person)

    return CorrectedController(inner, of, embed)


def _hits(store: MemoryStore, text: str) -> tuple[HitSummary, ...]:
    from memory.records import Query
    from orchestrator.trace import hit_summary

    return tuple(map(hit_summary, store.recall(Query(text, k=HITS))))


def _by_name(files: list[Path]) -> list[tuple[str, str]]:
    from specialists.content import kind_of

    return [(kind_of(file.name), file.name) for file in files]
