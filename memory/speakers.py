"""Whose words a question asks for: the person's, the assistant's, or those of somebody by name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from memory.sentences import STOP

LONGEST = 1000
"""Characters beyond which a text is no question."""
LABEL = 40
"""A name with a colon stands within so many characters at the beginning of what somebody said."""

_EVER = r"(?:\s+(?:ever|also|already|just|again|not|once))?"
_SAYS = (
    r"(?:say|tell|mention|ask|write|promise|suggest|recommend|advise|explain|answer|reply|claim|report|announce|complain"
    r"|call|describe|talk|speak|warn|remind|propose|admit|confess|dictate|order)"
)
_SAID = (
    r"(?:said|told|mentioned|asked|wrote|promised|suggested|recommended|advised|explained|answered|replied|claimed"
    r"|reported|announced|complained|called|described|talked|spoke|warned|reminded|proposed|admitted|confessed|dictated"
    r"|ordered|written|spoken)"
)
_PERSON = re.compile(
    rf"\b(?:did|had|have|has)\s+i{_EVER}\s+(?:{_SAYS}|{_SAID})\b|\bi(?:\s+have|\s+had|['’]ve|['’]d)?{_EVER}\s+{_SAID}\b"
    r"|\bmy (?:own )?words\b",
    re.IGNORECASE,
)
_ASSISTANT = re.compile(
    rf"\b(?:did|had|have)\s+you{_EVER}\s+(?:{_SAYS}|{_SAID}|give me|given me)\b"
    rf"|(?<!\btold )(?<!\bgave )\byou(?:\s+have|\s+had|['’]ve|['’]d)?{_EVER}\s+(?:{_SAID}|gave me)\b"
    r"|\byour (?:own )?(?:answer|reply|advice|suggestion|recommendation|words|explanation)\b",
    re.IGNORECASE,
)
_NAME = r"(?P<name>[^\W\d_][\w.'’-]*(?:\s+[^\W\d_][\w.'’-]*)?)"
_BY_NAME = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:did|does|had|has)\s+(?:the\s+|my\s+|our\s+)?{_NAME}{_EVER}\s+(?:{_SAYS}|{_SAID}|think|want)\b",
        rf"\baccording to (?:the\s+|my\s+|our\s+)?{_NAME}",
        rf"(?:^|[,;:.?!]|\b(?:as|that|what|which|when|where|how|why|the|my|our)\s)\s*{_NAME}{_EVER}\s+{_SAID}\b",
    )
)
_NOBODY = STOP | frozenset(
    ("anyone", "anybody", "someone", "somebody", "everyone", "everybody", "nobody", "first", "then", "later")
)


@dataclass(frozen=True, slots=True)
class Speaker:
    """Whose words are asked for: a `role` of Record, or a `name`, casefolded, that stands before them."""

    role: str = ""
    name: str = ""

    def spoke(self, role: str, text: str) -> bool:
        """Whether a record of this role, with this text, is theirs."""
        if self.role:
            return role == self.role
        label, colon, _ = text[:LABEL].partition(":")
        return bool(colon) and set(self.name.split()) <= set(label.casefold().split())


def speaker(text: str) -> tuple[Speaker | None, str]:
    """Whose words a question asks for, the first that it names, None where it does not say; and the question
    without saying so: "what did I tell you about the fence" would find what speaks of telling. A name stays,
    which may also be what it is about."""
    if len(text) > LONGEST:
        return None, text
    found: list[tuple[int, Speaker, str]] = []
    for role, pattern in (("user", _PERSON), ("assistant", _ASSISTANT)):
        if match := pattern.search(text):
            rest = f"{text[: match.start()]} {text[match.end() :]}"
            found.append((match.start(), Speaker(role), " ".join(rest.split())))
    for pattern in _BY_NAME:
        if (match := pattern.search(text)) and (name := _name(match["name"])):
            found.append((match.start(), Speaker(name=name), text))
    return min(found, key=lambda item: item[0])[1:] if found else (None, text)


def _name(found: str) -> str:
    """Without the small words beside it; empty where no name is left."""
    kept = [word for word in re.sub(r"['’]s?\b", "", found.casefold()).split() if word not in _NOBODY]
    return " ".join(kept)
