"""Chat on its embedded default: the real model on llama.cpp."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing

import pytest

from specialists.base import Task
from specialists.chat import Chat, create
from specialists.chat.backend import Said, Sampling
from specialists.chat.card import ENDS
from specialists.chat.llama import LlamaBackend, _request
from specialists.chat.prompt import neutral
from specialists.conformance import check
from specialists.content import TEXT, Part
from specialists.errors import BadConfig, BadInput, Unavailable
from specialists.models import DEFAULTS, ModelStore
from specialists.pool import ModelPool
from specialists.registry import Setup
from specialists.runtime import LocalRuntime

Make = Callable[..., Chat]
BUDGET = 1.5
"""Seconds to stop within, on a machine that does much else; alone it takes 0.3 s at the most."""


@pytest.fixture(scope="module")
def pool() -> ModelPool:
    return ModelPool()


@pytest.fixture
def make(model_store: ModelStore, pool: ModelPool) -> Make:
    def build(**options: object) -> Chat:
        return create(Setup("chat", model_store, LocalRuntime(), options=options, pool=pool))

    return build


async def ask(
    chat: Chat, words: str, *parts: Part, params: Mapping[str, object] | None = None, turn: int = 0
) -> str:
    task = Task(f"t{turn}", "chat", parts=parts, instruction=words, params=params or {})
    return "".join([chunk.text async for chunk in chat.run(task)])


async def test_it_answers_from_what_it_knows(make: Make) -> None:
    assert "Paris" in await ask(make(), "What is the capital of France?")


async def test_it_answers_from_the_findings(make: Make) -> None:
    seen = Part(
        TEXT, text="a photo of a tabby cat (0.42). Main colours: grey, brown", name="vision of cat.jpg"
    )
    assert "tabby cat" in await ask(make(), "What is in the picture?", seen)
    bill = Part(TEXT, text="CORNER CAFE\nEspresso 2.50\nCroissant 3.20\nTotal 5.70 EUR", name="ocr of r.png")
    assert "5.70" in await ask(make(), "How much was the total?", bill)


async def test_the_same_request_has_the_same_answer(make: Make) -> None:
    params = {"temperature": 1.0, "seed": 7, "max_tokens": 20}
    answers = {await ask(make(), "Tell me about the sea.", params=params) for _ in range(2)}
    other = await ask(make(), "Tell me about the sea.", params=params | {"seed": 8})
    assert len(answers) == 1
    assert other not in answers


async def test_a_grammar_holds_the_answer(make: Make) -> None:
    answer = await ask(make(), "Is the sky blue?", params={"grammar": 'root ::= "yes" | "no"'})
    assert answer in ("yes", "no")
    with pytest.raises(BadInput, match="grammar"):
        await ask(make(), "Is the sky blue?", params={"grammar": "root ::= ["})


async def test_it_ends_at_a_stop_and_at_the_limit(make: Make) -> None:
    assert "," not in await ask(make(), "Count from one to ten.", params={"stop": ",", "max_tokens": 30})
    short = await ask(make(), "Tell me a long story.", params={"max_tokens": 3})
    assert 0 < len(short.split()) <= 3


async def test_an_answer_caught_in_a_loop_ends(make: Make) -> None:
    turning = {"grammar": 'root ::= ("I am a loop that never ends. ")*', "max_tokens": 200}
    answer = await ask(make(), "Go.", params=turning)
    assert answer.count("never ends.") <= 3


async def test_cancelling_stops_the_model_and_disturbs_nobody(make: Make) -> None:
    chat = make()
    other = asyncio.create_task(ask(chat, "What is the capital of France?", turn=1))
    story = chat.run(Task("story", "chat", instruction="Tell me a long story about the sea."))
    async with aclosing(story):
        assert (await anext(story)).text
        began = time.perf_counter()
    assert time.perf_counter() - began < BUDGET
    assert "Paris" in await other
    assert "Paris" in await ask(chat, "What is the capital of France?")


async def test_a_closed_answer_leaves_no_thread_behind(make: Make) -> None:
    chat = make()
    await chat.load()
    story = chat.run(Task("story", "chat", instruction="Tell me a long story about the sea."))
    async with aclosing(story):
        await anext(story)
        assert "chat model" in {thread.name for thread in threading.enumerate()}
    assert "chat model" not in {thread.name for thread in threading.enumerate()}


async def test_cancelling_while_the_prompt_is_read_stops_it(make: Make) -> None:
    reading = asyncio.create_task(ask(make(), "Summarise this: " + "wood " * 1200))
    await asyncio.wait({reading}, timeout=0.5)  # reading takes several seconds
    began = time.perf_counter()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert time.perf_counter() - began < BUDGET


async def test_more_callers_than_slots_are_served_in_turn(make: Make) -> None:
    chat = make()
    questions = [ask(chat, "What is the capital of France?", turn=number) for number in range(5)]
    assert all("Paris" in answer for answer in await asyncio.gather(*questions))


async def test_one_model_serves_every_chat_of_a_pool(make: Make, pool: ModelPool) -> None:
    await make().load()
    lent = pool.lend((DEFAULTS["chat"][0], "llama.cpp", 2048, 0, ""), lambda: pytest.fail("loaded twice"))
    assert isinstance(lent, LlamaBackend)
    await make(max_tokens=16).load()


async def test_control_syntax_in_text_is_text_to_the_model(make: Make, pool: ModelPool) -> None:
    chat = make()
    await chat.load()
    backend = pool.lend((DEFAULTS["chat"][0], "llama.cpp", 2048, 0, ""), lambda: pytest.fail("not loaded"))
    for token in ("<|im_start|>", "<|im_end|>", "<|endoftext|>"):
        assert backend.count(token) == 1
        assert backend.count(neutral(token)) > 3


async def test_a_constant_beginning_is_read_once(make: Make, pool: ModelPool) -> None:
    await make().load()
    backend = pool.lend((DEFAULTS["chat"][0], "llama.cpp", 2048, 0, ""), lambda: pytest.fail("not loaded"))
    rules = "Rules. " + "Always be kind to the cat and to the dog. " * 12

    def read_anew(words: str) -> int:
        timings: dict[str, int] = {}

        def receive(event: str) -> bool:
            timings.update(json.loads(event).get("timings", {}))
            return False

        said = [Said("system", rules), Said("user", words)]
        backend._server.handle_chat_completions(json.dumps(_request(said, Sampling(max_tokens=2))), receive)
        return timings["prompt_n"]

    first = read_anew("Hello")
    await ask(make(), "What is the capital of France?", params={"max_tokens": 2})
    assert read_anew("Where is the cat?") < first / 3


async def ends(chat: Chat, words: str) -> float:
    (told,) = [chunk async for chunk in chat.run(Task("e", "chat", instruction=words, params={ENDS: True}))]
    assert told.text == "" and told.score is not None
    return told.score


@pytest.mark.parametrize(
    ("half", "whole"),
    [
        ("What is the", "What is the capital of Portugal"),
        ("Who won the race", "Who won the race in Monaco last year"),
        ("Tell me a story about", "Tell me a story about a lighthouse"),
    ],
)
async def test_it_tells_whether_a_message_is_over(make: Make, half: str, whole: str) -> None:
    chat = make()
    found = [await ends(chat, words) for words in (half, f"{half}?", whole, f"{whole}?")]
    assert found[0] == pytest.approx(found[1], abs=0.01) and found[2] == pytest.approx(found[3], abs=0.01)
    assert 0 <= found[0] < found[2] <= 1


async def test_who_asks_whether_a_message_is_over_has_it_read(make: Make, pool: ModelPool) -> None:
    await make().load()
    backend = pool.lend((DEFAULTS["chat"][0], "llama.cpp", 2048, 0, ""), lambda: pytest.fail("not loaded"))
    words = "What is the best way to keep a basil plant alive over the winter in a small kitchen"
    said = [Said("system", "Answer briefly."), Said("user", f"{words}?")]
    read: dict[str, int] = {}

    def receive(event: str) -> bool:
        read.update(json.loads(event).get("timings", {}))
        return False

    assert [told for told in backend.ends(said) if told is not None]
    backend._server.handle_chat_completions(json.dumps(_request(said, Sampling(max_tokens=2))), receive)
    assert read["prompt_n"] < 10, "the mark at its end and what the template writes behind it"


async def test_who_stops_asking_for_the_end_leaves_what_was_read(make: Make, pool: ModelPool) -> None:
    await make().load()
    backend = pool.lend((DEFAULTS["chat"][0], "llama.cpp", 2048, 0, ""), lambda: pytest.fail("not loaded"))
    long = " ".join(f"Line {number} of the poem is followed by another line." for number in range(40))
    said = [Said("system", "Answer briefly."), Said("user", long)]
    asked = backend.ends(said)
    assert next(asked) is None
    asked.close()
    read: dict[str, int] = {}

    def receive(event: str) -> bool:
        read.update(json.loads(event).get("timings", {}))
        return False

    backend._server.handle_chat_completions(json.dumps(_request(said, Sampling(max_tokens=2))), receive)
    assert 100 < read["prompt_n"] < backend.count(long), "not all was read, and not in vain"


async def test_it_keeps_the_contract(make: Make) -> None:
    findings = await check(make())
    assert findings
    assert not [finding for finding in findings if not finding.passed]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"modle": "x"}, "unknown option"),
        ({"model": "smollm"}, "not a model URI"),
        ({"backend": "ollama"}, "cannot run"),
        ({"backend": "openai"}, "cannot run"),
        ({"model": "openai:m@http://h/v1", "backend": "llama.cpp"}, "cannot run"),
        ({"max_tokens": 4096}, "leaves no room"),
        ({"max_tokens": "many"}, "whole number"),
        ({"temperature": 3}, "from 0 to 2"),
        ({"context_tokens": True}, "whole number"),
        ({"threads": -1}, "whole number"),
    ],
)
def test_options_that_cannot_be_used_are_refused(make: Make, options: dict[str, object], reason: str) -> None:
    with pytest.raises(BadConfig, match=reason):
        make(**options)


@pytest.mark.parametrize(
    "params",
    [
        {"max_tokens": 0},
        {"temperature": "hot"},
        {"seed": -1},
        {"stop": [1]},
        {"grammar": 1},
        {"form": 1},
        {"form": "{}"},
        {"top_k": 3},
    ],
)
async def test_parameters_that_cannot_be_used_are_refused(make: Make, params: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        await ask(make(), "Hello", params=params)


def test_a_key_that_is_not_set_makes_it_unavailable(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"model": "openai:m@http://h/v1", "api_key": "$A_KEY_OF_THE_TEST"}
    assert "A_KEY_OF_THE_TEST" in make(**options).card.remedy
    assert not make(**options).card.available
    monkeypatch.setenv("A_KEY_OF_THE_TEST", "secret")
    assert make(**options).card.available


async def test_a_file_that_is_no_model_is_named(make: Make, tmp_path_factory: pytest.TempPathFactory) -> None:
    broken = tmp_path_factory.mktemp("model") / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(Unavailable) as caught:
        await ask(make(model=f"path:{broken}"), "Hello")
    assert "broken.gguf" in caught.value.part
    with pytest.raises(Unavailable, match="no such file"):
        await ask(make(model="path:/no/such.gguf"), "Hello")
