"""Pages of a document: "page 3", "pages 2 to 4 and 7", "the last two pages"."""

from __future__ import annotations

import re

from orchestrator.extraction.words import NUMBER, number, pattern

_PAGE = r"(?:pages?|pgs?\.?|pp\.?|p\.|seiten?|p[aá]ginas?|pagin[ae])"
_RUN = r"\s*(?:-|–|to|through|thru|bis|à|a|al|hasta)\s*"
_AND = r"\s*(?:,|and|&|und|et|y|e|,\s*and)\s*"
_ITEM = rf"{NUMBER}(?:{_RUN}(?:{_PAGE}\s*)?{NUMBER})?"

_LISTED = pattern(
    rf"(?P<open>\b(?:from|after|starting (?:at|from|on)|up to|until|till|before|ab|desde|hasta|"
    r"bis)\s+(?:the )?)?"
    rf"\b{_PAGE}\s*(?:no\.?|number|nr\.?|#)?\s*(?P<items>{_ITEM}(?:{_AND}(?:{_PAGE}\s*)?{_ITEM})*)"
    rf"(?![\w:%]|[.,]\d)(?P<on>\s+(?:on\b|onwards?\b|forward\b))?"
)
_ORDINAL = pattern(
    r"(?P<skip>\b(?:skip|ignore|leave out|without|except|except for|not|all but|apart from)\s+(?:the\s+)?)?"
    r"\b(?P<nth>first|second|third|last|final|\d+(?:th|st|nd|rd))\s+"
    rf"(?:(?P<many>{NUMBER}|few)\s+)?pages?\b(?! (?:number|count|break|title)\b)"
)
_GERMAN = pattern(r"\b(?:der|die|auf der) (?P<nth>ersten?|letzten?|zweiten?|dritten?) seiten?\b")
_ASKED_ABOUT = pattern(rf"\bis there an? {_PAGE}|\bis {_PAGE}\s*{NUMBER} (?:in|on|there|missing|part)\b")
_WORDS = {"first": 1, "second": 2, "third": 3, "zweite": 2, "dritte": 3, "erste": 1, "letzte": -1}


def pages(text: str) -> str | None:
    """The pages that `text` names, as ranges: "2-4,7"; "3-" from the third on, "-2" the last two."""
    if _ASKED_ABOUT.search(text):
        return None
    found = [*(_listed(m) for m in _LISTED.finditer(text)), *(_ordinal(m) for m in _ORDINAL.finditer(text))]
    found += [_nth(m["nth"], 1) for m in _GERMAN.finditer(text)]
    named = list(dict.fromkeys(ranges for ranges in found if ranges))
    return ",".join(named) if named else None


def _listed(found: re.Match[str]) -> str:
    items = []
    for first, last in re.findall(rf"({NUMBER})(?:{_RUN}(?:{_PAGE}\s*)?({NUMBER}))?", found["items"], re.I):
        low, high = int(number(first)), int(number(last or first))
        if not 1 <= low <= high:
            return ""
        items.append(f"{low}-{high}" if high > low else str(low))
    opening = (found["open"] or "").strip().lower()
    if len(items) > 1 or "-" in items[0]:
        return ",".join(items)
    page = int(items[0])
    if opening.startswith(("up to", "until", "till", "hasta", "bis")):
        return _to(page)
    if opening.startswith("before"):
        return _to(page - 1)
    if opening.startswith("after"):
        return f"{page + 1}-"
    # "Read me this from page 3" is that page alone.
    return f"{page}-" if found["on"] or opening.startswith(("starting", "ab", "desde")) else str(page)


def _ordinal(found: re.Match[str]) -> str:
    if found["many"] and not re.fullmatch(NUMBER, found["many"], re.IGNORECASE):
        return ""
    many = int(number(found["many"])) if found["many"] else 1
    nth = found["nth"].lower()
    if found["skip"]:
        return f"{many + 1}-" if nth == "first" else ""
    return _nth(nth, many) if many == 1 or nth in ("first", "last", "final") else ""


def _nth(word: str, many: int) -> str:
    word = word.lower().removesuffix("n")
    if word in ("last", "final", "letzte"):
        return f"-{many}"
    if many > 1:
        return _to(many)
    return str(_WORDS.get(word) or int(word[:-2]))


def _to(page: int) -> str:
    return "1" if page == 1 else f"1-{page}" if page > 1 else ""
