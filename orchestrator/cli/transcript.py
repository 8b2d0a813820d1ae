"""A session's events as text: a transcript by turns, or one line an event."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

EventDict = Mapping[str, Any]

# What people and models wrote must not command the terminal: C0 but for tab and newline, DEL, C1, and the
# marks that change the direction of reading.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_INDENT = " " * 12


@dataclass(slots=True)
class TurnView:
    """What a person wants to know of one turn, gathered from its events."""

    number: int
    asked: str = ""
    corrects: str = ""
    memory: str = ""
    controls: str = ""
    decided: str = ""
    like: str = ""
    attached: tuple[str, ...] = ()
    plan: str = ""
    ran: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    reply: str = ""
    media: list[str] = field(default_factory=list)
    heard: str = ""
    outcome: str = "unfinished"


def clean(text: str) -> str:
    """The text with every character that a terminal might obey replaced by one that is only seen."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def one_line(text: str, width: int) -> str:
    """The text cleaned, on one line, and cut to `width` characters."""
    flat = " ".join(clean(text).split())
    return flat if len(flat) <= width else f"{flat[: width - 1]}…"


def moment(wall: float) -> str:
    """Seconds since the epoch as local time."""
    return f"{datetime.fromtimestamp(wall):%Y-%m-%d %H:%M:%S}"


def turns(events: Iterable[EventDict]) -> list[TurnView]:
    """The turns of a session, in their order."""
    views: dict[int, TurnView] = {}
    for event in events:
        if event["turn"]:
            _take(views.setdefault(event["turn"], TurnView(event["turn"])), event)
    return list(views.values())


def lines(view: TurnView) -> Iterator[str]:
    """A turn as lines to print."""
    yield f"Turn {view.number}: {view.outcome}"
    rows = (
        ("you", view.asked),
        ("corrects", view.corrects),
        ("memory", view.memory),
        ("controls", view.controls),
        ("decided", view.decided),
        ("like", view.like),
        ("plan", view.plan),
        ("ran", ", ".join(view.ran)),
        ("reused", ", ".join(view.reused)),
        ("problem", "\n".join(view.problems)),
        ("antiphon", view.reply),
        ("made", ", ".join(view.media)),
        ("heard", view.heard),
    )
    for label, text in rows:
        if text:
            yield f"  {label:<10}{clean(text).strip()}".replace("\n", f"\n{_INDENT}")


def line(event: EventDict) -> str:
    """One event as one line: its type, and what is most worth seeing of it."""
    shown = one_line(_summary(event), 160)
    return f"{event['type']:<18} {shown}".rstrip()


def _take(view: TurnView, event: EventDict) -> None:
    summary = _summary(event)
    match event["type"]:
        case "turn.started":
            view.asked, view.attached = summary, _attached(event["message"])
        case "turn.corrected":
            view.corrects = summary
        case "memory.recalled":
            view.memory = "\n".join(map(_hit, event["hits"]))
        case "turn.routed":
            view.controls = " ".join(event["controls"])
            view.decided, view.like = _decided(event), _like(event)
        case "turn.planned":
            view.plan = _steps(event, view.attached)
        case "turn.replanned":
            view.plan += f"\n{summary}"
        case "step.finished":
            (view.reused if event["reused"] else view.ran).append(summary)
        case "step.failed" | "part.rejected" | "turn.problem":
            view.problems.append(summary)
        case "reply.text":
            view.reply += event["text"]
        case "reply.media":
            view.media.append(summary)
        case "speech.heard":
            view.heard = "" if event["complete"] else summary
        case "turn.finished":
            view.reply = event["text"] or view.reply
            view.outcome = summary
        case "event.forgotten":
            view.outcome = "forgotten"
        case _:
            pass


def _summary(event: EventDict) -> str:
    """What is most worth knowing of an event; its text where nothing else is."""
    summarise = _SUMMARIES.get(event["type"])
    return summarise(event) if summarise else str(event.get("text", ""))


def _opened(event: EventDict) -> str:
    return moment(event["wall_time"]) + (" (taken up again)" if event["resumed"] else "")


def _started(event: EventDict) -> str:
    return _message(event["message"]) + (" (spoken)" if event["voice"] else "")


def corrected(event: EventDict) -> str:
    """What is corrected, how it was served, and whether that is remembered."""
    kept = f", kept as {event['correction']}" if event["correction"] else ""
    anew = f", {len(event['unwanted'])} found anew" if event["unwanted"] else ""
    request = event["request"] or "a request without words"
    return f"turn {event['of']}: {request} (was {' '.join(event['before'])}{anew}{kept})"


def _routed(event: EventDict) -> str:
    refused = f", refused {' '.join(event['invalid'])}" if event["invalid"] else ""
    controls = " ".join(event["controls"])
    return f"{controls} ({event['controller']}, margin {event['margin']:.2f}{refused})"


def _decided(event: EventDict) -> str:
    """How sure, by whom, and what stood next."""
    from orchestrator.trace import decided_by, in_words, sureness

    margin = event["margin"]
    said = f"{sureness(margin)} (margin {margin:.2f}), by {decided_by(event['controller'])}"
    shown = " ".join(event["controls"])
    others = [c for c in event["candidates"] if c["control"] != shown][:2]
    said += "".join(f"\n{c['score'] * 100:.0f} % {in_words(c['control'].split())}" for c in others)
    for asked in event.get("asked", ()):
        share, words = f"{asked['score'] * 100:.0f} %", one_line(asked["words"], 60)
        said += f"\n{share} asked for {asked['specialist']}: {words}".rstrip(": ")
    if emitted := event.get("emitted"):
        said += f"\nthe chat model wrote: {' '.join(emitted)}" + (", at the second try" * event["repaired"])
    return said + (f"\nrefused: {' '.join(event['invalid'])}" if event["invalid"] else "")


