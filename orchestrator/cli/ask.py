"""`antiphon ask`: one turn from the command line."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.common import (
    ConfigPath,
    Json,
    MaxPrice,
    Within,
    budget,
    check_writable,
    print_json,
    say,
    writing,
)
from orchestrator.cli.progress import Progress
from orchestrator.cli.transcript import clean, corrected, how_finished, replanned

if TYPE_CHECKING:
    from orchestrator.config import Config
    from orchestrator.events import Event
    from orchestrator.plan import Plan


def ask(
    text: Annotated[
        str,
        typer.Argument(help="What you want; - reads it from a pipe; may be empty beside a file."),
    ] = "",
    image: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Attach a picture.")] = None,
    audio: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Attach a recording.")] = None,
    video: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Attach a film.")] = None,
    file: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Attach any file.")] = None,
    speech: Annotated[
        Path | None, typer.Option("--say", metavar="OUT.wav", help="Speak the reply into a WAV file.")
    ] = None,
    session: Annotated[
        str | None, typer.Option(metavar="NAME", help="Go on with a session, or begin one of this name.")
    ] = None,
    within: Within = None,
    max_price: MaxPrice = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the answer alone.")] = False,
    as_json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Ask once and print the answer as it comes."""
    from orchestrator.cli.models import ensure
    from orchestrator.config import load

    if speech is not None:
        _check_speech(speech)
    if text == "-" or not (text or image or audio or video or file or sys.stdin.isatty()):
        text = sys.stdin.read().strip()
    settings = load(config)
    ensure(settings)
    turn = _Turn(quiet=quiet or as_json, stream=not as_json)
    asked: dict[str, Any] = {
        "images": image or [],
        "audio": audio or [],
        "video": video or [],
        "files": file or [],
        "speak": "never" if speech is None else True,
        "budget": budget(within, max_price),
    }
    asyncio.run(_run(settings, session, turn, text, asked))
    if as_json:
        print_json(turn.summary())
    if speech is not None:
        turn.write_speech(speech)
    if turn.outcome not in {"answered", "waited"}:
        raise typer.Exit(1)


def _check_speech(path: Path) -> None:
    """Raises BadInput when speech cannot be written there: before the turn, not after it."""
    from specialists.errors import BadInput

    if path.suffix.lower() not in {".wav", ""}:
        raise BadInput("speech is written as WAV", part=str(path), remedy="Name a file that ends in .wav")
    check_writable(path)


async def _run(settings: Config, name: str | None, turn: _Turn, text: str, asked: dict[str, Any]) -> None:
    from orchestrator.engine import Orchestrator

    async with Orchestrator.open(settings) as orchestrator:
        session = orchestrator.session(name)
        turn.session = session.name
        async for event in session.send(text, **asked):
            turn.take(event)


class _Turn:
    """What a turn's events add up to on a command line: text to stdout, the rest to stderr."""

    def __init__(self, *, quiet: bool, stream: bool) -> None:
        self._quiet = quiet
        self._stream = stream
        self._finished: dict[str, Any] = {}
        self._plan: dict[str, Any] = {}
        self._routed: dict[str, Any] = {}
        self._problems: list[dict[str, Any]] = []
        self._pcm = bytearray()
        self._rate = 0
        self._media: list[str] = []
        self._midline = False
        self._said = ""
        self._progress = Progress()
        self.session = ""
        self.outcome = "failed"

    def take(self, event: Event) -> None:
        from orchestrator.events import to_dict

        match event.type:
            case "reply.text":
                if self._stream:
                    self._said += event.text
                    sys.stdout.write(clean(event.text) if sys.stdout.isatty() else event.text)
                    sys.stdout.flush()
                    self._midline = not event.text.endswith("\n")
            case "reply.speech":
                self._pcm += event.pcm
                self._rate = event.rate
            case "turn.routed":
                self._routed = to_dict(event)
            case "turn.planned":
                self._plan = to_dict(event)["plan"]
                self._tell_plan(event.plan)
            case "step.finished":
                self._tell(f"{event.specialist}: {how_finished(to_dict(event))}")
            case "step.failed":
                then = "" if event.then == "give up" else f" ({event.then})"
                self._tell(f"{event.specialist}: {event.reason}{then}")
            case "turn.corrected" | "turn.replanned":
                self._tell(_change(to_dict(event)))
            case "reply.media":
                self._media.append(event.part.name)
            case "part.rejected" | "turn.problem":
                problem = to_dict(event)
                self._problems.append(problem)
                seen = sys.stdout.isatty() and event.reason in self._said  # on one screen once is enough
                if event.type == "turn.problem" and not seen:
                    remedy = f". {event.remedy}" if event.remedy else ""
                    say(f"antiphon: {event.part + ': ' if event.part else ''}{event.reason}{remedy}")
            case "turn.finished":
                self._finished = to_dict(event)
                self.outcome = event.outcome
                if self._midline:
                    sys.stdout.write("\n")
                total, own = event.timings.get("total", 0.0), event.timings.get("own", 0.0)
                share = f"{total:.2f} s, {own * 1000:.0f} ms of it our own"
                self._tell(f"{event.outcome} in {share}; session {self.session}")
            case _:
                self._tell_progress(self._progress.take(event))

    def _tell_progress(self, line: str) -> None:
        if line and not self._said:  # a reply that comes shows it too
            self._tell(line)

    def _tell_plan(self, plan: Plan) -> None:
        from orchestrator.wording import describe

        self._tell("plan: " + (" → ".join(step.specialist for step in plan.steps) or "nothing"))
        for tradeoff in plan.tradeoffs:
            self._tell(f"budget: {describe(tradeoff)}")

    def write_speech(self, path: Path) -> None:
        """Write what was spoken. Nothing spoken is a failure that says so."""
        import wave

        from specialists.errors import Unavailable

        if not self._pcm:
            raise Unavailable("nothing was spoken", part=str(path), remedy="See the reply above for why")
        with writing(path), wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(self._rate)
            out.writeframes(bytes(self._pcm))
        self._tell(f"speech: {len(self._pcm) / 2 / self._rate:.1f} s in {path}")

    def summary(self) -> dict[str, Any]:
        return {
            "session": self.session,
            "turn": self._finished.get("turn"),
            "outcome": self.outcome,
            "text": self._finished.get("text", ""),
            "controls": self._routed.get("controls", []),
            "plan": self._plan,
            "calls": self._finished.get("calls", []),
            "reused": self._finished.get("reused", []),
            "media": self._media,
            "problems": self._problems,
            "timings": self._finished.get("timings", {}),
        }

    def _tell(self, line: str) -> None:
        if not self._quiet:
            if self._midline and sys.stdout.isatty():
                sys.stdout.write("\n")  # on one screen the two streams share lines
                sys.stdout.flush()
                self._midline = False
            say(f"  {line}")


def _change(event: dict[str, Any]) -> str:
    """What the person, or a step that came to nothing, changed."""
    from orchestrator.plan import SPEAKS

    if event["type"] == "turn.corrected":
        return f"corrects {corrected(event)}"
    unheard = any(step["specialist"] == SPEAKS for step in event["dropped"])
    return f"plan: {replanned(event)}" + ("; --say OUT.wav writes speech to a file" if unheard else "")
