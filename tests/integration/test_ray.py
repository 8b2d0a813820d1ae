"""Specialists and the API on a real local Ray cluster, started once for this file."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest

from orchestrator.config import Config
from specialists.base import Card, Task
from specialists.content import IMAGE, BlobRef, Part
from specialists.errors import (
    BadConfig,
    BadInput,
    DeadlineExceeded,
    SpecialistFailed,
    TransientFailure,
    Unavailable,
)
from specialists.models import DEFAULTS, ModelStore
from specialists.registry import BUILT_IN
from specialists.threads import in_thread

ray = pytest.importorskip("ray")

from ray import serve  # noqa: E402

from serving.app import application, run  # noqa: E402
from serving.cluster import cluster  # noqa: E402
from serving.command import _free_port  # noqa: E402
from serving.config import APPLICATION  # noqa: E402
from serving.deployments import hosts  # noqa: E402
from serving.runtime import RayRuntime  # noqa: E402

pytestmark = pytest.mark.ray

TICKER = "embed"
"""The ticker stands in the place of the embedder, so that it can be called over HTTP as well."""

USED = {"chat", "vision", "ocr", "asr", "tts", "imagegen"}
"""Of the specialists with models, those that the tests of the API need; imagegen has none by default."""

STOP_SECONDS = 0.25
"""The budget from cancelling a call to an idle replica."""


@dataclass(frozen=True)
class Served:
    """What the tests ask: a runtime on the cluster, and where the API listens."""

    handles: dict[str, serve.handle.DeploymentHandle]
    cards: tuple[Card, ...]
    ticks: Path
    url: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, model_store: ModelStore) -> Iterator[Served]:
    for name in USED & DEFAULTS.keys():
        for uri in DEFAULTS[name]:
            model_store.resolve(uri)
    folder = tmp_path_factory.mktemp("ray")
    ticks = folder / "ticks"
    ticks.touch()
    parts = {
        "errands": {"use": "ray_parts:Errands"},
        TICKER: {"use": "ray_parts:Ticker", "log": str(ticks)},
        "through": {"use": "ray_parts:Composite", "others": f"{TICKER} errands missing"},
        "missing": {"use": "ray_parts:Missing"},
        "broken": {"use": "ray_parts:Broken"},
    }
    port = _free_port("127.0.0.1", 0)
    config = Config.model_validate(
        {
            "engine": {"data": folder / "data", "models": model_store.root},
            "server": {"port": port},
            "specialists": {**{name: {"enabled": name in USED} for name in BUILT_IN}, **parts},
        }
    )
    bound, cards = hosts(config)
    with cluster(config, cards):
        assert run(application(config, bound, cards), config, threading.Event())
        handles = {name: serve.get_deployment_handle(name, APPLICATION) for name in bound}
        yield Served(handles, cards, ticks, f"http://127.0.0.1:{port}")


@pytest.fixture
async def runtime(served: Served) -> AsyncIterator[RayRuntime]:
    runtime = RayRuntime(served.handles, served.cards)
    yield runtime
    await runtime.close()


async def text(runtime: RayRuntime, task: Task) -> str:
    return "".join([chunk.text async for chunk in runtime.run(task)])


class Store:
    """Blobs in memory; it cannot be pickled, like a store with an open database."""

    def __init__(self, *contents: bytes) -> None:
        self._blobs = {hashlib.sha256(data).hexdigest(): data for data in contents}
        self._connection = iter(())  # iterators of this kind do not travel
        self.lock = asyncio.Lock()

    def read(self, ref: BlobRef) -> bytes:
        return self._blobs[ref.digest]

    def parts(self) -> tuple[Part, ...]:
        return tuple(
            Part(IMAGE, blob=BlobRef(digest, len(data), "image/png")) for digest, data in self._blobs.items()
        )


async def test_chunks_arrive_whole_and_in_order(runtime: RayRuntime) -> None:
    answer = await text(runtime, Task("t", "errands", instruction="count"))
    assert answer.split() == [str(n) for n in range(2000)]


async def test_small_chunks_travel_in_batches(served: Served) -> None:
    from serving.parcels import Parcel

    answer = (
        served.handles["errands"]
        .options(stream=True)
        .run.remote(Parcel(Task("t", "errands", instruction="count"), {}))
    )
    sizes = [len(batch) async for batch in answer]
    assert sum(sizes) == 2000
    assert len(sizes) < 200


async def test_a_stream_is_read_while_it_is_written(runtime: RayRuntime) -> None:
    started = time.perf_counter()
    async for chunk in runtime.run(Task("t", TICKER)):
        assert chunk.text == "tick "
        break  # the 500 ticks of the whole answer take 5 s
    assert time.perf_counter() - started < 2.5


@pytest.mark.parametrize("name", [TICKER, "through"])
async def test_cancelling_the_reader_stops_the_replica(
    served: Served, runtime: RayRuntime, name: str
) -> None:
    ticking = asyncio.Event()

    async def read() -> None:
        async for _ in runtime.run(Task("t", name, instruction=TICKER)):
            ticking.set()

    reader = asyncio.create_task(read())
    await ticking.wait()
    cancelled = time.monotonic()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert await last_tick(served.ticks) - cancelled < STOP_SECONDS


async def test_cancelling_by_task_id_stops_the_replica(served: Served, runtime: RayRuntime) -> None:
    cancelled = 0.0
    with pytest.raises(asyncio.CancelledError):
        async for _ in runtime.run(Task("mine", TICKER)):
            cancelled = cancelled or time.monotonic()
            await runtime.cancel("mine")
    assert await last_tick(served.ticks) - cancelled < STOP_SECONDS


async def test_a_deadline_stops_the_replica(served: Served, runtime: RayRuntime) -> None:
    with pytest.raises(DeadlineExceeded):
        await text(runtime, Task("t", TICKER, deadline=0.3))
    ended = time.monotonic()
    assert await last_tick(served.ticks) - ended < STOP_SECONDS


async def test_a_deadline_holds_here_when_the_replica_hangs(runtime: RayRuntime) -> None:
    with pytest.raises(DeadlineExceeded):
        await text(runtime, Task("t", "errands", instruction="hang", deadline=0.3))


async def last_tick(ticks: Path) -> float:
    """When the ticker ticked last, on this machine's clock; returns once it was still for half a second."""
    while time.monotonic() - (last := float((await in_thread(ticks.read_text)).split()[-1])) < 0.5:
        assert time.monotonic() - last < 10
        await asyncio.sleep(0.05)
    return last


