"""What a question about a clip asks for: what was seen or heard, and before, after or beside what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from memory.sentences import STOP, words
from specialists.content import AUDIO, IMAGE, Kind

Relation = Literal["", "while", "after", "before"]

_RELATION = re.compile(
    r"\b(?:(?P<after>(?:right |just |shortly |soon |immediately |directly )?after)"
    r"|(?P<before>(?:right |just |shortly |immediately |directly )?before|prior to)"
    r"|(?P<while>while|when|whilst|during|as soon as|at the moment (?:that|when)|at the same time as))\b",
    re.IGNORECASE,
)
_ASKS_WHEN = re.compile(r"\W*(?:(?:and|so|but|at what time|since|until)\s+)*$", re.IGNORECASE)
"""What stands before a "when" that asks for the time itself, and does not name another event."""

_HEARD = re.compile(
    r"\b(?:sa(?:y|ys|id|ying)|speak\w*|spoke\w*|talk\w*|told|tell\w*|mention\w*|hear\w*|discuss\w*|announc\w*"
    r"|explain\w*|narrat\w*|quote\w*|spoken|conversation|speech|voice)\b",
    re.IGNORECASE,
)
_SEEN = re.compile(
    r"\b(?:s(?:ee|een|aw)|show[ns]?|showed|showing|shot|visible|appear\w*|disappear\w*|sign\w*|chart\w*|slides?"
    r"|picture[ds]?|photo\w*|image\w*|screen\w*|written|read[s]?|look\w*|frame\w*|caption\w*|scene\w*|display\w*"
    r"|comes? up|title)\b",
    re.IGNORECASE,
)
_BOARD = r"(?:sign|slide|chart|caption|title|screen|poster|board|label)s?"
_SIGN_SAYS = re.compile(
    rf"\b{_BOARD} (?:that )?(?:sa(?:y|ys|id)|tells?|told)\b"
    rf"|\b(?:does|did) (?:the|a|that|this) (?:\w+ ){{0,2}}?{_BOARD} (?:say|tell)\b",
    re.IGNORECASE,
)


_VAGUE = re.compile(
    r"\b(?:com(?:e|es|ing)|came|happen\w*|time|moment|point|first|thing|some(?:one|body|thing)|anybody|anyone|man"
    r"|woman|men|women|people|person|guy|lady)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class MomentQuestion:
    """A question in two parts: the `target` that it asks for, and the `anchor` that this stands beside.

    `relation` says how: at the same time ("while"), "after" or "before"; empty where there is no anchor.
    The kinds are IMAGE for what is seen, AUDIO for what is heard, None where the words tell neither.
    """

    target: str
    kind: Kind | None
    anchor: str = ""
    anchor_kind: Kind | None = None
    relation: Relation = ""

    @classmethod
    def of(cls, text: str) -> MomentQuestion:
        for found in _RELATION.finditer(text):
            target, anchor = text[: found.start()], text[found.end() :]
            if _ASKS_WHEN.fullmatch(target) and (found["while"] or "").casefold() == "when":
                continue  # "When does the red chart come?"
            if not target.strip():  # "After the cat appeared, what was said?"
                anchor, comma, target = anchor.partition(",")
                if not comma:
                    continue
            if not re.search(r"\w", anchor):
                continue
            relation: Relation = "after" if found["after"] else "before" if found["before"] else "while"
            return cls(target.strip(), _kind(target), anchor.strip(" ?.!"), _kind(anchor), relation)
        return cls(text, _kind(text))


def telling(clause: str) -> str:
    """The words of a clause that say which moment is meant, without those that say how it was perceived, or
    nothing in particular: they stand in no record. Empty where there are no others."""
    bare = _VAGUE.sub(" ", _SEEN.sub(" ", _HEARD.sub(" ", clause)))
    return " ".join(word for word in words(bare) if word not in STOP)


def _kind(clause: str) -> Kind | None:
    """What the words of a clause ask for; what stands on a sign that "says" it is seen."""
    if _SIGN_SAYS.search(clause):
        return IMAGE
    heard, seen = _HEARD.search(clause), _SEEN.search(clause)
    if heard and seen:  # the word that comes first is what is asked: "which picture shows a talk"
        return AUDIO if heard.start() < seen.start() else IMAGE
    return AUDIO if heard else IMAGE if seen else None
