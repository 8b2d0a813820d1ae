"""Chat on transformers: a tiny model with random weights, built here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path

import pytest

from specialists.base import Task
from specialists.chat import Chat, create
from specialists.chat.backend import Said, Sampling
from specialists.chat.transformer import TransformerBackend, _UntilStop
from specialists.errors import BadConfig, BadInput, Unavailable
from specialists.models import ModelStore
from specialists.registry import Setup
from specialists.runtime import LocalRuntime

TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}<|assistant|>"
WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "saw",
    "one",
    "small",
    "dog",
    "run",
    "by",
    "ten",
    "old",
    "red",
    "ships",
    "at",
    "sea",
]


def build_model(folder: Path, *, template: str = TEMPLATE) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

    specials = ["<unk>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
    vocabulary = {word: number for number, word in enumerate([*specials, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        pad_token="<unk>",
        additional_special_tokens=specials[1:],
    )
    if template:
        fast.chat_template = template
    fast.save_pretrained(folder)
    set_seed(1)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=4096,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def chat(folder: Path) -> Chat:
    options = {"model": f"path:{folder}", "context_tokens": 4096, "max_tokens": 3000}
    return create(Setup("chat", ModelStore(folder), LocalRuntime(), options=options))


async def ask(chat: Chat, params: Mapping[str, object]) -> str:
    task = Task("t", "chat", instruction="the cat sat", params=params)
    return "".join([chunk.text async for chunk in chat.run(task)])


async def test_it_streams_the_limit_of_tokens(chat: Chat) -> None:
    answer = await ask(chat, {"max_tokens": 12, "temperature": 1.0, "seed": 3})
    assert 1 <= len(answer.split()) <= 12
    assert "<|" not in answer
    assert answer == await ask(chat, {"max_tokens": 12, "temperature": 1.0, "seed": 3})
    assert answer != await ask(chat, {"max_tokens": 12, "temperature": 1.0, "seed": 4})


async def test_it_ends_before_a_stop(chat: Chat) -> None:
    sampled = {"max_tokens": 12, "temperature": 1.0, "seed": 3}
    whole = await ask(chat, sampled)
    word = whole.split()[4]
    assert await ask(chat, sampled | {"stop": f" {word}"}) == whole[: whole.index(f" {word}")]


async def test_cancelling_stops_the_model(chat: Chat) -> None:
    long = chat.run(Task("t", "chat", instruction="the cat", params={"temperature": 1.0, "seed": 1}))
    async with aclosing(long):
        await anext(long)
    # One call at a time: had the first gone on, this one would wait for its 3,000 tokens.
    async with asyncio.timeout(5):
        await ask(chat, {"max_tokens": 2})


async def test_a_waiting_call_can_be_cancelled(chat: Chat) -> None:
    first = chat.run(Task("a", "chat", instruction="the cat", params={"temperature": 1.0, "seed": 1}))
    async with aclosing(first):
        await anext(first)
        waiting = asyncio.create_task(ask(chat, {"max_tokens": 2}))
        await asyncio.wait({waiting}, timeout=0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await anext(first)).text


async def test_a_tokenizer_of_whole_words_cannot_follow_a_grammar(chat: Chat) -> None:
    with pytest.raises(BadInput, match="cannot follow a grammar"):
        await ask(chat, {"grammar": 'root ::= "x"'})


def test_a_model_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="no chat template"):
        TransformerBackend(build_model(tmp_path, template=""), context_tokens=64)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot load"):
        TransformerBackend(tmp_path, context_tokens=64)


def test_what_the_model_does_not_fit_is_not_offered(folder: Path) -> None:
    backend = TransformerBackend(folder, context_tokens=100_000)
    assert backend.context_tokens == 4096
    assert backend.count("the cat sat") == 3
    pieces = backend.stream([Said("user", "the cat")], Sampling(max_tokens=2))
    assert next(pieces) is not None
    pieces.close()


@pytest.mark.parametrize(
    ("pieces", "stops", "passed"),
    [
        (["one ", "two ", "three"], [], "one two three"),
        (["one ", "tw", "o three"], ["two"], "one "),
        (["one t", "wice"], ["two"], "one twice"),
        (["aab"], ["ab"], "a"),
        (["one", "##", "#"], ["###"], "one"),
        (["one", "##"], ["###"], "one##"),
    ],
)
def test_text_ends_before_the_first_stop(pieces: list[str], stops: list[str], passed: str) -> None:
    out: list[str] = []
    until = _UntilStop(stops, lambda piece: bool(out.append(piece)))
    if not any(until(piece) for piece in pieces):
        until.flush()
    assert "".join(out) == passed
