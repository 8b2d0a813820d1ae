"""Fitting yes-or-no heads on a sentence encoder, and writing the result as a small ONNX file.

For small models that are our own, such as the router; the models that are orchestrated are never trained.
On one kind of processor, the same rows, seed and number of threads give the same weights.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specialists.encoder_heads import encode_pairs, pair_tokenizer
from specialists.errors import Unavailable

if TYPE_CHECKING:
    import torch

OPSET = 17


@dataclass(frozen=True, slots=True)
class Row:
    """Two segments of text with their targets in 0..1, and how much each target counts (0: not at all)."""

    first: str
    second: str
    targets: tuple[float, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long and how fast to learn. `tokens` is the longest row; the encoder's rate suits fine-tuning."""

    epochs: int = 6
    batch: int = 16
    encoder_rate: float = 1.2e-4
    head_rate: float = 2e-3
    tokens: int = 144
    seed: int = 0
    threads: int = 1


Vary = Callable[[Row, random.Random], Row]
"""Another wording of a row with the same answers."""

Report = Callable[[int, float], None]
"""Called after each epoch with its number, from 1, and its mean loss."""


class HeadTrainer:
    """A sentence encoder with `heads` sigmoid heads on the mean of its states.

    `folder` holds a BERT-like encoder as Hugging Face writes it, with its tokenizer.json.
    """

    def __init__(self, folder: Path, heads: int, recipe: Recipe) -> None:
        """Raises Unavailable without the package `onnx`."""
        # Asked for before the minutes of fitting, not after.
        if find_spec("onnx") is None:
            raise Unavailable(
                "the package onnx, which writes it, is not installed",
                part="fitting",
                remedy="pip install 'antiphon[dev]'",
            )
        import torch
        from transformers import AutoModel
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()  # it tells of the pooling layer, which is left out on purpose
        torch.manual_seed(recipe.seed)
        torch.set_num_threads(recipe.threads)
        self._recipe = recipe
        self._tokenizer = pair_tokenizer(folder / "tokenizer.json", recipe.tokens)
        # The eager attention is the one that exports to plain ONNX operators.
        encoder = AutoModel.from_pretrained(folder, attn_implementation="eager", add_pooling_layer=False)
        # Two thousand sentences touch few of the words: moving only those would set them apart from the rest.
        encoder.embeddings.word_embeddings.weight.requires_grad_(False)
        self._model = _with_heads(encoder, heads)

    def fit(self, rows: Sequence[Row], vary: Vary, report: Report) -> None:
        """Learn the rows, each anew worded by `vary` in every epoch. Minutes for thousands of rows."""
        import torch

        recipe, model = self._recipe, self._model
        rng = random.Random(recipe.seed)
        optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in model.encoder.parameters() if p.requires_grad]},
                {"params": model.heads.parameters(), "lr": recipe.head_rate},
            ],
            lr=recipe.encoder_rate,
            weight_decay=0.01,
        )
        steps = recipe.epochs * math.ceil(len(rows) / recipe.batch)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
        model.train()
        for epoch in range(1, recipe.epochs + 1):
            losses = []
            for batch in _batches([vary(row, rng) for row in rows], recipe.batch, rng):
                loss = self._loss(batch)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                losses.append(loss.item())
            report(epoch, sum(losses) / len(losses))
        model.eval()

    def export(self, path: Path) -> None:
        """Write the model as ONNX with int8 weights."""
        import torch
        from onnxruntime.quantization import QuantType, quantize_dynamic

        names = ["input_ids", "attention_mask", "token_type_ids"]
        whole = path.with_suffix(".float.onnx")
        ids = torch.ones((2, 8), dtype=torch.int64)
        with warnings.catch_warnings():
            # The older exporter needs no second package, and says that it is the older one.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                self._model.eval(),
                (ids, ids, ids),
                str(whole),
                input_names=names,
                output_names=["logits"],
                dynamic_axes={name: {0: "rows", 1: "tokens"} for name in names},
                opset_version=OPSET,
                dynamo=False,
            )
        try:
            # A reduced range keeps 8-bit products from overflowing on processors without VNNI.
            quantize_dynamic(whole, path, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
        finally:
            whole.unlink()

    def _loss(self, batch: Sequence[Row]) -> torch.Tensor:
        import torch

        inputs = encode_pairs(self._tokenizer, [(row.first, row.second) for row in batch])
        logits = self._model(**{name: torch.from_numpy(values) for name, values in inputs.items()})
        targets = torch.tensor([row.targets for row in batch])
        weights = torch.tensor([row.weights for row in batch])
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, targets, weight=weights, reduction="sum"
        )
        return losses / weights.sum().clamp(min=1)


def _with_heads(encoder: Any, heads: int) -> Any:
    import torch

    class WithHeads(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder
            self.dropout = torch.nn.Dropout(0.1)
            self.heads = torch.nn.Linear(encoder.config.hidden_size, heads)

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
        ) -> torch.Tensor:
            states = self.encoder(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).last_hidden_state
            weights = attention_mask.unsqueeze(-1).to(states.dtype)
            return self.heads(self.dropout((states * weights).sum(1) / weights.sum(1)))

    return WithHeads()


def _rate(step: int, steps: int) -> float:
    """A short warm-up, then down to nothing in a straight line."""
    warm = max(1, steps // 10)
    return (step + 1) / warm if step < warm else max(0.0, (steps - step) / (steps - warm))


def _batches(rows: Sequence[Row], size: int, rng: random.Random) -> list[list[Row]]:
    """Random batches whose rows are about equally long, so that little of them is padding."""
    order = sorted(rows, key=lambda row: (len(row.first) + len(row.second)) * rng.uniform(0.8, 1.25))
    batches = [order[at : at + size] for at in range(0, len(order), size)]
    rng.shuffle(batches)
    return batches
