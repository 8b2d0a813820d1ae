"""`antiphon router`: fit the router to exemplars, and measure how well requests are routed."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.common import ConfigPath, Json, print_json, say

if TYPE_CHECKING:
    from orchestrator.config import Config
    from orchestrator.controller.build import ByExample
    from orchestrator.controller.measure import Measured
    from specialists.base import Card

app = typer.Typer(help="Fit the router to exemplars, and measure it.", no_args_is_help=True)


@app.command()
def fit(
    exemplars: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Exemplars as JSON lines; the built-in ones by default."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the router goes; in place by default.")
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Fit the router. Takes minutes on one core, and gives the same router for the same exemplars."""
    from orchestrator.config import load
    from orchestrator.controller import catalogues as worlds
    from orchestrator.controller.exemplars import built_in, read
    from orchestrator.controller.fit import DEFAULT_RECIPE
    from orchestrator.controller.fit import fit as fit_router
    from orchestrator.controller.router import FOLDER
    from specialists.models import ModelStore

    settings = load(config)
    found = tuple(e for path in exemplars for e in read(path)) if exemplars else built_in()
    catalogues = worlds.built_in()
    asked = sum(len(catalogue.requests) for catalogue in catalogues)
    say(
        f"{len(found)} exemplars, {asked} requests to {len(catalogues)} catalogues, "
        f"{DEFAULT_RECIPE.epochs} epochs"
    )
    began = time.monotonic()

    def report(epoch: int, loss: float) -> None:
        say(f"epoch {epoch}  loss {loss:.4f}  {time.monotonic() - began:.0f} s")

    models, folder = ModelStore(settings.engine.models), out or FOLDER
    claims = fit_router(found, catalogues, _cards(settings), models, folder, report)
    say(f"{claims.held_out} exemplars were kept back: {claims.right:.1%} of them decided wholly right")
    typer.echo(folder)


@app.command()
def evaluate(
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="Requests with their decisions.")],
    router: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A router elsewhere; the one in place by default.")
    ] = None,
    as_json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Route the requests of a file as configured, without the LLM, and compare."""
    from orchestrator.cli.models import ensure
    from orchestrator.config import load
    from orchestrator.controller.build import by_example
    from orchestrator.controller.exemplars import read
    from orchestrator.controller.measure import measure
    from orchestrator.controller.router import FOLDER
    from orchestrator.vectors import cached
    from specialists.embed import encoder
    from specialists.models import ModelStore

    settings = load(config)
    asked = read(file)
    ensure(settings, ["embed"])
    models = ModelStore(settings.engine.models)
    found = encoder(models, settings.specialists.get("embed"))
    embed = cached(found.encode, settings.engine.models / "derived", found.model)
    controller, cards = by_example(settings.controller, embed, router or FOLDER), _cards(settings)
    measured = measure(lambda request: controller.decide(request, cards), asked)
    stale = _stale(controller)
    if as_json:
        print_json({**asdict(measured), "stale": stale})
        return
    _show(measured)
    if stale:
        say("The router was fitted to other exemplars than these; `antiphon router fit` makes it anew.")


def _cards(settings: Config) -> tuple[Card, ...]:
    from orchestrator.recall import CARD as MEMORY
    from specialists.models import ModelStore
    from specialists.registry import build

    registered = build(ModelStore(settings.engine.models), settings.specialists, settings.limits)
    return (*registered.cards(), MEMORY)


def _stale(controller: ByExample) -> bool:
    """Whether a fitted router is at work that was made of other exemplars than the built-in ones."""
    from orchestrator.controller.exemplars import built_in, digest
    from orchestrator.controller.router import FittedController

    return isinstance(controller, FittedController) and controller.claims.exemplars != digest(built_in())


def _show(measured: Measured) -> None:
    from rich.console import Console
    from rich.table import Table

    typer.echo(f"{measured.requests} requests: {measured.right:.1%} wholly right, steps {measured.steps:.1%}")
    typer.echo(f"a decision takes {measured.p50_ms:.1f} ms (p50), {measured.p95_ms:.1f} ms (p95)")
    shares = ", ".join(f"{share:.1%}" for share in measured.by_margin)
    typer.echo(f"wholly right by margin, from the least sure quarter to the surest: {shares}")
    table = Table("decision", "wrongly made", "missed")
    for name, (made, missed) in measured.errors.items():
        table.add_row(name, str(made), str(missed))
    Console().print(table)
