"""`antiphon specialists`: list, show, new, check."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.common import ConfigPath, Json, print_json, say

if TYPE_CHECKING:
    from orchestrator.config import Config
    from orchestrator.latency import Latency
    from specialists.base import Card, Parameter
    from specialists.conformance import Finding
    from specialists.runtime import LocalRuntime

app = typer.Typer(
    help="The models and tools at work: list them, show one, write a new one, check one.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="The specialist's name, as `antiphon specialists list` shows.")]


@app.command("list")
def list_specialists(as_json: Json = False, config: ConfigPath = None) -> None:
    """Every specialist: what it takes and gives, its model, and what to do where one is missing."""
    from orchestrator.config import load
    from orchestrator.latency import Latencies

    settings = load(config)
    cards = _runtime(settings).cards()
    latencies = Latencies(settings.engine.data / Latencies.FILE)
    latencies.load()
    if as_json:
        print_json([_row(card, latencies.of(card)) for card in cards])
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        "specialist", "takes", "gives", "state", "p50", "p95", "model or remedy", box=None, pad_edge=False
    )
    for card in cards:
        takes, gives = ", ".join(card.consumes), ", ".join(card.produces)
        last = _short(card.model) if card.available else card.remedy
        cells = (card.name, takes, gives, _state(card), *_times(latencies.of(card)), last)
        table.add_row(*(Text(cell, overflow="fold") for cell in cells))
    Console().print(table)


@app.command()
def show(name: Name, as_json: Json = False, config: ConfigPath = None) -> None:
    """The Card of one specialist: what it says of itself, and what to do where it is missing."""
    from orchestrator.cli.transcript import clean
    from orchestrator.config import load

    card = _runtime(load(config)).specialist(name).card
    if as_json:
        print_json({**asdict(card), "state": _state(card)})
        return
    rows = {
        "version": card.version,
        "state": _state(card),
        "remedy": card.remedy,
        "takes": ", ".join(card.consumes),
        "gives": ", ".join(card.produces),
        "model": card.model,
        "needs": ", ".join(card.requires),
    }
    typer.echo(clean(f"{card.name}: {card.description}"))
    for label, value in rows.items():
        if value:
            typer.echo(clean(f"  {label:<11} {value}"))
    for label, lines in (("parameters", map(_parameter, card.parameters)), ("examples", card.examples)):
        for at, line in enumerate(lines):
            typer.echo(clean(f"  {label if not at else '':<11} {line}"))


def _parameter(parameter: Parameter) -> str:
    default = "" if parameter.default is None else f" (default {parameter.default})"
    return f"{parameter.name}, {parameter.type}: {parameter.description}{default}"


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Small letters, digits and hyphens.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where to write it; by default a new folder of its name.")
    ] = None,
) -> None:
    """Write a new specialist: a small package that works, with its test."""
    from specialists.scaffold import new as write

    target = folder or Path(f"antiphon-{name}")
    for path in write(name, target):
        typer.echo(str(path))
    say(f"It is a placeholder that counts words: replace its work and its Card in {target}")
    say(f"Install it: pip install -e '{target}[dev]'")
    say(f"Then check it: antiphon specialists check {name}")


@app.command()
def check(
    name: Name,
    as_json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Does it keep the contract? Runs the conformance suite; exit code 1 when something fails."""
    from rich.console import Console

    from orchestrator.config import load
    from specialists.conformance import check as examine

    specialist = _runtime(load(config)).specialist(name)
    with Console(stderr=True).status(f"Checking {name}"):
        findings = asyncio.run(examine(specialist))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _show(findings)
    if not all(finding.passed for finding in findings):
        raise typer.Exit(1)


def _show(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for finding in findings:
        mark, style = ("passed", "green") if finding.passed else ("failed", "bold red")
        detail = f": {finding.detail}" if finding.detail else ""
        console.print(Text.assemble((mark, style), f"  {finding.name}{detail}"))


def _times(latency: Latency | None) -> tuple[str, str]:
    """What its calls take: half of them no longer than the first, 95 in 100 no longer than the second."""
    return ("", "") if latency is None else (f"{latency.p50:.2f} s", f"{latency.p95:.2f} s")


def _row(card: Card, latency: Latency | None) -> dict[str, object]:
    return {
        "name": card.name,
        "version": card.version,
        "description": card.description,
        "consumes": list(card.consumes),
        "produces": list(card.produces),
        "model": card.model,
        "state": _state(card),
        "remedy": card.remedy,
        "latency": asdict(latency) if latency is not None else None,
    }


def _state(card: Card) -> str:
    return "available" if card.available else "unavailable"


def _short(model: str) -> str:
    """A model's URI without the file in the wheel and the checksum."""
    return model.partition("/")[0] if model.startswith("pypi:") else model


def _runtime(settings: Config) -> LocalRuntime:
    from specialists.models import ModelStore
    from specialists.registry import build

    return build(ModelStore(settings.engine.models), settings.specialists, settings.limits)
