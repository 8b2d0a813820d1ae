"""The conversation as a Markdown file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from specialists.errors import BadInput
from tui.text import clean, line, seconds
from tui.trace import StepTrace, TurnTrace


def as_markdown(session: str, traces: Sequence[TurnTrace]) -> str:
    """Every turn: what was asked, what was attached, which steps ran, and the reply."""
    blocks = [f"# {line(session)}"]
    for trace in traces:
        blocks += _turn(trace)
    return "\n\n".join(blocks) + "\n"


def named(text: str) -> Path:
    """The path that a person typed; `~` is understood."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # ~ of somebody who is not there
        raise BadInput("is no path", part=text, remedy="Give the name of a file") from error


def write(path: Path, text: str) -> None:
    """Write a new file. Raises BadInput when it cannot be written or is there already."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise BadInput("is there already", part=path.name, remedy="Choose another name") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot be written: {error}", part=path.name) from error


def _turn(trace: TurnTrace) -> list[str]:
    blocks = ["## You"]
    if trace.asked is not None:
        blocks += [clean(trace.asked.text)] if trace.asked.text else []
        blocks += [f"- {part.kind}: {line(part.name)}" for part in trace.asked.media]
    blocks.append("## Antiphon")
    if trace.steps:
        blocks.append("\n".join(_step(step) for step in trace.steps.values()))
    blocks += [f"> {line(event.part)}: {line(event.reason)}" for event in trace.rejected]
    blocks += [f"> {line(event.part)}: {line(event.reason)}" for event in trace.problems]
    if trace.text:
        blocks.append(clean(trace.text))
    if trace.interrupted:
        blocks.append("*interrupted*")
    return blocks


def _step(step: StepTrace) -> str:
    return f"- {line(step.specialist)}: {seconds(step.took) if step.state == 'done' else step.state}"
