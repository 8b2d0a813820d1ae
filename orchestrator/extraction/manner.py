"""How something is to be made: the style and size of a picture, the speed of speech or film."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestrator.extraction.words import FOLLOWS, MASK, NEGATED, NUMBER, number, pattern

_ALWAYS = (
    r"pixel[- ]art|line[- ]art|low[- ]poly|anime|manga|photo-?realistic|black[- ]and[- ]white|stained glass|"
    r"art deco|art nouveau|pop art|impressionist|expressionist|surrealist|cubist|isometric|ukiyo-e|steampunk"
)
"""Said of a picture, these are its style."""

_ALSO = (
    r"(?:pencil|charcoal|ink|pen|crayon|chalk|pastel|line) (?:sketch|drawing)|oil painting|oils?|"
    r"water-?colou?rs?|aquarelle?|acrylics?|gouache|charcoal|pastels?|crayons?|comics?|comic strip|cartoon|"
    r"caricature|woodcut|linocut|fresco|mosaic|collage|sketch|3d render|vector art|"
    r"graffiti|engraving|etching|sepia"
)
"""These may also be what a picture shows: a man who reads a comic."""

_MADE = r"drawing|painting|picture|image|version|portrait|illustration|poster|logo|icon|rendering|look|scene"

_NAMED = pattern(
    r"\b(?:in|im|à|dans|al|nello) (?:the |le )?(?:styles?|stil|estilo|stile) (?:of|von|de|di) (?:the |an? )?"
    rf"(\d{{2,4}}s|[^\W\d_][\w'-]*(?:\.? [^\W\d_][\w'-]*){{0,3}}?){FOLLOWS}"
)
_AFTER_A = pattern(rf"\b(?:as|in|into|like|with) (?:an? )?({_ALWAYS}|{_ALSO})(?: style)?{FOLLOWS}")
_A_SOMETHING = pattern(
    rf"\b(?:an?|the|one|some) ({_ALWAYS}|{_ALSO})(?= (?:of|about|showing|with|style|{_MADE})\b)"
)
_MAKE_A = pattern(
    rf"\b(?:make|do|draw|paint|create|produce|want|be)(?: \w+)? an? ({_ALWAYS}|{_ALSO})(?= of\b|{FOLLOWS})"
)
_STYLED = pattern(
    rf"\b({_ALWAYS}|{_ALSO}|flat|comic|retro|vintage|minimalist|naive|gothic|baroque)[- ]style\b"
)
_APART = pattern(rf"(?:^|,\s*)({_ALWAYS}|{_ALSO})(?=\s*(?:$|[,.;!?]))")
_PLAIN = pattern(rf"(?:^|\b(?:an?|some|my|the) )({_ALWAYS})\b")
_PERSON = re.compile(r"\b((?:(?:[A-Z][\w']+|[Vv]an|[Dd]e) ){0,2}[A-Z][\w']+)[- ]style\b")
_NO_STYLE = pattern("the|same|this|that|my|your|what|which|any|his|her|their|our|another|new|its|old")

_SIZE = pattern(
    r"(?<![\d.:/])(\d{2,5})\s*(?:px\s*)?(?:x|by|\*|mal)\s*(\d{2,5})(?![\d.:/])"
    r"(?!\s*(?:m|cm|mm|km|metres?|meters?|inch(?:es)?|in|ft|feet|foot|people|tiles|grid|%)\b)"
)
_SMALLEST = 64
"""Pixels: "12 by 16" is a size of something else."""
_WIDTH = pattern(r"\b(\d{2,5})\s*(?:px|pixels?) (?:wide|in width|across)\b|\bwidth (?:of )?(\d{2,5})\b")
_HEIGHT = pattern(r"\b(\d{2,5})\s*(?:px|pixels?) (?:tall|high|in height)\b|\bheight (?:of )?(\d{2,5})\b")
_FRAME = (
    r"(?:picture|photo|image|format|orientation|mode|wallpaper|banner|version|poster|illustration|header)"
)
_WIDE = pattern(
    rf"\b(?:wide|widescreen|panoramic|horizontal) {_FRAME}\b|\blandscape (?:format|orientation|mode)\b"
)
_TALL = pattern(
    r"\b(?:tall|upright|vertical) (?:picture|photo|image|format|poster|version|illustration|banner)\b"
    r"|\bportrait (?:format|orientation|mode)\b"
)
_SQUARE = pattern(r"\bsquare (?:picture|photo|image|format|version|illustration)\b")

_TIMES_AS_FAST = pattern(rf"\b({NUMBER}(?:\.\d+)?)\s*(?:x|times)(?: the| normal)? (?:speed|as fast|faster)\b")
_AT_SPEED = pattern(rf"\b(?:at|with|speed of) ({NUMBER})\s?x\b")
_NAMED_SPEED = pattern(
    r"\b(?:at |in )?(half|double|twice|triple|normal)(?: the| normal)? (?:speed|as fast)\b"
)
_NAMED_SPEEDS = {"half": 0.5, "double": 2.0, "twice": 2.0, "triple": 3.0, "normal": 1.0}

_MUCH = r"(?:very|much|really|way|far|a lot|super|extra|so|too)"
_BIT = r"(?:a (?:little|bit|tad|touch)(?: bit| more)?|slightly|somewhat)"
_PACE = r"slow(?:ly|er)?|more slowly|fast(?:er)?|quick(?:ly|er)?|more quickly"
_DEGREE = rf"(?:(?P<much>{_MUCH})|(?P<bit>{_BIT}))?\s*"
_END = (
    rf"(?=\s*(?:$|[.,;!?){MASK}-]|"
    r"(?:please|pls|plz|this time|again|so|for|now|and|by|because|i|than|as|to me)\b))"
)
_SAYING = (
    r"\b(?:say|speak|read|talk|tell|repeat|narrate|dictate|pronounce|recite|play|voice|re-?speak|go|slow)\b"
)
_SPOKEN_SO = pattern(
    rf"{_SAYING}(?P<between>(?: [\w'{MASK}-]+,?){{0,8}}?),? (?:but )?{_DEGREE}(?P<pace>{_PACE}){_END}"
)
_SO_VOICE = pattern(
    rf"\b(?:in|with|at|using) an? {_DEGREE}(?P<pace>slow(?:er)?|fast(?:er)?|quick(?:er)?) "
    r"(?:voice|pace|speed|tempo|rate)\b"
)
_IN_SLOWER = pattern(rf"\bin {_DEGREE}(?P<pace>slower|faster),? ")
_BRIEF = pattern(
    r"^(?:(?:hm+|ok|okay|please|no|again|once more|but|and|now|just|say it|go|louder|clearer|too \w+)"
    r"[,.! ]*)*"
    rf"{_DEGREE}(?P<pace>{_PACE})"
    r"(?:[,.! ]*(?:please|pls|again|this time|thanks|now))*[.! ]*$"
)
_CLAUSE = pattern(
    r"\b(?:is|are|was|were|why|how|when|where|if|who|which|what|because|moves?|about|melts?"
    r"|that(?= (?!again|back|out|aloud|in|to|for|but|a|very|much)\w))\b"
)

SLOW, FAST = 0.75, 1.3
SLOWEST, FASTEST = 0.6, 1.6
LITTLE_SLOWER, LITTLE_FASTER = 0.9, 1.15


@dataclass(frozen=True, slots=True)
class Size:
    """In pixels, None where nothing is said; `shape` is wide, tall or square where only that is said."""

    width: int | None = None
    height: int | None = None
    shape: str = ""

    def against(self, side: int) -> Size:
        """With pixels for a shape; `side` is that of a square, and the shorter one of the others."""
        long = side * 3 // 2
        sides = {"wide": (long, side), "tall": (side, long), "square": (side, side)}
        width, height = sides.get(self.shape, (self.width, self.height))
        return Size(width, height)


def style(text: str) -> str | None:
    """The style of a picture that `text` asks for, such as "Monet" or "watercolour"."""
    for known in (_NAMED, _PERSON, _STYLED, _AFTER_A, _A_SOMETHING, _MAKE_A, _APART, _PLAIN):
        for found in known.finditer(text):
            name = found[1].strip()
            if _NO_STYLE.fullmatch(name.split()[0]) or NEGATED.search(text[: found.start(1)]):
                continue
            return name
    return None


def size(text: str) -> Size | None:
    """The size of a picture that `text` asks for."""
    for found in _SIZE.finditer(text):
        width, height = int(found[1]), int(found[2])
        if min(width, height) >= _SMALLEST:
            return Size(width, height)
    wide, tall = _WIDTH.search(text), _HEIGHT.search(text)
    if wide or tall:
        return Size(int(wide[1] or wide[2]) if wide else None, int(tall[1] or tall[2]) if tall else None)
    for known, shape in ((_WIDE, "wide"), (_TALL, "tall"), (_SQUARE, "square")):
        if known.search(text):
            return Size(shape=shape)
    return None


def speed(text: str) -> float | None:
    """How fast to speak or play, 1 being normal, where `text` says so."""
    if found := _TIMES_AS_FAST.search(text) or _AT_SPEED.search(text):
        return number(found[1])
    if found := _NAMED_SPEED.search(text):
        return _NAMED_SPEEDS[found[1].lower()]
    for known in (_SO_VOICE, _BRIEF, _IN_SLOWER, _SPOKEN_SO):
        for found in known.finditer(text):
            between = found.groupdict().get("between") or ""
            if not _CLAUSE.search(between) and not NEGATED.search(text[: found.start()]):
                return _paced(found)
    return None


def _paced(found: re.Match[str]) -> float:
    slow = "slow" in found["pace"].lower()
    if found["much"]:
        return SLOWEST if slow else FASTEST
    if found["bit"]:
        return LITTLE_SLOWER if slow else LITTLE_FASTER
    return SLOW if slow else FAST
