"""Whether words are plainly unfinished English: by the last of them, by their marks, by how they are built.

Other languages are judged by marks alone, as far as their words are not English ones.
"""

from __future__ import annotations

import re

from orchestrator.speech.detector import plain_words


def is_unfinished(said: str) -> bool:
    """Whether more has to follow these words."""
    words = plain_words(said)
    if not words:
        return False
    if said.endswith((",", "-", "–", "…", "...", ":", ";")) or _lacks_its_mark(said, words):
        return True
    if said.endswith("?"):
        begun = words[-1] in _NEEDS_A_SUBJECT or _OPENING.fullmatch(" ".join(words)) is not None
        return begun or words[-1] in _NO_QUESTION_ENDS or _wants_an_object(words)
    return (
        _dangles(words)
        or _OPENING.fullmatch(" ".join(words)) is not None
        or _is_condition(said, words)
        or _is_list(said, words)
        or _is_dictated(words)
    )


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_NO_QUESTION_ENDS = _set(
    """
    a an and because but can could every he's her his i i'm if it's my or our should than the their they're
    very we're whether would you're your
    """
)
_QUESTION_WORDS = _set("who what where which whom")
_WH = _QUESTION_WORDS | _set("who's what's where's")
_COPULAS = _set("is was")
_NEEDS_A_SUBJECT = _set("did does was were will would should could")
_ARTICLES = _set("the a an my your his her our their this")
_SAYS = _set("say said thought think wonder wondered guess guessed hoped")
_SAYERS = _set("i we you he she they please to")
_HOW_DO_YOU = [["how", "do", "you"], ["what", "do", "you"], ["how", "would", "you"], ["how", "do", "i"]]
_ENDS_NOTHING = (
    _NO_QUESTION_ENDS
    | _QUESTION_WORDS
    | _set(
        """
        about against also although am among are as at be been before between both by called can't couldn't
        despite didn't does doesn't don't during either er except for from had hadn't has hasn't have haven't
        he he'd he'll her how i'd i'll i've into is isn't its let's like may might must named near neither of
        onto she she'd she'll she's shouldn't since some such that's there's these they they'd they'll
        they've those though to toward towards uh uhm um under unless until upon was wasn't we we'd we'll
        we've were weren't what's when where's whereas while who's whose will with without won't wouldn't
        means you'd you'll you've
        """
    )
)
"""Words that hardly any sentence ends with, and hardly any question."""

_NEEDS_A_NOUN = _set("at for from of with to into about by")
_TAKES_THAT = _set("true sure me him her us them you possible likely certain")
_TAKES_AN_OBJECT = _set("call spell pronounce means mean translate")

_PARTICLES = _set("in on off over up down through around along across after behind inside outside")
_BEFORE_PARTICLE = _set(
    "it them this that these those me him her us go come carry keep hold move sign log slow calm hurry wake"
    " shut"
)
""" "Turn it on" is done, "put it in the" is not: so is what ends with the first after the second."""

_TELLS = _set("tell ask remind")
_LIKE_YOU = ("like you", "want you", "need you", "ask you", "remind me", "tell me", "allow me")
_BEFORE_THAT = _set(
    "said say says me is was know think so told believe hope means mean sure thought such heard"
)


def _wants_an_object(words: list[str]) -> bool:
    """Whether a question ends where what it asks about would follow: "Could you look at", "Is it true that",
    "How do you spell"."""
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in _NEEDS_A_NOUN:
        return _WH.isdisjoint(words)
    if last == "that":
        of_a_noun = len(words) > 3 and words[-3] in _ARTICLES
        return of_a_noun or before in _TAKES_THAT or before in _BEFORE_THAT - _COPULAS
    if last in _PARTICLES and words[1:2] == ["you"]:
        return before not in _BEFORE_PARTICLE
    return last in _TAKES_AN_OBJECT and "that" not in words and words[:3] in _HOW_DO_YOU


