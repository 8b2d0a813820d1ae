"""A planned request as a person reads it: the decision and what stands behind it, the plan, what it takes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence

import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator import control
from orchestrator.cli.transcript import clean, one_line
from orchestrator.controller.route import Route
from orchestrator.events import Asked, StepEstimate
from orchestrator.trace import (
    Trace,
    asked_for,
    critical_path,
    decided_by,
    in_words,
    input_names,
    schedule,
    stages,
    sureness,
)
from orchestrator.wording import describe, gave_up

CANDIDATES = 4
EXEMPLARS = 3
NO_WORDS = "(no words)"
LEAST_SHARE = 0.01
"""Candidates with less belief than this are left out."""

_BAR = 20
_TIMELINE = 20
"""Cells of a full bar."""

_WIDTH = 100
"""Characters of a line where there is no screen to ask."""

Row = tuple[str, RenderableType]


def show(traced: Trace) -> None:
    """Print it to stdout; without colours where that is no terminal."""
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(highlight=False, width=_WIDTH)
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    marks = _Ascii if console.options.ascii_only else _Marks
    for label, shown in rows(traced, marks):
        table.add_row(label, shown)
    with console.capture() as printed:
        console.print(table)
    for line in printed.get().splitlines():
        typer.echo(line.rstrip())


class _Marks:
    share, time, first, middle, last = "━", "█", "┌", "│", "└"


class _Ascii(_Marks):
    share, time, first, middle, last = "=", "#", "/", "|", "\\"


def rows(traced: Trace, marks: type[_Marks]) -> Iterator[Row]:
    """Labelled rows; one that has nothing to say is left out."""
    yield "Request", _request(traced)
    yield "Decision", _decision(traced, marks)
    yield "Controls", Text(" ".join(map(str, traced.route.controls)))
    if asked := asked_for(traced.route):
        yield "Asked for", _asked(asked, {step.specialist for step in traced.plan.steps})
    if traced.route.exemplars:
        yield "Like", _exemplars(traced)
    if traced.hits:
        yield "Memory", _lines(f"{hit.source}: {one_line(hit.text, 70)}" for hit in traced.hits)
    if control.WAIT in traced.route.controls:
        yield "Plan", Text("none: it waits for you to go on")
        return
    yield "Plan", _plan(traced, marks)
    yield "Gives", Text(_gives(traced))
    if traced.plan.tradeoffs:
        yield "Budget", _lines(map(describe, traced.plan.tradeoffs))
    if wanting := [*(_gone(name, remedy) for name, remedy in traced.missing.items()), *traced.plan.notes]:
        yield "Missing", _lines(wanting)
    if sentence := gave_up(traced.plan.tradeoffs):
        yield "Says", Text(sentence)


def _lines(texts: Iterable[str]) -> Text:
    return Text("\n").join(Text(clean(text)) for text in texts)


def _gone(name: str, remedy: str) -> str:
    return f"{name} is not available. {remedy}".strip()


def _request(traced: Trace) -> Text:
    words = Text(clean(traced.text).strip() or NO_WORDS)
    for kind, name in traced.attached:
        words.append(f"\n+ {kind} {clean(name)}".rstrip(), style="cyan")
    return words


def _decision(traced: Trace, marks: type[_Marks]) -> RenderableType:
    route = traced.route
    lines: list[RenderableType] = [Text(_how(route))]
    shares = [(c, share) for c, share in route.candidates[:CANDIDATES] if share >= LEAST_SHARE]
    table = Table.grid(padding=(0, 2))
    for controls, share in shares:
        bar = marks.share * max(1, round(min(share, 1.0) * _BAR))
        chosen = controls == route.controls
        table.add_row(
            Text(f"{share * 100:3.0f} %", style="" if chosen else "dim"),
            Text(bar.ljust(_BAR), style="green" if chosen else "dim"),
            Text(clean(in_words(map(str, controls))), style="bold" if chosen else "dim"),
        )
    if not any(controls == route.controls for controls, _ in shares):
        lines.append(Text(clean(in_words(map(str, route.controls))), style="bold"))
    if shares:
        lines.append(table)
    if route.emitted:
        twice = ", at the second try" if route.repaired else ""
        lines.append(Text(f"the chat model wrote: {clean(' '.join(route.emitted))}{twice}"))
    if route.invalid:
        lines.append(Text(f"refused: {clean(' '.join(route.invalid))}", style="red"))
    return Group(*lines)


def _how(route: Route) -> str:
    return f"{sureness(route.margin)} (margin {route.margin:.2f}), by {clean(decided_by(route.controller))}"


def _asked(asked: Sequence[Asked], planned: Collection[str]) -> Table:
    """How much each specialist is asked for, and by which words; those of the plan stand out."""
    table = Table.grid(padding=(0, 2))
    for one in asked:
        style = "" if one.specialist in planned else "dim"
        table.add_row(
            Text(f"{one.score * 100:3.0f} %", style=style),
            Text(clean(one.specialist), style=style),
            Text(one_line(one.words, 60), style=style),
        )
    return table


def _exemplars(traced: Trace) -> Table:
    table = Table.grid(padding=(0, 2))
    pairs = zip(traced.route.exemplars, traced.exemplar_controls, strict=True)
    for text, controls in list(pairs)[:EXEMPLARS]:
        served = in_words(controls.split()) if controls else ""
        table.add_row(Text(one_line(text, 60) or NO_WORDS, no_wrap=True), Text(clean(served), style="dim"))
    return table


def _plan(traced: Trace, marks: type[_Marks]) -> RenderableType:
    plan = traced.plan
    if not plan.steps:
        return Text("no step")
    inputs = input_names(plan, [name for _, name in traced.attached])
    takes = {estimate.step: estimate for estimate in traced.estimates}
    times = schedule(plan, traced.estimates)
    longest = critical_path(plan, times)
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for number, stage in enumerate(stages(plan), start=1):
        for place, step in enumerate(stage):
            works_on = ", ".join([*inputs[step.id], *(f"{k}={v}" for k, v in step.params.items())])
            gone = step.specialist in traced.missing
            before = f"{number if place == 0 else '':<2}{_bracket(place, len(stage), marks)} "
            table.add_row(
                Text.assemble((before, "dim"), (clean(step.specialist), "bold")),
                Text(clean(works_on)),
                Text("cannot run" if gone else _seconds(takes[step.id]) if traced.timed else ""),
                Text("") if gone else _bar(times, step.id, marks, critical=step.id in longest),
            )
    return table


def _bracket(place: int, size: int, marks: type[_Marks]) -> str:
    """What holds together the steps that run side by side."""
    if size == 1:
        return " "
    return marks.first if place == 0 else marks.last if place == size - 1 else marks.middle


def _bar(times: dict[str, tuple[float, float]], step: str, marks: type[_Marks], *, critical: bool) -> Text:
    """When the step runs, in the whole plan's time."""
    whole = max(end for _, end in times.values())
    if not whole:
        return Text("")
    begins, ends = (round(moment / whole * _TIMELINE) for moment in times[step])
    bar = " " * min(begins, _TIMELINE - 1) + marks.time * max(1, ends - begins)
    return Text(bar, style="green" if critical else "dim green")


def _seconds(takes: StepEstimate) -> str:
    """Usually to slow, where calls were timed; else what the Card says."""
    price = f", price {takes.price:g}" if takes.price else ""
    if not takes.calls:
        return f"~{takes.p50:.1f} s{price}"
    usual, slow = f"{takes.p50:.1f}", f"{takes.p95:.1f}"
    return f"{usual} s{price}" if usual == slow else f"{usual} to {slow} s{price}"


def _gives(traced: Trace) -> str:
    plan = traced.plan
    said = ", ".join(map(clean, plan.outputs))
    if plan.reuse:
        said += ", from what is known already"
    times = schedule(plan, traced.estimates)
    if not traced.timed or plan.estimate is None or not times:
        return said
    usual = max(end for _, end in times.values())
    if usual:
        said += f"; in about {usual:.1f} s"
    if f"{plan.estimate.seconds:.1f}" != f"{usual:.1f}":
        said += f", {plan.estimate.seconds:.1f} s when slow"
    if plan.estimate.price:
        said += f"; price {plan.estimate.price:g}"
    return said
