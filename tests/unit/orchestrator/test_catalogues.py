"""Catalogues that matching and linking learn from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.controller.catalogues import Catalogue, built_in, digest, read
from orchestrator.controller.text_form import offers
from specialists.base import Card
from specialists.errors import BadInput


@pytest.mark.parametrize("catalogue", built_in(), ids=lambda catalogue: catalogue.name)
def test_every_plan_uses_tools_there_are_and_links_that_kinds_allow(catalogue: Catalogue) -> None:
    cards = {card.name: card for card in catalogue.cards}
    assert len(cards) == len(catalogue.cards) >= 40
    for planned in catalogue.requests:
        assert planned.tools, planned.request.text
        for source, target in planned.links:
            assert {source, target} <= set(planned.tools)
            assert set(cards[source].produces) & set(cards[target].consumes), planned.request.text


def test_no_two_catalogues_share_a_name() -> None:
    names = [catalogue.name for catalogue in built_in()]
    assert len(set(names)) == len(names)


def test_a_digest_tells_a_changed_word() -> None:
    first, *rest = built_in()
    changed = replace(first, cards=(replace(first.cards[0], description="else"), *first.cards[1:]))
    assert digest((changed, *rest)) != digest(built_in())


def test_a_line_that_is_no_catalogue_is_named(tmp_path: Path) -> None:
    good = {"name": "x", "tools": [], "requests": []}
    path = tmp_path / "catalogues.jsonl"
    path.write_text(json.dumps(good) + "\n" + json.dumps({"name": "y"}) + "\n", encoding="utf-8")
    with pytest.raises(BadInput, match="line 2"):
        read(path)


def test_a_card_is_read_as_words_whatever_its_name_looks_like() -> None:
    for name in ("speech_to_text", "speech-to-text", "SpeechToText", "Speech to Text"):
        card = Card(name, "Writes down what is said", ("audio",), ("text",), examples=("what did she say",))
        assert offers(card) == (
            "speech to text: Writes down what is said [audio to text]",
            "speech to text: what did she say",
        )
