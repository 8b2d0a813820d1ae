"""`antiphon sessions replay|rerun|swap`: recorded sessions again."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.common import ConfigPath, Json, check_writable, open_store, print_json, say, writing

if TYPE_CHECKING:
    from orchestrator.rerun.diff import TurnDiff
    from orchestrator.rerun.session import Swap

Name = Annotated[str, typer.Argument(help="The session's name, as `antiphon sessions list` shows it.")]

SCHEMES = ("hf", "path", "openai", "pypi", "http", "https")


def replay(
    name: Name,
    speed: Annotated[
        float, typer.Option(metavar="X", help="So many times as fast as it was.", show_default=True)
    ] = 1.0,
    instant: Annotated[bool, typer.Option("--instant", help="Without waiting at all.")] = False,
    speech: Annotated[
        Path | None,
        typer.Option("--say", metavar="OUT.wav", help="Write what was heard of the speech to a WAV file."),
    ] = None,
    aloud: Annotated[
        bool, typer.Option("--aloud", help="Play what was spoken, cut where it was interrupted.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the events, one JSON object a line.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Everything that happened, again, in its own time."""
    from memory.replay import replay as timed
    from orchestrator.config import load

    if aloud and (instant or speed != 1.0):
        raise typer.BadParameter("speech is played in its own time", param_hint="--aloud")
    if speech is not None:
        check_writable(speech)
    settings = load(config)
    with open_store(settings) as store:
        store.log.session(name)
        events = store.log.read(name, audio=as_json or aloud or speech is not None)
    if speech is not None:
        _write(speech, events)
    if aloud:
        asyncio.run(_aloud(events, settings.speech.device_in, settings.speech.device_out, as_json=as_json))
        return
    for wait, event in timed(events, speed=None if instant else speed):
        if wait:
            time.sleep(wait)
        _show(event, as_json=as_json)


def rerun(name: Name, as_json: Json = False, config: ConfigPath = None) -> None:
    """Execute every turn again, with what was recorded in place of the models: the same must come out.

    Exits with 1 when anything but times differs, and prints the first difference.
    """
    from orchestrator.config import load
    from orchestrator.rerun.session import rerun as again

    with open_store(load(config)) as store:
        found = asyncio.run(again(store, name))
    if as_json:
        print_json({**asdict(found), "identical": found.identical})
    elif found.identical:
        typer.echo(f"identical: {found.turns} turns, {found.events} events, bit for bit but for times")
    else:
        typer.echo(f"different: {found.difference}")
    if not found.identical:
        raise typer.Exit(1)


def swap(
    name: Name,
    part: Annotated[
        str,
        typer.Argument(
            metavar="SPECIALIST=URI",
            help="What runs in its place: a model URI or package.module:factory; controller=KIND.",
        ),
    ],
    as_json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Rerun with one part replaced by a live one, and show what comes out otherwise, turn by turn."""
    from orchestrator.config import load

    specialist, table = parsed(part)
    settings = load(config)

    async def run() -> Swap:
        from orchestrator.engine import Orchestrator

        async with Orchestrator.open(settings) as engine:
            return await engine.swap(name, specialist, table)

    found = asyncio.run(run())
    if as_json:
        print_json({**asdict(found), "changed": [turn.turn for turn in found.changed]})
        return
    for turn in found.turns:
        for line in told(turn):
            typer.echo(line)
    typer.echo(f"{len(found.changed)} of {len(found.turns)} turns come out otherwise")


def parsed(part: str) -> tuple[str, dict[str, str]]:
    """`vision=hf:org/name` as the specialist and its options. Raises BadInput."""
    from specialists.errors import BadInput

    name, equals, uri = part.partition("=")
    if not name or not equals or not uri:
        raise BadInput(
            "names no part and what is to run in its place",
            part=repr(part)[:100],
            remedy="Write SPECIALIST=URI, such as vision=hf:HuggingFaceTB/SmolVLM-Instruct",
        )
    if name == "controller":
        return name, {"kind": uri}
    factory = re.fullmatch(r"[\w.]+:\w+", uri) and uri.partition(":")[0] not in SCHEMES
    return name, {"use": uri} if factory else {"model": uri}


def told(turn: TurnDiff) -> list[str]:
    """A turn's differences in lines; one line for a turn without any."""
    from orchestrator.cli.transcript import clean, one_line

    head = f"turn {turn.turn}: {one_line(turn.request, 70)}"
    if not turn.live and not turn.changes:
        return [f"{head}  unchanged"]
    lines = [clean(head)]
    lines += [f"  {name} ran live: {why}" for name, why in _whys(turn)]
    for change in turn.changes:
        lines += [f"  {change.what}", f"    - {clean(change.before)}", f"    + {clean(change.after)}"]
    if not turn.changes:
        lines.append("  the same came out")
    lines += [
        f"  latency of {name}: {was:.2f} s then, {now:.2f} s now" for name, was, now in turn.live_seconds
    ]
    return lines


def _whys(turn: TurnDiff) -> Sequence[tuple[str, str]]:
    return list(dict.fromkeys((call.specialist, call.why) for call in turn.live))


def _show(event: Mapping[str, Any], *, as_json: bool) -> None:
    from orchestrator.cli.transcript import line

    if as_json:
        text = json.dumps(event, ensure_ascii=False)
    else:
        text = f"{event['time']:9.3f} s  turn {event['turn']:<3} {line(event)}"
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _write(path: Path, events: Sequence[Mapping[str, Any]]) -> None:
    import soundfile

    from orchestrator.speech.again import RATE, mixed, voices
    from specialists.errors import Unavailable

    spoken = voices(events)
    if not spoken:
        raise Unavailable("nothing was spoken in this session", part=str(path))
    samples = mixed(spoken)
    with writing(path):
        soundfile.write(path, samples, RATE, subtype="PCM_16", format="WAV")
    cut = sum(voice.cut for voice in spoken)
    say(f"  speech: {len(samples) / RATE:.1f} s, {len(spoken)} replies, {cut} interrupted, in {path}")


async def _aloud(
    events: Sequence[Mapping[str, Any]], microphone: str, loudspeaker: str, *, as_json: bool
) -> None:
    """Play and print at once: the sound card's clock says when each event is due."""
    from contextlib import aclosing

    from memory.replay import replay as timed
    from orchestrator.speech.again import RATE, Line, mixed, voices
    from orchestrator.speech.devices import FRAME_SECONDS, SoundCard

    samples = mixed(voices(events))
    waits = list(timed(events, speed=1.0))
    due, now, shown = 0.0, 0.0, 0
    device = SoundCard(microphone, loudspeaker, rate=RATE)
    async with aclosing(device.frames(Line(samples))) as frames:  # type: ignore[type-var]
        async for _ in frames:
            now += FRAME_SECONDS
            while shown < len(waits) and due + waits[shown][0] <= now:
                due += waits[shown][0]
                _show(waits[shown][1], as_json=as_json)
                shown += 1
            if shown == len(waits) and now >= len(samples) / RATE:
                return
