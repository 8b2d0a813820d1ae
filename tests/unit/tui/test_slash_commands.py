"""The slash commands: parsing and completion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.commands import COMMANDS, Call, Unknown, completion, matching, parse


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_parses_with_its_argument(command: object) -> None:
    call = parse(f"/{command.name}  a b.md ")  # type: ignore[attr-defined]
    assert call == Call(command, "a b.md")  # type: ignore[arg-type]


def test_a_near_miss_is_named() -> None:
    assert parse("/hlep") == Unknown("hlep", "help")
    assert parse("/xyzzyx") == Unknown("xyzzyx", "")


@pytest.mark.parametrize("text", ["hello", "/home/me/cat.jpg", "/tmp/a.png what is this?", "a /help", "/2"])
def test_messages_and_paths_are_no_commands(text: str) -> None:
    assert parse(text) is None


def test_completion_is_the_rest_of_the_first_that_matches() -> None:
    assert completion("/at") == "tach"
    assert completion("/") == ""
    assert completion("/attach x") == ""
    assert completion("at") == ""


@given(st.text())
def test_any_text_parses_or_is_a_message(text: str) -> None:
    assert parse(text) is None or parse(text).__class__ in (Call, Unknown)
    assert all(command in COMMANDS for command in matching(text))
    assert not completion(text) or any(c.name.startswith(text[1:]) for c in COMMANDS)
