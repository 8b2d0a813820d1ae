"""Which of several attachments is meant: "the second picture", "the last two", or a file's name.

Looking at one too many costs time, missing one costs the answer: where words speak of the others as well, or
of all, nothing is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath

from orchestrator.extraction.words import FOLLOWS, NUMBER, number, pattern
from specialists.content import AUDIO, DOCUMENT, IMAGE, VIDEO, Kind

NOUNS: Mapping[Kind, str] = {
    IMAGE: r"pictures?|photos?|photographs?|images?|pics?|screenshots?|snapshots?|scans?|bild(?:er|ern)?|"
    r"fotos?|im[aá]gen(?:es)?|foto's",
    AUDIO: r"recordings?|audios?|clips?|tracks?|voice ?notes?|voice ?messages?|voice ?memos?|memos?|"
    r"voicemails?|messages?|aufnahmen?|enregistrements?|grabaci[oó]n(?:es)?",
    VIDEO: r"videos?|clips?|films?|movies?|vid[eé]os?|v[ií]deos?",
    DOCUMENT: r"documents?|docs?|pdfs?|papers?|dokumente?|documentos?",
}
_ANY = r"files?|attachments?|ones?|dateien?|fichiers?|archivos?"

_ORDINALS: Mapping[str, int] = {
    "first": 1,
    "1st": 1,
    "second": 2,
    "2nd": 2,
    "third": 3,
    "3rd": 3,
    "last": -1,
    "final": -1,
    "erste": 1,
    "ersten": 1,
    "zweite": 2,
    "zweiten": 2,
    "dritte": 3,
    "dritten": 3,
    "letzte": -1,
    "letzten": -1,
    "première": 1,
    "premier": 1,
    "deuxième": 2,
    "seconde": 2,
    "troisième": 3,
    "dernière": -1,
    "dernier": -1,
    "primera": 1,
    "primer": 1,
    "segunda": 2,
    "segundo": 2,
    "tercera": 3,
    "tercer": 3,
    "última": -1,
    "último": -1,
}
_ORD = rf"(?:\b(?:{'|'.join(_ORDINALS)}|\d+th|left(?:-hand|most)?|right(?:-hand|most)?|middle)\b)"
_ORDS = rf"{_ORD}(?:(?:,\s*|\s+(?:and|or|&|und|et|y)\s+(?:the\s+)?){_ORD})*"
_NUMBERS = rf"{NUMBER}(?:\s*(?:,|and|or|to|through|&|-|–|und|et|y)\s*{NUMBER})*"
_UNITS = r"(?!\s*(?:minutes?|mins?|seconds?|secs?|hours?|[x×]|:\d|pixels?|px|mb|kb|%))"
_OUT = (
    r"(?:ignore|ignoring|skip|skipping|leave out|leaving out|except|except for|without|not|all but|forget|"
    r"everything but|other than|apart from|never mind|excluding)\s+(?:the\s+|my\s+)?"
)
_WHOLE = pattern(
    r"\b(?:both|all|each|every|compare|comparison|differ\w*|others?|rest|together|than|same|either|neither|"
    r"alle|beide|toutes?|tous|ambos|todas|todos)\b"
)
_REST_OUT = pattern(rf"{_OUT}(?:rest|others?)\b")
_BARE = pattern(
    rf"(?<!not )\b(?:the|my|and|die|das|der|la|le|el)\s+({_ORD})(?:{FOLLOWS})|(?:^|[.?!]\s+)({_ORD})\s*:"
)


def among(text: str, named: str, kinds: Sequence[Kind], names: Sequence[str]) -> tuple[int, ...]:
    """The places of those that are meant, from 0; empty where the words do not choose.

    `kinds` and `names` are of attachments that one step would take. `text` holds the words as
    `words.instruction` gives them, `named` as they were written.
    """
    if len(kinds) < 2:
        return ()
    by_name = _by_name(named, names)
    if by_name:
        return by_name
    of_one_kind = len(set(kinds)) == 1
    chosen: set[int] = set()
    for kind in dict.fromkeys(kinds):
        places = [place for place, one in enumerate(kinds) if one == kind]
        if len(places) > 1:
            nouns = NOUNS.get(kind, re.escape(kind))
            picked = _picked(text, nouns, _ANY if of_one_kind else "", len(places))
            chosen |= {places[n] for n in picked}
            if picked:
                chosen |= {place for place, one in enumerate(kinds) if one != kind}
    return tuple(sorted(chosen)) if len(chosen) < len(kinds) else ()


def _by_name(text: str, names: Sequence[str]) -> tuple[int, ...]:
    """Those whose file names stand in the text, by their stems too where no plain word looks like that."""
    found = []
    for place, name in enumerate(names):
        stem = PurePath(name).stem
        forms = [name] if name else []
        if re.search(r"[\d_-]", stem) and len(stem) > 3:
            forms.append(stem)
        if any(re.search(rf"(?<![\w.-]){re.escape(form)}(?![\w-])", text, re.IGNORECASE) for form in forms):
            found.append(place)
    return tuple(found) if len(found) < len(names) else ()


def _picked(text: str, nouns: str, any_noun: str, count: int) -> set[int]:
    """The places that the words choose among `count` of one kind."""
    inside: set[int] = set()
    outside: set[int] = set()
    for places, is_out in _mentions(text, nouns, any_noun, count):
        (outside if is_out else inside).update(places)
    if not inside and not outside:
        return set()
    inside |= {place for found in _BARE.finditer(text) for place in _places(found[1] or found[2], count)}
    inside -= outside
    if outside and not inside:
        return set(range(count)) - outside
    if _WHOLE.search(_REST_OUT.sub(" ", text)) and len(inside) < 2 and not outside:
        return set()
    return inside


def _mentions(text: str, nouns: str, any_noun: str, count: int) -> Iterator[tuple[list[int], bool]]:
    out = rf"(?P<out>{_OUT})?"
    of_them = r"(?:of (?:the|these|those|my|your|them)\s+)?(?:(?:attached|uploaded|sent|two|three|\d+)\s+)?"
    noun = rf"(?:{nouns})\b"
    ones = rf"(?:{any_noun})\b(?!\s+(?:i|you|we|he|she|they|that|which|who)\b)" if any_noun else "(?!)"
    ordered = rf"{out}(?P<ords>{_ORDS})\s+{of_them}(?:{noun}|{ones})"
    for found in pattern(ordered).finditer(text):
        if not re.search(
            r"\b(?:this|that|it|here|which\b.*) (?:is|was) (?:the|my)\s+$", text[: found.start()]
        ):
            yield _places(found["ords"], count), bool(found["out"])
    run = rf"{out}(?P<side>first|last|final)\s+(?P<many>{NUMBER})\s+(?:{nouns}|{any_noun or '(?!)'})\b"
    for found in pattern(run).finditer(text):
        many = min(int(number(found["many"])), count)
        places = range(many) if found["side"].lower() == "first" else range(count - many, count)
        yield list(places), bool(found["out"])
    numbered = rf"{out}\b(?:{nouns}|file|attachment)\s*(?:no\.?|number|nr\.?|#)?\s*(?P<n>{_NUMBERS})\b"
    for found in pattern(rf"{numbered}{_UNITS}{FOLLOWS}").finditer(text):
        yield _numbered(found["n"], count), bool(found["out"])
    beside = r"(?:picture|photo|image|file|one)\s+(?:on|to) the (?P<ords>left|right)(?: of the (?:two|pair))?"
    if count == 2:
        for found in pattern(rf"{out}\b{beside}{FOLLOWS}").finditer(text):
            yield _places(found["ords"], count), bool(found["out"])
    if count > 1 and any_noun:
        both = rf"{out}\bthe (?P<ords>{_ORD}) and the (?P<more>{_ORD}){FOLLOWS}"
        for found in pattern(both).finditer(text):
            yield _places(found["ords"], count) + _places(found["more"], count), bool(found["out"])


def _places(words: str, count: int) -> list[int]:
    """Ordinals as places from 0, less those that there are not."""
    places = []
    for word in re.findall(_ORD, words.lower()):
        if word.startswith(("left", "right")):
            places += [0 if word.startswith("left") else 1] if count == 2 else []
        elif word == "middle":
            places += [count // 2] if count % 2 else []
        else:
            n = _ORDINALS.get(word) or int(word[:-2])
            places.append(count - 1 if n < 0 else n - 1)
    return [place for place in places if 0 <= place < count]


def _numbered(words: str, count: int) -> list[int]:
    """Numbers and runs of numbers as places from 0; none where one of them is beyond what there is."""
    places: list[int] = []
    for first, last in re.findall(rf"({NUMBER})(?:\s*(?:-|–|to|through)\s*({NUMBER}))?", words.lower()):
        places += range(int(number(first)) - 1, int(number(last or first)))
    return places if all(0 <= place < count for place in places) else []
