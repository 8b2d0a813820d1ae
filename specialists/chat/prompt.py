"""From a Task to the messages a model sees: system, examples, history, findings, request.

The person's words are never cut. Findings are, in the middle; history loses its oldest messages first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from specialists.base import Task
from specialists.chat.backend import Said
from specialists.content import TEXT, Message
from specialists.errors import BadInput, LimitExceeded

SYSTEM = "You are Antiphon, a helpful assistant. Answer briefly and plainly."
"""Used when the context brings no system message."""

_MESSAGE_TOKENS = 8
"""What a chat template writes around one message, generously."""

_FINDINGS_SHARE = 0.75
"""How much of the room findings may take where there is history to keep as well."""

_AT_ONCE = 4
"""So many exchanges are dropped together where not all of them fit."""

_CUT = "\n[... cut ...]\n"

# What chat templates are made of: <|im_start|>, full-width <｜User｜>, <s>, <bos>, <start_of_turn>, [INST],
# <<SYS>>, <think>.
_CONTROL = re.compile(
    r"<(?=[|｜])"
    r"|<(?=/?(?:s|bos|eos|pad|unk|mask|think|start_of_turn|end_of_turn|tool_call|tool_response)>)"
    r"|<(?=</?SYS>>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|gMASK)\])",
    re.IGNORECASE,
)

Count = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Example:
    """An exchange shown to a model that is too small to answer well without having seen one."""

    question: str
    answer: str


SMALL_MODEL_EXAMPLES = (Example("What is the capital of Spain?", "The capital of Spain is Madrid."),)
"""Chosen by trying: without one the embedded default may answer in another language; with more it repeats
them as if they had been said. Beside findings it is left out: it then mixes it up with what was found.
"""


def neutral(text: str) -> str:
    """The text with a space behind every bracket that would open a control token of a chat template."""
    return _CONTROL.sub(lambda match: match[0] + " ", text)


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens a prompt may have, and how they are counted."""

    tokens: int
    count: Count


def build(task: Task, budget: Budget, examples: Sequence[Example] = ()) -> list[Said]:
    """The messages for one Task.

    Raises BadInput when there is nothing to answer or a part is no text, LimitExceeded when the system
    message and the person's words alone do not fit.
    """
    request, findings = _request(task)
    system, history = _context(task.context)
    shown = _shown(() if findings else examples)
    cost = sum(_cost(said, budget.count) for said in (Said("system", system), Said("user", request)))
    room = budget.tokens - cost
    if room < 0:
        raise LimitExceeded(
            f"is too long: {cost} tokens with the system message, where {budget.tokens} fit",
            part="the message",
            remedy="Send it in pieces, or raise context_tokens of the chat specialist",
        )
    needed = sum(_cost(said, budget.count) for said in shown)
    if needed > room / 2:  # examples are the first thing to do without
        shown, needed = [], 0
    room -= needed
    if findings:
        allowed = int(room * (_FINDINGS_SHARE if history else 1))
        findings = _fit(findings, allowed, budget.count)
        room -= budget.count(_with_findings(findings, ""))
        request = _with_findings(findings, request)
    kept = _recent(history, room, budget.count)
    return [Said("system", system), *shown, *kept, Said("user", request)]


def _request(task: Task) -> tuple[str, list[str]]:
    """The person's words, and the findings: the words alone of a single one, several under their names.

    Without an instruction the parts are what the person said: a recording's words, a text file sent alone.
    """
    texts = []
    for index, part in enumerate(task.parts):
        if part.kind != TEXT:
            raise BadInput(
                f"chat reads text, not {part.kind}",
                part=part.name or f"part {index}",
                remedy="Put a specialist before it that turns this into text",
            )
        if part.text.strip():
            texts.append((part.name, neutral(part.text.strip())))
    if instruction := neutral(task.instruction.strip()):
        # The words themselves may also come as a nameless part; they are no finding.
        found = [(name, text) for name, text in texts if name or text != instruction]
        if len(found) == 1:
            return instruction, [found[0][1]]
        return instruction, [f"{neutral(name)}: {text}" if name else text for name, text in found]
    if not texts:
        raise BadInput("there is nothing to answer", part="the message", remedy="Say or attach something")
    return "\n\n".join(text for _, text in texts), []


def _context(messages: Sequence[Message]) -> tuple[str, list[Said]]:
    """The system message, and the history as turns that begin with the person and alternate."""
    system = ""
    turns: list[Said] = []
    for message in messages:
        if message.role == "system" and not turns and not system:
            system = message.text
            continue
        attached = ", ".join(f"({part.kind} {neutral(part.name)})" for part in message.media)
        text = neutral(message.text) or attached
        role = "assistant" if message.role == "assistant" else "user"
        if not text or (not turns and role == "assistant"):
            continue
        if turns and turns[-1].role == role:
            turns[-1] = Said(role, f"{turns[-1].text}\n{text}")
        else:
            turns.append(Said(role, text))
    if turns and turns[-1].role == "user":  # asked and never answered: the request follows at once
        turns.append(Said("assistant", "..."))
    return system or SYSTEM, turns


def _shown(examples: Sequence[Example]) -> list[Said]:
    shown = []
    for example in examples:
        shown.append(Said("user", example.question))
        shown.append(Said("assistant", example.answer))
    return shown


def _with_findings(findings: Sequence[str], request: str) -> str:
    """The request first: of the orders tried, the small default quotes the findings best in this one."""
    return "\n\n".join([request, *findings])


def _cost(said: Said, count: Count) -> int:
    return count(said.text) + _MESSAGE_TOKENS


def _fit(findings: Sequence[str], room: int, count: Count) -> list[str]:
    """Cut the longest findings so that all fit into `room` tokens; short ones stay whole."""
    sizes = [count(finding) + 2 for finding in findings]
    share = _level(sizes, room - count(_with_findings([""], "")))
    return [
        _shorten(text, share, count) if size > share else text
        for text, size in zip(findings, sizes, strict=True)
    ]


def _level(sizes: Sequence[int], room: int) -> int:
    """The largest size that each may have so that the sum stays within `room`."""
    left, waiting = room, sorted(sizes)
    while waiting:
        share = max(left, 0) // len(waiting)
        if waiting[0] > share:
            return share
        left -= waiting.pop(0)
    return max(sizes, default=0)


def _shorten(text: str, tokens: int, count: Count) -> str:
    """The beginning and the end of a text, with a mark where the middle was, in at most `tokens`."""
    keep = len(text)
    shortened = text
    while keep > 0 and (size := count(shortened) + 1) > tokens:
        keep = min(int(keep * tokens / size), keep - 1)
        head = keep * 2 // 3
        shortened = text[:head] + _CUT + text[len(text) - (keep - head) :]
    return shortened if keep > 0 else _CUT.strip()


def _recent(history: Sequence[Said], room: int, count: Count) -> list[Said]:
    """The latest exchanges that fit; always whole pairs of question and answer.

    `_AT_ONCE` of the oldest go together, so that a prompt begins like the one before for some turns: a model
    reads again whatever stands behind a difference.
    """
    sizes = [sum(_cost(said, count) for said in history[i : i + 2]) for i in range(0, len(history), 2)]
    first = 0
    while first < len(sizes) and sum(sizes[first:]) > room:
        first += _AT_ONCE if len(sizes) - first > _AT_ONCE else 1
    return list(history[2 * first :])
