"""Planning in batches: requests as JSON lines in, plans as JSON lines out.

In: `{"id", "text", "attachments": [kind, …], "history": [{"role", "text", "attachments"}, …]}`.
Out: `{"id", "steps": [{"id", "specialist", "after": […]}], "outputs": […], "reuse": bool, "controls": […]}`,
where a step has "params" as well when the request names arguments for it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from orchestrator.arguments import with_arguments
from orchestrator.budget import Budget
from orchestrator.controller.request import Request, Said, inert
from orchestrator.controller.route import Controller, Route, decision_of
from orchestrator.extraction.meanings import meaning_of
from orchestrator.latency import Latency
from orchestrator.plan import Plan
from orchestrator.planner import plan as make_plan
from orchestrator.tradeoffs import first_choices, fit_to_budget
from specialists.base import MEANINGS, Card, Parameter
from specialists.content import TEXT, Part
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


class _Parameter(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: str = Field(min_length=1)
    type: str = "string"
    description: str = ""
    choices: tuple[str, ...] = Field(default=(), validation_alias=AliasChoices("choices", "enum"))
    meaning: str = ""

    def declared(self, consumes: Sequence[str]) -> Parameter:
        told = self.meaning if self.meaning in MEANINGS else ""
        told = told or meaning_of(self.name, self.type, self.description, self.choices, consumes)
        return Parameter(self.name, self.type, self.description, None, self.choices, told)


def _plain(schema: Mapping[str, object]) -> dict[str, object]:
    """A property of a JSON schema, as far as it is as plain as a declared parameter."""
    found = {key: schema[key] for key in ("type", "description") if isinstance(schema.get(key), str)}
    options = schema.get("enum")
    if isinstance(options, list) and all(isinstance(option, str) for option in options):
        found["choices"] = options
    return found


class _Tool(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: str = Field(min_length=1)
    description: str = ""
    consumes: tuple[str, ...]
    produces: tuple[str, ...]
    parameters: tuple[_Parameter, ...] = ()

    @field_validator("parameters", mode="before")
    @classmethod
    def _from_schema(cls, value: object) -> object:
        """Parameters may also be a JSON schema, as model APIs declare tools."""
        if not isinstance(value, Mapping):
            return value
        properties = value.get("properties")
        told = properties.items() if isinstance(properties, Mapping) else ()
        return [{"name": name, **_plain(schema)} for name, schema in told if isinstance(schema, Mapping)]

    def card(self) -> Card:
        parameters = tuple(parameter.declared(self.consumes) for parameter in self.parameters)
        return Card(self.name, self.description, self.consumes, self.produces, parameters=parameters)


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
    """The Cards of a tool catalogue: a JSON list of name, description, consumes, produces, and parameters
    where there are any: name, type, description, choices."""
    try:
        tools = TypeAdapter(list[_Tool]).validate_json(_text(path))
    except ValidationError as error:
        raise BadInput(_first(error), part=str(path)) from error
    if not tools:
        raise BadInput("lists no tools", part=str(path), remedy="Give at least one tool")
    twice = [name for name, count in Counter(tool.name for tool in tools).items() if count > 1]
    if twice:
        raise BadInput(
            f"lists {twice[0]!r} twice", part=str(path), remedy="Give every tool a name of its own"
        )
    return tuple(tool.card() for tool in tools)


async def plan_line(
    line: Line,
    controller: Controller,
    cards: Sequence[Card],
    *,
    latencies: Mapping[str, Latency] | None = None,
    budget: Budget | None = None,
    person: str | None = None,
) -> tuple[Plan, Route]:
    """Route and plan one request, without doing it: as this person's, or nobody's in particular."""
    choices = first_choices(cards)
    asked = replace(line.request(), person=person)
    chosen = await controller.route(asked, choices)
    earlier = [k for said in reversed(asked.history) for k in said.attachments if k not in asked.attachments]
    parts = [TEXT, *asked.attachments, *dict.fromkeys(earlier)]
    planned = make_plan(decision_of(chosen.controls), parts, choices, hints=chosen.hints)
    fitted = fit_to_budget(planned, cards, latencies or {}, budget or Budget())
    return with_arguments(fitted, asked.text, [Part(kind) for kind in parts], cards), chosen


def to_json(line_id: str | int, planned: Plan, chosen: Route) -> str:
    """The answer to one request, as a JSON line."""
    values: Mapping[str, Any] = {
        "id": line_id,
        "steps": [
            {"id": step.id, "specialist": step.specialist, "after": list(step.after)}
            | ({"params": dict(step.params)} if step.params else {})
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
