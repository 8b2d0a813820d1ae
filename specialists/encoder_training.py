"""Fitting the router's network on a sentence encoder, and writing the result as a small ONNX file.

For small models that are our own, such as the router; the models that are orchestrated are never trained.
On one kind of processor, the same material, seed and number of threads give the same weights.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from specialists.encoder_heads import OUTPUTS, encode_pairs, may_ask, pair_tokenizer
from specialists.errors import Unavailable

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Weights = dict[str, np.ndarray]

    from specialists.encoder_model import RouterNetwork, States, Wanted

OPSET = 17

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """Two segments of text with their targets in 0..1, and how much each target counts (0: not at all)."""

    first: str
    second: str
    targets: tuple[float, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request with the offers that it asks for, and which works on the result of which; both by index."""

    first: str
    second: str
    offers: tuple[int, ...]
    links: tuple[tuple[int, int], ...] = ()
    ignored: tuple[int, ...] = ()
    """Offers that may be taken and need not be."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Offers that stand side by side, each in one or several wordings, and requests to them.

    `linkable` are the pairs of offers of which the second can work on the result of the first.
    """

    offers: tuple[tuple[str, ...], ...]
    asks: tuple[Ask, ...]
    linkable: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long and how fast to learn. `tokens` is the longest row; the encoder's rate suits fine-tuning.

    `shelf` is how many offers stand beside each other in one step, `asks` how many requests to them. Each of
    `seeds` is one run, all side by side, with so many threads each.
    """

    epochs: int = 4
    batch: int = 16
    shelf: int = 30
    asks: int = 12
    encoder_rate: float = 1.2e-4
    head_rate: float = 2e-3
    match_rate: float = 3e-4
    choice_rate: float = 1e-2
    link_weight: float = 1.0
    tokens: int = 144
    seeds: tuple[int, ...] = (0, 1)
    threads: int = 1


Vary = Callable[[str, str, bool, random.Random], tuple[str, str]]
"""Another wording of two segments that asks for the same; the third argument says whether an empty second
segment may be filled with small talk."""

Report = Callable[[int, float], None]
"""Called after each epoch with its number, from 1, and its mean loss."""


class RouterTrainer:
    """Fits a `RouterNetwork` to rows, for its heads, and to shelves, for its matching and its links."""

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

        from specialists.encoder_model import RouterNetwork

        self._recipe, self._folder, self._heads = recipe, folder, heads
        self._tokenizer = pair_tokenizer(folder / "tokenizer.json", recipe.tokens)
        torch.manual_seed(0)  # runs begin alike, or their means would mean nothing
        self._network: RouterNetwork = RouterNetwork(folder, heads)

    def fit(self, rows: Sequence[Row], shelves: Sequence[Shelf], vary: Vary, report: Report) -> list[Weights]:
        """Fit once for each seed, side by side; `report` follows the first run.

        Returns the weights of every run and, of several, their mean, which errs less than most of them
        (Wortsman et al., "Model soups", 2022). The network has those of the first run until `take`.
        """
        first, *others = self._recipe.seeds
        with ProcessPoolExecutor(max(1, len(others)), mp_context=get_context("spawn")) as pool:
            beside = [
                pool.submit(_run, self._folder, self._heads, self._recipe, seed, rows, shelves, vary)
                for seed in others
            ]
            self.learn(first, rows, shelves, vary, report)
            found = [_weights(self._network), *(run.result() for run in beside)]
        return found if len(found) == 1 else [*found, _mean(found)]

    def take(self, weights: Weights) -> None:
        """Go on with these."""
        import torch

        self._network.load_state_dict({name: torch.from_numpy(v) for name, v in weights.items()})
        self._network.eval()

    def learn(
        self, seed: int, rows: Sequence[Row], shelves: Sequence[Shelf], vary: Vary, report: Report
    ) -> None:
        """Learn rows and shelves side by side, each text anew worded by `vary` in every epoch."""
        import torch

        recipe, network = self._recipe, self._network
        torch.manual_seed(seed)
        torch.set_num_threads(recipe.threads)
        rng = random.Random(seed)
        optimizer = torch.optim.AdamW(self._groups(), lr=recipe.encoder_rate, weight_decay=0.01)
        steps = recipe.epochs * _steps(rows, shelves, recipe)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
        network.train()
        for epoch in range(1, recipe.epochs + 1):
            losses = []
            for job in self._jobs(rows, shelves, vary, rng):
                loss = job()
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                losses.append(loss.item())
            report(epoch, sum(losses) / max(1, len(losses)))
        network.eval()

    def export(self, path: Path, constants: Path) -> None:
        """Write the network as ONNX with int8 weights, and what matching needs besides as NumPy arrays."""
        import numpy as np
        import torch
        from onnxruntime.quantization import QuantType, quantize_dynamic

        names = ["input_ids", "attention_mask", "token_type_ids"]
        whole = path.with_suffix(".float.onnx")
        ids = torch.ones((2, 8), dtype=torch.int64)
        axes = {name: {0: "rows", 1: "tokens"} for name in (*names, *OUTPUTS)}
        with warnings.catch_warnings():
            # The older exporter needs no second package, and says that it is the older one.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                self._network.eval(),
                (ids, ids, ids),
                str(whole),
                input_names=names,
                output_names=list(OUTPUTS),
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
        try:
            # A reduced range keeps 8-bit products from overflowing on processors without VNNI.
            quantize_dynamic(whole, path, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
        finally:
            whole.unlink()
        network = self._network
        np.savez(constants, none=network.none.detach().numpy(), bilinear=network.bilinear.detach().numpy())

    def _groups(self) -> list[dict[str, object]]:
        network, recipe = self._network, self._recipe
        fresh = [network.heads, network.link_token, network.link_offer]
        return [
            {"params": [p for p in network.encoder.parameters() if p.requires_grad]},
            {
                "params": [network.bilinear, *(p for m in fresh for p in m.parameters())],
                "lr": recipe.head_rate,
            },
            {"params": [*network.ask.parameters(), *network.offer.parameters()], "lr": recipe.match_rate},
            {"params": [network.sharpness, network.none], "lr": recipe.choice_rate, "weight_decay": 0.0},
        ]

    def _jobs(
        self, rows: Sequence[Row], shelves: Sequence[Shelf], vary: Vary, rng: random.Random
    ) -> list[Callable[[], Tensor]]:
        """One epoch's steps in random order: each gives its loss when it is called."""
        worded = [_reworded_row(row, vary, rng) for row in rows]
        jobs: list[Callable[[], Tensor]] = [
            partial(self._decision_loss, batch) for batch in _batches(worded, self._recipe.batch, rng)
        ]
        for shelf in shelves:
            asks = [_reworded_ask(ask, vary, rng) for ask in shelf.asks]
            rng.shuffle(asks)
            for batch in _slices(asks, self._recipe.asks):
                chosen = _chosen(shelf, batch, self._recipe.shelf, rng)
                jobs.append(partial(self._shelf_loss, shelf, batch, chosen))
        rng.shuffle(jobs)
        return jobs

    def _decision_loss(self, batch: Sequence[Row]) -> Tensor:
        import torch

        states = self._encode(self._inputs([(row.first, row.second) for row in batch])[0])
        targets = torch.tensor([row.targets for row in batch])
        weights = torch.tensor([row.weights for row in batch])
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            self._network.decisions(states), targets, weight=weights, reduction="sum"
        )
        return losses / weights.sum().clamp(min=1)

    def _shelf_loss(self, shelf: Shelf, asks: Sequence[Ask], chosen: dict[int, str]) -> Tensor:
        network = self._network
        inputs, _ = self._inputs([(text, "") for text in chosen.values()])
        states = self._encode(inputs)
        offers = network.offers(states)
        inputs, asking = self._inputs([(ask.first, ask.second) for ask in asks])
        asked = self._encode(inputs)
        wanted = network.match(asked, asking, offers)
        columns = {offer: column for column, offer in enumerate(chosen)}
        loss = _match_loss(wanted, asks, columns)
        links = [
            self._link_loss(shelf, ask, columns, asked.tokens[i], wanted.at[i], offers)
            for i, ask in enumerate(asks)
            if len(ask.offers) > 1
        ]
        if links:
            loss = loss + self._recipe.link_weight * sum(links) / len(links)
        return loss

    def _link_loss(
        self,
        shelf: Shelf,
        ask: Ask,
        columns: dict[int, int],
        tokens: Tensor,
        at: Tensor,
        offers: Tensor,
    ) -> Tensor:
        import torch

        asked_for = [columns[offer] for offer in ask.offers]
        logits = self._network.links(tokens[at[asked_for]], offers[asked_for])
        pairs = [[(a, b) for b in ask.offers] for a in ask.offers]
        targets = torch.tensor([[float(pair in ask.links) for pair in row] for row in pairs])
        weights = torch.tensor([[float(pair in shelf.linkable) for pair in row] for row in pairs])
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, targets, weight=weights, reduction="sum"
        )
        return losses / weights.sum().clamp(min=1)

    def _encode(self, inputs: dict[str, Tensor]) -> States:
        """In half precision where the processor has it, which takes a third of the time."""
        import torch

        half = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            states = self._network.encode(inputs)
        return type(states)(*(values.float() for values in states))

    def _inputs(self, pairs: Sequence[tuple[str, str]]) -> tuple[dict[str, Tensor], Tensor]:
        import torch

        arrays = encode_pairs(self._tokenizer, pairs)
        return {k: torch.from_numpy(v) for k, v in arrays.items()}, torch.from_numpy(may_ask(arrays))


