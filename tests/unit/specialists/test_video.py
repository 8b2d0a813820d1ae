"""Watching: one timeline out of scripted eyes and ears, and once out of the real ones."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from specialists.base import Chunk, Parameter, Specialist, Task
from specialists.content import AUDIO, IMAGE, TEXT, VIDEO, Anchor, MemoryBlobs, Part, Span
from specialists.errors import BadConfig, BadInput, SpecialistFailed
from specialists.fakes import Failing, Gated, Hanging, Scripted, card
from specialists.models import ModelStore
from specialists.registry import Setup, load_factory
from specialists.runtime import LocalRuntime
from specialists.timeline import clock
from specialists.video import create


class Eyes(Specialist):
    """Names the mean grey of each picture it is shown, so that frames can be told apart."""

    def __init__(self) -> None:
        self.card = card("vision", (IMAGE,))
        self.tasks: list[Task] = []

    async def run(self, task: Task) -> AsyncIterator[Chunk]:
        from specialists.media import open_image

        self.tasks.append(task)
        blob = task.parts[0].blob
        assert blob is not None
        grey = np.asarray(open_image(task.blobs.read(blob))).mean()
        yield Chunk(TEXT, "It shows ", score=0.8)
        yield Chunk(TEXT, f"grey {round(grey / 50) * 50}.")
        yield Chunk(TEXT, " The main colour is grey.", label="colours")


def said(text: str, start: float, end: float, label: str = "") -> Chunk:
    return Chunk(TEXT, text, anchor=Anchor(span=Span(start, end)), score=0.9, label=label)


SEGMENTS = (said("Hello there.", 0.5, 1.5), said(" This is the end.", 2.2, 3.9))


def ears(*chunks: Chunk, words: bool = False) -> Scripted:
    declared = (Parameter("words", "boolean", "", False),) if words else ()
    return Scripted(card("asr", (AUDIO,), parameters=declared), chunks)


def film(sound: float | None = 0.5, grey: tuple[int, ...] = (50, 200), each: int = 20) -> bytes:
    """Ten frames a second, `each` of every grey; `sound` is the loudness of a hum, None for no track."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        video = file.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        track = file.add_stream("aac", rate=16_000, layout="mono") if sound is not None else None
        for level in grey:
            for _ in range(each):
                pixels = np.full((48, 64, 3), level, np.uint8)
                file.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(video.encode())
        if track is not None:
            seconds = len(grey) * each / 10
            hum = sound * np.sin(np.arange(int(16_000 * seconds)) / 10)
            for start in range(0, len(hum) - 1024, 1024):
                block = hum[None, start : start + 1024].astype(np.float32)
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 16_000, start
                file.mux(track.encode(frame))
            file.mux(track.encode())
    return out.getvalue()


def watching(*others: Specialist, **options: object) -> LocalRuntime:
    runtime = LocalRuntime(others)
    runtime.add(create(Setup("video", ModelStore(Path()), runtime, options=options)))
    return runtime


def task(*films: bytes, words: str = "", deadline: float | None = None) -> Task:
    blobs = MemoryBlobs()
    parts = tuple(Part(VIDEO, blob=blobs.put(data, "video/mp4"), name="clip.mp4") for data in films)
    return Task("t", "video", parts=parts, instruction=words, deadline=deadline, blobs=blobs)


async def watch(runtime: LocalRuntime, call: Task) -> list[Chunk]:
    return [chunk async for chunk in runtime.run(call)]


def lines(chunks: list[Chunk]) -> list[str]:
    return "".join(chunk.text for chunk in chunks).splitlines()


async def test_eyes_and_ears_make_one_timeline() -> None:
    eyes, heard = Eyes(), ears(*SEGMENTS)
    chunks = await watch(watching(eyes, heard), task(film(), words="what happens?"))
    assert lines(chunks) == [
        "A film of 0:04 with 2 scenes.",
        "0:00-0:02 It shows grey 50.",
        "0:00-0:02 Heard: “Hello there.”",
        "0:02-0:04 It shows grey 200.",
        "0:02-0:04 Heard: “This is the end.”",
    ]
    spans = [chunk.anchor.span for chunk in chunks[1:] if chunk.anchor and chunk.anchor.span]
    assert [span.start for span in spans] == [0.0, 0.5, pytest.approx(2.0), 2.2]
    assert [chunk.label for chunk in chunks] == ["film", "scene", "speech", "scene", "speech"]
    assert eyes.tasks[0].instruction == ""  # the same film gives the same timeline, whatever was asked
    assert heard.tasks[0].parts[0].kind == AUDIO


