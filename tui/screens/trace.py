"""Why a turn went the way it did: controls, candidates, exemplars, memory, plan, timings."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from orchestrator.events import Asked, Candidate, Corrected, Planned, Recalled, Routed
from orchestrator.plan import Step
from orchestrator.trace import attachments, decided_by, in_words, input_names, sureness
from orchestrator.wording import describe
from tui.screens.window import Window
from tui.text import line, seconds
from tui.trace import StepTrace, TurnTrace

_BAR = 20  # cells of a full score
_HIT = 120  # characters of what memory held
_SAID = 80  # characters of a line of what a step said

Sections = list[tuple[str, list[Content]]]


class TraceScreen(Window[None]):
    """Shows the last of the traces; Left and Right go to the others."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "go(-1)", "Earlier"),
        Binding("right", "go(1)", "Later"),
        Binding("ctrl+t", "close", show=False),
    ]
    TITLE_LINE = "Trace"
    KEYS_LINE = "Left Right other turns   Up Down scroll   Esc close"

    def __init__(self, traces: Sequence[TurnTrace]) -> None:
        super().__init__()
        self._traces = traces
        self._at = len(traces) - 1

    def body(self) -> list[Widget]:
        return [VerticalScroll(classes="body")]

    async def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
        await self._show()

    async def action_go(self, by: int) -> None:
        self._at = min(max(self._at + by, 0), len(self._traces) - 1)
        await self._show()

    async def _show(self) -> None:
        body = self.query_one(VerticalScroll)
        await body.remove_children()
        trace = self._traces[self._at]
        asked = line(trace.asked.text, 60) if trace.asked and trace.asked.text else "attachments alone"
        self.retitle(f"Turn {trace.number}: {asked}")
        for title, rows in sections(trace):
            await body.mount(
                Static(title, markup=False, classes="section"),
                Static(Content("\n").join(rows), markup=False),
            )
        body.scroll_home(animate=False)


def sections(trace: TurnTrace) -> Sections:
    """The trace as titled rows; a section that has nothing to say is left out."""
    found: Sections = []
    if trace.corrected is not None:
        found.append((f"Corrects turn {trace.corrected.of}", _correction(trace.corrected)))
    if trace.recalled is not None:
        found.append((_titled("Memory", trace.recalled.seconds), _memory(trace.recalled)))
    for routed in trace.routed:
        found.append(
            (
                _titled(f"Controls, by {line(decided_by(routed.controller), 60)}", routed.seconds),
                _controls(routed),
            )
        )
        found.append(("Candidates", _candidates(routed)))
        found.append(("Asked for", [_asked(one) for one in routed.asked]))
        found.append(("Exemplars", _exemplars(routed)))
    for planned in trace.planned:
        found.append((_titled("Plan", planned.seconds), _plan(planned, trace)))
    if trace.problems or trace.rejected:
        found.append(("Problems", _problems(trace)))
    if trace.finished is not None:
        found.append((f"Ended: {trace.finished.outcome}", _timings(trace.finished.timings)))
    elif trace.dropped:
        found.append(("Ended: given up here", [Content("The engine told no end of it")]))
    return [(title, rows) for title, rows in found if rows]


def _titled(title: str, took: float) -> str:
    return f"{title}  {seconds(took)}" if took else title


def _correction(corrected: Corrected) -> list[Content]:
    rows = [Content(line(corrected.request, _HIT) or "a request without words")]
    rows.append(Content.styled("was " + " ".join(line(control) for control in corrected.before), "$muted"))
    if corrected.unwanted:
        rows.append(Content.styled(f"{len(corrected.unwanted)} found anew, not from memory", "$muted"))
    if corrected.correction:
        rows.append(Content.styled("kept: such requests are served so from now on", "$success"))
    return rows


def _memory(recalled: Recalled) -> list[Content]:
    if not recalled.hits:
        return [Content.styled("nothing about this", "$muted")]
    return [
        Content.assemble(
            (f"{hit.score:5.2f}  ", "$accent"),
            (f"{line(hit.kind, 9):<9} {line(hit.source or 'words', 9):<9} ", "$muted"),
            ("exact  " if hit.exact else "", "$success"),
            line(hit.text, _HIT),
        )
        for hit in recalled.hits
    ]