async def test_errors_of_the_tree_arrive_as_they_were_raised(runtime: RayRuntime) -> None:
    with pytest.raises(BadInput) as error:
        await text(runtime, Task("t", "errands", instruction="bad input"))
    assert type(error.value) is BadInput
    assert (error.value.message, error.value.part, error.value.remedy) == (
        "is torn",
        "page.png",
        "Send it again",
    )


async def test_what_was_said_before_an_error_is_not_lost(runtime: RayRuntime) -> None:
    heard = []
    with pytest.raises(BadInput):
        async for chunk in runtime.run(Task("t", "errands", instruction="bad input")):
            heard.append(chunk.text)
    assert heard == ["before "]


async def test_other_errors_name_the_specialist(runtime: RayRuntime) -> None:
    with pytest.raises(SpecialistFailed, match="ZeroDivisionError: division by zero") as error:
        await text(runtime, Task("t", "errands", instruction="crash"))
    assert error.value.part == "errands"


async def test_small_and_large_blobs_reach_the_replica(runtime: RayRuntime) -> None:
    contents = (b"small", bytes(range(256)) * 4000)
    store = Store(*contents)
    answer = await text(runtime, Task("t", "errands", parts=store.parts(), blobs=store))
    assert answer.splitlines() == [f"{len(data)} {hashlib.sha256(data).hexdigest()}" for data in contents]


async def test_a_specialist_calls_another_with_its_blobs(runtime: RayRuntime) -> None:
    store = Store(b"passed on")
    task = Task("t", "through", instruction="errands", parts=store.parts(), blobs=store)
    answer = [chunk async for chunk in runtime.run(task)]
    assert [chunk.label for chunk in answer] == ["passed on"]
    assert answer[0].text.split()[0] == "9"