def _lacks_its_mark(said: str, words: list[str]) -> bool:
    """Who writes a capital at the start also writes a mark at the end, if the voice sounds like one."""
    return said[0].isupper() and said[-1].isalnum() and len(words) > 1


def _dangles(words: list[str]) -> bool:
    """Whether the last word needs another one."""
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in _PARTICLES:
        return before not in _BEFORE_PARTICLE and len(words) > 2
    if last == "that":
        return len(words) > 2 and (before in _BEFORE_THAT | _TAKES_THAT or words[0] in _TELLS)
    if last in _SAYS:
        return before in _SAYERS and len(words) > 4
    if last in ("too", "two"):  # which sound like "to"
        return " ".join(words[-3:-1]) in _LIKE_YOU
    if last == "forward":
        return before == "looking"
    if last == "so":
        return before not in ("think", "hope", "guess", "believe", "not", "do", "and")
    return last in _ENDS_NOTHING


_OPENING = re.compile(
    r"""(?:(?:well|so|okay|ok|and|but|yes|no|oh|now|then|yesterday|today|tomorrow|please)\s)*+
        (?: well | so | now | also | first | second | yesterday | you\ know | i\ mean | i\ see
          | let\ me(?:\ (?:see|think))? | hold\ on | hang\ on | (?:one|just\ a)\ (?:moment|second|minute)
          | (?:i|we|you|she|he|they)(?:'d|'ll|'ve|'m)?
            (?:\ (?:would|really|also|just|only|was|am|have|had|been|still))*
            \ (?: like | want(?:ed)?(?:\ to)?(?:\ (?:ask|know|say|tell|talk))? | need | guess | suppose
              | wonder | mean | think | thinking | wondering | looking | trying | hoping | planning
              | rather | prefer )
          | (?:can|could|would|will)\ you(?:\ please)?(?:\ (?:tell|show|give|find|help|make|send)(?:\ me)?)?
          | (?:tell|show|give|send|bring|find|get|make|remind|ask|call|put|set|add)(?:\ me)?
          | (?:it\ is|it's)\ called | (?:my|the)\ \w+\ is | the\ (?:thing|problem|question|point|idea) )""",
    re.VERBOSE,
)
"""Words that begin a request or a thought and are none by themselves."""

_CONDITIONS = _set(
    "if when whenever because although though while unless until since before after once whereas"
)
_ASKS = _set("do does did is are was were will would can could should shall has have had am")


def _is_condition(said: str, words: list[str]) -> bool:
    """Whether this is a clause that waits for its main clause, as in "If you have the time"."""
    if words[0] not in _CONDITIONS or len(words) < 3 or words[1] in _ASKS:
        return False
    _, comma, rest = said.partition(",")
    return len(plain_words(rest)) < 2 if comma else len(words) < 6


_JOINS = _set("and or but so please thanks thank too then though sir right okay again now instead")
_ANSWERS = _set("yes no yeah okay ok well sorry thanks thank hello hi hey oh so right great sure please now")


def _is_list(said: str, words: list[str]) -> bool:
    """Whether things are counted up, with no "and" yet before the last, as in "I need bread, milk"."""
    *before, last = [plain_words(piece) for piece in re.split(r"[,.]\s+", said)]
    if not before or not 1 <= len(last) <= 2 or words[0] in _ANSWERS:
        return False
    return not _JOINS & set(last) and len(words) - len(last) >= 2


_NUMBERS = _set(
    """
    zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand double
    """
)
_NUMBERED = _set("number code phone pin account zip postcode call dial card costs cost add password")


def _is_dictated(words: list[str]) -> bool:
    """Whether this may be part of a number said bit by bit. Where such a number ends cannot be told."""
    digits = [word for word in words if _is_number(word)]
    return _is_number(words[-1]) and (len(digits) >= 3 or bool(_NUMBERED & set(words)))


def _is_number(word: str) -> bool:
    return word in _NUMBERS or word.replace("-", "").isdigit()
