"""The step that recalls: what it tells of conversations and of clips."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from memory.episodes import marked
from memory.records import Record
from memory.store import MemoryStore
from orchestrator.door import Door
from orchestrator.recall import Memory
from orchestrator.wording import NOT_REMEMBERED
from specialists.base import Task
from specialists.content import Anchor, Span
from specialists.embed import TextEncoder
from specialists.models import ModelStore

MEDIA = Path(__file__).parents[3] / "examples" / "media"
FILM = (
    ("0:00-0:20 The words in it: “PIER 7 TICKETS”.\n", Span(0, 20), "scene"),
    ("0:05-0:09 Heard: “The ferry sails at noon.”\n", Span(5, 9), "speech"),
    ("1:10-1:20 It shows a rocket.\n", Span(70, 80), "scene"),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MemoryStore]:
    with MemoryStore.open(tmp_path, None) as opened:
        pieces = marked([(text, Anchor(span=span), label) for text, span, label in FILM])
        film = Record(
            "".join(text for text, _, _ in FILM),
            *("video", "evidence", "trip", 1, "video"),
            media=("video",),
            facts={"pieces": pieces},
            time=1.0,
        )
        opened.remember([film, Record("Gerda collects stamps.", "text", "user", "trip", 2, time=1.0)])
        opened.consolidate()
        yield opened


async def told(store: MemoryStore, words: str, **params: object) -> list[str]:
    door = Door()
    try:
        task = Task("t", "memory", instruction=words, params=params)
        return [chunk.text.strip() async for chunk in Memory(store, door).run(task)]
    finally:
        door.close()


async def test_a_moment_of_a_clip_is_told_with_its_time(store: MemoryStore) -> None:
    (first, *_) = await told(store, "When does the rocket come?", scope="")
    assert first == "1970-01-01, seen at 1:10 of a clip: It shows a rocket."
    (first, *_) = await told(store, "What was on the sign when they spoke about the ferry?", scope="")
    assert first.endswith("seen at 0:00 of a clip: The words in it: “PIER 7 TICKETS”.")


async def test_what_a_person_said_is_told_as_such(store: MemoryStore) -> None:
    (first, *_) = await told(store, "What does Gerda collect?", scope="")
    assert first == "1970-01-01, the person said: Gerda collects stamps."


async def test_without_a_scope_nothing_is_told(store: MemoryStore) -> None:
    assert await told(store, "What does Gerda collect?") == [""]


async def test_the_time_of_a_question_is_understood(store: MemoryStore) -> None:
    day, now = 86400.0, time.time()
    store.remember(
        [
            Record("The boiler knocks.", "text", "user", "home", 1, time=now - day),
            Record("The boiler leaks.", "text", "user", "home", 2, time=now - 40 * day),
            Record("The boiler hums.", "text", "user", "home", 3, time=now),
        ]
    )
    (first, *_) = await told(store, "What did I tell you yesterday about the boiler?", scope="")
    assert first.endswith("the person said: The boiler knocks.")


async def test_when_a_picture_was_shown_before_is_told(store: MemoryStore) -> None:
    photo = store.blobs.put((MEDIA / "cat.jpg").read_bytes(), "image/jpeg")
    seen = Record("a tabby cat", "image", "evidence", "trip", 3, "vision", time=1.0)
    store.remember(
        [
            replace(seen, blobs=(photo.digest,), media=("image",)),
            Record("Look who came to see us!", "text", "user", "trip", 3, time=1.0),
        ]
    )
    store.sense_pending()
    out = io.BytesIO()
    with Image.open(MEDIA / "cat.jpg") as image:
        image.crop((20, 20, 420, 270)).save(out, "JPEG")
    shot = store.blobs.put(out.getvalue(), "image/jpeg").digest
    first, second, *_ = await told(store, "When did I send you this?", scope="", like=(shot,))
    assert first.startswith("1970-01-01, vision found: a tabby cat (of what looks ")
    assert second.startswith("1970-01-01, the person said: Look who came to see us! (of what looks ")
    assert not any("looks" in line for line in await told(store, "And this?", scope="b.", like=(shot,)))


async def test_what_nothing_answers_is_told_as_such(tmp_path: Path, model_store: ModelStore) -> None:
    encoder = TextEncoder(model_store)
    said = (
        "The cats are called Bas and Griet, and Griet has diabetes.",
        *(f"The {thing} costs {price} pounds." for price, thing in enumerate(("lamp", "rake", "sofa"), 11)),
        *(
            f"My {who} lives in {town}."
            for who, town in (("sister", "Hull"), ("aunt", "Ely"), ("boss", "Bath"))
        ),
        *(f"On {day} I go swimming." for day in ("Monday", "Friday", "Sunday")),
        "The cellar key hangs behind the stag.",
    )
    with MemoryStore.open(tmp_path, encoder.encode, encoder.encode_tokens) as store:
        store.remember([Record(text, "text", "user", "home", turn) for turn, text in enumerate(said, 1)])
        first, second, *_ = await told(store, "Who won the chess tournament in Reykjavik?", scope="")
        assert first == NOT_REMEMBERED
        assert "the person said" in second
        (first, *_) = await told(store, "What is wrong with Griet?", scope="")
        assert first.endswith("Griet has diabetes.")
