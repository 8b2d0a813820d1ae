"""One turn of the conversation: what was asked, the plan as it runs, what went wrong, and the reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalGroup
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Markdown, Static
from textual.widgets.markdown import MarkdownStream

from orchestrator.events import Event, Failed, MediaReady, PartRejected, TextDelta
from specialists.content import IMAGE, BlobRef, Message, Part
from specialists.errors import AntiphonError
from tui.messages import Outgoing
from tui.speech import can_play
from tui.text import clean, seconds
from tui.trace import TurnTrace
from tui.widgets.chips import chip
from tui.widgets.notice import Notice
from tui.widgets.picture import Picture, Source
from tui.widgets.plan import PlanView

_PICTURES = 4  # previews of one message; the others are named


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a turn's view needs from outside: a clock in seconds, and the bytes behind a reference."""

    clock: Callable[[], float]
    read: Callable[[BlobRef], Awaitable[bytes]]


class Asked(Vertical):
    """The person's side: words, files, small pictures."""

    def __init__(self, text: str, files: Sequence[Content], pictures: Sequence[Source]) -> None:
        super().__init__()
        self._text = text
        self._files = files
        self._pictures = pictures

    @classmethod
    def of_outgoing(cls, outgoing: Outgoing) -> Asked:
        files = [chip(file.kind, file.path.name, file.size) for file in outgoing.files]
        return cls(outgoing.text, files, [file.path for file in outgoing.files if file.kind == IMAGE])

    @classmethod
    def of_message(cls, message: Message, read: Callable[[BlobRef], Awaitable[bytes]]) -> Asked:
        pictures = [_source(part.blob, read) for part in message.media if part.blob and part.kind == IMAGE]
        return cls(message.text, [_named(part) for part in message.media], pictures)

    def compose(self) -> ComposeResult:
        if self._text:
            yield Static(clean(self._text), markup=False, classes="words")
        for file in self._files:
            yield Static(file, markup=False, classes="file")
        for picture in self._pictures[:_PICTURES]:
            yield Picture(picture)


class TurnView(Vertical):
    """Follows one `TurnTrace`. Created from what was just sent, or from the trace of an older turn."""

    def __init__(self, trace: TurnTrace, around: Surroundings, outgoing: Outgoing | None = None) -> None:
        super().__init__()
        self.trace = trace
        self.outgoing = outgoing
        self._around = around
        self._stream: MarkdownStream | None = None

    def compose(self) -> ComposeResult:
        if self.outgoing is not None:
            yield Asked.of_outgoing(self.outgoing)
        elif self.trace.asked is not None:
            yield Asked.of_message(self.trace.asked, self._around.read)
        yield PlanView(self.trace, self._around.clock)
        yield VerticalGroup(classes="notices")
        yield Markdown(parser_factory=_parser, open_links=False, classes="reply")
        yield VerticalGroup(classes="made")
        yield Static(markup=False, classes="tail")

    async def on_unmount(self) -> None:
        if self._stream is not None:
            await self._stream.stop()

    def wait_for(self, what: str) -> None:
        """Say what keeps the turn from its first step; empty when nothing does."""
        self.query_one(PlanView).update(waiting_for=what)

    async def show(self, events: Sequence[Event]) -> None:
        """Draw Events that the trace has taken in."""
        for event in events:
            match event:
                case TextDelta() if not self.trace.over or self._stream is not None:
                    await self._write(event.text)
                case PartRejected():
                    await self._note(Notice(event.part, event.reason, tone="warning"))
                case Failed() if event.reason not in self.trace.text:  # else the reply says it
                    await self._note(Notice(event.part, event.reason, event.remedy))
                case MediaReady():
                    await self._made(event.part)
                case _:
                    pass
        if self.trace.over:
            await self._end()
        self.query_one(PlanView).update()

    async def give_up(self, error: AntiphonError | None) -> None:
        """Nothing more will come: end here, with the reason if there is one."""
        if error is not None:
            await self._note(Notice.of(error))
        if not self.trace.over:
            self.trace.drop()
            await self._end(silent=error is not None)
        self.query_one(PlanView).update()

    async def _write(self, text: str) -> None:
        reply = self.query_one(".reply", Markdown)
        if self._stream is None:
            reply.display = True
            self._stream = Markdown.get_stream(reply)
        await self._stream.write(clean(text))

    async def _end(self, *, silent: bool = False) -> None:
        if self._stream is not None:
            await self._stream.stop()
            self._stream = None
        reply, text = self.query_one(".reply", Markdown), clean(self.trace.text)
        reply.display = bool(text)
        if reply.source != text:
            await reply.update(text)
        tail = self.query_one(".tail", Static)
        lines = [] if silent else _tail(self.trace, spoken_for=bool(self.query(Notice)) or bool(text))
        tail.display = bool(lines)
        tail.update(Content("\n").join(lines))

    async def _note(self, notice: Notice) -> None:
        await self.query_one(".notices").mount(notice)

    async def _made(self, part: Part) -> None:
        widgets: list[Widget] = [Static(_named(part), markup=False, classes="file")]
        if part.blob is not None and part.kind == IMAGE:
            widgets.append(Picture(_source(part.blob, self._around.read)))
        await self.query_one(".made").mount(*widgets)


def _tail(trace: TurnTrace, *, spoken_for: bool) -> list[Content]:
    """The lines under a reply: how it ended if not well, and what to do with its sound."""
    lines: list[Content] = []
    if trace.interrupted:
        lines.append(Content.styled("interrupted", "$warning"))
    elif trace.finished is not None and trace.finished.outcome == "waited":
        lines.append(Content.styled("waiting for you to go on", "$muted"))
    elif not (spoken_for or trace.speech or trace.media):
        lines.append(Content.styled("No answer came", "$warning"))
    if trace.speech:
        offers = ["/play", "/speech PATH.wav"] if can_play() else ["/speech PATH.wav saves it"]
        words = f"♪ {seconds(trace.speech.seconds)} of speech  "
        lines.append(Content.assemble((words, "$accent"), ("  ".join(offers), "$muted")))
    return lines


def _named(part: Part) -> Content:
    return chip(part.kind, part.name or "unnamed", part.blob.size if part.blob else 0)


def _source(ref: BlobRef, read: Callable[[BlobRef], Awaitable[bytes]]) -> Source:
    return lambda: read(ref)


def _parser() -> MarkdownIt:
    """Markdown without HTML, and with every line where it was: lines read from a page are no paragraph."""
    parser = MarkdownIt("gfm-like", {"html": False})
    parser.core.ruler.push("keep_lines", _keep_lines)
    return parser


def _keep_lines(state: StateCore) -> None:
    for block in state.tokens:
        for token in block.children or ():
            if token.type == "softbreak":
                token.type = "hardbreak"
