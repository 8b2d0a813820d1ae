"""A controller's decision, and the contract of every controller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator import control
from orchestrator.control import Control
from orchestrator.controller.exemplars import Decision
from orchestrator.controller.request import Request
from orchestrator.linking import Hints
from specialists.base import Card
from specialists.content import IMAGE, TEXT


@dataclass(frozen=True, slots=True)
class Route:
    """Controls, and why: `candidates` are alternatives with their scores, best first, `margin` in 0..1 is
    how far the choice stands before the next, `exemplars` the example requests it leans on."""

    controls: tuple[Control, ...]
    controller: str
    margin: float = 1.0
    candidates: tuple[tuple[tuple[Control, ...], float], ...] = ()
    exemplars: tuple[str, ...] = ()
    invalid: tuple[str, ...] = ()
    model_seconds: float = 0.0
    """How long a chat model took over it: its share, not ours."""
    emitted: tuple[str, ...] = ()
    """What a chat model wrote, word by word, refused words included."""
    repaired: bool = False
    """Whether it had to be asked a second time, and that helped."""
    hints: Hints | None = None
    """What else the controller read in the request that helps to link a registry that is not ours."""


class Controller(Protocol):
    async def route(self, request: Request, cards: Sequence[Card]) -> Route:
        """Decide. Every control of the answer is valid for `cards`."""
        ...


def controls_of(decision: Decision) -> tuple[Control, ...]:
    """The control tokens that say a decision.

    Speech or a picture *beside* text is `<|say|>` or `<|show:image|>`; in its place it is a plain call.
    `<|recall|>` runs the memory step; `<|recall:text|>` answers from what the session already holds.
    """
    with_text = TEXT in decision.outputs
    controls: list[Control] = []
    for name in decision.steps:
        if name == "memory":
            controls.append(control.RECALL)
        elif name == "tts" and with_text:
            controls.append(control.SAY)
        elif name == "imagegen" and with_text:
            controls.append(control.SHOW_IMAGE)
        else:
            controls.append(control.call(name))
    if decision.reuse and control.RECALL not in controls:
        controls.append(Control("recall", TEXT))
    return (*controls, control.ANSWER)


def decision_of(controls: Sequence[Control]) -> Decision:
    """What controls ask for: the inverse of `controls_of`."""
    steps: list[str] = []
    outputs: set[str] = set()
    with_text = False
    for token in controls:
        match token.verb:
            case "call":
                steps.append(token.argument)
            case "recall" if not token.argument:
                steps.append("memory")
            case "say":
                steps.append("tts")
                with_text = True
            case "show":
                steps.append("imagegen" if token.argument == IMAGE else token.argument)
                with_text = True
            case _:
                pass
    outputs |= {"speech"} if "tts" in steps else set()
    outputs |= {IMAGE} if "imagegen" in steps else set()
    if with_text or not outputs:
        outputs.add(TEXT)
    reuse = any(token.verb == "recall" for token in controls)
    ordered = tuple(name for name in (TEXT, "speech", IMAGE) if name in outputs)
    return Decision(tuple(dict.fromkeys(steps)), ordered, reuse)
