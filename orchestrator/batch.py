"""Planning in batches: requests as JSON lines in, plans as JSON lines out.

In: `{"id", "text", "attachments": [kind, …], "history": [{"role", "text", "attachments"}, …]}`.
Out: `{"id", "steps": [{"id", "specialist", "after": […]}], "outputs": […], "reuse": bool, "controls": […]}`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from orchestrator.controller.request import Request, Said, inert
from orchestrator.controller.route import Controller, Route, decision_of
from orchestrator.plan import Plan
from orchestrator.planner import plan as make_plan
from specialists.base import Card
from specialists.content import TEXT
from specialists.errors import BadInput


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore")
    role: str
    text: str = ""
    attachments: tuple[str, ...] = ()


class Line(BaseModel):
    """One request of a batch."""

    model_config = ConfigDict(extra="ignore")
    id: str | int
    text: str = ""
    attachments: tuple[str, ...] = ()
    history: tuple[_Said, ...] = ()

    def request(self) -> Request:
        """The request as a turn would put it to the controller."""
        said = (Said(s.role, s.text, s.attachments) for s in self.history)
        return inert(Request(self.text, self.attachments, tuple(said)))


class _Tool(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: str = Field(min_length=1)
    description: str = ""
    consumes: tuple[str, ...]
    produces: tuple[str, ...]


def read_lines(path: Path) -> list[Line]:
    """The requests of a file. Raises BadInput, which names the line."""
    lines: list[Line] = []
    for number, text in enumerate(_text(path).splitlines(), start=1):
        if not text.strip():
            continue
        try:
            lines.append(Line.model_validate_json(text))
        except ValidationError as error:
            raise BadInput(_first(error), part=f"{path} line {number}") from error
    return lines


def read_catalogue(path: Path) -> tuple[Card, ...]:
    """The Cards of a tool catalogue: a JSON list of name, description, consumes, produces."""
    try:
        tools = TypeAdapter(list[_Tool]).validate_json(_text(path))
    except ValidationError as error:
        raise BadInput(_first(error), part=str(path)) from error
    return tuple(Card(tool.name, tool.description, tool.consumes, tool.produces) for tool in tools)


async def plan_line(line: Line, controller: Controller, cards: Sequence[Card]) -> tuple[Plan, Route]:
    """Route and plan one request, without doing it."""
    asked = line.request()
    chosen = await controller.route(asked, cards)
    earlier = [k for said in reversed(asked.history) for k in said.attachments if k not in asked.attachments]
    parts = [TEXT, *asked.attachments, *dict.fromkeys(earlier)]
    return make_plan(decision_of(chosen.controls), parts, cards), chosen


def to_json(line_id: str | int, planned: Plan, chosen: Route) -> str:
    """The answer to one request, as a JSON line."""
    values: Mapping[str, Any] = {
        "id": line_id,
        "steps": [
            {"id": step.id, "specialist": step.specialist, "after": list(step.after)}
            for step in planned.steps
        ],
        "outputs": list(planned.outputs),
        "reuse": planned.reuse,
        "controls": [str(token) for token in chosen.controls],
    }
    return json.dumps(values, ensure_ascii=False)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BadInput("no such file", part=str(path), remedy="Check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {error}", part=str(path)) from error


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(piece) for piece in problem["loc"])
    return f"{where}: {problem['msg']}" if where else str(problem["msg"])