async def test_words_are_gathered_into_sentences_with_their_times() -> None:
    words = [
        said("One", 0.1, 0.3, "word"),
        said(" two.", 0.4, 0.9, "word"),
        said(" Three", 3.0, 3.2, "word"),
    ]
    heard = ears(*words, words=True)
    found = lines(await watch(watching(Eyes(), heard), task(film())))
    assert heard.tasks[0].params == {"words": True}
    assert [line for line in found if "Heard" in line] == [
        "0:00-0:01 Heard: “One two.”",
        "0:03-0:03 Heard: “Three”",
    ]


async def test_a_long_pause_ends_a_sentence_that_has_no_full_stop() -> None:
    words = [
        said("The", 0.1, 0.3, "word"),
        said(" cat", 2.0, 2.2, "word"),
        said(" sleeps.", 2.3, 2.9, "word"),
    ]
    found = lines(await watch(watching(Eyes(), ears(*words, words=True)), task(film())))
    assert [line for line in found if "Heard" in line] == [
        "0:00-0:00 Heard: “The”",
        "0:02-0:03 Heard: “cat sleeps.”",
    ]


async def test_of_words_that_were_read_an_unsure_guess_is_not_told() -> None:
    read = Chunk(TEXT, " The words in it: “PIER 7”.", label="text")
    for score, told in ((0.2, "The words"), (0.7, "It shows a ship. The words")):
        eyes = Scripted(card("vision", (IMAGE,)), (Chunk(TEXT, "It shows a ship.", score=score), read))
        (_, line, *_) = lines(await watch(watching(eyes), task(film(None, (50,)))))
        assert line == f"0:00-0:02 {told} in it: “PIER 7”."


async def test_of_a_long_film_more_scenes_are_looked_at() -> None:
    eyes = Eyes()
    chunks = await watch(watching(eyes), task(film(None, (50, 200) * 5, each=150)))
    assert lines(chunks)[0] == "A film of 2:30 with 10 scenes."
    assert len([chunk for chunk in chunks if chunk.label == "scene"]) == 10


async def test_the_names_of_the_colours_are_told() -> None:
    colours = {"width": 64.0, "height": 48.0, "red": 0.6, "white": 0.3}
    seen = (Chunk(TEXT, "It shows a chart."), Chunk(TEXT, " The main ...", label="colours", facts=colours))
    chunks = await watch(watching(Scripted(card("vision", (IMAGE,)), seen)), task(film(None, (50,))))
    assert lines(chunks)[1] == "0:00-0:02 It shows a chart. Colours: red, white."


async def test_of_a_piece_only_that_is_watched_at_the_times_of_the_film() -> None:
    eyes, heard = Eyes(), ears(said("Hello there.", 0.2, 0.8))
    call = replace(task(film(grey=(50, 200, 100))), params={"start": 2.5, "end": 5.5})
    chunks = await watch(watching(eyes, heard), call)
    assert lines(chunks) == [
        "A film of 0:06, of which 0:02 to 0:06, with 2 scenes.",
        "0:02-0:04 It shows grey 200.",
        "0:02-0:03 Heard: “Hello there.”",
        "0:04-0:06 It shows grey 100.",
    ]
    spans = [chunk.anchor.span for chunk in chunks if chunk.anchor and chunk.anchor.span]
    assert spans[0] == Span(2.5, 5.5)
    assert spans[2] == Span(pytest.approx(2.7), pytest.approx(3.3))
    assert heard.tasks[0].parts[0].facts["seconds"] == pytest.approx(3.0, abs=0.1)


async def test_the_end_of_a_film_can_be_asked_for() -> None:
    found = lines(await watch(watching(Eyes(), ears()), replace(task(film()), params={"start": -1.0})))
    assert found[0] == "A film of 0:04, of which 0:03 to 0:04, with one scene."
    assert found[1] == "0:03-0:04 It shows grey 200."


