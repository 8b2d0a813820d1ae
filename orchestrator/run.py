"""One step of a plan under way."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.begun import Begun
from orchestrator.plan import Step
from orchestrator.stream import Stream
from specialists.base import Chunk
from specialists.content import Part
from specialists.errors import Theirs


@dataclass(slots=True, eq=False)
class Run:
    """One step under way: its chunks as they come, then its text, its media, and its error if it failed."""

    step: Step
    specialist: str
    """The specialist that is at work: the step's own, or the alternative to it."""
    chunks: Stream[Chunk] = field(default_factory=Stream)
    parts: tuple[Part, ...] = ()
    error: Theirs | None = None
    tries: int = 0
    reused: bool = False
    likeness: float | None = None
    """How far what is reused holds, where it was found in another picture that looks the same."""
    nothing: str = ""
    """The sentence that says so when the specialist came back with nothing."""
    begun: Begun | None = None
    """What was found before in a first piece of the clip: its Chunks come first, the call is for the rest."""
    so_far: str = ""
    """Where it ended before its time: the sentence that says how far it came in a clip."""
    over: bool = False
    dropped: str = ""
    """The step that came to nothing and left this one nothing to work on, so that it does not run."""

    @property
    def text(self) -> str:
        """What it found, or the sentence that says that it found nothing."""
        return self.found or self.nothing

    @property
    def found(self) -> str:
        return "".join(chunk.text for chunk in self.chunks.items)

    @property
    def empty(self) -> bool:
        """Whether it is over and there is nothing of it to work on."""
        return self.over and (self.error is not None or not (self.parts or self.found.strip()))
