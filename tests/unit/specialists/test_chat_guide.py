"""Grammars over transformers: a tiny model with random weights writes nothing that its grammar forbids."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialists.base import Task
from specialists.chat import Chat, create
from specialists.errors import BadInput
from specialists.models import ModelStore
from specialists.registry import Setup
from specialists.runtime import LocalRuntime
from tests.unit.specialists.test_chat_form import FORM, LINES

SPECIALS = ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]


def build_model(folder: Path) -> Path:
    """Bytes and a few longer tokens; more places than tokens, as many models have."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

    tokens = [*SPECIALS, *sorted(pre_tokenizers.ByteLevel.alphabet()), "le", "ft", "top", "Ġri", "goĠ"]
    tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",
        pad_token="<|end|>",
        additional_special_tokens=SPECIALS[1:],
    )
    fast.chat_template = (
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}<|assistant|>"
    )
    fast.save_pretrained(folder)
    set_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokens) + 7,
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
def chat(tmp_path_factory: pytest.TempPathFactory) -> Chat:
    folder = build_model(tmp_path_factory.mktemp("bytes"))
    options = {"model": f"path:{folder}", "context_tokens": 2048}
    return create(Setup("chat", ModelStore(folder), LocalRuntime(), options=options))


async def ask(chat: Chat, **params: object) -> str:
    task = Task("t", "chat", instruction="the cat sat", params=params)
    return "".join([chunk.text async for chunk in chat.run(task)])


async def test_random_weights_write_only_what_the_form_has(chat: Chat) -> None:
    form = FORM.to_text()
    answers = {await ask(chat, form=form, temperature=2.0, seed=seed) for seed in range(60)}
    assert answers <= {f"{line} stop" for line in LINES}
    assert len(answers) > 1


async def test_without_a_form_they_write_something_else(chat: Chat) -> None:
    assert await ask(chat, temperature=2.0, seed=1, max_tokens=8) not in {f"{line} stop" for line in LINES}


async def test_the_likeliest_answer_keeps_to_the_form_as_well(chat: Chat) -> None:
    assert await ask(chat, form=FORM.to_text()) in {f"{line} stop" for line in LINES}


async def test_a_grammar_may_leave_the_end_open(chat: Chat) -> None:
    answer = await ask(chat, grammar='root ::= ("ab")+', temperature=1.0, seed=3, max_tokens=20)
    assert answer
    assert not answer.replace("ab", "").strip("a")


@pytest.mark.parametrize("grammar", ["root ::= [", "rules", 'root ::= nowhere "x"'])
async def test_a_grammar_that_is_none_is_refused(chat: Chat, grammar: str) -> None:
    with pytest.raises(BadInput, match="GBNF"):
        await ask(chat, grammar=grammar)
    assert await ask(chat, form=FORM.to_text())
