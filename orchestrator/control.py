"""The control vocabulary: closed, parsed, validated, and neutralised where it appears in data.

The text form of a control is what a controller emits and a trace shows: `<|call:ocr|>`, `<|recall|>`,
`<|recall:image|>`, `<|say|>`, `<|show:image|>`, `<|wait|>`, `<|stop|>`, `<|resume|>`, `<|answer|>`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from specialists.content import IMAGE, Kind

VERBS: dict[str, str] = {
    "call": "needed",
    "recall": "optional",
    "show": "needed",
    "say": "none",
    "wait": "none",
    "stop": "none",
    "resume": "none",
    "answer": "none",
}
"""Every verb, and whether it takes an argument: none, optional or needed."""

MAX_CONTROLS = 16
"""More than this in one decision is a runaway controller, not a plan."""

_TOKEN = re.compile(r"<\|([a-z]+)(?::([A-Za-z0-9_.-]+))?\|>")


@dataclass(frozen=True, slots=True)
class Control:
    """One control token: a verb of `VERBS`, with its argument where it takes one."""

    verb: str
    argument: str = ""

    def __str__(self) -> str:
        return f"<|{self.verb}:{self.argument}|>" if self.argument else f"<|{self.verb}|>"


SAY = Control("say")
WAIT = Control("wait")
STOP = Control("stop")
RESUME = Control("resume")
ANSWER = Control("answer")
RECALL = Control("recall")
SHOW_IMAGE = Control("show", IMAGE)


def call(name: str) -> Control:
    return Control("call", name)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a controller's text holds: its valid controls, and the tokens that were refused, as written."""

    controls: tuple[Control, ...]
    invalid: tuple[str, ...] = ()


def parse(text: str) -> Parsed:
    """Read the controls of a text up to and including the first `<|answer|>`; other words are passed over."""
    controls: list[Control] = []
    invalid: list[str] = []
    for found in re.finditer(r"<\|.*?\|>", text, re.DOTALL):
        token = found.group()
        match = _TOKEN.fullmatch(token)
        control = Control(match[1], match[2] or "") if match else None
        if control is None or not _well_formed(control):
            invalid.append(token)
        elif control not in controls:
            controls.append(control)
        if control == ANSWER:
            break
    return Parsed(tuple(controls[:MAX_CONTROLS]), tuple(invalid) + tuple(map(str, controls[MAX_CONTROLS:])))


def validate(controls: Iterable[Control], *, specialists: Collection[str], kinds: Collection[Kind]) -> Parsed:
    """Check controls against the live registry: the names that may be called, the kinds that are known.

    A name that is registered but unavailable is valid: the reply then says what to configure.
    """
    good: list[Control] = []
    invalid: list[str] = []
    for control in controls:
        servable = (
            (control.verb != "call" or control.argument in specialists)
            and (control.verb != "show" or control.argument in kinds)
            and (control.verb != "recall" or not control.argument or control.argument in kinds)
        )
        if servable and _well_formed(control):
            good.append(control)
        else:
            invalid.append(str(control))
    return Parsed(tuple(good), tuple(invalid))


def neutralise(text: str) -> str:
    """Make control syntax in data inert and still readable: `<|say|>` becomes `<¦say¦>`.

    People, pictures and recordings are data; a control in them must never reach the controller as one.
    """
    return text.replace("<|", "<¦").replace("|>", "¦>")


def _well_formed(control: Control) -> bool:
    argument = VERBS.get(control.verb)
    if argument is None:
        return False
    return argument == "optional" or bool(control.argument) == (argument == "needed")