@pytest.mark.parametrize("params", [{"start": 60}, {"start": 3, "end": 1}, {"end": "late"}])
async def test_a_piece_that_is_none_is_refused(params: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        await watch(watching(Eyes(), ears()), replace(task(film()), params=params))


@pytest.mark.parametrize(
    ("sound", "heard", "said_of_it"),
    [
        (None, SEGMENTS, "It has no sound."),
        (0.0, SEGMENTS, "Its sound is silent."),
        (0.5, (Chunk(TEXT, label="no speech"),), "No words are heard in it."),
    ],
)
async def test_missing_sound_is_said(sound: float | None, heard: tuple[Chunk, ...], said_of_it: str) -> None:
    found = lines(await watch(watching(Eyes(), ears(*heard)), task(film(sound))))
    assert found[-1] == said_of_it
    assert len(found) == 4


async def test_without_ears_it_still_sees_and_names_the_gap() -> None:
    broken = Failing(card("asr", (AUDIO,)), [SpecialistFailed("the model is gone", part="asr")])
    for runtime, reason in (
        (watching(Eyes()), "no specialist of this name"),
        (watching(Eyes(), broken), "the model is gone"),
    ):
        found = lines(await watch(runtime, task(film())))
        assert found[1:3] == ["0:00-0:02 It shows grey 50.", "0:02-0:04 It shows grey 200."]
        assert found[-1] == f"What is said in it is not known: {reason}."


async def test_without_eyes_it_still_hears_and_names_the_gap() -> None:
    found = lines(await watch(watching(ears(*SEGMENTS)), task(film())))
    assert found[1] == "0:00-0:02 Heard: “Hello there.”"
    assert found[-1] == "What it shows is not known: no specialist of this name."


async def test_a_scene_that_fails_does_not_end_the_others() -> None:
    eyes = Failing(
        card("vision", (IMAGE,)),
        [SpecialistFailed("blinked", part="vision")],
        [Chunk(TEXT, "It shows a door.")],
    )
    found = lines(await watch(watching(eyes, ears(*SEGMENTS)), task(film())))
    assert "0:00-0:02 What it shows is not known: blinked." in found
    assert "0:02-0:04 It shows a door." in found


async def test_lines_come_as_soon_as_their_turn_is_certain() -> None:
    eyes = Gated(card("vision", (IMAGE,)), [Chunk(TEXT, "It shows something.")])
    heard = Gated(card("asr", (AUDIO,)), SEGMENTS)
    answer = watching(eyes, heard).run(task(film()))
    eyes.gate.release()
    # The first scene waits for no sound, and what is said in it for no second scene.
    labels = [(await anext(answer)).label for _ in range(2)]  # type: ignore[call-overload]
    heard.gate.release()
    labels.append((await anext(answer)).label)  # type: ignore[call-overload]
    assert labels == ["film", "scene", "speech"]
    await answer.aclose()  # type: ignore[attr-defined]
    assert heard.cancelled.is_set()


async def test_cancelling_reaches_eyes_and_ears() -> None:
    eyes, heard = Hanging(card("vision", (IMAGE,))), Hanging(card("asr", (AUDIO,)))
    running = asyncio.create_task(watch(watching(eyes, heard), task(film())))
    await asyncio.gather(eyes.started.wait(), heard.started.wait())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert eyes.cancelled.is_set()
    assert heard.cancelled.is_set()


async def test_a_hanging_sense_is_named_within_the_deadline() -> None:
    found = lines(await watch(watching(Eyes(), Hanging(card("asr", (AUDIO,)))), task(film(), deadline=4.0)))
    assert found[2] == "0:02-0:04 It shows grey 200."
    assert "did not finish" in found[-1]


async def test_several_films_are_answered_one_after_another() -> None:
    found = lines(await watch(watching(Eyes(), ears()), task(film(), film(grey=(100,)))))
    assert found[0] == "Film 1: A film of 0:04 with 2 scenes."
    assert "Film 2: A film of 0:02 with one scene." in found


async def test_at_most_so_many_scenes() -> None:
    found = lines(await watch(watching(Eyes(), max_scenes=2), task(film(grey=(50, 200, 100)))))
    assert found[0] == "A film of 0:06 with 2 scenes."


async def test_what_it_cannot_watch_is_refused() -> None:
    with pytest.raises(BadInput, match="no film"):
        await watch(watching(), Task("t", "video", parts=(Part(IMAGE),)))
    with pytest.raises(BadInput, match="does not hold a film"):
        await watch(watching(), task(b"nothing"))
    with pytest.raises(BadConfig, match="whole number"):
        watching(max_scenes=0)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (7.9, "0:07"), (750, "12:30"), (3723, "1:02:03")]
)
def test_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


async def test_the_example_with_real_eyes_and_ears(model_store: ModelStore, media: Path) -> None:
    runtime = LocalRuntime()
    for name in ("ocr", "vision", "asr", "video"):
        factory = load_factory(f"specialists.{name}:create", part=name)
        runtime.add(factory(Setup(name, model_store, runtime)))
    found = lines(await watch(runtime, task((media / "clip.mp4").read_bytes())))
    assert found[0] == "A film of 0:09 with 3 scenes."
    assert found[1].startswith("0:00-0:02 It shows a cat (9")
    assert found[2].startswith("0:00-0:02 Heard: “First")
    assert found[3].startswith("0:02-0:05 It shows an espresso (")
    assert "cup of coffee" in found[4]
    assert "“Opening hours: / 9 to 5”" in found[5]
    assert "sign on the door" in found[6]