def _like(event: EventDict) -> str:
    from orchestrator.trace import in_words

    texts = event["exemplars"]
    served = event.get("exemplar_controls") or [""] * len(texts)
    pairs = zip(texts, served, strict=True)
    return "\n".join(
        one_line(text, 70) + (f" ({in_words(controls.split())})" if controls else "")
        for text, controls in pairs
    )


def _hit(hit: Mapping[str, Any]) -> str:
    exact = ", about this very file" if hit["exact"] else ""
    return f"{hit['score']:.2f} {hit['source']}{exact}: {one_line(hit['text'], 70)}"


def _steps(event: EventDict, attached: tuple[str, ...]) -> str:
    """A line a step, under the number of its stage: what it works on, and what it was expected to take."""
    from orchestrator.events import Planned, from_dict
    from orchestrator.trace import input_names, stages

    planned = from_dict(event)
    assert isinstance(planned, Planned)
    plan = planned.plan
    inputs = input_names(plan, attached)
    takes = {estimate.step: f" (~{estimate.p50:.1f} s)" for estimate in planned.estimates}
    rows = [
        f"{number} {step.specialist}: {', '.join(inputs[step.id]) or 'nothing'}{takes.get(step.id, '')}"
        for number, stage in enumerate(stages(plan), start=1)
        for step in stage
    ]
    reused = ", from what is known already" if plan.reuse else ""
    rows.append(f"-> {', '.join(plan.outputs)}{reused}")
    return "\n".join([*rows, *plan.notes, *map(_tradeoff, event["plan"].get("tradeoffs", ()))])


def _step_started(event: EventDict) -> str:
    again = f", attempt {event['attempt']}" if event["attempt"] > 1 else ""
    return f"{event['specialist']} ({event['step']}{again})"


def _step_finished(event: EventDict) -> str:
    return f"{event['specialist']} {how_finished(event)}"


def how_finished(event: EventDict) -> str:
    """How long a step took, or where its finding is from."""
    if not event["reused"]:
        return f"{event['seconds']:.2f} s"
    alike = event.get("likeness")
    return "from memory" + (f", of a picture {alike:.0%} alike" if alike is not None else "")


def _problem(event: EventDict) -> str:
    named = f"{event['part']}: " if event["part"] else ""
    return f"{named}{event['reason']}" + (f". {event['remedy']}" if event["remedy"] else "")


def _floor(event: EventDict) -> str:
    return f"{event['state']} ({event['reason']})" if event["reason"] else str(event["state"])


def _finished(event: EventDict) -> str:
    total = event["timings"].get("total")
    return event["outcome"] + (f" in {total:.2f} s" if total is not None else "")


def replanned(event: EventDict) -> str:
    """What changed in a plan and why: `without chat, vision instead: There is no text ...`."""
    changes = []
    if event["dropped"]:
        changes.append("without " + ", ".join(step["specialist"] for step in event["dropped"]))
    if event["instead"]:
        changes.append(f"{event['instead']['specialist']} instead")
    return f"{', '.join(changes)}: {event['reason']}"


_SUMMARIES: Mapping[str, Callable[[EventDict], str]] = {
    "session.opened": _opened,
    "turn.started": _started,
    "turn.corrected": corrected,
    "memory.recalled": lambda event: f"{len(event['hits'])} hits in {event['seconds'] * 1000:.0f} ms",
    "turn.routed": _routed,
    "turn.planned": lambda event: _plan(event["plan"]),
    "step.started": _step_started,
    "step.finished": _step_finished,
    "step.failed": lambda event: f"{event['specialist']}: {event['reason']} ({event['then']})",
    "turn.replanned": replanned,
    "part.rejected": lambda event: f"{event['part']}: {event['reason']}",
    "turn.problem": _problem,
    "reply.media": lambda event: event["part"]["name"] or event["part"]["kind"],
    "floor.changed": _floor,
    "speech.heard": lambda event: "all of it" if event["complete"] else f"only {event['heard']!r}",
    "turn.finished": _finished,
    "event.forgotten": lambda event: f"was {event['was']}",
}


def _message(message: Mapping[str, Any]) -> str:
    texts = [part["text"] for part in message["parts"] if part["kind"] == "text" and part["text"]]
    media = [
        f"[{part['kind']} {part['name']}]" if part["name"] else f"[{part['kind']}]"
        for part in message["parts"]
        if part["blob"]
    ]
    return " ".join([*texts, *media])


def _attached(message: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of what was attached, in the order in which plans count the parts."""
    return tuple(part["name"] for part in message["parts"] if part["kind"] != "text" or part["name"])


def _plan(plan: Mapping[str, Any]) -> str:
    """Steps with what they wait for: `ocr, chat (after ocr) -> text, speech`."""
    names = {step["id"]: step["specialist"] for step in plan["steps"]}
    steps = [
        step["specialist"]
        + (f" (after {', '.join(names.get(i, i) for i in step['after'])})" if step["after"] else "")
        for step in plan["steps"]
    ]
    planned = f"{', '.join(steps) or 'no specialist'} -> {', '.join(plan['outputs'])}"
    return "\n".join([planned, *(_tradeoff(values) for values in plan.get("tradeoffs", ()))])


def _tradeoff(values: Mapping[str, Any]) -> str:
    from orchestrator.budget import Budget, Estimate, Tradeoff
    from orchestrator.wording import describe

    estimates = {name: Estimate(**values[name]) for name in ("before", "after")}
    return describe(Tradeoff(**{**values, **estimates, "limit": Budget(**values["limit"])}))
