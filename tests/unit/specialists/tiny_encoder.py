"""A sentence encoder of three words with the same random weights every time, as Hugging Face writes one."""

from __future__ import annotations

from pathlib import Path

WORDS = ("cat", "dog", "tree")


def make_encoder(folder: Path) -> Path:
    """Write one small BERT and its tokenizer into the folder."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from torch import manual_seed
    from transformers import BertConfig, BertModel

    manual_seed(0)
    vocabulary = {word: i for i, word in enumerate(("[PAD]", "[CLS]", "[SEP]", "[UNK]", *WORDS))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=len(vocabulary), **size), add_pooling_layer=False).save_pretrained(folder)
    return folder
