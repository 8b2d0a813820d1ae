"""Whether anything that recall found answers the question at all.

Recall always gives its nearest. What tells besides is how well the first hit answers (`Hit.score`, from
`memory.answering`), and how far it is ahead of the tenth: where something answers, it stands out; where
nothing does, all are about equally far off. A logistic of the two says how likely it is that one answers.
`python -m benchmarks.answerable` measures it, and with `--fit` finds the weights again.

It sees what is about something else altogether. That a detail was never said of a thing that was spoken of,
or was said of somebody else, shows in neither of the two, and is seldom seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from memory.records import Hit
from memory.sentences import sentences

LOOKED_AT = 10
"""So many of the first hits that may be answers are looked at."""

ASKED_FOR = 2 * LOOKED_AT
"""Of so many hits these are taken: some do nothing but ask."""

TELLING = ("", "fact", "episode")
"""The levels of records that tell something; what sums up tells nothing that these do not."""

COMPARED = 0.2
"""The best score is above this where records were compared with the question word by word. Ranks alone come
to less; and beside compared ones, those that were not are below 0."""

BEST, LEAD, BIAS = 3.31, 2.34, -3.09
"""What the first score and its lead weigh in the logarithm of the odds."""

DOUBTFUL = 0.36
"""Below this nothing seems to answer. One in 20 questions whose answer was found is below it as well; of
those that share hardly a word with their answer, one in nine."""


def answerable(hits: Sequence[Hit]) -> float:
    """How likely it is that one of the hits answers the question that brought them, 0 to 1.

    `hits` are those of a recall with a `k` of `ASKED_FOR`, best first. 0.0 without any; 1.0 where it cannot
    be told: without vectors of tokens, and where too little is stored for one to stand out.
    """
    if not hits:
        return 0.0
    told = signals(hits)
    if told is None:
        return 1.0
    best, lead = told
    return 1.0 / (1.0 + math.exp(-(BEST * best + LEAD * lead + BIAS)))


def signals(hits: Sequence[Hit]) -> tuple[float, float] | None:
    """The best score and its lead over the tenth; None where there are not ten that were compared.

    Records that do nothing but ask are no answers: the question itself may have been asked before.
    """
    told = [hit.score for hit in hits if hit.score >= 0.0 and not _asks_only(hit.record.text)]
    scores = sorted(told, reverse=True)[:LOOKED_AT]
    if len(scores) < LOOKED_AT or scores[0] < COMPARED:
        return None
    return scores[0], scores[0] - scores[-1]


def _asks_only(text: str) -> bool:
    return all(sentence.rstrip("\"'”’»)] ").endswith("?") for sentence in sentences(text))
