"""What is meant of all that was matched: which Cards belong to a request, and which works on what.

Matching looks at each Card alone. Two that say nearly the same are both matched where one is meant, and a
Card that nothing can feed hardly is. So a Card's chance, and that of a link between two, are logistic in a
few facts about the others. The weights come with the fitted router, learned on catalogues that it was not
fitted to.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.controller.matching import CardMatch
from orchestrator.linking import Hints
from specialists.base import Card
from specialists.content import TEXT, Kind

MEANT = 0.45
"""From this chance on, a Card is meant. The F1 of tools is the same from 0.35 to 0.5."""

NOTHING = 0.15
"""Where no Card has this chance, none is meant: so it is with six of ten requests that are for other
assistants, and with one of 150 that are for these Cards."""

CONSIDERED = 0.03
"""Cards that are asked for less have no chance."""

NEXT_TO = 1
"""Cards asked for by words so many tokens apart compete."""

MISSING = 0.3
STRONG = 0.6
UNFED = 0.4
"""An attachment that nothing takes with more than MISSING, or that a STRONG Card lacks a source for, which
none has with UNFED, speaks for the Card that closes the gap."""

FAR = -3.0
"""The log-odds of a link that was not scored."""

RIDGE = 1.0


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the facts about a Card (`_card_facts`) and about a link (`_link_facts`), in their order."""

    cards: tuple[float, ...] = (0.0, 1.0, *(0.0,) * 6)
    links: tuple[float, ...] = (0.0, 1.0, *(0.0,) * 8)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a request means over foreign Cards. `chances` are in 0..1, of the Cards that have any."""

    matched: CardMatch
    cards: tuple[Card, ...]
    kinds: frozenset[Kind]
    weights: Weights
    chances: Mapping[str, float]

    def ranked(self) -> list[tuple[tuple[str, ...], float]]:
        """The sets of Cards that the request may mean, the likeliest first, with their share of belief: the
        best one, and those that differ from it in one Card. What is left of the belief is that nothing is
        asked for: what all Cards together leave open must not count as doubt between these. Only the empty
        set where no Card has a chance."""
        surest = max(self.chances, key=lambda name: self.chances[name])
        if self.chances[surest] < NOTHING:
            return [((), 1 - self.chances[surest])]
        wanted = [name for name in self.matched.order if self.chances.get(name, 0.0) > MEANT] or [surest]
        found = [tuple(wanted)]
        for name in sorted(self.chances, key=lambda name: abs(self.chances[name] - MEANT))[:5]:
            if other := [n for n in self.matched.order if (n in wanted) != (n == name)]:
                found.append(tuple(other))
        beliefs = [self._belief(names) for names in (*found, ())]
        most = max(beliefs)
        weights = [math.exp(belief - most) for belief in beliefs]
        shares = [weight / sum(weights) for weight in weights[:-1]]
        return sorted(zip(found, shares, strict=True), key=lambda entry: -entry[1])

    def hints(self, names: Sequence[str]) -> Hints:
        """What the linker is told of these Cards: log-odds of each link between two of them."""
        links: dict[tuple[str, str], float] = {}
        for (source, target, _), facts in _link_facts(self.matched, self.cards, self.kinds, names).items():
            score = float(np.dot(self.weights.links, facts))
            links[source, target] = max(score, links.get((source, target), -math.inf))
        return Hints(links, self.matched.asked, self.matched.words)

    def _belief(self, names: Sequence[str]) -> float:
        """How likely exactly these are meant, as a logarithm."""
        chosen = set(names)
        return sum(math.log(p if name in chosen else 1 - p) for name, p in self.chances.items())


def meaning(
    matched: CardMatch, cards: tuple[Card, ...], kinds: Collection[Kind], weights: Weights
) -> Meaning:
    """What was matched, weighed as a whole. `kinds` are those of the media at hand."""
    at_hand = frozenset(kinds)
    chances = {
        name: _chance(float(np.dot(weights.cards, facts)))
        for name, facts in _card_facts(matched, cards, at_hand).items()
    }
    return Meaning(matched, cards, at_hand, weights, chances)


Example = tuple[CardMatch, tuple[Card, ...], frozenset[Kind], frozenset[str], frozenset[tuple[str, str]]]
"""What was matched, over which Cards and kinds at hand; the Cards that were meant, and their links."""


def learn(examples: Iterable[Example]) -> Weights:
    """The weights that explain what was meant; those that leave everything as matched without examples."""
    cards: list[tuple[np.ndarray, bool]] = []
    links: list[tuple[np.ndarray, bool]] = []
    for matched, around, kinds, meant, linked in examples:
        cards += [(facts, name in meant) for name, facts in _card_facts(matched, around, kinds).items()]
        names = [name for name in matched.order if name in meant]
        links += [
            (facts, (source, target) in linked)
            for (source, target, _), facts in _link_facts(matched, around, kinds, names).items()
        ]
    if not cards or not links:
        return Weights()
    return Weights(_logistic(cards), _logistic(links))


def _card_facts(
    matched: CardMatch, cards: tuple[Card, ...], kinds: frozenset[Kind]
) -> Mapping[str, np.ndarray]:
    """Float [8] for each Card that has a chance: one, how much it is asked for, how much more a competitor
    is, how well its kinds and its words are fed, by a link too, and whether it closes either of two gaps."""
    by_name = {card.name: card for card in cards}
    asked = {name: matched.asked[name] for name in matched.order if matched.asked[name] > CONSIDERED}
    if not asked:
        best = max(matched.order, key=lambda name: matched.asked[name])
        asked = {best: matched.asked[best]}
    around = _Around(asked, by_name, kinds, matched)
    return {name: around.facts(name) for name in asked}


@dataclass(frozen=True, slots=True)
class _Around:
    """The Cards that have a chance, as the facts about one of them need the others."""

    asked: Mapping[str, float]
    cards: Mapping[str, Card]
    kinds: frozenset[Kind]
    matched: CardMatch

    def facts(self, name: str) -> np.ndarray:
        card, share, at = self.cards[name], self.asked[name], self.matched.at
        near = (self.asked[o] for o in self.asked if o != name and abs(at[o] - at[name]) <= NEXT_TO)
        media = [kind for kind in card.consumes if kind != TEXT]
        words = TEXT not in card.consumes or not self.kinds
        return np.array(
            [
                1.0,
                _log_odds(share),
                max(0.0, max(near, default=0.0) - share),
                min((self._fed(name, kind) for kind in media), default=1.0),
                1.0 if words else self._made(name, TEXT),
                max((self.asked[o] * _chance(self._link(o, name)) for o in self._feeders(name)), default=0.0),
                float(any(k in self.kinds and self._taken(name, k) < MISSING for k in card.consumes)),
                float(any(self._bridges(name, kind) for kind in card.produces)),
            ]
        )

    def _others(self, name: str) -> Iterable[str]:
        return (other for other in self.asked if other != name)

    def _made(self, name: str, kind: Kind) -> float:
        """How much a Card beside this one is asked for that makes the kind."""
        made = (self.asked[o] for o in self._others(name) if kind in self.cards[o].produces)
        return max(made, default=0.0)

    def _taken(self, name: str, kind: Kind) -> float:
        taken = (self.asked[o] for o in self._others(name) if kind in self.cards[o].consumes)
        return max(taken, default=0.0)

    def _fed(self, name: str, kind: Kind) -> float:
        return 1.0 if kind in self.kinds else self._made(name, kind)

    def _feeders(self, name: str) -> Iterable[str]:
        wanted = set(self.cards[name].consumes)
        return (other for other in self._others(name) if wanted.intersection(self.cards[other].produces))

    def _link(self, source: str, target: str) -> float:
        return self.matched.links.get((source, target), FAR)

    def _bridges(self, name: str, kind: Kind) -> bool:
        lacking = kind != TEXT and kind not in self.kinds
        return lacking and self._taken(name, kind) > STRONG and self._made(name, kind) < UNFED


def _link_facts(
    matched: CardMatch, cards: tuple[Card, ...], kinds: frozenset[Kind], names: Sequence[str]
) -> Mapping[tuple[str, str, Kind], np.ndarray]:
    """Float [10] for each possible link by the kind that it passes on: one, its log-odds, whether its source
    is named before its target, is the last such one, is the only one, whether the reverse is possible,
    whether the kind is at hand anyway, whether words are all there is, and whether either side gives what it
    takes."""
    by_name = {card.name: card for card in cards}
    order = {name: i for i, name in enumerate(sorted(names, key=lambda name: matched.at[name]))}
    found: dict[tuple[str, str, Kind], np.ndarray] = {}
    for target in names:
        for kind in by_name[target].consumes:
            sources = [s for s in names if s != target and kind in by_name[s].produces]
            before = [s for s in sources if order[s] < order[target]]
            last = max(before, key=lambda s: order[s], default="")
            for source in sources:
                reverse = set(by_name[target].produces) & set(by_name[source].consumes)
                facts = (
                    1.0,
                    matched.links.get((source, target), FAR),
                    source in before,
                    source == last,
                    len(sources) == 1,
                    bool(reverse),
                    kind in kinds,
                    kind == TEXT and not kinds,
                    _keeps_its_kind(by_name[source]),
                    _keeps_its_kind(by_name[target]),
                )
                found[source, target, kind] = np.array(facts, dtype=float)
    return found


def _keeps_its_kind(card: Card) -> bool:
    return set(card.consumes) == set(card.produces)


def _logistic(examples: Sequence[tuple[np.ndarray, bool]]) -> tuple[float, ...]:
    """Weights of a logistic regression with a ridge, by Newton's method; the first fact is always one."""
    facts = np.stack([facts for facts, _ in examples])
    truth = np.array([float(true) for _, true in examples])
    weights = np.zeros(facts.shape[1])
    ridge = np.diag([0.0, *(RIDGE,) * (len(weights) - 1)]) + 1e-6 * np.eye(len(weights))
    for _ in range(30):
        chances = 1 / (1 + np.exp(-np.clip(facts @ weights, -30, 30)))
        slope = facts.T @ (chances - truth) + ridge @ weights
        weights -= np.linalg.solve((facts.T * (chances * (1 - chances))) @ facts + ridge, slope)
    return tuple(float(round(weight, 4)) for weight in weights)


def _chance(score: float) -> float:
    return 1 / (1 + math.exp(-min(max(score, -7.0), 7.0)))


def _log_odds(share: float) -> float:
    bounded = min(max(share, 1e-3), 1 - 1e-3)
    return math.log(bounded / (1 - bounded))