def _run(
    folder: Path,
    heads: int,
    recipe: Recipe,
    seed: int,
    rows: Sequence[Row],
    shelves: Sequence[Shelf],
    vary: Vary,
) -> Weights:
    """One run in a process of its own."""
    trainer = RouterTrainer(folder, heads, recipe)
    trainer.learn(seed, rows, shelves, vary, lambda *_: None)
    return _weights(trainer._network)


def _weights(network: RouterNetwork) -> Weights:
    return {name: values.detach().numpy().copy() for name, values in network.state_dict().items()}


def _mean(runs: Sequence[Weights]) -> Weights:
    import numpy as np

    # Whole numbers, such as the places of tokens, are the same in all runs.
    return {
        name: np.asarray(np.mean([run[name] for run in runs], axis=0), values.dtype)
        if values.dtype.kind == "f"
        else values
        for name, values in runs[0].items()
    }


def _match_loss(wanted: Wanted, asks: Sequence[Ask], columns: dict[int, int]) -> Tensor:
    """Cross-entropy of every offer, asked for or not, over the number of those that were."""
    import torch

    targets, counts = torch.zeros_like(wanted.log_share), torch.ones_like(wanted.log_share)
    for row, ask in enumerate(asks):
        targets[row, [columns[offer] for offer in ask.offers]] = 1
        counts[row, [columns[offer] for offer in ask.ignored if offer in columns]] = 0
    shares = wanted.log_share.clamp(max=-1e-4)  # a share of one would make the loss of a mistake endless
    losses = -(targets * shares + (1 - targets) * torch.log1p(-shares.exp()))
    return (losses * counts).sum() / targets.sum().clamp(min=1)


