"""The form of an answer: which words it may have, and in which order.

One description for every kind of model: a grammar where the backend has grammars, a JSON schema where a
server has structured outputs, and a check of what came back where there is neither.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from specialists.errors import BadInput

END = -1
"""The state behind the last word."""

MAX_STATES = 1024
_MAX_CHARACTERS = 1 << 20

FEW_LINES = 32
"""Up to so many answers a schema lists them whole; more, and it lists their words."""

_WORD = re.compile(r'[^\s"\\]{1,120}')


@dataclass(frozen=True, slots=True)
class Form:
    """Answers of words with one space between, as a finite automaton: state 0 is where they begin.

    `states` say which word may come and which state it leads to; each leads to a later state, so every
    answer is finite. The word `last`, and it alone, leads to END.
    """

    states: tuple[Mapping[str, int], ...]
    last: str

    @property
    def words(self) -> tuple[str, ...]:
        """Every word there is, the last one aside."""
        return tuple(dict.fromkeys(word for state in self.states for word in state if word != self.last))

    def accepts(self, words: Sequence[str]) -> bool:
        """Whether these words, the last one included, are such an answer."""
        at = 0
        for word in words:
            if at == END or word not in self.states[at]:
                return False
            at = self.states[at][word]
        return at == END

    def grammar(self) -> str:
        """The same in GBNF."""
        return "".join(f"{_rule(at)} ::= {self._choices(state)}\n" for at, state in enumerate(self.states))

    def schema(self) -> dict[str, Any]:
        """The same as a JSON schema, in the subset that strict structured outputs know.

        Few answers are listed whole. Of many, only the words are, and the order is still to be checked.
        """
        lines = list(islice(self._lines(), FEW_LINES + 1))
        if len(lines) <= FEW_LINES:
            properties: dict[str, Any] = {"line": {"type": "string", "enum": lines}}
        else:
            properties = {"words": {"type": "array", "items": {"type": "string", "enum": list(self.words)}}}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    def unpacked(self, text: str) -> str:
        """The answer within JSON that follows `schema`; any other text as it is."""
        try:
            values = json.loads(text)
        except ValueError:
            return text
        match values:
            case {"line": str(line)}:
                return f"{line} {self.last}"
            case {"words": [*words]} if all(isinstance(word, str) for word in words):
                return " ".join([*words, self.last])
        return text

    def to_text(self) -> str:
        """What a Task carries; `read` is the inverse."""
        return json.dumps({"last": self.last, "states": self.states}, separators=(",", ":"))

    def _choices(self, state: Mapping[str, int]) -> str:
        choices = (f'"{word}"' if to == END else f'"{word} " {_rule(to)}' for word, to in state.items())
        return " | ".join(choices)

    def _lines(self, at: int = 0) -> Iterator[str]:
        """Every answer, without its last word."""
        for word, to in self.states[at].items():
            if to == END:
                yield ""
            else:
                yield from (f"{word} {rest}".rstrip() for rest in self._lines(to))


def read(text: str) -> Form:
    """The Form that a text describes. Raises BadInput for what is none."""
    if len(text) > _MAX_CHARACTERS:
        raise BadInput("is too long", part="form")
    try:
        values = json.loads(text)
        form = Form(tuple(dict(state) for state in values["states"]), values["last"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadInput(f"is no form: {type(error).__name__} {error}", part="form") from error
    if not isinstance(form.last, str) or not 1 <= len(form.states) <= MAX_STATES:
        raise BadInput(f"needs a last word, and 1 to {MAX_STATES} states", part="form")
    for at, state in enumerate(form.states):
        if not state or not all(_fits(form, at, word, to) for word, to in state.items()):
            raise BadInput(f"state {at} is empty, or has a word or a target that cannot be", part="form")
    return form


def _fits(form: Form, at: int, word: str, to: object) -> bool:
    if not _WORD.fullmatch(word) or isinstance(to, bool) or not isinstance(to, int):
        return False
    return to == END if word == form.last else at < to < len(form.states)


def _rule(state: int) -> str:
    return "root" if state == 0 else f"s{state}"
