"""What happens in a film: its scenes through `vision`, its words through `asr`, on one timeline."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING

from specialists.base import Card, Chunk, Cost, Resources, Specialist, Task
from specialists.calls import ask, subtask
from specialists.content import AUDIO, IMAGE, TEXT, VIDEO, MemoryBlobs, Part, Span
from specialists.errors import AntiphonError, BadConfig, BadInput, Unavailable, UnknownName
from specialists.film import inspect_video, video_frames
from specialists.limits import Inspected, safe_name
from specialists.picture import encode_image
from specialists.piece import STRETCH_PARAMETERS, stretch
from specialists.registry import Setup
from specialists.scenes import SAME_SIDES, changes, is_same, scenes
from specialists.sound import encode_flac, read_audio
from specialists.threads import in_thread, stream
from specialists.timeline import Entry, clock, gap, header, merged, moved, paused, scene, speech

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE = 16_000
LONG = 300.0
"""Of films longer than this, in seconds, only key frames are compared: decoding all would take minutes."""
EACH = 15.0
"""Of films so long that the option `max_scenes` allows less, a scene is looked at for so many seconds."""
SILENT = 1e-4
"""Sound that never gets louder than this share of full scale is silence."""
SIDE = 1600
"""The longer side in pixels of the frames that are looked at."""

EXAMPLES = (
    "what happens in this video?",
    "describe the clip",
    "summarise this film for me",
    "what is said in the video, and what is shown?",
    "when does the dog appear?",
    "at what second does the sign come up?",
    "what can be seen while she talks about the budget?",
    "watch this and tell me what it is about",
    "list the scenes of this movie",
    "what does the man in the clip say?",
    "give me a timeline of this recording of my screen",
    "is there any text shown in the video?",
    "how many scenes does this clip have?",
    "what is the video about?",
    "does this film have sound?",
    "tell me what I missed in this clip",
    "what was on the table in the video?",
    "what animal shows up in the footage?",
    "describe what the camera sees",
    "write down everything that is heard and seen here",
    "what comes after the coffee in the clip?",
    "which words are on the screen at the end?",
)


@dataclass(frozen=True, slots=True)
class _Film:
    """A film that is worked on: its Part's place, bytes and facts, the piece of it that is wanted, and where
    what is made of it is kept."""

    task: Task
    index: int
    name: str
    data: bytes
    found: Inspected
    piece: Span
    started: float
    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)


class Watcher(Specialist):
    """Watches and hears films. One Chunk is one line of the timeline, in order of time, with its span.

    The first Chunk says how long the film is and how many scenes it has. What cannot be seen or heard
    because a specialist is missing or fails is named in a line of its own at the end. Of a piece of a film,
    the times are those of the film.
    """

    def __init__(self, setup: Setup) -> None:
        setup.check_options("max_scenes")
        most = setup.option("max_scenes", 8)
        if not isinstance(most, int) or isinstance(most, bool) or most < 1:
            raise BadConfig("must be a whole number from 1", part=f"specialists.{setup.name}.max_scenes")
        self._setup = setup
        self._most = most
        self.card = Card(
            name=setup.name,
            description="Says what happens in a film: what its scenes show and what is said, with times.",
            consumes=(VIDEO,),
            produces=(TEXT,),
            version="2",
            parameters=STRETCH_PARAMETERS,
            examples=EXAMPLES,
            requires=("vision", "ocr", "asr"),
            purpose="video",
            cost=Cost(seconds=8.0, per_second=0.05),
            resources=Resources(cpus=2.0, memory_mb=600),
            model=f"scenes-{most}",
        )

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        films = [(index, part) for index, part in enumerate(task.parts) if part.kind == VIDEO]
        if not films:
            raise BadInput("got no film to watch", part=self.card.name)
        stretch(task)  # refused before any work is done
        started = time.monotonic()
        for count, (index, part) in enumerate(films, 1):
            film = await in_thread(self._open, task, index, part, started)
            opening = f"Film {count}: " if len(films) > 1 else ""
            spans = await self._scenes(film)
            yield header(index, film.found.facts["seconds"], film.piece, len(spans), opening)
            async with aclosing(self._timeline(film, spans)) as entries:
                async for entry in entries:
                    yield entry.chunk

    def _open(self, task: Task, index: int, part: Part, started: float) -> _Film:
        name = safe_name(part.name)
        if part.blob is None:
            raise BadInput("has no content", part=name)
        data = task.blobs.read(part.blob)
        found = inspect_video(data, self._setup.limits, part=name)
        piece = stretch(task).within(found.facts["seconds"], name)
        return _Film(task, index, name, data, found, piece, started)

    async def _scenes(self, film: _Film) -> list[Span]:
        start, seconds = film.piece.start, film.piece.end - film.piece.start

        def compare() -> Generator[list[tuple[float, float]], None, None]:
            frames = video_frames(
                film.data, self._setup.limits, part=film.name, start=start, only_keys=seconds > LONG
            )
            yield from changes(takewhile(lambda frame: frame.time <= film.piece.end, frames))

        found: list[tuple[float, float]] = []
        async with aclosing(stream(compare)) as blocks:
            async for block in blocks:
                found += [(time - start, score) for time, score in block]
        most = max(self._most, math.ceil(seconds / EACH))
        return [Span(start + s.start, start + s.end) for s in scenes(found, seconds, most)]

    async def _timeline(self, film: _Film, spans: list[Span]) -> AsyncGenerator[Entry, None]:
        """The entries of eyes and ears, merged by time. Both are in order of time by themselves."""
        seen: asyncio.Queue[Entry | None] = asyncio.Queue()
        heard: asyncio.Queue[Entry | None] = asyncio.Queue()

        async def watch() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._see(film, spans, seen))
                group.create_task(self._hear(film, heard))

        # The group lives in a task of its own: a generator that is closed must not stand inside one.
        work = asyncio.create_task(watch(), name=f"film {film.task.id}")
        try:
            async with aclosing(merged(seen, heard, [span.start for span in spans])) as entries:
                async for entry in entries:
                    yield entry
            await work
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work

    async def _see(self, film: _Film, spans: list[Span], out: asyncio.Queue[Entry | None]) -> None:
        looked: list[tuple[NDArray[np.uint8], list[Chunk]]] = []
        try:
            for number, span in enumerate(spans):
                try:
                    part, grey = await in_thread(self._frame, film, span)
                    known = (shown for other, shown in looked if is_same(other, grey))
                    if (before := next(known, None)) is not None:  # nearly the same picture is kept once
                        out.put_nowait(scene(film.index, span, before))
                        continue
                    call = self._call(film, "vision", part, number)
                    shown = [chunk async for chunk in ask(self._setup.runtime, call)]
                    looked.append((grey, shown))
                except (Unavailable, UnknownName) as error:
                    out.put_nowait(gap(film.index, f"What it shows is not known: {error.message}."))
                    return
                except AntiphonError as error:
                    shown = [Chunk(TEXT, f"What it shows is not known: {error.message}.", label="gap")]
                out.put_nowait(scene(film.index, span, shown))
        finally:
            out.put_nowait(None)

    async def _hear(self, film: _Film, out: asyncio.Queue[Entry | None]) -> None:
        sentence: list[Chunk] = []
        try:
            if not film.found.facts.get("channels"):
                out.put_nowait(gap(film.index, "It has no sound."))
                return
            part = await in_thread(self._sound, film)
            if part is None:
                out.put_nowait(gap(film.index, "Its sound is silent."))
                return
            call = self._call(film, "asr", part, 0, {"words": True} if self._hears_words() else {})
            spoken = False
            async for chunk in ask(self._setup.runtime, call):
                if not chunk.text.strip():
                    continue
                spoken = True
                heard = moved(chunk, film.piece.start)
                if sentence and paused(sentence[-1], heard):
                    out.put_nowait(speech(film.index, film.piece, sentence))
                    sentence = []
                sentence.append(heard)
                if heard.label != "word" or heard.text.rstrip().endswith((".", "?", "!")):
                    out.put_nowait(speech(film.index, film.piece, sentence))
                    sentence = []
            if sentence:
                out.put_nowait(speech(film.index, film.piece, sentence))
            if not spoken:
                out.put_nowait(gap(film.index, "No words are heard in it."))
        except AntiphonError as error:
            if sentence:
                out.put_nowait(speech(film.index, film.piece, sentence))
            out.put_nowait(gap(film.index, f"What is said in it is not known: {error.message}."))
        finally:
            out.put_nowait(None)

    def _call(
        self, film: _Film, name: str, part: Part, number: int, params: Mapping[str, object] | None = None
    ) -> Task:
        return subtask(
            film.task, name, part, started=film.started, number=number, blobs=film.blobs, params=params
        )

    def _hears_words(self) -> bool:
        """Whether `asr` can give each word its own time, so that a sentence gets the time it was said."""
        cards = [card for card in self._setup.runtime.cards() if card.name == "asr"]
        return any(parameter.name == "words" for card in cards for parameter in card.parameters)

    def _frame(self, film: _Film, span: Span) -> tuple[Part, NDArray[np.uint8]]:
        """The frame in the middle of a scene, as a picture, and small and grey for comparing it."""
        import numpy as np

        middle = (span.start + span.end) / 2
        frame = next(video_frames(film.data, self._setup.limits, part=film.name, start=middle), None)
        if frame is None:  # the picture ends before the sound
            frame = next(video_frames(film.data, self._setup.limits, part=film.name, start=span.start), None)
        if frame is None:
            raise BadInput("there is no picture at this time", part=film.name)
        image = frame.image()
        grey = np.asarray(image.convert("L").resize(SAME_SIDES))
        image.thumbnail((SIDE, SIDE))
        blob = film.blobs.put(encode_image(image), "image/jpeg")
        size = {"width": float(image.width), "height": float(image.height)}
        return Part(IMAGE, blob=blob, name=f"{film.name} at {clock(frame.time)}", facts=size), grey

    def _sound(self, film: _Film) -> Part | None:
        """The sound of the wanted piece as a recording; None when it is silent."""
        samples = read_audio(film.data, self._setup.limits, RATE, part=film.name)
        samples = samples[round(film.piece.start * RATE) : round(film.piece.end * RATE)]
        if not len(samples) or max(samples.max(), -samples.min()) < SILENT:
            return None
        blob = film.blobs.put(encode_flac(samples, RATE), "audio/flac")
        return Part(AUDIO, blob=blob, name=film.name, facts={"seconds": len(samples) / RATE, "rate": RATE})


def create(setup: Setup) -> Specialist:
    """The `video` specialist.

    Option `max_scenes`: how many scenes of a film are looked at, at most; 8. Of films in which that is less
    than one in EACH seconds, as many as that is.
    """
    return Watcher(setup)