def _controls(routed: Routed) -> list[Content]:
    rows = [Content.styled(" ".join(line(control) for control in routed.controls), "$primary")]
    rows.append(Content.styled(f"{sureness(routed.margin)}, margin {routed.margin:.2f}", "$muted"))
    if routed.emitted:
        twice = ", at the second try" if routed.repaired else ""
        wrote = " ".join(line(word) for word in routed.emitted)
        rows.append(Content.styled(f"the chat model wrote: {wrote}{twice}", "$muted"))
    if routed.invalid:
        rows.append(Content.styled("refused: " + " ".join(line(token) for token in routed.invalid), "$error"))
    return rows


def _candidates(routed: Routed) -> list[Content]:
    whole = max([1.0, *(candidate.score for candidate in routed.candidates)])
    return [_candidate(candidate, whole) for candidate in routed.candidates]


def _candidate(candidate: Candidate, whole: float) -> Content:
    full = round(max(candidate.score, 0.0) / whole * _BAR)
    bar = Content.assemble(("━" * full, "$primary"), ("━" * (_BAR - full), "$panel"))
    return Content.assemble((f"{candidate.score:5.2f} ", "$accent"), bar, "  ", line(candidate.control))


def _asked(asked: Asked) -> Content:
    words = (line(asked.words, _HIT), "$muted")
    return Content.assemble((f"{asked.score:5.2f} ", "$accent"), line(asked.specialist), "  ", words)


def _exemplars(routed: Routed) -> list[Content]:
    served = zip_longest(routed.exemplars, routed.exemplar_controls, fillvalue="")
    return [
        Content.assemble(line(text), (f"  {line(in_words(controls.split()))}" if controls else "", "$muted"))
        for text, controls in served
    ]


def _plan(planned: Planned, trace: TurnTrace) -> list[Content]:
    attached = [] if trace.asked is None else [part.name for part in attachments(trace.asked)]
    inputs = input_names(planned.plan, attached)
    takes = {estimate.step: estimate.p50 for estimate in planned.estimates}
    rows = [
        _step(step, trace.steps.get(step.id), inputs[step.id], takes.get(step.id))
        for step in planned.plan.steps
    ]
    gives = "reuses what is known; " if planned.plan.reuse else ""
    rows.append(Content.styled(f"{gives}gives {', '.join(line(o) for o in planned.plan.outputs)}", "$muted"))
    rows += [Content.styled(line(describe(given)), "$warning") for given in planned.plan.tradeoffs]
    rows += [Content.styled(line(note), "$warning") for note in planned.plan.notes]
    return rows


def _step(step: Step, seen: StepTrace | None, inputs: Sequence[str], takes: float | None) -> Content:
    """What it took of what was expected, and what it works on."""
    expected = "" if takes is None else _expected(seen, takes)
    state = "" if seen is None else seconds(seen.took) if seen.state == "done" else seen.state
    row = Content.assemble(
        (f"{line(step.id):<6} ", "$muted"),
        f"{line(step.specialist, 16):<12} ",
        (f"{state:>8} ", "$accent"),
        (f"{expected:<10} ", "$muted"),
        (line(", ".join(inputs)), "$muted"),
    )
    said = "" if seen is None else line(seen.note or seen.finding)
    lines = textwrap.wrap(said, _SAID, max_lines=3, placeholder="…")
    return Content("\n").join([row, *(Content(" " * 7 + text) for text in lines)])


def _expected(seen: StepTrace | None, takes: float) -> str:
    if seen is None or seen.state in ("waiting", "running"):
        return f"~{seconds(takes)}"
    return f"of {seconds(takes)}" if seen.state == "done" else ""


def _problems(trace: TurnTrace) -> list[Content]:
    rows = [Content.styled(line(f"{event.part}: {event.reason}"), "$warning") for event in trace.rejected]
    for event in trace.problems:
        rows.append(Content.styled(line(f"{event.part}: {event.reason}. {event.remedy}"), "$error"))
    return rows


def _timings(timings: Mapping[str, float]) -> list[Content]:
    width = max((len(line(name)) for name in timings), default=0)
    whole = max([*timings.values(), 1e-9])
    return [_timing(line(name).ljust(width), took, took / whole) for name, took in timings.items()]


def _timing(name: str, took: float, share: float) -> Content:
    bar = "━" * round(share * _BAR)
    return Content.assemble(name, (f" {seconds(took):>8}  ", "$accent"), (bar, "$primary"))
