"""What is meant of all that was matched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.controller.matching import CardMatch
from orchestrator.controller.structure import NOTHING, Weights, learn, meaning
from specialists.base import Card

CARDS = (
    Card("scan", "", ("image",), ("text",)),
    Card("read", "", ("image",), ("text",)),
    Card("translate", "", ("text",), ("text",)),
    Card("speak", "", ("text",), ("audio",)),
    Card("map", "", ("geojson",), ("image",)),
)
NAMES = tuple(card.name for card in CARDS)
OTHERS = tuple(Card(f"other{n}", "", ("text",), ("text",)) for n in range(400))


def matched(
    at: dict[str, int] | None = None, links: dict[tuple[str, str], float] | None = None, **asked: float
) -> CardMatch:
    shares = dict.fromkeys(NAMES, 0.0) | asked
    places = {name: (at or {}).get(name, i) for i, name in enumerate(shares)}
    return CardMatch(shares, tuple(sorted(shares, key=lambda name: places[name])), places, links or {})


@pytest.mark.parametrize("others", [4, 400])
def test_many_other_cards_are_no_doubt(others: int) -> None:
    cards = (*CARDS, *OTHERS[:others])
    found = matched(translate=0.9, speak=0.2, **{card.name: 0.02 for card in OTHERS[:others]})
    ranked = meaning(found, cards, (), Weights()).ranked()
    assert ranked[0][0] == ("translate",)
    assert ranked[0][1] - ranked[1][1] > 0.3
    assert sum(share for _, share in ranked) <= 1


def test_where_nothing_is_asked_for_nothing_is_meant() -> None:
    found = matched(translate=0.1, **{card.name: 0.02 for card in OTHERS})
    (only,) = meaning(found, (*CARDS, *OTHERS), (), Weights()).ranked()
    assert only == ((), pytest.approx(0.9))


def test_what_is_rather_meant_than_not_is_called_though_it_is_no_more_than_likely() -> None:
    assert meaning(matched(translate=NOTHING + 0.1), CARDS, (), Weights()).ranked()[0][0] == ("translate",)


def examples() -> list:
    """Of two Cards that say the same the nearer one is meant; words go by way of the translation."""
    both = matched(
        {"scan": 1, "read": 1, "translate": 3, "speak": 5}, scan=0.9, read=0.6, translate=0.8, speak=0.9
    )
    one = matched({"read": 1, "speak": 5}, read=0.6, speak=0.9)
    meant = frozenset({"scan", "translate", "speak"})
    links = frozenset({("scan", "translate"), ("translate", "speak")})
    kinds = frozenset({"image"})
    return [
        *[(both, CARDS, kinds, meant, links)] * 20,
        *[(one, CARDS, kinds, frozenset({"read", "speak"}), frozenset({("read", "speak")}))] * 20,
    ]


def test_of_two_that_say_the_same_one_is_meant() -> None:
    weights = learn(examples())
    both, one = examples()[0][0], examples()[-1][0]
    assert meaning(both, CARDS, ("image",), weights).ranked()[0][0] == ("scan", "translate", "speak")
    assert meaning(one, CARDS, ("image",), weights).ranked()[0][0] == ("read", "speak")


def test_a_link_goes_to_what_was_named_last_before() -> None:
    weights = learn(examples())
    hints = meaning(examples()[0][0], CARDS, ("image",), weights).hints(("scan", "translate", "speak"))
    assert hints.links["translate", "speak"] > 0 > hints.links["scan", "speak"]
    assert hints.links["scan", "translate"] > 0


def test_without_examples_what_was_matched_counts_as_it_is() -> None:
    assert learn([]) == Weights()
    found = matched(links={("scan", "speak"): 1.5}, scan=0.9, speak=0.8)
    meant = meaning(found, CARDS, ("image",), Weights())
    assert meant.chances["scan"] == pytest.approx(0.9)
    assert meant.hints(("scan", "speak")).links == {("scan", "speak"): 1.5}


@given(
    st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1)),
    st.lists(st.sampled_from(["image", "audio", "geojson"])),
    st.lists(st.floats(-5, 5), min_size=8, max_size=8),
)
def test_whatever_the_weights_belief_is_shared(
    asked: dict[str, float], kinds: list[str], weights: list[float]
) -> None:
    meant = meaning(matched(**asked), CARDS, kinds, Weights(tuple(weights)))
    ranked = meant.ranked()
    assert 0 < sum(share for _, share in ranked) <= 1 + 1e-9
    assert all(set(names) <= set(NAMES) for names, _ in ranked)
    assert np.isfinite(list(meant.hints(NAMES).links.values())).all()