async def test_a_specialist_calls_another_that_is_missing(runtime: RayRuntime) -> None:
    with pytest.raises(Unavailable, match="Configure a model") as error:
        await text(runtime, Task("t", "through", instruction="missing"))
    assert error.value.part == "missing"


async def test_one_that_has_no_model_keeps_its_card_and_its_remedy(runtime: RayRuntime) -> None:
    card = next(card for card in runtime.cards() if card.name == "missing")
    assert not card.available
    with pytest.raises(Unavailable) as error:
        await text(runtime, Task("t", "missing"))
    assert error.value.remedy == "Configure a model"


async def test_one_that_cannot_load_says_why_and_leaves_the_others_alone(runtime: RayRuntime) -> None:
    health = await runtime.health()
    assert health["broken"].state == "failed"
    assert "the weights are torn" in health["broken"].detail
    assert health["errands"].state == "ready"
    with pytest.raises(Unavailable, match="the weights are torn"):
        await text(runtime, Task("t", "broken"))


async def test_a_replica_that_dies_is_a_transient_failure_and_comes_back(runtime: RayRuntime) -> None:
    with pytest.raises(TransientFailure):
        await text(runtime, Task("t", "errands", instruction="die"))
    assert await text(runtime, Task("t", "errands", deadline=60)) == ""


def test_specialists_that_require_each_other_are_refused() -> None:
    tables = {
        **{name: {"enabled": False} for name in BUILT_IN},
        "one": {"use": "ray_parts:Composite", "others": "two"},
        "two": {"use": "ray_parts:Composite", "others": "one"},
    }
    with pytest.raises(BadConfig, match="one -> two -> one"):
        hosts(Config.model_validate({"specialists": tables}))


@pytest.fixture
async def client(served: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client:
        yield client


async def ask(client: openai.AsyncOpenAI, *content: dict[str, object]) -> list[str]:
    """The pieces of a streamed reply."""
    stream = await client.chat.completions.create(
        model="antiphon", messages=[{"role": "user", "content": list(content)}], stream=True
    )
    return [
        piece
        async for chunk in stream
        if (piece := chunk.choices[0].delta.content if chunk.choices else None)
    ]


async def test_the_api_lists_the_specialists(client: openai.AsyncOpenAI) -> None:
    names = {model.id async for model in client.models.list()}
    assert {"antiphon", "antiphon/chat", "antiphon/asr", "antiphon/errands"} <= names


async def test_the_api_streams_a_chat(client: openai.AsyncOpenAI) -> None:
    pieces = await ask(client, {"type": "text", "text": "Tell me something about the sea."})
    assert len(pieces) > 1
    assert "".join(pieces).strip()


async def test_the_api_sees_a_picture(client: openai.AsyncOpenAI, media: Path) -> None:
    data = base64.b64encode((media / "cat.jpg").read_bytes()).decode()
    picture = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}
    pieces = await ask(client, {"type": "text", "text": "What is in this picture?"}, picture)
    assert "cat" in "".join(pieces)


async def test_the_api_transcribes(client: openai.AsyncOpenAI, media: Path) -> None:
    heard = await client.audio.transcriptions.create(model="antiphon/asr", file=media / "speech.flac")
    assert "ask not what your country can do for you" in heard.text


async def test_the_api_speaks(client: openai.AsyncOpenAI) -> None:
    spoken = await client.audio.speech.create(
        model="antiphon/tts", voice="joe", input="Good morning.", response_format="wav"
    )
    assert spoken.content[:4] == b"RIFF"
    assert len(spoken.content) > 20_000


async def test_the_api_says_what_to_configure_for_a_picture_made(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.APIError, match=r"\[specialists.imagegen\]"):
        await ask(client, {"type": "text", "text": "Draw me a picture of a cat."})


async def test_a_client_that_leaves_stops_the_replica(served: Served, client: openai.AsyncOpenAI) -> None:
    before = served.ticks.stat().st_size
    call = asyncio.create_task(client.embeddings.create(model=f"antiphon/{TICKER}", input="tick"))
    while served.ticks.stat().st_size == before:  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.01)
    left = time.monotonic()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await last_tick(served.ticks) - left < STOP_SECONDS
