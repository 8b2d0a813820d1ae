"""Budgets on the command line, with the real models."""

from __future__ import annotations

import json

from tests.integration.conftest import Run


def test_a_timed_call_is_what_the_next_command_plans_with(antiphon: Run) -> None:
    asked = antiphon("ask", "What is the capital of France?", "--within", "0.01", "--json")
    assert asked.returncode == 0, asked.stderr
    answer = json.loads(asked.stdout)
    assert answer["text"].endswith("This took longer than the 0.01 seconds allowed.")
    assert [tradeoff["action"] for tradeoff in answer["plan"]["tradeoffs"]] == ["late"]
    rows = json.loads(antiphon("specialists", "list", "--json").stdout)
    (chat,) = [row["latency"] for row in rows if row["name"] == "chat"]
    assert chat["calls"] == 1
    planned = json.loads(antiphon("plan", "What is the capital of Spain?", "--json").stdout)
    assert planned["estimate"]["seconds"] == chat["p95"]
    assert planned["tradeoffs"] == []
    told = antiphon("plan", "What is the capital of Spain?", "--within", "0.01").stdout
    assert "nothing answers sooner" in told
    assert "This takes longer than the 0.01 seconds allowed." in told


def test_limits_that_cannot_be_are_named(antiphon: Run) -> None:
    refused = antiphon("ask", "Hello", "--within", "0")
    assert refused.returncode == 1
    assert "budget" in refused.stderr