def _chosen(shelf: Shelf, asks: Sequence[Ask], size: int, rng: random.Random) -> dict[int, str]:
    """The offers of one step in one wording each: all that are asked for, and others beside them."""
    needed = sorted({offer for ask in asks for offer in ask.offers})
    others = [offer for offer in range(len(shelf.offers)) if offer not in needed]
    rng.shuffle(others)
    return {o: rng.choice(shelf.offers[o]) for o in [*needed, *others[: max(4, size - len(needed))]]}


def _reworded_row(row: Row, vary: Vary, rng: random.Random) -> Row:
    rests_on_history = row.targets[-1] > 0
    first, second = vary(row.first, row.second, not rests_on_history, rng)
    return Row(first, second, row.targets, row.weights)


def _reworded_ask(ask: Ask, vary: Vary, rng: random.Random) -> Ask:
    return Ask(*vary(ask.first, ask.second, False, rng), ask.offers, ask.links, ask.ignored)


def _steps(rows: Sequence[Row], shelves: Sequence[Shelf], recipe: Recipe) -> int:
    """How many steps an epoch has."""
    asked = sum(math.ceil(len(shelf.asks) / recipe.asks) for shelf in shelves)
    return math.ceil(len(rows) / recipe.batch) + asked


def _rate(step: int, steps: int) -> float:
    """A short warm-up, then down to nothing in a straight line."""
    warm = max(1, steps // 10)
    return (step + 1) / warm if step < warm else max(0.0, (steps - step) / max(1, steps - warm))


def _batches(rows: Sequence[Row], size: int, rng: random.Random) -> list[list[Row]]:
    """Random batches whose rows are about equally long, so that little of them is padding."""
    order = sorted(rows, key=lambda row: (len(row.first) + len(row.second)) * rng.uniform(0.8, 1.25))
    batches = list(_slices(order, size))
    rng.shuffle(batches)
    return batches


def _slices(rows: Sequence[T], size: int) -> Iterator[list[T]]:
    for at in range(0, len(rows), size):
        yield list(rows[at : at + size])
