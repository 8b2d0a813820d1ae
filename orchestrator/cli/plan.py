"""`antiphon plan`: what would be done, without doing it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.common import ConfigPath, Json, check_writable, print_json, say, writing

if TYPE_CHECKING:
    from orchestrator.config import Config
    from orchestrator.controller.route import Controller, Route
    from orchestrator.plan import Plan
    from specialists.base import Card


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
    as_json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Show the controls and the plan for a request. Files are not read: their kinds are enough."""
    from orchestrator.config import load

    if (batch is None) != (out is None):
        raise typer.BadParameter("--batch and --out go together")
    if batch is None and text is None:
        raise typer.BadParameter("give a request, or --batch and --out")
    if out is not None:
        check_writable(out)
    settings = load(config)
    controller, cards = _controller(settings, catalogue)
    if batch is not None and out is not None:
        answers = asyncio.run(_batch(batch, controller, cards))
        with writing(out):
            out.write_text("".join(answer + "\n" for answer in answers), encoding="utf-8")
        say(f"{len(answers)} plans in {out}")
        return
    kinds = ["image"] * len(image or []) + ["audio"] * len(audio or []) + ["video"] * len(video or [])
    kinds += _kinds(file or [])
    planned, chosen = asyncio.run(_one(text or "", kinds, controller, cards))
    if as_json:
        import json

        from orchestrator.batch import to_json

        print_json(json.loads(to_json("", planned, chosen)))
    else:
        _show(planned, chosen)


def _controller(settings: Config, catalogue: Path | None) -> tuple[Controller, tuple[Card, ...]]:
    from orchestrator.batch import read_catalogue
    from orchestrator.cli.models import ensure
    from orchestrator.controller.build import by_example
    from orchestrator.recall import CARD as MEMORY
    from orchestrator.vectors import cached
    from specialists.embed import encoder
    from specialists.models import ModelStore
    from specialists.registry import build

    ensure(settings, ["embed"])
    models = ModelStore(settings.engine.models)
    found = encoder(models, settings.specialists.get("embed"))
    embed = cached(found.encode, settings.engine.models / "derived", found.model)
    controller = by_example(settings.controller, embed)
    if catalogue is not None:
        return controller, read_catalogue(catalogue)
    return controller, (*build(models, settings.specialists, settings.limits).cards(), MEMORY)


async def _batch(source: Path, controller: Controller, cards: tuple[Card, ...]) -> list[str]:
    from orchestrator.batch import plan_line, read_lines, to_json

    return [to_json(line.id, *await plan_line(line, controller, cards)) for line in read_lines(source)]


async def _one(
    text: str, kinds: list[str], controller: Controller, cards: tuple[Card, ...]
) -> tuple[Plan, Route]:
    from orchestrator.batch import Line, plan_line

    typed = text.encode("utf-8", "replace").decode()  # an argument may hold bytes that are no UTF-8
    return await plan_line(Line(id="", text=typed, attachments=tuple(kinds)), controller, cards)


def _kinds(files: list[Path]) -> list[str]:
    from specialists.content import kind_of

    return [kind_of(file.name) for file in files]


def _show(planned: Plan, chosen: Route) -> None:
    typer.echo(f"controls  {' '.join(map(str, chosen.controls))}")
    typer.echo(f"decided   by {chosen.controller}, margin {chosen.margin:.2f}")
    for step in planned.steps:
        after = f" after {', '.join(step.after)}" if step.after else ""
        typer.echo(f"  {step.id}  {step.specialist}{after}")
    typer.echo(
        f"outputs   {', '.join(planned.outputs)}{'  (rests on what is there)' if planned.reuse else ''}"
    )
    for note in planned.notes:
        typer.echo(f"note      {note}")
    for exemplar in chosen.exemplars:
        typer.echo(f"like      {exemplar}")
