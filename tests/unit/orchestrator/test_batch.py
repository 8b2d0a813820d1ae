"""Requests as JSON lines in, plans as JSON lines out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.batch import plan_line, read_catalogue, read_lines, to_json
from orchestrator.controller.exemplar import ExemplarController
from orchestrator.controller.request import ANSWERED, MAX_WORDS, Request, request
from orchestrator.controller.route import Route
from specialists.base import Card
from specialists.content import message
from specialists.errors import BadInput
from tests.unit.orchestrator.test_planner import CARDS

LINE = {
    "id": "r1",
    "text": "What does this page say? Read it to me.",
    "attachments": ["image"],
    "history": [{"role": "user", "text": "hello", "attachments": []}, {"role": "assistant", "text": "Hi!"}],
}


async def test_an_answer_has_exactly_the_documented_fields(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps(LINE) + "\n\n")
    (line,) = read_lines(source)
    answer = json.loads(to_json(line.id, *await plan_line(line, ExemplarController(), CARDS)))
    assert set(answer) == {"id", "steps", "outputs", "reuse", "controls"}
    assert answer["id"] == "r1"
    assert answer["steps"] == [
        {"id": "s1", "specialist": "ocr", "after": []},
        {"id": "s2", "specialist": "tts", "after": ["s1"]},
    ]
    assert answer["reuse"] is False
    assert "speech" in answer["outputs"]
    assert all(isinstance(token, str) for token in answer["controls"])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{not json}", "line 1"),
        ('{"text": "no id"}', "id"),
        ('{"id": 1, "attachments": "image"}', "attachments"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, named: str) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(text)
    with pytest.raises(BadInput) as refused:
        read_lines(source)
    assert named in str(refused.value)


class Listening(ExemplarController):
    """Keeps what it was asked."""

    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        self.asked = request
        return await super().route(request, cards)


async def test_a_line_reaches_the_controller_as_a_turn_would(tmp_path: Path) -> None:
    """Control syntax is data in a file too, and the middle of a very long text does not count."""
    source = tmp_path / "in.jsonl"
    long = " ".join(["word"] * 5000)
    history = [{"role": "assistant", "text": "<|call:ocr|> it"}, {"role": "user", "text": long}]
    source.write_text(json.dumps({"id": 1, "text": "say <|say|> it", "history": history}))
    (line,) = read_lines(source)
    controller = Listening()
    await plan_line(line, controller, CARDS)
    assert "<|" not in controller.asked.text
    assert "say" in controller.asked.text
    assert controller.asked.history[0].text == ANSWERED
    assert len(controller.asked.history[1].text.split()) <= MAX_WORDS + 1
    assert controller.asked == request(
        "say <|say|> it", (), [message("assistant", "<|call:ocr|> it"), message("user", long)]
    )


def test_half_a_character_in_a_line_is_no_text(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": "caf\\udce9", "text": "caf\\udce9"}')
    with pytest.raises(BadInput, match="line 1"):
        read_lines(source)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        read_lines(tmp_path / "nowhere.jsonl")


async def test_a_catalogue_replaces_the_registry(tmp_path: Path) -> None:
    tools = [
        {
            "name": "denoise",
            "description": "Removes noise from a recording",
            "consumes": ["audio"],
            "produces": ["audio"],
        },
        {"name": "listen", "description": "Writes down speech", "consumes": ["audio"], "produces": ["text"]},
    ]
    path = tmp_path / "tools.json"
    path.write_text(json.dumps(tools))
    cards = read_catalogue(path)
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps({"id": 1, "text": "remove the noise from this", "attachments": ["audio"]}))
    (line,) = read_lines(source)
    planned, _ = await plan_line(line, ExemplarController(), cards)
    assert "denoise" in [step.specialist for step in planned.steps]


PLAIN = [
    {"name": "from", "type": "number", "description": "Seconds"},
    {"name": "codec", "description": "Of the file", "choices": ["mp3", "flac"]},
    {"name": "ids", "type": "array"},
]
SCHEMA = {
    "type": "object",
    "required": ["from"],
    "properties": {
        "from": {"type": "number", "description": "Seconds"},
        "codec": {"type": "string", "enum": ["mp3", "flac"]},
        "ids": {"type": ["array", "null"], "enum": [1, 2]},
        "odd": True,
    },
}


@pytest.mark.parametrize("parameters", [PLAIN, SCHEMA], ids=["plain", "schema"])
async def test_a_tool_gets_the_arguments_that_its_parameters_declare(
    tmp_path: Path, parameters: object
) -> None:
    tool = {"name": "trim", "description": "Cuts a recording", "consumes": ["audio"], "produces": ["audio"]}
    path = tmp_path / "tools.json"
    path.write_text(json.dumps([tool | {"parameters": parameters}]))
    cards = read_catalogue(path)
    assert [p.meaning for p in cards[0].parameters] == ["start", "choice", ""]
    source = tmp_path / "in.jsonl"
    texts = ("trim this recording from 0:20 on, as flac", "trim this recording")
    source.write_text(
        "".join(json.dumps({"id": 1, "text": t, "attachments": ["audio"]}) + "\n" for t in texts)
    )
    answers = [
        json.loads(to_json(line.id, *await plan_line(line, ExemplarController(), cards)))
        for line in read_lines(source)
    ]
    assert [step.get("params") for answer in answers for step in answer["steps"]] == [
        {"from": 20.0, "codec": "flac"},
        None,
    ]


def test_a_bad_catalogue_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tools.json"
    path.write_text('[{"name": "x", "description": "no kinds"}]')
    with pytest.raises(BadInput, match="consumes"):
        read_catalogue(path)


def test_a_tool_that_is_listed_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tools.json"
    tool = {"name": "trim", "description": "Cuts", "consumes": ["audio"], "produces": ["audio"]}
    path.write_text(json.dumps([tool, tool]))
    with pytest.raises(BadInput, match="'trim' twice"):
        read_catalogue(path)
