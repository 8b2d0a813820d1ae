"""A film with known events: watched by the real specialists, worked into memory, and asked about."""

from __future__ import annotations

from pathlib import Path

from benchmarks.film import compose
from benchmarks.long_clips import Watches
from memory.episodes import span_of
from memory.store import MemoryStore
from orchestrator.config import Config
from orchestrator.engine import Orchestrator
from specialists.embed import TextEncoder
from specialists.models import ModelStore

SCENES = (
    {
        "scene": "pier",
        "seconds": 8,
        "draw": "sign",
        "words": "PIER 7\nTICKETS",
        "colour": "steelblue",
        "say": [{"at": 2, "voice": "woman", "words": "The ferry leaves twice a day."}],
    },
    {"scene": "cat", "seconds": 6, "photo": "cat.jpg"},
    {
        "scene": "boats",
        "seconds": 8,
        "draw": "chart",
        "words": "BOATS PER YEAR",
        "colour": "red",
        "say": [{"at": 2, "voice": "man", "words": "The shipyards have lost their orders."}],
    },
)


async def test_what_was_seen_and_heard_is_found_by_what_was_beside_it(
    tmp_path: Path, model_store: ModelStore
) -> None:
    film = tmp_path / "film.mp4"
    compose(SCENES, film, model_store)
    config = Config.model_validate({"engine": {"data": tmp_path, "models": model_store.root}})
    async with Orchestrator.open(config, controller=Watches()) as orchestrator:
        async for _ in orchestrator.session("film").send("What happens?", video=[film]):
            pass
    encoder = TextEncoder(model_store)
    with MemoryStore.open(tmp_path / "memory", encoder.encode, encoder.encode_tokens) as store:
        store.consolidate()
        sign = store.recollect("What was on the sign when the woman spoke about the ferry?").hits[0].record
        chart = store.recollect("When does the red chart come?").hits[0].record
        said = store.recollect("What was said after the cat appeared?").hits[0].record
    assert "PIER 7" in sign.text
    assert (span := span_of(chart)) is not None
    assert abs(span.start - 14) < 1
    assert "shipyards" in said.text
